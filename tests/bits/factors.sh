# What the promise ranges over. A case is one launch: MODEL OPTIMIZER NP HOSTS EVALUATE. Sourced; also says, as
#   factors.sh all     every case, in the order in which scripts/soak.sh ranks runs them
#   factors.sh pairs   a choice of them that has every pair of values of two factors at least once (tests/bits/pairs.txt)
#   factors.sh check FILE   whether a file is such a choice: names the pairs that it lacks
models="mlp cnn resnet8"
optimizers="sgd adagrad rmsprop adam adamw"
nps="1 2 3 4 5 6 7 8 12 17 64"
hosts="1 2 3 4"
evaluates="auto root all"

# comm.ranks_per_host of NP ranks on so many hosts; uneven where it can be: 3+2, 2+1+1+3.
layout() { # NP HOSTS
    case $1/$2 in
    */1) echo 0 ;;
    5/2) echo "[3, 2]" ;;
    7/4) echo "[2, 1, 1, 3]" ;;
    8/3) echo "[1, 5, 2]" ;;
    *) seq 1 "$2" | awk -v np="$1" -v n="$2" '{ k = int(np * $1 / n); printf "%s%d", (NR > 1 ? ", " : "["), k - last; last = k } END { print "]" }' ;;
    esac
}

# With the optimizer of the shipped configuration all of it is as shipped; with the others, evaluations are more often and in
# smaller chunks, so that more is logged, and three have other lanes. Each model has last batches of 43 and of 5 samples,
# the latter with lanes that are empty.
variant() { # MODEL OPTIMIZER: tail of the epoch, then options
    local often="evaluate.every=10 steps;evaluate.chunk=20"
    case $1/$2 in
    mlp/adam | resnet8/sgd) echo 43 ;;
    cnn/adam) echo 5 ;;
    mlp/sgd) echo "5 $often;train.lanes=64" ;;
    cnn/adagrad) echo "5 $often;train.lanes=12" ;;
    resnet8/rmsprop) echo "43 $often;train.lanes=5" ;;
    mlp/rmsprop | mlp/adamw | resnet8/adagrad | resnet8/adam | resnet8-whole/adagrad) echo "5 $often" ;;
    *) echo "43 $often" ;;
    esac
}

all_cases() {
    for model in $models; do
        for optimizer in $optimizers; do
            for np in $nps; do
                for host in $hosts; do
                    [ "$host" -le "$np" ] || continue
                    for evaluate in $evaluates; do echo "$model $optimizer $np $host $evaluate"; done
                done
            done
        done
    done
}

# Greedy: the case that has the most pairs that are still missing, the first of equals. The order is not changed by the
# machine, so the file can be made again.
pairwise='
{ row[++n] = $0; for (i = 1; i <= 5; i++) for (k = i + 1; k <= 5; k++) { pair[n, i, k] = i "=" $i " " k "=" $k; want[pair[n, i, k]] = 1 } }
END {
    for (p in want) left++
    while (left > 0) {
        best = 0
        for (r = 1; r <= n; r++) {
            gain = 0
            for (i = 1; i <= 5; i++) for (k = i + 1; k <= 5; k++) gain += pair[r, i, k] in want
            if (gain > best) { best = gain; at = r }
        }
        for (i = 1; i <= 5; i++) for (k = i + 1; k <= 5; k++) if (pair[at, i, k] in want) { delete want[pair[at, i, k]]; left-- }
        print row[at]
    }
}'
missing_pairs='
NR == FNR { for (i = 1; i <= 5; i++) for (k = i + 1; k <= 5; k++) has[i "=" $i " " k "=" $k] = 1; next }
{ for (i = 1; i <= 5; i++) for (k = i + 1; k <= 5; k++) { p = i "=" $i " " k "=" $k; if (!(p in has) && !said[p]++) { print "missing: " p; bad = 1 } } }
END { exit bad }'

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    case ${1-} in
    all) all_cases ;;
    pairs) all_cases | awk "$pairwise" | sort ;;
    check) awk "$missing_pairs" "$2" <(all_cases) ;;
    *) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
fi
