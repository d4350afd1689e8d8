# /dev/shm is smaller than one copy of a host's buffers, as in many containers: said before the memory is asked for, with the
# ways out; one of them is taken.
. "$(dirname "$0")/../lib.sh"
apart="unshare --mount"
[ "$(id -u)" = 0 ] || apart="$apart --user --map-root-user"
$apart mount -t tmpfs -o size=24m shm /dev/shm 2>/dev/null || { echo "skipped: no mounts in a namespace here"; exit 77; }
small samples=100
sed -i 's/units: 16/units: 32768/; s/epochs: 3/steps: 2/' run.yaml
in_little() { run $apart sh -c 'mount -t tmpfs -o size=24m shm /dev/shm && exec "$@"' sh "$mpi" 2 "$LOCKSTEP" "$@"; }
in_little train run.yaml
exits 71
says_once "shared memory: "
says "are needed in /dev/shm"
says "--shm-size"
says "train.reduce: allreduce"
[ ! -d runs/run/checkpoints ] || fail "the run directory has checkpoints of a run that could not begin"
in_little train run.yaml --run other --set train.reduce=allreduce
exits 0
in_little doctor run.yaml
answers_like "^trouble.*shared memory"
