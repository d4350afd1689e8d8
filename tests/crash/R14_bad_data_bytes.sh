# A byte of the data set changes between a stop and a start, or the file is another one: exit code 65, a message that names
# the file, and the run is as it was. EVERY: each so-many-th byte.
. "$(dirname "$0")/lib.sh"
every=${EVERY:-211} epochs=2
crash_config samples=96 shape=4x4x1
undisturbed
train run --max-time 0.001s
exits 75
cp data.h5 kept.h5
before=$(hash_of run)
size=$(stat -c %s data.h5)
draw "$every"
bytes=0
for at in $(seq "$drawn" "$every" $((size - 1))); do
    cp kept.h5 data.h5
    printf "\\$(printf %o $(($(od -An -tu1 -j "$at" -N 1 kept.h5) ^ 1)))" | dd of=data.h5 bs=1 seek="$at" conv=notrunc 2>/dev/null
    train run
    command="byte $at of $size: $command"
    exits 65
    says data.h5
    [ "$(hash_of run)" = "$before" ] || fail "the run was touched"
    bytes=$((bytes + 1))
done
"$make_data" data.h5 samples=96 shape=4x4x1 seed=2 || fail make_data
train_on 2 run
exits 65
says_once "is not what this run began with"
says data.h5
cp kept.h5 data.h5
ends_whole run
echo "$bytes changed bytes of $size and another file: all refused with 65"
