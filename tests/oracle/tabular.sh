# The test R2 of data/tabular/diamonds.yaml is within 0.01 of scikit-learn's gradient boosting on the same split.
. "$(dirname "$0")/../cli/lib.sh"
python=$LK_SOURCE/.venv/bin/python
[ -x "$python" ] || { echo "skipped: no virtual environment; scripts/venv.sh makes one"; exit 77; }
[ -f "$LK_SOURCE/data/tabular/diamonds.h5" ] || { echo "skipped: no data; scripts/tabular.sh makes them"; exit 77; }
cp "$LK_SOURCE/data/tabular/diamonds.yaml" . && ln -s "$LK_SOURCE/data/tabular/diamonds.h5" . || fail cp
ranks 2 train diamonds.yaml
exits 0
lockstep eval runs/diamonds --json
exits 0
ours=$(json_of r2)
theirs=$("$python" "$LK_SOURCE/scripts/oracle/tabular.py" diamonds.h5 | sed -n 's/^R2 //p')
echo "R2 $ours, gradient boosting $theirs"
holds awk -v a="$ours" -v b="$theirs" 'BEGIN { exit !(b > 0.9 && a >= b - 0.01) }'
exit 0
