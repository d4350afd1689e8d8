#!/bin/bash
# install.sh: the Debian packages that building, testing and the examples need. Does nothing where all are there.
set -euo pipefail
packages="gcc libc6-dev cmake ninja-build pkg-config openmpi-bin libopenmpi-dev libhdf5-dev hdf5-tools libopenblas-dev
    libcmocka-dev libyaml-dev libjansson-dev libxxhash-dev librandom123-dev zlib1g-dev dataset-fashion-mnist
    strace procps iproute2"

missing=
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

command="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    sudo=sudo
else
    echo "install.sh: packages are missing and this user may not install them. As root:" >&2
    echo "  apt-get update && $command" >&2
    exit 1
fi
echo "installing$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo env DEBIAN_FRONTEND=noninteractive $command >/dev/null
