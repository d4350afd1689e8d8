# While a run trains, ranks may find different files under the name of its best checkpoint.
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null || { echo "skipped: a mount of a rank's own needs root"; exit 77; }
small
old=old.h5 new=runs/run/checkpoints/step-00000015.h5
lockstep train run.yaml --set train.epochs=2
exits 0
cp runs/run/checkpoints/step-00000010.h5 $old
lockstep train run.yaml
exits 0
# of RANK FILE VERB...: that rank has FILE in the place of the newest.
of() {
    run "$mpi" 2 unshare --mount sh -c '
        [ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" != "$1" ] || mount --bind "$2" "$3" || exit 99
        shift 3; exec "$@"' sh "$1" "$2" $new "$LOCKSTEP" "${@:3}"
}
for verb in "eval $new" "predict $new data.h5:/test/x -o p.h5"; do
    of 1 $old $verb
    exits 65
    says_once "$new was replaced while it was being opened: rank 1 has step 10, rank 0 another"
    of none $old $verb
    exits 0
done
