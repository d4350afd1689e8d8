# /dev/shm cannot be written: what doctor and train advise then works, and nobody watches for hangs, which is said.
. "$(dirname "$0")/../lib.sh"
apart="unshare --mount"
[ "$(id -u)" = 0 ] || apart="$apart --user --map-root-user"
$apart mount -t tmpfs -o ro shm /dev/shm 2>/dev/null || { echo "skipped: no mounts in a namespace here"; exit 77; }
small samples=100
without() { run $apart sh -c 'mount -t tmpfs -o ro shm /dev/shm && exec "$@"' sh "$mpi" 2 "$LOCKSTEP" "$@"; }
without train run.yaml --set train.reduce=allreduce
exits 0
says_once "nobody watches for ranks that hang: "
without eval runs/run
exits 0
without doctor run.yaml
says_once "nobody watches for ranks that hang: "
answers_like '^yardstick '
