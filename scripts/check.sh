#!/bin/bash
# check.sh [gcc] [clang] [sanitize] [hdf5] [mpich] [mutants] [fuzz] [oracle] [compare] [clean]: what a piece of work passes before it is called done, besides test.sh.
#   gcc, clang  everything compiles without a warning
#   sanitize    unit and MPI tests in a debug build under ASan and UBSan; leaks of the MPI library: tests/support/lsan.supp
#   hdf5        unit tests of a build against HDF5's parallel flavour (Debian package libhdf5-openmpi-dev)
#   mpich       a build with MPICH (Debian packages mpich, libmpich-dev): its own tests at 1 to 4 ranks, and the same bits as the
#               build with Open MPI
#   mutants     mistakes that would cost the equal bits, made on purpose: the tests see each (scripts/mutants.sh)
#   fuzz        readers of what others wrote under libFuzzer, LK_FUZZ_SECONDS (60) each (scripts/fuzz.sh)
#   oracle      tests against numpy, h5py and PyTorch (scripts/venv.sh makes their environment); a skipped one is a failure
#   compare     all of scripts/compare, two short rounds a row: it runs, losses agree, table and charts come out (not how fast)
#   clean       build and tests as an unprivileged user in a clean Debian root (scripts/clean_build.sh; needs root)
# Without an argument all of them. Each stage ends with one line; its output is in build-check/<stage>.log.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
all="gcc clang sanitize hdf5 mpich mutants fuzz oracle compare clean"
logs=$PWD/build-check
mkdir -p "$logs"
failed=0

# build FOLDER [cmake options]: the compiler comes from CC.
build() {
    local folder=$1
    shift
    cmake -S . -B "$folder" -G Ninja "$@" && cmake --build "$folder" -j "$(nproc)"
}

warnings() { # warnings COMPILER
    command -v "$1" >/dev/null || { echo "no $1 here (Debian package $1)"; return 77; }
    CC=$1 build "$logs/$1" -DLK_WERROR=ON && echo "no warnings"
}

sanitize() {
    export ASAN_OPTIONS=detect_leaks=1:fast_unwind_on_malloc=0 UBSAN_OPTIONS=print_stacktrace=1
    export LSAN_OPTIONS=suppressions=$PWD/tests/support/lsan.supp:print_suppressions=0
    build "$logs/sanitize" -DCMAKE_BUILD_TYPE=Debug -DLK_ASAN=ON -DLK_UBSAN=ON &&
        ctest --test-dir "$logs/sanitize" -L '^(unit|mpi)$' -LE 'soak|bench|oracle' -j "$(nproc)" --timeout 600 \
            --no-tests=error --output-on-failure && tested
}

hdf5() {
    local flavour=/usr/lib/$(gcc -print-multiarch)/hdf5/openmpi
    [ -f "$flavour/libhdf5.so" ] || { echo "no parallel HDF5 here (Debian package libhdf5-openmpi-dev)"; return 77; }
    build "$logs/hdf5" -DCMAKE_BUILD_TYPE=Release -DHDF5_PREFER_PARALLEL=ON -DHDF5_ROOT="$flavour" &&
        { ldd "$logs/hdf5/lockstep" | grep libhdf5_openmpi >/dev/null || { echo "linked another HDF5"; return 1; }; } &&
        ctest --test-dir "$logs/hdf5" -L '^(unit|cli)$' -LE 'soak|bench|oracle|crash' -j "$(nproc)" --no-tests=error \
            --output-on-failure && tested
}

mpich() {
    local compiler launcher
    compiler=$(command -v mpicc.mpich) && launcher=$(command -v mpirun.mpich) ||
        { echo "no MPICH here (Debian packages mpich, libmpich-dev)"; return 77; }
    build "$logs/mpich" -DCMAKE_BUILD_TYPE=Release -DMPI_C_COMPILER="$compiler" -DLK_MPI_TIMEOUT=1800 &&
        { ldd "$logs/mpich/lockstep" | grep libmpich >/dev/null || { echo "linked another MPI"; return 1; }; } &&
        LK_MPIRUN=$launcher ctest --test-dir "$logs/mpich" -R '^test_mpi_.*_np[1-4]$' --timeout 600 --no-tests=error \
            --output-on-failure && scripts/build.sh build &&
        LOCKSTEP=$PWD/build/lockstep LK_SOURCE=$PWD LK_BUILD=$PWD/build LK_OTHER=$logs/mpich/lockstep \
            LK_OTHER_MPIRUN=$launcher bash tests/bits/other_mpi.sh && tested
}

mutants() {
    scripts/mutants.sh
}

fuzz() {
    scripts/fuzz.sh "${LK_FUZZ_SECONDS:-60}"
}

oracle() {
    scripts/venv.sh && scripts/build.sh build -DLK_TESTS=ON && scripts/tabular.sh &&
        ctest --test-dir build -L '^oracle$' -j "$(nproc)" --no-tests=error --output-on-failure && tested &&
        ! grep -q '\*\*\*Skipped' "$logs/oracle.log"
}

compare() {
    local out=$logs/compare-out file
    [ -f data/fashion-mnist/fashion-mnist.h5 ] || [ -d /usr/share/datasets/fashion-mnist ] ||
        { echo "no Fashion-MNIST here (Debian package dataset-fashion-mnist)"; return 77; }
    scripts/venv.sh || { echo "no PyTorch here, and scripts/venv.sh could not install it (it needs PyPI)"; return 77; }
    rm -rf "$out"
    scripts/compare/run.sh --quick --out "$out" || return 1
    for file in table.md chart.svg curves.svg; do
        [ -s "$out/$file" ] || { echo "scripts/compare left no $file"; return 1; }
    done
    ! grep '| void |' "$out/table.md" || { echo "losses differ"; return 1; }
    echo "table and charts written"
}

clean() {
    [ "$(id -u)" = 0 ] || { echo "needs root, to make a root directory and to become another user"; return 77; }
    scripts/clean_build.sh && tested
}

tested() { grep -E '^[0-9]+% tests passed' "$logs/$stage.log" | tail -1; }

# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $all
for stage in "$@"; do
    case " $all " in *" $stage "*) ;; *) echo "check.sh: no stage '$stage'; there are: $all" >&2; exit 2 ;; esac
done
for stage in "$@"; do
    from=$SECONDS
    case $stage in gcc | clang) run="warnings $stage" ;; *) run=$stage ;; esac
    ($run) >"$logs/$stage.log" 2>&1 </dev/null
    code=$?
    case $code in
    0) verdict=passed ;;
    77) verdict=SKIPPED ;;
    *) verdict="FAILED (build-check/$stage.log)"; failed=1 ;;
    esac
    echo "check $stage: $verdict, $((SECONDS - from)) s: $(tail -1 "$logs/$stage.log")"
done
exit $failed
