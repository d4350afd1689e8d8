#!/bin/bash
# check.sh PREDICTED.csv SAMPLES.csv...: steps that lockstep scaling project predicted against steps that lockstep scaling
# exchange measured on as many hosts with gradients of the same size: rows of Markdown, then the mean and the worst error.
[ $# -ge 2 ] || { sed -n '2,3s/^# //p' "$0"; exit 2; }
awk -F, '
function sort(list, n,    i, k, x) {
    for (i = 2; i <= n; i++) {
        x = list[i]
        for (k = i - 1; k >= 1 && list[k] > x; k--) list[k + 1] = list[k]
        list[k + 1] = x
    }
}
/^#/ || /^hosts,/ { next }
FILENAME == ARGV[1] { n_predicted++; hosts[n_predicted] = $1; bytes[n_predicted] = $3; ms[n_predicted] = $6
    low[n_predicted] = $7; high[n_predicted] = $8; next }
{ # the slowest rank of each step, by run
    run = $1 "," $4 "," $5
    if ($12 > slowest[run "," $8]) slowest[run "," $8] = $12
}
END {
    print "| hosts | n, MB | predicted, ms (5 to 95 %) | measured, ms | error |"
    print "|---|---|---|---|---|"
    for (p = 1; p <= n_predicted; p++) {
        n = 0
        for (step in slowest) {
            split(step, part, ",")
            if (part[1] == hosts[p] && part[2] > 0.99 * bytes[p] && part[2] < 1.01 * bytes[p]) list[++n] = 1e3 * slowest[step]
        }
        if (n == 0) continue
        sort(list, n)
        median = n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
        error = ms[p] / median - 1
        printf "| %d | %.2f | %.1f (%.1f to %.1f) | %.1f | %+.1f %% |\n", hosts[p], bytes[p] / 1e6, ms[p], low[p], high[p],
            median, 100 * error
        size = error < 0 ? -error : error
        sum += size
        if (size > worst) worst = size
        rows++
    }
    if (rows == 0) { print "check.sh: nothing was both predicted and measured" >"/dev/stderr"; exit 1 }
    printf "\n%d predictions: mean error %.1f %%, worst %.1f %%\n", rows, 100 * sum / rows, 100 * worst
}' "$@"
