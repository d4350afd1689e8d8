. "$(dirname "$0")/../lib.sh"
# Both sides of the measurement do the same work (it says so itself if not), on any rank count.
ranks 3 bench --reduce --most 300KB --json
exits 0
[ "$(json_of ranks)" = 3 ] || fail "another rank count"
[ "$(json_of slabs)" = 5 ] || fail "5 slabs hold the fringes of 8 lanes on 3 ranks"
[ "$(grep -c '"ratio":' out)" = 2 ] || fail "one size with warm and with cold caches are two rows"
ranks 2 bench --reduce --most 300KB
exits 0
answers "2 ranks, 2 slabs"
answers "geometric mean of the ratios: warm "
lockstep bench --reduce run.yaml
exits 2
says "takes no CONFIG"
lockstep bench --reduce --most 1KB
exits 2
says "at least 262144 is right"
lockstep bench --reduce --most much
exits 2
says "'much' is no size"
