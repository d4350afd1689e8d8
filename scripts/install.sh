#!/bin/bash
# install.sh: the Debian packages that building, testing and the examples need. Does nothing where all are there.
set -euo pipefail
# shellcheck disable=SC2086,SC2116 # lists of words
packages="gcc g++ libc6-dev cmake ninja-build pkg-config openmpi-bin libopenmpi-dev libhdf5-dev hdf5-tools libopenblas-dev
    libcmocka-dev libyaml-dev libjansson-dev libxxhash-dev librandom123-dev zlib1g-dev dataset-fashion-mnist
    strace procps iproute2"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install.sh: not a Debian system, nothing installed. The build names what it misses; on Debian it would be:" >&2
    echo "  "$packages >&2
    exit 0
fi
missing=
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    sudo=sudo
else
    echo "install.sh: packages are missing and this user may not install them. As root:" >&2
    echo "  apt-get update && $install" >&2
    exit 1
fi
echo "installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive $install; } >"$log" 2>&1 ||
    { tail -20 "$log" >&2; echo "install.sh: failed: apt-get update && $install" >&2; exit 1; }
