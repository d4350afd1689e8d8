# scripts/scaling/README.md: its table is that of the committed projections, its picture has the command's title, and the command
# makes both anew from the committed inputs (here for the two least numbers of hosts).
. "$(dirname "$0")/../lib.sh"
page=$LK_SOURCE/scripts/scaling/README.md
awk -F, '
function grouped(n) { return n < 1000 ? n : int(n / 1000) "," sprintf("%03d", n % 1000) }
!/^[0-9]/ { next }
{ of[FILENAME == ARGV[1], $1] = of[FILENAME == ARGV[1], $1] (($4 == 10) ? "" : " / ") sprintf("%.3f", $9) }
FILENAME == ARGV[1] && $4 == 10 { hosts[++n] = $1; ms[n] = $6; low[n] = $10; high[n] = $11 }
END {
    for (i = 1; i <= n; i++) printf "| %s | %.1f | %s | %.2f to %.2f | %s |\n", grouped(hosts[i]), ms[i], of[1, hosts[i]], low[i], high[i], of[0, hosts[i]]
}' "$LK_SOURCE"/scripts/scaling/projection/projected-{cnn,even}.csv >rows
[ "$(wc -l <rows)" = 5 ] || fail "$(wc -l <rows) rows in place of 5"
while read -r row; do grep -qxF -- "$row" "$page" || fail "the page has no row $row"; done <rows

sed -n '/^lockstep scaling project projection\/fast.csv/,/^```/{/^```/d;p}' "$page" >redraw.sh
title=$(sed -n 's/.*--title "\([^"]*\)".*/\1/p' redraw.sh)
[ -n "$title" ] && grep -qF "$title" "$LK_SOURCE/scripts/scaling/figures/projection-cnn.svg" || fail "the picture's title is not '$title'"
mkdir bin figures projection
ln -s "$LOCKSTEP" bin/lockstep
cp "$LK_SOURCE"/scripts/scaling/projection/{fast,cnn}.csv projection/
sed -i 's/--hosts [0-9,]*/--hosts 16,64/' redraw.sh
PATH=$PWD/bin:$PATH run bash -e redraw.sh
exits 0
grep -qF "$title" figures/projection-cnn.svg || fail "no picture"
# To a hundredth: a logarithm's last bit is the C library's, and may turn the fit.
awk -F, 'function off(a, b) { return a < 0.99 * b || a > 1.01 * b }
    !/^[0-9]/ { next }
    NR == FNR { for (c = 6; c <= 11; c++) was[$1, $4, c] = $c; next }
    { for (c = 6; c <= 11; c++) if (off($c, was[$1, $4, c])) { print "column", c, "was", was[$1, $4, c], "of", $0; exit 1 } rows++ }
    END { if (rows != 6) { print rows + 0, "rows"; exit 1 } }' \
    "$LK_SOURCE/scripts/scaling/projection/projected-cnn.csv" projection/projected-cnn.csv || fail "another projection"
