# Under a launcher only train, eval, predict, bench, data stats|verify and doctor start MPI. The others never do, and of N
# copies one speaks: strace sees no component of Open MPI opened and no socket, which the control, eval, has both.
. "$(dirname "$0")/../lib.sh"
command -v strace >/dev/null || { echo "skipped: no strace"; exit 77; }
small
"$LOCKSTEP" train run.yaml --set train.epochs=1 >/dev/null 2>&1 || fail "train"
printf 'a,b\n1,2\n2,3\n3,5\n4,7\n5,8\n6,9\n7,1\n8,2\n9,4\n1,5\n' >table.csv
# starts N VERB...: under mpirun with N ranks, each traced; true if any rank opened a part of MPI or a socket.
starts() {
    np=$1
    shift
    rm -f calls.*
    run "$mpi" "$np" strace -f -ff -o calls -e trace=openat,socket,connect "$LOCKSTEP" "$@"
    # The dynamic linker opens libmpi itself for every verb; plugins, help texts and sockets are MPI at work.
    grep -qE 'openat\(.*(mca_|openmpi-mca-params|pmix-mca-params)|socket\(AF_' calls.*
}
starts 2 eval runs/run
exits 0
starts 2 eval runs/run || fail "the control: eval under mpirun starts MPI, and this test does not see it"
one() { # VERB...: no MPI, exit 0, and the first line of what it says comes once
    starts 2 "$@" && fail "$* starts MPI: $(grep -hE 'mca_|socket' calls.* | head -3)"
    exits 0
    line=$(head -1 out)
    [ -z "$line" ] || [ "$(grep -cxF -- "$line" out)" = 1 ] || fail "more than one copy of '$*' speaks"
    [ -s out ] || fail "'$*' says nothing"
}
one --version
for library in kernels mpi hdf5 libyaml jansson zlib; do answers "$library "; done
one help
one help train
one train --help
one inspect runs/run
one inspect data.h5
one inspect run.yaml
one config check run.yaml
one config render run.yaml
one config init data.h5
one config init --slurm run.yaml
one config reference
one data info data.h5
one data import csv table.csv --target b -o table.h5
# A mistake on the command line is told once, and without MPI.
starts 2 train && fail "a mistake in the command line starts MPI"
exits 2
says_once "one CONFIG expected"
