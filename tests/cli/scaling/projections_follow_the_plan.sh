# scaling exchange --samples, and what scaling project makes of them.
. "$(dirname "$0")/../lib.sh"
ranks 2 scaling exchange 400k,2M --ranks-per-host 1 --backward 2 --seconds 0.3 --samples fit.csv
exits 0
head -1 fit.csv | grep -qx 'hosts,ranks,lanes,bytes,goodput_bytes_per_s,latency_s,rank,step,compute_s,backward_s,tail_s,step_s' ||
    fail "header $(head -1 fit.csv)"
awk -F, 'NR > 1 && ($9 < $10 || $12 < $9 || $10 < 0.002) { print; exit 1 }' fit.csv ||
    fail "a step is not shorter than its computing, and that not shorter than 2 ms of backward"
cp fit.csv kept.csv
lockstep scaling project fit.csv --hosts 2 -o ./fit.csv
exits 2
says_once "-o ./fit.csv is the same file as the samples fit.csv"
cmp fit.csv kept.csv || fail "the samples were lost"
lockstep scaling project fit.csv --hosts 2,8 --bytes 2M --gbit 1,10 --title "a test" -o projected.svg
exits 0
answers_like '^# fitted to 2 runs: '
[ "$(grep -c '^[0-9]' out)" = 4 ] || fail "two hosts times two rates are four rows"
# By the plan: 2 (m - 1) / m n bytes of the busiest host, and a step no shorter than these take or than 2 ms.
awk -F, '/^[0-9]/ { bytes = 2 * ($1 - 1) / $1 * 2e6; if ($5 < 0.99 * bytes || $5 > 1.05 * bytes || $6 < 2 ||
    $6 < 1e3 * bytes / ($4 * 1.25e8) - 2 || $9 <= 0 || $9 > 1.001 || $10 > $9 || $11 < $9) { print; exit 1 } }' out ||
    fail "a projection does not follow the plan"
grep -q '</svg>' projected.svg || fail "no picture"
cp out first
lockstep scaling project fit.csv --hosts 2,8 --bytes 2M --gbit 1,10
holds cmp out first
small samples=512
ranks 2 scaling steps run.yaml --seconds 0.1 --samples run.csv
exits 0
lockstep scaling project fit.csv --compute run.csv --hosts 4
exits 0
answers_like "^4,8,[0-9]+,0,"
lockstep scaling project run.csv --hosts 4
exits 65
says "the fit needs several"
lockstep scaling project fit.csv --hosts 0
exits 2

lockstep scaling project fit.csv --hosts 2 --bytes 400k,2M
cp out predicted.csv
run "$LK_SOURCE/scripts/scaling/check.sh" predicted.csv fit.csv
exits 0
answers_like '^2 predictions: mean error [0-9.]+ %, worst [0-9.]+ %'
# Nor does it know of meetings inside a step: such a model is measured, but gives no file to project from.
sed -i 's/  - dense: {units: 4}/  - batch_norm: {over: batch}\n  - dense: {units: 4}/' run.yaml
ranks 2 scaling steps run.yaml --seconds 0.1 --samples whole.csv
exits 2
says_once "batch_norm: {over: batch}"
ranks 2 scaling steps run.yaml --seconds 0.1 --weak --copies
exits 0
answers "copies,2"
