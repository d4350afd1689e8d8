#!/bin/bash
# soak.sh [kills|failures|ranks|cluster]... [--seed S] [--count N] [--from K]: the long tests, on what scripts/build.sh built.
#   kills     kill -9 of a random rank, of mpirun or of all ranks at a random moment, N times (201) over MLP, CNN and ResNet-8,
#             on 1...8 ranks before and after: each restart must end in the bits and the log of the undisturbed run. Kill k of
#             seed S is the same in any run: --from K begins with kill K, --from K --count 1 repeats one
#   failures  tests/crash in full: every system call, every allocation, every size of disk, fifty stopped ranks, ten minutes of
#             a slow one ...
#   ranks     tests/bits in full: all models, optimizers, rank counts, hosts and ways to evaluate
#   cluster   tests/cluster in full: hosts as network namespaces, a real Slurm (needs root)
# Without a name all four. Each ends with one line; its output is in build-check/soak/<name>.log. Seed 1 unless given.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
all="kills failures ranks cluster" names="" seed=1 count=201 from=0
while [ $# -gt 0 ]; do
    case $1 in
    --seed) seed=$2; shift ;;
    --count) count=$2; shift ;;
    --from) from=$2; shift ;;
    -*) echo "soak.sh: no option '$1'" >&2; exit 2 ;;
    *) case " $all " in *" $1 "*) names="$names $1" ;; *) echo "soak.sh: no '$1'; there are: $all" >&2; exit 2 ;; esac ;;
    esac
    shift
done
logs=$PWD/build-check/soak
mkdir -p "$logs"
export LOCKSTEP=${LOCKSTEP:-$PWD/build/lockstep} LK_SOURCE=$PWD LK_BUILD=$PWD/build
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 SEED=$seed
[ "$(id -u)" = 0 ] && export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
[ -x "$LOCKSTEP" ] || { echo "soak.sh: no $LOCKSTEP; scripts/build.sh makes it" >&2; exit 2; }

# The kills from K on are dealt out to the models in turn.
kills() {
    local k model done=0 models=(mlp cnn resnet8) bad=0
    for model in 0 1 2; do
        local list=()
        for k in $(seq "$from" $((from + count - 1))); do [ $((k % 3)) = $model ] && list+=("$k"); done
        [ ${#list[@]} -gt 0 ] || continue
        MODEL=${models[model]} NUMBERS="${list[*]}" bash tests/crash/R2_random_kills.sh || bad=1
    done
    done=$(grep -c '^kill [0-9]' "$logs/kills.log")
    echo "$done kills = $done restarts = $(grep -c '^kill [0-9].*equal' "$logs/kills.log") equal hashes: $(
        sed -n 's/^kill [0-9]*, \([a-z0-9]*\):.*/\1/p' "$logs/kills.log" | sort | uniq -c | awk '{ printf "%s%s %s", (NR > 1 ? ", " : ""), $2, $1 }'
    ), np 1...8, no orphan (seed $seed, kills $from...$((from + count - 1)))"
    return $bad
}

# A line a test: what makes it full, and its script.
failures() {
    local total=0 bad=0 setting test
    while read -r test setting; do
        [ -n "$test" ] || continue
        total=$((total + 1))
        echo "== $test $setting"
        eval "$setting" bash '"tests/crash/$test.sh"' || { echo "FAILED: $test $setting"; bad=$((bad + 1)); }
    done <<'LIST'
R1_killed_at_every_call EVERY=1
R1_killed_at_every_call EVERY=5 RANKS=3
R4_full_disk SIZES="$(seq -s " " 1 2 80)"
R5_io_errors WHEN="1 2 3 4 5 6"
R7_out_of_memory EVERY=1
R7_out_of_memory_in_use EVERY=1
R7_out_of_memory_in_measurements EVERY=1
R8_dead_rank
R9_stopped_rank ROUNDS=50
R9_stopped_rank_in_use
R9_stopped_rank_in_measurements
R9_slow_rank LASTS=600
R10_graceful_stop ROUNDS=50
R11_term ROUNDS=20
R12_not_finite ROUNDS=50
R13_flipped_bit_in_a_job FLIPS=50
R14_bad_data_bytes EVERY=1
R15_two_jobs_one_directory STARTS=50
R17_determinism REPEATS=20
R18_format_age
writing_delays_no_step EPOCHS=40
LIST
    echo "$((total - bad)) of $total tests of failures passed in full (seed $seed)"
    return $((bad > 0))
}

ranks() {
    local bad=0 model optimizer
    for model in mlp cnn resnet8; do
        for optimizer in sgd adagrad rmsprop adam adamw; do bash tests/bits/matrix.sh $model $optimizer all || bad=1; done
        bash tests/bits/resume.sh $model 2 1 3 4 5 6 7 8 12 17 64 || bad=1
    done
    bash tests/bits/control.sh || bad=1
    echo "$(grep -c '^equal: ' "$logs/ranks.log") launches equal, $(grep -cE '^(DIFFERENT|FAILED)' "$logs/ranks.log") not; a control with allreduce differs"
    return $bad
}

cluster() {
    ctest --test-dir build -L '^cluster$' --no-tests=error --output-on-failure
    local code=$?
    echo "$(grep -E '^[0-9]+% tests passed' "$logs/cluster.log" | tail -1), $(grep -c '\*\*\*Skipped' "$logs/cluster.log") skipped"
    return $code
}

verdict=0
for name in ${names:-$all}; do
    began=$SECONDS
    if ($name) >"$logs/$name.log" 2>&1 </dev/null; then word=passed; else word="FAILED (build-check/soak/$name.log)" verdict=1; fi
    echo "soak $name: $word, $((SECONDS - began)) s: $(tail -1 "$logs/$name.log")"
done
exit $verdict
