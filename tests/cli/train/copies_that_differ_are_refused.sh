# One rank looks at a file and tells the others where its values lie: on a host whose copy is laid out in another way those would
# be other values.
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null || { echo "skipped: a mount of a rank's own needs root"; exit 77; }
need h5repack hdf5-tools
small samples=6000 type=f32
h5repack -f GZIP=1 data.h5 copy.h5 || fail "h5repack"
for other in 0 1; do
    rm -rf runs
    run "$mpi" 2 unshare --mount sh -c '
        [ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" != "$1" ] || mount --bind copy.h5 data.h5 || exit 99
        shift; exec "$@"' sh $other "$LOCKSTEP" train run.yaml
    exits 65
    says "data.h5 has "
    says " where another rank looked at it"
done
