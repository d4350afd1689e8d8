# scripts/scaling: a small series runs, its phases add up to the step, and it becomes text and pictures.
. "$(dirname "$0")/../lib.sh"
small samples=512
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 LAUNCH="$mpi"
run "$LK_SOURCE/scripts/scaling/scaling.sh" run.yaml --ranks "1 2" --repeats 2 --seconds 0.1 --strong 48:8 --weak 24:4 \
    --title "two ranks & a test" -o series
exits 0
# 2 repeats x (strong and weak at 1 and 2 ranks, copies at 2) x (8 phases and the step)
[ "$(wc -l <series/results.csv)" = $((1 + 2 * 5 * 9)) ] || fail "$(wc -l <series/results.csv) lines in results.csv"
awk -F, 'NR == 1 { next }
    $8 == "step" { if (sum < 0.98 * $10 || sum > 1.02 * $10) { print "phases", sum, "step", $10; exit 1 } sum = 0; next }
    { sum += $10 }
    $9 > $10 * 1.001 || $10 > $11 * 1.001 || $12 < 0 || $13 < -0.001 { print "row", $0; exit 1 }' series/results.csv ||
    fail "the phases of a step do not add up, or least <= mean <= most does not hold"
awk -F, '$1 == "weak" && $2 == 2 && $4 != 48 || $1 == "strong" && $4 != 48 { exit 1 }' series/results.csv || fail "wrong batch sizes"
answers "strong scaling: medians of 2 repeats"
answers "against copies"
answers_like '^ +1 +[0-9]+ +1\.000 \(1\.000 to 1\.000\) +1\.000 '
for picture in speedup efficiency phases-strong phases-weak; do
    grep -q '</svg>' series/$picture.svg || fail "no $picture.svg"
    grep -q 'two ranks &amp; a test' series/$picture.svg || fail "no title in $picture.svg"
done
if command -v rsvg-convert >/dev/null; then [ -s series/efficiency.png ] || fail "no PNG"; else answers "no PNG"; fi

echo "experiment,ranks,repeat,batch_size,phase,mean_ms,jitter,imbalance" >bad.csv
echo "strong,two,0,48,step,1,0,0" >>bad.csv
lockstep scaling plot bad.csv -o series
exits 65
says "bad.csv: row 1: ranks is 'two'"
