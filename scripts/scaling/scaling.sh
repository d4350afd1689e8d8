#!/bin/bash
# scaling.sh CONFIG [options]: strong and weak scaling over rank counts: CSV, text, and pictures as SVG and PNG.
#
#   --ranks "1 2 4 8"     rank counts, rising; default: powers of two up to twice the cores
#   --repeats 5           of the whole series, forwards and backwards in turn
#   --seconds 2           of training per point
#   --strong BATCH:LANES  batch of strong scaling, shared by all ranks; default: the configuration's
#   --weak BATCH:LANES    of each rank in weak scaling; default: the configuration's
#   --only strong|weak    one of the two
#   --set a.b=v           as for lockstep train; any number of times
#   --title TEXT          under the pictures' titles: machine, model, date
#   -o DIR                default scaling; DIR/repeat-K.csv, DIR/results.csv and the pictures
#
# On a Slurm cluster the same script is a job array in which each task is one repeat; then draw once:
#
#   sbatch --array=0-4 --nodes=8 --ntasks-per-node=64 scripts/scaling/scaling.sh CONFIG --ranks "64 128 256 512" -o DIR
#   scripts/scaling/scaling.sh --plot -o DIR
#
# $LOCKSTEP names the program (default: lockstep on the path, else build/lockstep), $LAUNCH what starts it: words before the
# number of ranks, "mpirun -n" or, under Slurm, "srun --mpi=pmix -n".
set -u
fail() { echo "scaling.sh: $*" >&2; exit 2; }

config='' ranks='' repeats=5 seconds=2 strong='' weak='' only='' title='' out=scaling plot='' sets=()
while [ $# -gt 0 ]; do
    case $1 in
    --ranks | --repeats | --seconds | --strong | --weak | --only | --title | --set | -o)
        [ $# -ge 2 ] || fail "$1 needs a value"
        case $1 in
        --ranks) ranks=$2 ;; --repeats) repeats=$2 ;; --seconds) seconds=$2 ;; --strong) strong=$2 ;;
        --weak) weak=$2 ;; --only) only=$2 ;; --title) title=$2 ;; --set) sets+=(--set "$2") ;; -o) out=$2 ;;
        esac
        shift 2 ;;
    --plot) plot=1; shift ;;
    -h | --help) sed -n '2,/^set -u/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;;
    -*) fail "no option $1; scaling.sh --help lists them" ;;
    *) [ -z "$config" ] || fail "one CONFIG expected, got $config and $1"; config=$1; shift ;;
    esac
done
built=$(cd "$(dirname "$0")/../.." && pwd)/build/lockstep
LOCKSTEP=${LOCKSTEP:-$(command -v lockstep || echo "$built")}
[ -x "$LOCKSTEP" ] || fail "no program lockstep on the path and no $built; LOCKSTEP names one"
cores=$(nproc)
if [ -z "$ranks" ]; then
    for ((p = 1; p <= 2 * cores; p *= 2)); do ranks+="$p "; done
fi

launch() { # RANKS COMMAND...
    local p=$1
    shift
    if [ -n "${LAUNCH-}" ]; then
        $LAUNCH "$p" "$@"
    elif [ -n "${SLURM_JOB_ID-}" ]; then
        srun --mpi=pmix -n "$p" "$@"
    elif [ "$p" -le "$cores" ]; then
        mpirun -n "$p" --bind-to core "$@"
    else
        mpirun -n "$p" --oversubscribe --bind-to none "$@"
    fi
}

# point strong|weak RANKS REPEAT: rows of one point, without their header.
point() {
    local batch more=()
    case $1 in
    strong) batch=$strong ;;
    weak) batch=$weak more+=(--weak)
        [ "$2" = 1 ] || more+=(--copies) ;;
    esac
    [ -z "$batch" ] || more+=(--set "train.batch_size=${batch%:*}" --set "train.lanes=${batch#*:}")
    launch "$2" "$LOCKSTEP" scaling steps "$config" ${sets[@]+"${sets[@]}"} "${more[@]}" --seconds "$seconds" --repeat "$3"
}

# series REPEAT: all points once; odd repeats from the last to the first, so that what drifts hits all alike.
series() {
    local points=() e p i at rows
    for e in strong weak; do
        [ -z "$only" ] || [ "$only" = $e ] || continue
        for p in $ranks; do points+=("$e $p"); done
    done
    rows=$out/repeat-$1.csv
    : >"$rows.part"
    for ((i = 0; i < ${#points[@]}; i++)); do
        at=$i
        [ $(($1 % 2)) = 0 ] || at=$((${#points[@]} - 1 - i))
        echo "repeat $1: ${points[at]} ranks" >&2
        # shellcheck disable=SC2086
        point ${points[at]} "$1" >>"$rows.part" || { echo "scaling.sh: ${points[at]} ranks failed" >&2; return 1; }
    done
    mv "$rows.part" "$rows"
}

draw() {
    local svg png=''
    awk 'FNR == 1 && NR > 1 || /^experiment,/ && NR > 1 { next } { print }' "$out"/repeat-*.csv >"$out/results.csv" || return
    "$LOCKSTEP" scaling plot "$out/results.csv" -o "$out" --title "$title" | tee "$out/results.txt"
    [ "${PIPESTATUS[0]}" = 0 ] || return
    for svg in "$out"/{speedup,efficiency,phases-strong,phases-weak}.svg; do
        [ -e "$svg" ] || continue
        png=${svg%.svg}.png
        if command -v rsvg-convert >/dev/null; then
            rsvg-convert -z 1.5 -o "$png" "$svg" || return
        elif command -v inkscape >/dev/null; then
            inkscape --export-type=png --export-dpi=144 -o "$png" "$svg" >/dev/null 2>&1 || return
        else
            echo "no PNG: neither rsvg-convert (package librsvg2-bin) nor inkscape is here; the SVG files are complete"
            return 0
        fi
        echo "wrote $png"
    done
}

mkdir -p "$out" || exit
if [ -n "$plot" ]; then
    draw
    exit
fi
[ -n "$config" ] || fail "a CONFIG is missing; scaling.sh --help"
if [ -n "${SLURM_ARRAY_TASK_ID-}" ]; then
    series "$SLURM_ARRAY_TASK_ID"
    exit
fi
rm -f "$out"/repeat-*.csv
for ((k = 0; k < repeats; k++)); do series $k || exit; done
draw
