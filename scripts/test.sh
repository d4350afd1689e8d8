#!/bin/bash
# test.sh [ctest options]: packages, a release build, and the test suite. Long runs (soak, bench) and the oracles that need
# Python are not in it: scripts/check.sh and scripts/soak.sh have them.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install.sh
scripts/build.sh build
jobs=$(nproc)
exec ctest --test-dir build -j "$jobs" -LE 'soak|bench|oracle' --output-on-failure "$@"
