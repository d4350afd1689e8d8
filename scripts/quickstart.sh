#!/bin/bash
# quickstart.sh [TRAIN_IMAGES TRAIN_LABELS TEST_IMAGES TEST_LABELS]: the main job on real data. Installs packages, builds,
# imports Fashion-MNIST (from the Debian package, or four IDX files), trains a CNN for three epochs on all cores, evaluates.
set -euo pipefail
tree=$(cd "$(dirname "$0")/.." && pwd)
example=data/fashion-mnist
run=runs/cnn
source=/usr/share/datasets/fashion-mnist
case $# in
0) set -- $source/train-images-idx3-ubyte.gz $source/train-labels-idx1-ubyte.gz \
    $source/t10k-images-idx3-ubyte.gz $source/t10k-labels-idx1-ubyte.gz ;;
4)
    for file in "$@"; do
        [ -r "$file" ] || { echo "quickstart.sh: cannot read $file" >&2; exit 2; }
    done
    [ ! -f "$tree/$example/fashion-mnist.h5" ] ||
        echo "$example/fashion-mnist.h5 is there already and is used as it is: remove it to import the four files."
    set -- "$(realpath "$1")" "$(realpath "$2")" "$(realpath "$3")" "$(realpath "$4")"
    ;;
*) echo "quickstart.sh: no argument, or TRAIN_IMAGES TRAIN_LABELS TEST_IMAGES TEST_LABELS" >&2; exit 2 ;;
esac
cd "$tree"
scripts/install.sh
if [ -f build/CMakeCache.txt ]; then scripts/build.sh build; else scripts/build.sh build -DLK_TESTS=OFF; fi # tests: scripts/test.sh
if [ ! -f "$example/fashion-mnist.h5" ]; then
    build/lockstep data import idx --train "$1" "$2" --test "$3" "$4" -o $example/fashion-mnist.h5
fi

# Open MPI has a slot for each core, not for each hardware thread: count the cores that this process may use.
cores=$(awk '/^Cpus_allowed_list/ { n = split($2, part, ","); for (i = 1; i <= n; i++) { split(part[i] "-" part[i], end, "-")
    for (cpu = end[1]; cpu <= end[2]; cpu++) print cpu } }' /proc/self/status | while read -r cpu; do
    cat "/sys/devices/system/cpu/cpu$cpu/topology/thread_siblings_list" 2>/dev/null || echo "$cpu"
done | sort -u | wc -l)
launch="mpirun -n $cores"
# Open MPI wants root to say that this is a container and not a mistake; in the command, so that it can be typed again.
[ "$(id -u)" != 0 ] || launch="mpirun --allow-run-as-root -n $cores"
set -- --set train.epochs=3
if [ "$cores" -gt 8 ]; then
    lanes=8
    while [ $lanes -lt "$cores" ] && [ $lanes -lt 256 ]; do lanes=$((lanes * 2)); done
    set -- "$@" --set train.lanes=$lanes
    echo "This machine has $cores cores. A batch of 256 is cut into 8 lanes by default, and a rank without a lane waits:"
    echo "train.lanes=$lanes gives every rank work. (Another number of lanes is another result, equal on any rank count.)"
fi
echo "+ $launch build/lockstep train $example/cnn.yaml --run $run $*"
$launch build/lockstep train $example/cnn.yaml --run $run "$@"
echo "+ build/lockstep eval $run"
build/lockstep eval $run
cat <<TEXT

The run is in $run. Next, what is in it, with the hash of its parameters; predictions; all ten epochs, 0.92 on the test split:
  build/lockstep inspect $run
  build/lockstep predict $run $example/fashion-mnist.h5:/test -o predictions.h5
  $launch build/lockstep train $example/cnn.yaml --run $run-10
TEXT
