# A host is cut off (its link goes down for good): the job ends with 205 where mpirun watches its links, nothing is left over
# on either side, and the hosts that are left finish with equal bits; also if it is mpirun's own host.
. "$(dirname "$0")/lib.sh"
hosts 3
endless
mpirun_options=$watch_links
for host in h2 h0; do
    rm -rf r
    start 1,2,1 "$LOCKSTEP" train run.yaml --run r
    until_true 60 reached r 100 || fail "no step 100"
    net cut $host
    finish 30
    exits 205
    no_orphans
    echo "$host cut: exit $code after $took s"
    net heal $host
    same_as_undisturbed 2,1 r
done
