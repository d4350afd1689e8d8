# A confusion matrix of many classes does not travel with every step: training refuses it and says what counts it instead; an
# evaluation has it, with the same counts on any number of ranks.
. "$(dirname "$0")/../lib.sh"
small samples=2000 classes=700
sed -i 's/units: 4}/units: 700}/' run.yaml
lockstep train run.yaml --set metrics=[accuracy,confusion_matrix] --run refused
exits 2
says "confusion_matrix is 490000 sums"
says "lockstep eval RUN --set metrics=[confusion_matrix]"
lockstep train run.yaml --run run --set train.epochs=1
exits 0
matrix="--set metrics=[confusion_matrix] --set evaluate.by=all --set evaluate.chunk=50 --json"
lockstep eval run $matrix
exits 0
answers confusion_matrix
mv out one.json
for np in 2 5; do # 5: a row is more than a fifth of what the root takes at a time
    ranks $np eval run $matrix
    exits 0
    cmp -s out one.json || fail "$np ranks: other figures"
done
