# Shared by the tests of commands. A test runs commands and says what must hold; the first thing that does not ends it.
set -u
: "${LOCKSTEP:?}" "${LK_SOURCE:?}" "${LK_BUILD:?}"
mpi=$LK_SOURCE/tests/support/mpi.sh
make_data=$LK_BUILD/tests/make_data
work=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-cli.XXXXXX")
trap '[ -n "${KEEP:-}" ] && echo "kept $work" || rm -rf "$work"' EXIT
cd "$work" || exit 1

fail() {
    echo "FAILED: $*"
    echo "--- command: ${command:-}"
    echo "--- exit ${code:-}, stdout:"; both_ends out
    echo "--- stderr:"; both_ends err
    exit 1
}
# A file's beginning, and its end, which is where the words are that matter.
both_ends() {
    [ -f "$1" ] || return
    head -c 3000 "$1"
    [ "$(wc -c <"$1")" -le 3000 ] || { echo "[...]"; tail -c +3001 "$1" | tail -c 3000; }
}

# run COMMAND...: stdout to out, stderr to err, exit code to $code.
run() {
    command="$*"
    "$@" >out 2>err </dev/null
    code=$?
}
lockstep() { run "$LOCKSTEP" "$@"; }
ranks() { np=$1; shift; run "$mpi" "$np" "$LOCKSTEP" "$@"; }

exits() { [ "$code" = "$1" ] || fail "exit code $code instead of $1"; }
says() { grep -qF -- "$1" err || fail "stderr does not say '$1'"; }
says_once() {
    n=$(grep -cF -- "$1" err)
    [ "$n" = 1 ] || fail "stderr says '$1' $n times instead of once"
}
answers() { grep -qF -- "$1" out || fail "stdout does not say '$1'"; }
answers_like() { grep -qE -- "$1" out || fail "stdout has no line like '$1'"; }
silent() { [ ! -s out ] || fail "stdout is not empty"; }
need() { command -v "$1" >/dev/null || { echo "skipped: no $1 (Debian package $2)"; exit 77; }; }
holds() { "$@" || fail "does not hold: $*"; }
json_of() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\)\"\{0,1\}.*/\1/p" "${2:-out}" | head -1; }

# small [key=value]...: data.h5, and run.yaml for it.
small() {
    "$make_data" data.h5 "$@" || fail "make_data $*"
    cat >run.yaml <<'YAML'
lockstep: 1
data:
  train: data.h5:/train
  validation: data.h5:/validation
  test: data.h5:/test
  normalise: unit
model:
  - flatten
  - dense: {units: 16, activation: relu}
  - dense: {units: 4}
loss: softmax_cross_entropy
metrics: [accuracy]
optimizer: {adam: {learning_rate: 1e-2}}
train: {epochs: 3, batch_size: 24}
YAML
}
# hash_of RUN|CHECKPOINT: of a run the last checkpoint, where inspect would take the best.
hash_of() {
    local file=$1
    [ ! -d "$1" ] || file=$(find "$1/checkpoints" -name 'step-*.h5' | sort | tail -1)
    "$LOCKSTEP" inspect "$file" --json | sed -n 's/.*"state_xxh3": *"\([0-9a-f]*\)".*/\1/p'
}
