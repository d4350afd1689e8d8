# Files that want more than to be read: every verb that reads data says why it does not, quickly, with little memory, and
# opens no other file. The other file is known by its name in the trace of system calls.
. "$(dirname "$0")/../lib.sh"
make_hostile=$LK_BUILD/tests/make_hostile
strace -qq -e trace=none true 2>/dev/null || { echo "strace cannot trace here"; exit 77; }
cat >run.yaml <<'YAML'
lockstep: 1
data: {train: "file.h5:/train"}
model: [dense: {units: 2}]
loss: softmax_cross_entropy
train: {epochs: 1, batch_size: 8}
YAML
# A model to predict with: its data are harmless, and where the traps lead.
"$make_data" secret.h5 samples=16 shape=4 classes=2 type=f32 || fail make_data
cp secret.h5 file.h5
lockstep train run.yaml --run good
exits 0

# traced VERB...: within 10 s, in 1 GB of addresses (libraries and stacks are most of it), with one message if any.
traced() {
    began=$SECONDS
    command="$kind: lockstep $*"
    (ulimit -v 1000000 && exec strace -f --seccomp-bpf -qq -e trace=%file,connect -o trace "$LOCKSTEP" "$@") >out 2>err </dev/null
    code=$?
    [ $((SECONDS - began)) -le 10 ] || fail "took $((SECONDS - began)) s"
    ! grep -q secret trace || fail "went to the other file: $(grep secret trace | head -1)"
    [ "$(grep -c "^lockstep:" err)" -le 1 ] || fail "more than one message"
}
refused() {
    traced "$@"
    exits 65
    says file.h5
}

for kind in $("$make_hostile"); do
    "$make_hostile" "$kind" file.h5 "$PWD/secret.h5" || fail "make_hostile $kind"
    refused train run.yaml --run "runs/$kind"
    [ ! -e "runs/$kind/checkpoints" ] || fail "a run was begun"
    refused predict good file.h5:/train -o out.h5
    [ ! -e out.h5 ] || fail "a prediction was written"
    # What is listed may be what is harmless in the file; what is not is refused.
    for verb in info stats verify; do
        traced data $verb file.h5:/train
        [ "$code" = 0 ] || exits 65
    done
done
