# Shared by the tests of the promise: a small data set, a training run, and what must be equal.
# $LOCKSTEP program, $LK_SOURCE tree, $LK_BUILD build folder.
set -eu
: "${LOCKSTEP:?}" "${LK_SOURCE:?}" "${LK_BUILD:?}"
bits=$LK_BUILD/bits
mpi=$LK_SOURCE/tests/support/mpi.sh

# 700 images of 28x28 that are not noise: a bright bar whose place is the class, plus bytes from a fixed recurrence.
make_data() {
    [ -f "$bits/data.h5" ] && return
    mkdir -p "$bits"
    exec 9>"$bits/.lock"
    flock 9
    if [ ! -f "$bits/data.h5" ]; then
        awk -v n=700 'BEGIN {
            for (i = 0; i < n; i++) {
                line = i % 10
                for (p = 0; p < 784; p++) {
                    seed = (seed * 1103 + 12345 + i) % 65521
                    bright = int(p / 28) >= 2 * (i % 10) + 3 && int(p / 28) < 2 * (i % 10) + 6
                    line = line "," (bright ? 200 : 0) + seed % 56
                }
                print line
            }
        }' >"$bits/data.csv"
        idx_from_csv "$bits/data.csv" "$bits"
        "$LOCKSTEP" data import idx --train "$bits/images" "$bits/labels" --validation 0.15 --test 0.1 -o "$bits/part.h5" >/dev/null
        mv "$bits/part.h5" "$bits/data.h5"
    fi
    flock -u 9
}

# IDX files from lines "label,pixel,...": printf writes each byte by its octal escape.
idx_from_csv() {
    count=$(wc -l <"$1")
    be() { printf "\\$(printf %03o $(($1 >> 24 & 255)))\\$(printf %03o $(($1 >> 16 & 255)))\\$(printf %03o $(($1 >> 8 & 255)))\\$(printf %03o $(($1 & 255)))"; }
    { be 2051; be "$count"; be 28; be 28; awk -F, '{ s = ""; for (i = 2; i <= NF; i++) s = s sprintf("\\%03o", $i); print s }' "$1" |
        while read -r line; do printf '%b' "$(echo "$line" | sed 's/\\/\\0/g')"; done; } >"$2/images"
    { be 2049; be "$count"; awk -F, '{ printf "\\0%03o\n", $1 }' "$1" | while read -r line; do printf '%b' "$line"; done; } >"$2/labels"
}

# train NP DIR MODEL [options]: the shipped configuration on the small data; two epoch ends and a last batch of 43.
train() {
    local np=$1 to=$2 model=$3
    shift 3
    make_data
    set -- train "$LK_SOURCE/data/fashion-mnist/$model.yaml" --run "$to" --set "data.train=$bits/data.h5:/train" \
        --set "data.validation=$bits/data.h5:/validation" --set "data.test=$bits/data.h5:/test" --set train.batch_size=24 \
        --set train.epochs=3 "$@"
    if [ "$np" = 0 ]; then
        "$LOCKSTEP" "$@"
    else
        "$mpi" "$np" "$LOCKSTEP" "$@"
    fi
}

state_of() {
    "$LOCKSTEP" inspect "$1" --json | sed -n 's/.*"state_xxh3": "\(.*\)".*/\1/p'
}

# Logged values without their timing.
values_of() {
    sed 's/,"timing":.*//' "$1/metrics.jsonl"
}

# equal DIR DIR WHAT: same final bits, same logged values.
equal() {
    local a b
    a=$(state_of "$1") b=$(state_of "$2")
    if [ -z "$a" ] || [ "$a" != "$b" ]; then
        echo "DIFFERENT bits: $3: $a against $b" >&2
        return 1
    fi
    values_of "$1" >"$bits/values.$$.a"
    values_of "$2" >"$bits/values.$$.b"
    if ! cmp -s "$bits/values.$$.a" "$bits/values.$$.b"; then
        echo "DIFFERENT log: $3" >&2
        diff "$bits/values.$$.a" "$bits/values.$$.b" | head -4 >&2
        return 1
    fi
    rm -f "$bits/values.$$.a" "$bits/values.$$.b"
    echo "equal: $3: $a"
}
