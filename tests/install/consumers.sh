# Installed into a fresh prefix: the program runs, and programs in C and C++ that find the library by pkg-config and by CMake
# train to the bits of the program, with and without mpirun. The library exports what its headers declare.
. "$(dirname "$0")/../cli/lib.sh"
small
lockstep train run.yaml
exits 0
wanted=$(hash_of runs/run)
prefix=$work/prefix
run cmake --install "$LK_BUILD" --prefix "$prefix"
exits 0
library=$(find "$prefix" -name liblockstep.so)
holds test -n "$library"
run "$prefix/bin/lockstep" --version
exits 0
answers "lockstep 0."
export PKG_CONFIG_PATH LD_LIBRARY_PATH
PKG_CONFIG_PATH=$(dirname "$library")/pkgconfig
LD_LIBRARY_PATH=$(dirname "$library")

nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' >exported
grep -v '^lk_' exported && fail "exports names that do not begin with lk_"
for name in $(cat exported); do
    grep -qw "$name" "$prefix"/include/lockstep/*.h || fail "exports $name, which no public header declares"
done

check() { # check PROGRAM NAME: alone, on two ranks
    run "$1" run.yaml "$2"
    exits 0
    answers_like '^Test accuracy: '
    [ "$(hash_of "$2")" = "$wanted" ] || fail "$2: other bits than the program"
    run "$mpi" 2 "$1" run.yaml "$2-ranks"
    exits 0
    [ "$(grep -c '^Test accuracy: ' out)" = 2 ] || fail "not once after training and once by eval"
    [ "$(hash_of "$2-ranks")" = "$wanted" ] || fail "$2 on two ranks: other bits than the program"
}
flags=$(pkg-config --cflags --libs lockstep) || fail "pkg-config does not find lockstep"
# shellcheck disable=SC2086
run cc -std=c11 -Wall -Wextra -Werror -pedantic "$LK_SOURCE/tests/install/consumer.c" -o by-c $flags
exits 0
check ./by-c c
if command -v c++ >/dev/null; then
    # shellcheck disable=SC2086
    run c++ -x c++ -std=c++17 -Wall -Wextra -Werror -pedantic "$LK_SOURCE/tests/install/consumer.c" -x none -o by-cpp $flags
    exits 0
    check ./by-cpp cpp
else
    echo "no C++ compiler here: C++ is left out"
fi
generator=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$LK_BUILD/CMakeCache.txt") # the default may not be here
run cmake -S "$LK_SOURCE/tests/install" -B by-cmake -G "$generator" -DCMAKE_PREFIX_PATH="$prefix"
exits 0
run cmake --build by-cmake
exits 0
check by-cmake/consumer cmake
