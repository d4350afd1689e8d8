# Several inputs in one call: one group each, the same predictions on any number of ranks.
. "$(dirname "$0")/../lib.sh"
need h5dump hdf5-tools
small
lockstep train run.yaml
exits 0
values() { h5dump -d "$2" "$1" | sed -n '/DATA {/,/}/p'; }
for np in 1 3; do
    ranks $np predict runs/run data.h5:/test data.h5:/validation -o out-$np.h5
    exits 0
    answers "data.h5:/test: 30 samples, /input_1/output"
    answers "data.h5:/validation: 30 samples, /input_2/output"
done
lockstep predict runs/run data.h5:/validation -o alone.h5
exits 0
values alone.h5 /output >wanted
holds test -s wanted
for np in 1 3; do
    values out-$np.h5 /input_2/output | cmp -s - wanted || fail "$np ranks, second file: other predictions"
    values out-$np.h5 /input_1/output >out-$np.txt
done
holds cmp -s out-1.txt out-3.txt
cmp -s out-1.txt wanted && fail "two files, one answer"
exit 0
