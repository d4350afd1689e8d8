# A host is powered off: the job ends with 205, nothing is left over, and the hosts that are left finish with equal bits.
. "$(dirname "$0")/lib.sh"
hosts 3
endless
start 2,1,2 "$LOCKSTEP" train run.yaml --run r
until_true 60 reached r 100 || fail "no step 100"
net power-off h2
finish 20
exits 205
no_orphans
echo "h2 off: exit $code after $took s"
same_as_undisturbed 2,1 r
