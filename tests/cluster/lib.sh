# Shared by the tests that need several hosts: network namespaces on this machine, made by netns-hosts, or a Slurm on them,
# made by netns-slurm. Everything happens in namespaces of the test's own (mounts, network, processes), so tests do not see each
# other, need root only in so far as this user may not make namespaces, and leave nothing behind: with the test's first
# process all others end.
set -u
: "${LOCKSTEP:?}" "${LK_SOURCE:?}" "${LK_BUILD:?}"
tools=${NETNS_TOOLS:-$LK_SOURCE/../shared/tools}

skip() {
    echo "skipped: $*"
    exit 77
}

if [ -z "${CLUSTER_INSIDE-}" ]; then
    [ -x "$tools/netns-hosts" ] || skip "no netns-hosts in ${tools} (NETNS_TOOLS names the folder)"
    for program in ip unshare nsenter mpirun; do command -v $program >/dev/null || skip "no program $program"; done
    apart="unshare --mount --net --pid --fork --kill-child --mount-proc"
    [ "$(id -u)" = 0 ] || apart="$apart --user --map-root-user"
    $apart true 2>/dev/null || skip "this user may not make namespaces (unshare), which stand for hosts"
    CLUSTER_INSIDE=1 exec $apart bash "$0" "$@"
fi
mount -t tmpfs -o mode=755 run /run && mount -t tmpfs shm /dev/shm && ip link set lo up || skip "no mounts in a namespace"
ip netns add probe 2>/dev/null && ip netns del probe || skip "ip netns does not work here"

. "$LK_SOURCE/tests/cli/lib.sh"
export TMPDIR=$work OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OPENBLAS_NUM_THREADS=1

# hosts N [options of netns-hosts up]: h0, h1 ... of one network.
hosts() {
    n_hosts=$1
    "$tools/netns-hosts" up "$@" >/dev/null || fail "netns-hosts up $*"
}
net() { "$tools/netns-hosts" "$@" || fail "netns-hosts $*"; }

# on SLOTS COMMAND...: under mpirun, started on h0; "2,1" is two ranks on h0 and one on h1. What a cluster's mpirun needs not be
# told: ranks outnumber the cores here, so they yield and are not bound; only e0 leads to other hosts. `mpirun_options` are added.
mpirun_options=
watch_links="--mca oob_tcp_keepalive_time 2 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3"
launch() {
    local list
    list=$(echo "$1" | tr , '\n' | awk '{ printf "%sh%d:%d", (NR > 1 ? "," : ""), NR - 1, $1 }')
    "$tools/netns-hosts" exec h0 "cd $(printf %q "$PWD") && exec mpirun -q --host $list --bind-to none \
        --mca plm_rsh_agent $(printf %q "$tools/netns-hosts") --mca plm_rsh_no_tree_spawn 1 --mca pml ob1 --mca btl vader,tcp,self \
        --mca btl_tcp_if_include ${interface:-e0} --mca oob_tcp_if_include e0 --mca mpi_yield_when_idle 1 $mpirun_options \
        $(printf '%q ' "${@:2}")"
}
on() { run launch "$@"; }
# start SLOTS COMMAND..., then harm, then finish: the same with something happening meanwhile.
start() {
    command="ranks $1: ${*:2}"
    : >out >err # what an earlier run said must not be taken for this one's
    launch "$@" >out 2>err </dev/null &
    started=$!
}
finish() { # SECONDS: the most that the end may take from now
    local began
    began=$(seconds)
    until_true "$1" gone $started || { ps -ef; fail "still running after $1 s"; }
    wait $started
    code=$?
    took=$(since "$began")
}
gone() { ! kill -0 "$1"; }
seconds() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(seconds)" 'BEGIN { printf "%.1f", b - a }'; }
at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }' || fail "$3: $1 s, at most $2 are right"; }
at_least() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a >= b) }' || fail "$3: $1 s, at least $2 are right"; }

# until_true SECONDS COMMAND...
until_true() {
    local end=$((SECONDS + $1))
    shift
    while ! "$@" 2>/dev/null; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# step_of DIR: the newest checkpoint's step, -1 without one.
step_of() {
    local newest
    newest=$(ls "$1/checkpoints" 2>/dev/null | grep -E '^step-[0-9]+\.h5$' | sort | tail -1 | tr -dc 0-9)
    newest=${newest%5} # the 5 of .h5
    echo $((10#${newest:--1}))
}
reached() { [ "$(step_of "$1")" -ge "$2" ]; }

# What still runs (zombies left out) of the program; of the program and its launcher.
ours_left() { ps -eo pid=,stat=,args= | awk -v p="$LOCKSTEP" '$2 !~ /^Z/ && $3 == p { print $1 }'; }
all_left() { ours_left; ps -eo pid=,stat=,comm= | awk '$2 !~ /^Z/ && $3 ~ /^(orted|mpirun|srun|hydra)/ { print $1 }'; }
nothing() { [ -z "$("$@")" ]; }
no_orphans() { until_true 5 nothing "${1:-all_left}" || fail "left over: $(ps -fp "$("${1:-all_left}" | tr '\n' ' ')")"; }
# The k-th process (1, 2 ...) of the program that runs on a host.
process_on() { # HOST [K]
    local p
    for p in $(ip netns pids "$1" | sort -n); do
        [ "$(readlink "/proc/$p/exe")" = "$(readlink -f "$LOCKSTEP")" ] && echo "$p"
    done | sed -n "${2:-1}p"
}

# endless: run.yaml trains for ever, with a checkpoint every 50 steps; `train.steps` shortens it (the rates stay the same).
endless() {
    small samples=600
    sed -i 's/epochs: 3/steps: 1000000/' run.yaml
    printf 'checkpoint: {every: 50 steps, best: none}\nevaluate: {every: never}\nlog: {every: 5s}\n' >>run.yaml
}
# same_as_undisturbed SLOTS DIR: goes on in DIR on these hosts for 100 steps more, and compares with a run nobody disturbed.
same_as_undisturbed() {
    local steps=$(($(step_of "$2") + 100))
    on "$1" "$LOCKSTEP" train run.yaml --run "$2" --set train.steps=$steps
    exits 0
    says "resume      of step"
    lockstep train run.yaml --run undisturbed --set train.steps=$steps
    exits 0
    local here there
    here=$(hash_of "$2") there=$(hash_of undisturbed)
    [ -n "$here" ] && [ "$here" = "$there" ] || fail "other bits than an undisturbed run after $steps steps: $here, $there"
    echo "equal after $steps steps: $here"
    rm -rf undisturbed
}
