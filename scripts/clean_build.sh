#!/bin/bash
# clean_build.sh [ROOT]: as root: what a stranger without privileges gets on a fresh Debian 12. Makes a root directory with
# debootstrap (kept and used again if ROOT is given), installs only the packages that the build requires, copies the last
# commit there, and configures, builds and runs ctest as an unprivileged user, with no access to this machine's files.
#
# Where debootstrap or mounting is not possible it says so and does the same as user nobody in a fresh copy of the tree, on
# this machine's own packages: that covers rights and stray files, not missing packages.
set -euo pipefail
tree=$(cd "$(dirname "$0")/.." && pwd)
user=64123 # an id that nobody has
required="gcc libc6-dev cmake ninja-build pkg-config libopenmpi-dev openmpi-bin libhdf5-dev libopenblas-dev libcmocka-dev
    libyaml-dev libjansson-dev libxxhash-dev librandom123-dev zlib1g-dev"
[ "$(id -u)" = 0 ] || { echo "clean_build.sh: needs root to make a root directory and to become another user" >&2; exit 77; }

# What the unprivileged user runs, in a folder that it owns.
steps='set -e; cmake -B build -G Ninja >configure.log || { cat configure.log; exit 1; }
cmake --build build -j "$(nproc)" >build.log || { grep -E "error|FAILED|undefined" -A4 build.log || cat build.log; exit 1; }
ctest --test-dir build -j "$(nproc)" -LE "soak|bench|oracle" --output-on-failure'

if [ $# -gt 0 ]; then
    root=$1
else
    root=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-root.XXXXXX")
    trap 'rm -rf --one-file-system "$root" "$root.log"' EXIT
fi

fill_root() { # fill_root MIRROR
    debootstrap --variant=minbase bookworm "$root" "$1" || return 1
    cp /etc/resolv.conf "$root/etc"
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y --no-install-recommends $required || return 1
    chroot "$root" apt-get clean
}

# A root directory with the required packages alone. Its log is shown only if it fails.
make_root() {
    [ ! -f "$root/made" ] || return 0
    command -v debootstrap >/dev/null || apt-get install -y -qq --no-install-recommends debootstrap >/dev/null 2>&1 || return 1
    unshare --mount --pid --fork true 2>/dev/null || return 1
    local mirror
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep -v security | head -1)
    mkdir -p "$root"
    chmod 755 "$root" # the stranger's own "/"
    if ! fill_root "${mirror:-http://deb.debian.org/debian}" >"$root.log" 2>&1 </dev/null; then
        tail -5 "$root.log" >&2
        return 1
    fi
    rm -f "$root.log"
    touch "$root/made"
}

copy_tree() { # copy_tree FOLDER: the last commit, owned by the unprivileged user
    rm -rf "$1"
    mkdir -p "$1"
    git -C "$tree" archive HEAD | tar -x -C "$1"
    chown -R $user:$user "$1"
}

if make_root; then
    echo "In a Debian 12 root with the required packages alone, as user $user:"
    copy_tree "$root/home/stranger"
    # Debian's installer writes this file, debootstrap does not; without it each mpirun waits seconds for a name server.
    echo "127.0.0.1 localhost $(hostname)" >"$root/etc/hosts"
    # shellcheck disable=SC2016
    unshare --mount --pid --fork bash -c '
        mount -t proc proc "$0/proc" && mount -t sysfs sys "$0/sys" && mount --rbind /dev "$0/dev" && mount -t tmpfs -o mode=1777 tmpfs "$0/tmp" || exit 1
        cd / && exec chroot --userspec="$1:$1" "$0" /usr/bin/env -i HOME=/home/stranger PATH=/usr/bin:/bin LANG=C.UTF-8 \
            bash -c "cd /home/stranger && $2"' "$root" $user "$steps"
else
    echo "No clean root could be made (debootstrap and mounting are needed)."
    echo "As user $user in a fresh copy of the tree, on this machine's packages; a package too few would not be noticed:"
    home=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-stranger.XXXXXX")
    trap 'rm -rf "$home"; [ $# -gt 0 ] || rm -rf --one-file-system "$root" "$root.log"' EXIT
    copy_tree "$home"
    setpriv --reuid=$user --regid=$user --clear-groups env -i HOME="$home" PATH=/usr/bin:/bin LANG=C.UTF-8 \
        bash -c "cd '$home' && $steps"
fi
