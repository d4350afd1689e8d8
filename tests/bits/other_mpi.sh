#!/bin/bash
# other_mpi.sh: the program of a build with another MPI, $LK_OTHER, under its launcher, $LK_OTHER_MPIRUN, has the bits that this
# one has under its own: on one host and on several, even and uneven ones. Run by `scripts/check.sh mpich`.
. "$(dirname "$0")/lib.sh"
: "${LK_OTHER:?}" "${LK_OTHER_MPIRUN:?}"
verdict=0
mpi_of() { sed -n 's/^lockstep  *[^,]*, \(Open MPI\|MPICH\).*/\1/p' "$1.err" | head -1; }
other() { # NP HOSTS MODEL OPTIMIZER
    local to=$work/other-$1-$2 what="$3, $4, np $1 on $2 hosts"
    LOCKSTEP=$LK_OTHER LK_MPIRUN=$LK_OTHER_MPIRUN train "$1" "$to" "$3" "$4" \
        --set "comm.ranks_per_host=$(layout "$1" "$2")" || { failed "$to" "$what" || verdict=1; return; }
    grep -q "^ranks  *$1 on $2 host" "$to.err" || { failed "$to" "another layout: $what" || verdict=1; }
    [ "$(mpi_of "$work/own")" != "$(mpi_of "$to")" ] || { echo "both are $(mpi_of "$to"): $what"; verdict=1; }
    equal "$work/own" "$to" "$what by $(mpi_of "$to")" || verdict=1
    rm -rf "$to" "$to".*
}
launch() { # MODEL OPTIMIZER, then NP HOSTS...
    local model=$1 optimizer=$2
    shift 2
    rm -rf "$work/own"*
    train 3 "$work/own" "$model" "$optimizer" --set "comm.ranks_per_host=[2, 1]" || failed "$work/own" "$model, $optimizer, np 3"
    while [ $# -gt 0 ]; do
        other "$1" "$2" "$model" "$optimizer"
        shift 2
    done
}
launch mlp adam 1 1 2 1 3 1 4 1 2 2 3 3 4 4 4 2 5 2
launch cnn adam 1 1 2 1 3 2 4 1
launch resnet8 sgd 1 1 2 2 3 1 4 3
exit $verdict
