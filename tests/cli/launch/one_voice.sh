. "$(dirname "$0")/../lib.sh"
small
ranks 4 train run.yaml --set nothing=1
exits 2
says_once "nothing"
ranks 4 help
exits 0
[ "$(grep -c '^lockstep' out)" -ge 1 ] || fail "no help"
ranks 4 inspect run.yaml
exits 0
[ "$(grep -c dense_1 out)" = 1 ] || fail "every rank spoke"
ranks 4 train run.yaml
exits 0
[ "$(grep -c '^Epoch 1/3' out)" = 1 ] || fail "every rank spoke"
