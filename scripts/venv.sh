#!/bin/bash
# venv.sh [DIR]: the virtual environment of the test oracles: numpy, h5py, scikit-learn, PyTorch (CPU). Default: .venv
#
# Nothing of it is needed to build, test or use Lockstep; tests of label `oracle` are skipped without it. A second call
# does nothing. PyPI's PyTorch for x86 is linked against CUDA's libraries, 2.5 GB that a CPU never calls: they are not
# installed, libraries of the same names stand in for them, whose every function answers "no device".
set -euo pipefail
tree=$(cd "$(dirname "$0")/.." && pwd)
venv=${1:-$tree/.venv}
python=${PYTHON:-python3}

die() { echo "venv.sh: $*" >&2; exit 1; }

# stand_in LIBRARY SYMBOL_VERSION SYMBOL...: a shared library of that name in the current directory.
stand_in() {
    local name=$1 version=$2
    shift 2
    {
        echo 'int lk_no_device(void) { return 100; } /* cudaErrorNoDevice */'
        printf 'int %s(void) __attribute__((alias("lk_no_device")));\n' "$@"
    } >stand_in.c
    echo "$version { global: *; };" >stand_in.map
    cc -shared -fPIC -w -Wl,-soname,"$name" -Wl,--version-script,stand_in.map -o "$name" stand_in.c
    rm stand_in.c stand_in.map
}

# Every library that PyTorch's CUDA half needs and nobody has, with the functions it asks of it.
stand_in_for_cuda() {
    cd "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/torch/lib"
    [ -e libtorch_cuda.so ] || return 0 # a build for CPUs alone
    local users=(libtorch_cuda.so libc10_cuda.so libtorch_python.so libtorch_nvshmem.so libcaffe2_nvrtc.so)
    local library version symbols
    nm -D --undefined-only "${users[@]}" 2>/dev/null | awk 'NF == 2 { print $2 }' | sort -u >undefined.txt
    for library in $(readelf -d "${users[@]}" 2>/dev/null | sed -n 's/.*NEEDED.*\[\(lib\(cu\|nv\|nccl\).*\)\]/\1/p' | sort -u); do
        [ ! -e "$library" ] || continue
        version=$library
        [[ $library != libnvshmem* ]] || version=NVSHMEM
        symbols=$(sed -n "s/@$version\$//p" undefined.txt)
        # Some give their symbols no version: those get all that have none.
        [ -n "$symbols" ] || symbols=$(grep -E '^(cu|nccl|nv)[A-Za-z0-9_]*$' undefined.txt)
        # shellcheck disable=SC2086 # one word a symbol
        stand_in "$library" "$version" $symbols
    done
    rm undefined.txt
}

if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv" || die "no virtual environment: on Debian install python3-venv"
fi
if "$venv/bin/python" -c 'import h5py, numpy, sklearn, torch' 2>/dev/null; then
    echo "venv.sh: $venv is ready"
    exit 0
fi
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }

pip install -r "$tree/scripts/golden/requirements.txt"
if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    command -v cc nm readelf >/dev/null || die "a C compiler and binutils are needed"
    pip install --no-deps --no-cache-dir torch
    (stand_in_for_cuda)
fi
"$venv/bin/python" - <<'PYTHON' || die "the environment in $venv does not work: remove it and try again"
import h5py, numpy, sklearn, torch
torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
print("numpy", numpy.__version__, "h5py", h5py.__version__, "scikit-learn", sklearn.__version__, "torch", torch.__version__)
PYTHON
