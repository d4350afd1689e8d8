# A link that is down for 3 s, in the middle of the exchange, is waited for: the run goes on and ends with equal bits.
. "$(dirname "$0")/lib.sh"
hosts 3
endless
start 1,2,1 "$LOCKSTEP" train run.yaml --run r
until_true 60 reached r 100 || fail "no step 100"
net cut h2
sleep 1
before=$(step_of r)
sleep 2
[ "$(step_of r)" = "$before" ] || fail "it trains on without h2"
net heal h2
until_true 60 reached r $((before + 150)) || fail "no progress after the link came back"
touch r/STOP
finish 30
exits 75
no_orphans
same_as_undisturbed 2,1 r
