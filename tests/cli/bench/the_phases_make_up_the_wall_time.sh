. "$(dirname "$0")/../lib.sh"
# No time is lost between the phases, and none is counted twice: their shares of the wall time add up to 1 within 2 %.
small samples=512
ranks 2 bench run.yaml --set train.batch_size=128 --seconds 1 --json
exits 0
sum=$(sed -n '/"phases"/,/}/s/.*: \([0-9.e-]*\),\{0,1\}$/\1/p' out | awk '{ n++; sum += $1 } END { print n, sum }')
awk -v sum="$sum" 'BEGIN { split(sum, s, " "); exit !(s[1] == 8 && s[2] > 0.98 && s[2] < 1.02) }' || fail "8 phases add up to 1: $sum"
[ "$(json_of cpu_seconds_per_sample)" != 0.0 ] || fail "processor time was spent"
