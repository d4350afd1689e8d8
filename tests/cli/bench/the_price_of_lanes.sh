. "$(dirname "$0")/../lib.sh"
small samples=512
ranks 2 bench run.yaml --lanes --set train.batch_size=128 --seconds 0.1 --json
exits 0
[ "$(grep -c '"reduce": "lockstep"' out)" = 5 ] || fail "lanes = ranks (64 rows a lane, too), 8, 16, 32 and 64 are five rows"
[ "$(grep -c '"reduce": "allreduce"' out)" = 1 ] || fail "one baseline"
[ "$(sed -n '/"price":/s/.*: \(.*\),/\1/p' out | head -1)" = 0.0 ] || fail "the baseline costs nothing against itself"
ranks 3 bench run.yaml --lanes --seconds 0.1
exits 0
answers_like "^lockstep +16 "
lockstep bench --reduce --lanes
exits 2
says "takes no CONFIG"
