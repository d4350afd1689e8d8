#!/bin/sh
# mpi.sh RANKS PROGRAM [ARGS...]: mpirun as tests need it on any machine: oversubscribed, unbound, as root in containers.
# LK_MPIRUN is the launcher of another MPI than Open MPI, which needs none of this.
ranks=$1
shift
[ -n "${LK_MPIRUN-}" ] && exec "$LK_MPIRUN" -n "$ranks" "$@"
[ "$(id -u)" = 0 ] && export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_mpi_yield_when_idle=1
exec mpirun -q --oversubscribe --bind-to none --mca pml ob1 --mca btl self,vader,tcp -n "$ranks" "$@"
