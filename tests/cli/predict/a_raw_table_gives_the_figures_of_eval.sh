# From a CSV file as it was exported, with missing cells and words that training never saw: what predict writes gives,
# by awk, the metrics that eval prints. Once for numbers, once for classes.
. "$(dirname "$0")/../lib.sh"
need h5dump hdf5-tools
near() { awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { exit !(a - b <= t && b - a <= t) }' || fail "$4: $1 is not $2 within $3"; }
column() { h5dump -d "$2" -y -w 1 "$1" | awk '/}/ { if (on) exit } on && NF { gsub(/[ ,]/, ""); print } /DATA {/ { on = 1 }'; }
table() { # table SEED ROWS [WORD]: a column of words, numbers with holes, a price and a kind that follow from them
    awk -v seed="$1" -v rows="$2" -v word="${3:-}" 'BEGIN { srand(seed); print "shape,width,depth,price,kind"
        for (i = 0; i < rows; i++) { s = int(rand() * 3); w = 1 + rand() * 4; d = rand() * 2; gap = rand() < 0.1
            name = word != "" && rand() < 0.2 ? word : s == 0 ? "round" : s == 1 ? "square" : "a, b"
            printf "\"%s\",%s,%.3f,%.2f,%s\n", name, gap ? "" : sprintf("%.3f", w), d, 1000 + 300 * w * (1 + s) + 50 * d,
                (w > 3) ? "wide" : (s == 2) ? "odd" : "plain" } }'
}
table 1 1500 >old.csv
table 2 400 "never seen" >new.csv
cat >price.yaml <<'YAML'
lockstep: 1
data: {train: price.h5:/train, validation: price.h5:/validation, test: price.h5:/test, normalise: standard, normalise_targets: standard}
model: [{dense: {units: 32, activation: silu}}, {dense: {units: 1}}]
loss: mse
metrics: [r2, mae, rmse]
optimizer: {adam: {learning_rate: 1e-2}}
train: {epochs: 20, batch_size: 64}
YAML
sed -e 's/price.h5/kind.h5/g; s/, normalise_targets: standard//; s/units: 1}/units: classes}/; s/loss: mse/loss: softmax_cross_entropy/' \
    -e 's/metrics: .*/metrics: [accuracy]/' price.yaml >kind.yaml
lockstep data import csv old.csv --target price,kind -o both.h5
[ "$code" != 0 ] || fail "a number and a word as one target"
awk 'BEGIN { FS = OFS = "," } { NF--; print }' old.csv >old_price.csv
awk 'BEGIN { FS = OFS = "," } { NF--; print }' new.csv >new_price.csv
awk 'BEGIN { FS = OFS = "," } { $(NF - 1) = $NF; NF--; print }' old.csv >old_kind.csv
awk 'BEGIN { FS = OFS = "," } { $(NF - 1) = $NF; NF--; print }' new.csv >new_kind.csv
for what in price kind; do
    lockstep data import csv old_$what.csv --target $what --validation 0.15 --test 0.15 -o $what.h5
    exits 0
    lockstep train $what.yaml
    exits 0
    cp runs/$what/best.h5 $what-model.h5
    rm -rf runs $what.h5 # from here on: the checkpoint and the raw file
    lockstep predict $what-model.h5 new_$what.csv -o $what-out.h5
    exits 0
    ranks 3 eval $what-model.h5 --data new_$what.csv --json
    exits 0
    cp out $what.json
done

column price-out.h5 /output >said
awk -F, 'NR > 1 { print $NF }' new_price.csv | paste said - >pairs
[ "$(wc -l <pairs)" = 400 ] || fail "not 400 predictions"
read -r r2 mae rmse <<<"$(awk '{ d = $1 - $2; e += d * d; a += d < 0 ? -d : d; s += $2; q += $2 * $2 }
    END { printf "%.9g %.9g %.9g", 1 - e / (q - s * s / NR), a / NR, sqrt(e / NR) }' pairs)"
near "$(json_of r2 price.json)" "$r2" 1e-5 r2
near "$(json_of mae price.json)" "$mae" 0.01 mae # of some 2,000
near "$(json_of rmse price.json)" "$rmse" 0.01 rmse
near "$r2" 0.9 0.1 "it learned nothing"

h5dump -a /class/class_names -y -w 1 kind-out.h5 | grep -o '"[a-z]*"' | tr -d '"' >names
column kind-out.h5 /class | awk 'NR == FNR { name[NR - 1] = $1; next } { print name[$1] }' names - >said
awk -F, 'NR > 1 { print $NF }' new_kind.csv | paste said - >pairs
near "$(json_of accuracy kind.json)" "$(awk '$1 == $2 { n++ } END { print n / NR }' pairs)" 1e-9 accuracy
