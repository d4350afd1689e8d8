# Each rank looks at some of the files; what is trained does not depend on how many ranks there are, nor what is said of a bad file.
. "$(dirname "$0")/../lib.sh"
small
for i in 1 2 3 4 5 6 7 8 9; do "$make_data" "part_$i.h5" seed=$i samples=$((20 + i)) || fail "make_data"; done
sed -i 's,train: data.h5:/train,train: "part_*.h5:/train",' run.yaml
first=
for np in 1 2 3 5; do
    ranks $np train run.yaml --run "run$np"
    exits 0
    says "225 samples of 8x8x1 u8 in 9 files"
    : "${first:=$(hash_of run1)}"
    holds [ "$(hash_of "run$np")" = "$first" ]
done
ranks 3 eval run3 --data "part_*.h5:/train" --json
exits 0
cp out scores
lockstep eval run3 --data "part_*.h5:/train" --json
exits 0
holds cmp -s out scores
"$make_data" part_8.h5 shape=8x9x1
echo "this is no data" >part_6.h5
for np in 1 2 3 5; do
    ranks $np train run.yaml --run bad
    exits 65
    says_once "part_6.h5"
    ranks $np eval run3 --data "part_*.h5:/train"
    exits 65
    says_once "part_6.h5"
done
