#!/bin/bash
# fashion-mnist.sh [SEED...]: the table of data/fashion-mnist/README.md: each model for ten epochs with each seed (1 2 3), test
# accuracy of the last step, as Markdown. Runs go to runs/fashion-mnist/MODEL-SEED and are not trained twice. About half an
# hour on two cores. LAUNCH may name another launcher than mpirun on all cores.
set -euo pipefail
cd "$(dirname "$0")/.."
lockstep=${LOCKSTEP:-build/lockstep}
example=data/fashion-mnist
[ $# -gt 0 ] || set -- 1 2 3
[ -f $example/fashion-mnist.h5 ] || { echo "fashion-mnist.sh: no $example/fashion-mnist.h5; scripts/quickstart.sh makes it" >&2; exit 1; }
[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
launch=${LAUNCH:-mpirun -n $(nproc)}

echo "| model | parameters | test accuracy, seeds $* | mean | least | largest |"
echo "|---|---|---|---|---|---|"
for model in mlp cnn resnet8; do
    figures=
    for seed in "$@"; do
        run=runs/fashion-mnist/$model-$seed
        $launch "$lockstep" train $example/$model.yaml --set seed="$seed" --run "$run" >/dev/null 2>&1 </dev/null ||
            { echo "fashion-mnist.sh: $run failed: see $run/log.txt" >&2; exit 1; }
        figures="$figures $("$lockstep" eval "$run" --at last --json 2>/dev/null | sed -n 's/.*"accuracy": *\([0-9.]*\).*/\1/p')"
    done
    parameters=$("$lockstep" inspect "runs/fashion-mnist/$model-$1" --json | sed -n 's/^ "parameters": *\([0-9]*\).*/\1/p')
    echo "$figures" | awk -v model=$model -v parameters="$parameters" '{
        low = 9; for (i = 1; i <= NF; i++) { sum += $i; if ($i < low) low = $i; if ($i > high) high = $i
            list = list (i > 1 ? ", " : "") sprintf("%.4f", $i) }
        while (parameters > 999) { tail = sprintf(",%03d%s", parameters % 1000, tail); parameters = int(parameters / 1000) }
        printf "| `%s.yaml` | %s%s | %s | %.4f | %.4f | %.4f |\n", model, parameters, tail, list, sum / NF, low, high }'
done
