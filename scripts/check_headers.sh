#!/bin/bash
# check_headers.sh [BUILD [TREE]]: each header compiles alone; the public ones as C++ too, where there is a C++ compiler.
# The include folders of the foreign libraries are those of BUILD's compile commands.
build=$(realpath "${1:-$(dirname "$0")/../build}")
cd "${2:-$(dirname "$0")/..}" || exit 2
[ -f "$build/compile_commands.json" ] || { echo "$build is not a build folder: no compile_commands.json"; exit 2; }
mapfile -t folders < <(grep -oE -- '-(I|isystem) ?[^ "]+' "$build/compile_commands.json" | sed -E 's/^-(I|isystem) ?//' | sort -u)
flags=(-fsyntax-only -Wall -Wextra -Werror -D_GNU_SOURCE -Isrc -Iinclude)
for folder in "${folders[@]}"; do
    case $folder in /usr/include | "$PWD"/*) ;; *) flags+=(-isystem "$folder") ;; esac
done

# alone COMPILER LANGUAGE STANDARD HEADER
alone() { # what stands in front of a lone header is one line that includes it: so #pragma once and unused statics are no matter
    echo "#include \"$4\"" | "$1" -std="$3" "${flags[@]}" -I. -x "$2" - 2>&1
}
mapfile -t headers < <(find src include -name '*.h' | sort)
[ ${#headers[@]} -gt 0 ] || { echo "no headers below $PWD"; exit 2; }
failed=0
cxx=$(command -v "${CXX:-c++}")
for header in "${headers[@]}"; do
    said=$(alone "${CC:-cc}" c gnu11 "$header") || { echo "$header does not compile alone:"; head -4 <<<"$said"; failed=1; }
    case $header in
    include/*)
        [ -z "$cxx" ] || said=$(alone "$cxx" c++ c++11 "$header") ||
            { echo "$header does not compile alone as C++:"; head -4 <<<"$said"; failed=1; }
        ;;
    esac
done
exit $failed
