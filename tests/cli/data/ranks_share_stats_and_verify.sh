# data stats and data verify say the same on any number of ranks, once; data info says what it may of any file.
. "$(dirname "$0")/../lib.sh"
"$make_data" data.h5 samples=3000 shape=20x20x3 type=f32 deflate=1 || fail make_data
for verb in stats verify; do
    lockstep data $verb data.h5
    exits 0
    mv out "$verb.1"
    lockstep data $verb data.h5 --json
    exits 0
    mv out "$verb.json"
    for np in 2 3; do
        ranks $np data $verb data.h5
        exits 0
        holds cmp out "$verb.1"
        ranks $np data $verb --json data.h5
        holds cmp out "$verb.json"
    done
done
# A bit flipped in the packed values, and one in an attribute, both with every length as it was.
cp data.h5 bad.h5
size=$(stat -c %s data.h5)
printf '\x55' | dd of=bad.h5 bs=1 seek=$((size / 2)) conv=notrunc status=none
ranks 2 data verify bad.h5
[ "$code" = 65 ] || { exits 0; ! cmp -s out verify.1 || fail "a changed byte went unseen"; }
[ "$code" = 0 ] || says_once bad.h5
ranks 2 data stats nothing.h5
exits 65
says_once nothing.h5
lockstep data info data.h5 data.h5:/train
exits 0
answers "3000x20x20x3"
answers "deflate"
