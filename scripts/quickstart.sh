#!/bin/bash
# quickstart.sh [TRAIN_IMAGES TRAIN_LABELS TEST_IMAGES TEST_LABELS]: the main job on real data. Installs packages, builds,
# imports Fashion-MNIST (from the Debian package, or four IDX files), trains a CNN for three epochs on all cores, evaluates.
set -euo pipefail
cd "$(dirname "$0")/.."
example=data/fashion-mnist
run=runs/cnn

case $# in
0) files= ;;
4) files="$*" ;;
*) echo "quickstart.sh: no argument, or TRAIN_IMAGES TRAIN_LABELS TEST_IMAGES TEST_LABELS" >&2; exit 2 ;;
esac
scripts/install.sh
scripts/build.sh build
if [ ! -f "$example/fashion-mnist.h5" ]; then
    source=/usr/share/datasets/fashion-mnist
    if [ $# = 0 ]; then
        set -- $source/train-images-idx3-ubyte.gz $source/train-labels-idx1-ubyte.gz \
            $source/t10k-images-idx3-ubyte.gz $source/t10k-labels-idx1-ubyte.gz
    fi
    build/lockstep data import idx --train "$1" "$2" --test "$3" "$4" -o $example/fashion-mnist.h5
fi

cores=$(nproc)
launch="mpirun -n $cores"
if [ "$(id -u)" = 0 ]; then # Open MPI wants to be told that this is a container, not a mistake
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
set -- --set train.epochs=3
if [ "$cores" -gt 8 ]; then
    lanes=8
    while [ $((lanes * 2)) -le "$cores" ] && [ $lanes -lt 256 ]; do lanes=$((lanes * 2)); done
    [ $lanes -ge "$cores" ] || [ $lanes -ge 256 ] || lanes=$((lanes * 2))
    set -- "$@" --set train.lanes=$lanes
    echo "This machine has $cores cores. A batch of 256 is cut into 8 lanes by default, and a rank without a lane waits:"
    echo "train.lanes=$lanes gives every rank work. (Another number of lanes is another result, equal on any rank count.)"
fi
echo "+ $launch build/lockstep train $example/cnn.yaml --run $run $*"
$launch build/lockstep train $example/cnn.yaml --run $run "$@"
echo "+ build/lockstep eval $run"
build/lockstep eval $run
cat <<TEXT

The run is in $run. Next:
  build/lockstep inspect $run                                    what is in it, and the hash of its parameters
  $launch build/lockstep train $example/cnn.yaml --run $run-10     all ten epochs, 0.92 on the test split
  build/lockstep predict $run $example/fashion-mnist.h5:/test -o predictions.h5
TEXT
