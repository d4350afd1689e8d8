# The three gates hold a tree that is in order, and each lets no violation of its kind through: one is planted at a time.
set -u
work=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-gates.XXXXXX")
trap 'rm -rf "$work"' EXIT
scripts=$LK_SOURCE/scripts
failed=0

fresh() { # a tree of three modules in order
    rm -rf "$work/tree"
    mkdir -p "$work"/tree/{scripts,include/lockstep,src/{core,nn,train,cli}}
    cd "$work/tree" || exit 1
    cp "$LK_SOURCE/.clang-format" .
    cp "$scripts/layers.txt" scripts
    printf '#pragma once\ntypedef struct lk_a lk_a;\n' >include/lockstep/a.h
    printf '#pragma once\nint lk_core(void);\n' >src/core/core.h
    printf '#pragma once\n#include "core/core.h"\nint lk_nn(void);\n' >src/nn/nn.h
    printf '#pragma once\nint lk_nn_internal(void);\n' >src/nn/nn_internal.h
    printf '#include "nn/nn.h"\n#include "nn/nn_internal.h"\n' >src/nn/nn.c
    printf '#include "lockstep/a.h"\n#include "nn/nn.h"\n' >src/train/train.c
    printf '#include <lockstep/a.h>\n' >src/cli/main.c
}
# gate NAME EXIT TEXT: the gate ends with EXIT and says TEXT.
gate() {
    case $1 in
    headers) said=$(bash "$scripts/check_headers.sh" "$LK_BUILD" .) ;;
    *) said=$(bash "$scripts/check_$1.sh" .) ;;
    esac
    code=$?
    [ "$1 $code" != "format 77" ] || { echo "format: $said"; return; }
    if [ $code != "$2" ] || ! grep -qF -- "$3" <<<"$said"; then
        echo "FAILED: check_$1.sh ends with $code instead of $2, or does not say '$3':"
        echo "$said"
        failed=1
    fi
}
# plant GATE FILE LINE TEXT: with this line at its end the file does not pass the gate.
plant() {
    fresh
    printf '%b\n' "$3" >>"$2"
    gate "$1" 1 "$4"
}

fresh
gate layers 0 ""
gate headers 0 ""
gate format 0 ""

plant layers src/nn/nn.c '#include "train/train.h"' "nn may not include train"      # upward
plant layers src/nn/nn.c '#  include "comm/comm.h"' "nn may not include comm"       # sideways
plant layers src/core/core.h '#include "nn/nn.h"' "core may not include nn"
plant layers src/nn/nn.h '#include <mpi.h>' "not a foreign header of nn"
plant layers src/train/train.c '#include <hdf5.h>' "not a foreign header of train"
plant layers src/train/train.c '#include "nn/nn_internal.h"' "internal to nn"
plant layers src/train/train.c '#include "../nn/nn.h"' "headers are named from src/"
plant layers src/cli/main.c '#include "core/core.h"' "cli includes lockstep/ and nothing else of ours"
plant layers include/lockstep/a.h '#include "core/core.h"' "public headers include public headers only"
plant layers include/lockstep/a.h '#include <mpi.h>' "foreign header in a public header"
plant layers scripts/layers.txt 'export 3 - train' "export is not above it"
fresh
mkdir src/stray && echo '#include "core/core.h"' >src/stray/x.c
gate layers 1 "the folder is not in scripts/layers.txt"

plant headers src/nn/nn.h 'size_t lk_rows(void);' "src/nn/nn.h does not compile alone"
plant headers src/core/core.h '#include "core/missing.h"' "src/core/core.h does not compile alone"
plant headers include/lockstep/a.h 'uint8_t lk_b;' "include/lockstep/a.h does not compile alone"
! command -v c++ >/dev/null || plant headers include/lockstep/a.h 'int lk_c(int class);' "as C++"

plant format src/nn/nn.c 'int  lk_wide(void);' "src/nn/nn.c: clang-format -i would change 1 places"
exit $failed
