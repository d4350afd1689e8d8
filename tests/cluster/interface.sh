# A network interface that cannot be right. A bridge with one address on every host, as container software makes it, leaves all
# ranks waiting for ever in their first message: after 20 s the networks of the root's host are named with the cure. An
# interface that does not exist ends the start with the same cure.
. "$(dirname "$0")/lib.sh"
hosts 2
endless
for host in h0 h1; do
    ip -n $host link add docker0 type bridge
    ip -n $host addr add 172.17.0.1/16 dev docker0
    ip -n $host link set docker0 up
done
for interface in docker0 e0,docker0; do
    start 1,1 "$LOCKSTEP" train run.yaml --run r
    until_true 40 grep -q 'MPI has no connection' err || fail "$interface: no word within 40 s"
    kill -9 "$(pgrep -x mpirun)"
    wait $started 2>/dev/null
    until_true 10 nothing all_left || pkill -9 orted
    says 'lockstep: warning: after 20 s MPI has no connection between the ranks'
    says 'docker0 172.17.0.1/16 (inside this host)'
    says 'mpirun --mca btl_tcp_if_include e0'
    says_once 'lockstep: warning'
    [ -d r ] && fail "a run directory was made"
done
interface=eth77
on 1,1 "$LOCKSTEP" train run.yaml --run r
[ $code != 0 ] || fail "it trains over an interface that does not exist"
says ': MPI does not start: MPI_Comm_dup'
says 'mpirun --mca btl_tcp_if_include e0'
interface=e0
on 1,1 "$LOCKSTEP" train run.yaml --run r --set train.steps=20
exits 0
