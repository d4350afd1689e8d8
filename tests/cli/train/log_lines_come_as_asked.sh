# log.every in steps; a live line on a terminal and nowhere else.
. "$(dirname "$0")/../lib.sh"
small
lockstep train run.yaml --run steps --set "log.every=4 steps"
exits 0
[ "$(grep -c '^step ' err)" = 3 ] || fail "15 steps, a line every 4 steps: not 3 lines"
says "step 4/15"
says "step 12/15"
lockstep train run.yaml --run samples --set "log.every=120 samples"
exits 0
[ "$(grep -c '^step ' err)" = 3 ] || fail "360 samples, a line every 120: not 3 lines"

# 10,000 steps to a file: at most 100 KB, and nothing that moves a cursor.
lockstep train run.yaml --run long --set train.epochs=2000 --set evaluate.every=never --set "checkpoint.every=1000 epochs"
exits 0
cat out err >all
[ "$(stat -c %s all)" -le 100000 ] || fail "$(stat -c %s all) bytes for 10,000 steps"
[ "$(stat -c %s long/log.txt)" -le 100000 ] || fail "log.txt has $(stat -c %s long/log.txt) bytes"
tr -d '\n' <all | grep -q '[[:cntrl:]]' && fail "control characters in a file"

command -v script >/dev/null || { echo "skipped the terminal: no 'script'"; exit 0; }
command="lockstep train on a terminal"
script -qec "$LOCKSTEP train run.yaml --run live --set train.epochs=2000 --set evaluate.every=never --set 'checkpoint.every=1000 epochs'" \
    /dev/null >terminal </dev/null
grep -qE "$(printf '\r')step [0-9]+/10000, epoch [0-9.]+, loss" terminal || fail "no live line on a terminal"
[ "$(tr '\r' '\n' <terminal | grep -c '^step ')" -le 100 ] || fail "the live line moves more than ten times a second"
grep -q '^step ' live/log.txt && fail "the live line is in log.txt"
exit 0
