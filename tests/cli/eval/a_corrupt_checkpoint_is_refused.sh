. "$(dirname "$0")/../lib.sh"
small
lockstep train run.yaml
exits 0
file=runs/run/checkpoints/step-00000015.h5
printf '\377' | dd of=$file bs=1 seek=9000 conv=notrunc 2>/dev/null
lockstep eval $file
exits 65
says "$file"
lockstep train run.yaml --set train.epochs=4
exits 0
says "step-00000015.h5"
