# -o names a file that is imported, or any file that `data import` did not make: refused, and the file is as it was. What it made
# before is replaced.
. "$(dirname "$0")/../lib.sh"
for i in $(seq 40); do echo "$i,$((2 * i))"; done | sed '1i a,b' >b.csv
npy() { # npy FILE: eight bytes 1 to 8 behind numpy's header
    { printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (8, 1), }"
      printf '\001\002\003\004\005\006\007\010'; } >"$1"
}
npy x.npy
npy y.npy
{ printf '\000\000\010\003\000\000\000\010\000\000\000\001\000\000\000\001'; printf '\001\002\003\004\005\006\007\010'; } >images
{ printf '\000\000\010\001\000\000\000\010'; printf '\000\001\000\001\000\001\000\001'; } >labels
ln -s b.csv symbolic.csv
ln y.npy hard.npy
"$make_data" data.h5 || fail make_data
mkdir before
cp b.csv x.npy y.npy images labels data.h5 before
same() {
    for file in before/*; do cmp "$file" "$(basename "$file")" || fail "$(basename "$file") changed"; done
    [ -L symbolic.csv ] && [ hard.npy -ef y.npy ] || fail "a link is gone"
    [ -z "$(find . -name '*.new*')" ] || fail "something is left: $(find . -name '*.new*')"
}
refused() { # refused OUT INPUT ARGUMENT...
    out=$1 input=$2
    shift 2
    lockstep data import "$@" -o "$out"
    exits 2
    says_once "-o $out is the same file as the input $input"
    silent
    same
}
refused b.csv b.csv csv b.csv --target b
refused ./b.csv b.csv csv b.csv --target b
refused symbolic.csv b.csv csv b.csv --target b
refused b.csv symbolic.csv csv symbolic.csv --target b
refused x.npy x.npy npy --x x.npy --y y.npy
refused hard.npy y.npy npy --x x.npy --y y.npy
refused images images idx --train images labels
refused labels labels idx --train images labels
for out in data.h5 labels; do
    lockstep data import csv b.csv --target b -o $out
    exits 2
    says_once "-o $out: there is such a file and \`lockstep data import\` did not make it, so it is kept; remove it or choose another name"
    same
done
lockstep data import csv b.csv --target b -o before
exits 2
says_once "-o before: that is a folder"

for import in "csv b.csv --target b" "npy --x x.npy --y y.npy" "idx --train images labels" "csv b.csv --target b"; do
    # shellcheck disable=SC2086
    lockstep data import $import -o made.h5
    exits 0
    same
    sum=$(cksum <made.h5)
    [ "$sum" != "${last:-}" ] || fail "its own output was not replaced"
    last=$sum
done
