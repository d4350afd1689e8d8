# The checkpoint of an older version is read for ever, and a run goes on from it; one of a newer version is refused with 65 and
# not passed over, for that would throw work away.
. "$(dirname "$0")/lib.sh"
cp -r "$LK_SOURCE"/tests/golden/format-1/. .
sed -i "s|/golden/|$work/|" run/config.yaml # paths are absolute there
old=run/checkpoints/step-00000006.h5
lockstep inspect $old --json
exits 0
chmod -R u+w .
[ "$(json_of state_xxh3)" = ede68b6b274140ba4bcdf513317a2cb7 ] || fail "the checkpoint of format 1 has other bits"
lockstep eval $old --data data.h5:/test --json
exits 0
[ "$(json_of loss | cut -c 1-8)" = 0.577823 ] || fail "another test loss than the run said"
lockstep predict $old data.h5:/test/x -o out.h5
exits 0
lockstep train run.yaml --run run --set train.epochs=4
exits 0
says "resume      of step 6 of 12"
[ "$(od -An -c -j 9 -N 1 run/checkpoints/step-00000012.h5 | tr -d ' ')" = 2 ] || fail "not of format 2"
"$LK_BUILD/tests/make_newer" run/checkpoints/step-00000012.h5 run/checkpoints/step-00000013.h5 3 13 || fail make_newer
for verb in "train run.yaml --run run --set train.epochs=9" "eval run/checkpoints/step-00000013.h5 --data data.h5:/test" "inspect run/checkpoints/step-00000013.h5"; do
    # shellcheck disable=SC2086
    lockstep $verb
    exits 65
    says "made by a newer version of Lockstep"
    says "run/checkpoints/step-00000013.h5"
done
# The digit alone is damage.
printf 3 | dd of=run/checkpoints/step-00000012.h5 bs=1 seek=9 conv=notrunc 2>/dev/null
rm run/checkpoints/step-00000013.h5
lockstep train run.yaml --run run --set train.epochs=5
says "PASSING OVER"
