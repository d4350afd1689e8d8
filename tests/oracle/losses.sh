# losses.sh ROW: the first 20 losses of a row of scripts/compare agree with PyTorch's to 1e-4, from the same initial weights;
# those of ResNet-8 also with batch norm over the whole batch, against stock PyTorch.
. "$(dirname "$0")/../cli/lib.sh"
python=$LK_SOURCE/.venv/bin/python
[ -x "$python" ] || { echo "skipped: no virtual environment; scripts/venv.sh makes one"; exit 77; }
"$make_data" data.h5 shape=28x28x1 classes=10 samples=1024 noise=20 || fail make_data
export OMPI_MCA_rmaps_base_oversubscribe=1
run "$python" "$LK_SOURCE/scripts/compare/compare.py" --lockstep "$LOCKSTEP" --data data.h5 --out . --ranks 2 --piece losses "$1"
exits 0
difference=$(json_of difference "$1/losses.json")
awk -v d="$difference" 'BEGIN { exit !(d != "" && d + 0 <= 1e-4) }' || fail "the losses of $1 differ by $difference"
whole=$(json_of whole "$1/losses.json")
case $1 in resnet8*) awk -v d="$whole" 'BEGIN { exit !(d != "" && d + 0 <= 1e-4) }' || fail "over the batch they differ by $whole" ;; esac
echo "$1: $difference${whole:+, batch norm over the batch: $whole}"
