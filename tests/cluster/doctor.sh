# lockstep doctor on several hosts: links and the network they take; a link that is slower than the others, an interface that
# says more than the link carries, and an address that two hosts share are named with their cures; train warns of the same.
. "$(dirname "$0")/lib.sh"
hosts 3
endless
on 2,1,1 "$LOCKSTEP" doctor
exits 0
answers_like '^links +3 pairs of hosts: [0-9]+ to [0-9]+ MB/s; slowest h[0-2] - h[0-2], [0-9]+ us; TCP over e0 10\.77\.0\.1/24$'
answers_like '^window +shared by the ranks of each host'
answers_like '^rank 3 +on h2, '
grep -q '^trouble.*MB/s' out && fail "trouble with links where there is none"

echo "# one slow link"
net rate 100mbit h2
on 1,1,1 "$LOCKSTEP" doctor
exits 0
answers_like '^trouble +host h2 reaches no other with more than [0-9]{1,2} MB/s, others [0-9]{3,}:'
answers "mpirun --host, Slurm --exclude"

echo "# all links slower than the interface says"
net rate 100mbit
on 1,1,1 "$LOCKSTEP" doctor
exits 0
answers_like '^trouble +no pair of hosts reaches more than [0-9]{1,2} MB/s over e0, which says of itself 1250:'
answers "--mca btl_tcp_if_include"
net rate off

echo "# the same address on every host"
for host in h0 h1 h2; do
    ip -n $host link add docker0 type bridge
    ip -n $host addr add 172.17.0.1/16 dev docker0
    ip -n $host link set docker0 up
done
on 1,1,1 "$LOCKSTEP" doctor
exits 0
grep -q docker0 out && fail "docker0 is named though MPI was told to use e0 alone"
interface=10.77.0.0/24 on 1,1,1 "$LOCKSTEP" doctor
exits 0
grep -q docker0 out && fail "docker0 is named though MPI was told to use 10.77.0.0/24 alone"
exit 0
