# The worked example data/linear-regression: closed forms, and a rate at which gradient descent diverges.
. "$(dirname "$0")/../cli/lib.sh"
cp -r "$LK_SOURCE/data/linear-regression" example
run bash "$LK_SOURCE/scripts/linear-regression.sh" "$work/example"
exits 0
near() { awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { exit !(a - b <= t && b - a <= t) }' || fail "$1 is not $2 within $3"; }

lockstep train example/constant.yaml
exits 0
answers_like '^Epoch 1/100, Val Loss: '
near "$(sed -n 's,^Epoch 100/100\, Val Loss: \([^,]*\).*,\1,p' out)" 8 1e-4
near "$(sed -n 's/^Trained Parameters: .*= *//p' out)" 6 1e-4

# The largest eigenvalue of the Hessian is 23.66: rates above 2 / 23.66 = 0.0845 diverge.
lockstep train example/line.yaml --run fast --set optimizer.sgd.learning_rate=0.1
exits 79
[ "$(grep -c '^Epoch' out)" -lt 40 ] || fail "divergence was noticed late"
says "learning_rate"
says "the first one"

# Normal equations of y = 2 x: w = 2, b = 0.
lockstep train example/line.yaml --run slow
exits 0
line=$(sed -n 's/^Trained Parameters: //p' out)
near "$(echo "$line" | sed 's/.*weight[^=]*= *\([-0-9.e]*\).*/\1/')" 2 1e-3
near "$(echo "$line" | sed 's/.*bias[^=]*= *\([-0-9.e]*\).*/\1/')" 0 1e-3
