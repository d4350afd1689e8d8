#!/bin/bash
# test.sh [ctest options]: packages, a release build, and the test suite. Long runs (soak, bench) and the oracles that need
# Python are not in it: scripts/check.sh has the oracles.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install.sh
scripts/build.sh build -DLK_TESTS=ON
if [ "$(id -u)" = 0 ]; then # Open MPI wants to be told that this is a container and not a mistake
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
jobs=$(nproc)
exec ctest --test-dir build -j "$jobs" -LE 'soak|bench|oracle' --output-on-failure "$@"
