# A dataset that one rank of three cannot read is refused by all of them, with its place; the others are surveyed, and nobody waits.
. "$(dirname "$0")/../lib.sh"
mkdir good bad
"$make_data" good/data.h5 samples=16 shape=4 classes=2 type=f32 || fail make_data
"$LK_BUILD/tests/make_hostile" lists bad/data.h5 "$PWD/good/data.h5" || fail make_hostile
for verb in stats verify; do
    for bad in 0 2; do
        run timeout 30 "$mpi" 3 sh -c 'folder=good; [ "$OMPI_COMM_WORLD_RANK" != "$1" ] || folder=bad
            cd $folder && exec "$LOCKSTEP" data "$2" data.h5:/train' - $bad $verb
        exits 65
        says "1 of 2 datasets cannot be read"
        says_once "rank $bad on host"
        answers_like "/train/x +not read: rank $bad on host"
        answers /train/y
    done
done
