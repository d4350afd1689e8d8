# -o names a file that is read, under one name or another, or any file that predict did not make: refused before anything is
# computed, by all ranks, and the file is as it was. What predict made before is replaced.
. "$(dirname "$0")/../lib.sh"
small
lockstep train run.yaml --set checkpoint.best=validation.accuracy
exits 0
model=runs/run/best.h5
mkdir sim
cp data.h5 sim/out_1.h5
cp data.h5 sim/out_2.h5
ln -s sim/out_2.h5 symbolic.h5
ln sim/out_2.h5 hard.h5
mkdir before && cp -r sim runs before
same() {
    diff -r sim before/sim || fail "data changed"
    diff -r runs before/runs || fail "the run changed"
    [ -L symbolic.h5 ] && [ hard.h5 -ef sim/out_2.h5 ] || fail "a link is gone"
    [ -z "$(find . -name '*.new*')" ] || fail "something is left: $(find . -name '*.new*')"
}
# refused "MESSAGE" ARGUMENT...: by one process, or by $np ranks.
refused() {
    message=$1
    shift
    if [ -n "${np:-}" ]; then ranks "$np" predict "$@"; else lockstep predict "$@"; fi
    exits 2
    says_once "$message"
    silent
    same
}
for name in sim/out_2.h5 ./sim/../sim/out_2.h5 symbolic.h5 hard.h5 "$PWD/sim/out_2.h5"; do
    refused "-o $name is the same file as the input sim/out_2.h5" runs/run sim/out_1.h5:/test sim/out_2.h5:/test -o "$name"
done
refused "-o hard.h5 is the same file as the input sim/out_2.h5" runs/run 'sim/out_*.h5:/test' -o hard.h5
refused "-o sim/out_1.h5 is the same file as the input ./sim/out_1.h5" runs/run ./sim/out_1.h5:/test/x -o sim/out_1.h5
refused "-o $model is the same file as the checkpoint $model" runs/run sim/out_1.h5:/test -o $model
refused "-o $PWD/$model is the same file as the checkpoint $model" $model sim/out_1.h5:/test -o "$PWD/$model"

others="-o %s: there is such a file and \`lockstep predict\` did not make it, so it is kept; remove it or choose another name"
for name in sim/out_2.h5 runs/run/config.yaml runs/run/checkpoints/step-00000015.h5; do
    # shellcheck disable=SC2059
    refused "$(printf -- "$others" $name)" runs/run sim/out_1.h5:/test -o $name
done
np=3 refused "-o hard.h5 is the same file as the input sim/out_2.h5" runs/run sim/out_1.h5:/test sim/out_2.h5:/test -o hard.h5
# shellcheck disable=SC2059
np=3 refused "$(printf -- "$others" sim/out_2.h5)" runs/run sim/out_1.h5:/test -o sim/out_2.h5
refused "-o sim: that is a folder" runs/run sim/out_1.h5:/test -o sim
mkfifo pipe
refused "-o pipe: that is a device, a pipe or a socket" runs/run sim/out_1.h5:/test -o pipe
: >empty.h5 # as mktemp leaves one
lockstep predict runs/run sim/out_1.h5:/test -o empty.h5
exits 0
rm empty.h5

# A file under the name that the output has while it is written is nobody's to take either, least of all an input.
cp data.h5 made.h5.new
ranks 3 predict runs/run made.h5.new:/test -o made.h5
exits 0
cmp data.h5 made.h5.new || fail "made.h5.new was lost"
rm made.h5.new
first=$(stat -c %i made.h5)
for np in 1 3; do
    ranks $np predict runs/run sim/out_1.h5:/validation -o made.h5
    exits 0
    [ "$(stat -c %i made.h5)" != "$first" ] || fail "its own output was not replaced"
    first=$(stat -c %i made.h5)
    same
done
# Nor does an input that is not there cost an output.
lockstep predict runs/run nothing.h5 -o made.h5
exits 65
[ "$(stat -c %i made.h5)" = "$first" ] || fail "an output was lost to an input that is not there"
