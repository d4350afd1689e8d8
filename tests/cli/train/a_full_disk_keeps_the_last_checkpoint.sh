. "$(dirname "$0")/../lib.sh"
small
mkdir disk
mount -t tmpfs -o size=400k none disk 2>err || { echo "skipped: no right to mount a small file system"; exit 77; }
trap 'cd /; umount "$work/disk"; rm -rf "$work"' EXIT
sed -i 's/units: 16/units: 256/' run.yaml
lockstep train run.yaml --run disk/run --set train.epochs=400 --set "checkpoint.every=1 steps" --set checkpoint.keep=2000
exits 74
grep -qiE "no space|full" err || fail "the message does not say that the disk is full"
lockstep inspect disk/run
exits 0
holds test -s disk/run/checkpoints/step-00000000.h5
