# Shared by the tests of the promise: small data, a training run, and what must be equal.
# $LOCKSTEP program, $LK_SOURCE tree, $LK_BUILD build folder. LK_BITS_SHAPE=28x28x1 takes images of the real size.
set -eu
: "${LOCKSTEP:?}" "${LK_SOURCE:?}" "${LK_BUILD:?}"
. "$LK_SOURCE/tests/bits/factors.sh"
bits=$LK_BUILD/bits
mpi=$LK_SOURCE/tests/support/mpi.sh
shape=${LK_BITS_SHAPE:-12x12x1}
work=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-bits.XXXXXX")
trap 'rm -rf "$work"' EXIT

# 20 batches of 256 and a last one of $1 samples; labels are noisy, so that gradients stay large. Small images make
# the shipped models quick; layers and widths stay as they are. Prints the file's name.
make_data() { # TAIL
    local file=$bits/$shape-$1.h5
    mkdir -p "$bits"
    (
        flock 9
        [ -f "$file" ] || { "$LK_BUILD/tests/make_data" "$file.part" samples=$((5120 + $1)) "shape=$shape" classes=10 noise=30 &&
            mv "$file.part" "$file"; }
    ) 9>"$bits/.lock"
    echo "$file"
}

# train NP DIR MODEL OPTIMIZER [options]: the shipped configuration on small data: 63 steps, three epoch ends; resnet8-whole
# has its batch norms over the batch. NP 0: without a launcher. Standard output goes to DIR.out, standard error to DIR.err.
train() {
    local np=$1 to=$2 model=$3 optimizer=$4 code=0 tail options data option norm
    shift 4
    read -r tail options <<<"$(variant "$model" "$optimizer")"
    data=$(make_data "$tail")
    while read -r -d ';' option; do set -- --set "$option" "$@"; done <<<"${options:+$options;}"
    set -- --run "$to" --set "data.train=$data:/train" --set "data.validation=$data:/validation" --set "data.test=$data:/test" \
        --set train.epochs=3 "$@"
    case $model/$optimizer in
    mlp/adam | cnn/adam | resnet8/sgd) ;; # as shipped
    */sgd) set -- --set "optimizer={sgd: {learning_rate: 0.05, momentum: 0.9, nesterov: true}}" "$@" ;;
    */rmsprop) set -- --set "optimizer={rmsprop: {momentum: 0.5}}" "$@" ;;
    *) set -- --set "optimizer={$optimizer: {}}" "$@" ;;
    esac
    if [ "$model" = resnet8-whole ]; then
        for norm in 1 2 3 4 5 6 7 8 9; do set -- --set "model.batch_norm_$norm.over=batch" "$@"; done
    fi
    set -- train "$LK_SOURCE/data/fashion-mnist/${model%-whole}.yaml" "$@"
    if [ "$np" = 0 ]; then
        "$LOCKSTEP" "$@" >>"$to.out" 2>>"$to.err" || code=$?
    else
        "$mpi" "$np" "$LOCKSTEP" "$@" >>"$to.out" 2>>"$to.err" || code=$?
    fi
    [ $code = 0 ] || echo "exit code $code" >>"$to.err"
    return $code
}

state_of() { "$LOCKSTEP" inspect "$1" --json | sed -n 's/.*"state_xxh3": "\(.*\)".*/\1/p'; }

# All that a run leaves behind, as text and without its timing: parameters, statistics, optimizer state and step of the last
# and of the best checkpoint; each event; the table of metrics; the lines of epochs and of the test.
all_of() { # DIR
    local last
    last=$(ls "$1"/checkpoints/step-*.h5 | tail -1)
    echo "last $(basename "$last") $(state_of "$last")"
    echo "best $(state_of "$1/best.h5")"
    sed 's/,"timing":.*//' "$1/metrics.jsonl"
    sed 's/,[^,]*$//' "$1/metrics.csv"
    grep -E '^(Epoch|Test) ' "$1.out" | sed 's/, [0-9]* samples\/s, eta .*//'
}

# equal DIR DIR WHAT
equal() {
    all_of "$1" >"$work/a"
    all_of "$2" >"$work/b"
    if ! grep -q '^last .*h5 [0-9a-f]' "$work/a" || [ "$(grep -c evaluation "$work/a")" -lt 3 ]; then
        echo "NOTHING to compare: $3" >&2
        return 1
    fi
    if ! cmp -s "$work/a" "$work/b"; then
        echo "DIFFERENT: $3" >&2
        diff "$work/a" "$work/b" | head -6 >&2
        return 1
    fi
    echo "equal: $3: $(sed -n 's/^last //p' "$work/a")"
}

failed() { # DIR WHAT
    echo "FAILED: $2" >&2
    tail -20 "$1.err" >&2
    return 1
}
