#!/bin/bash
# hosts.sh TABLE...: the exchange between hosts that are network namespaces of this machine, over links with a limited rate; as
# rows of Markdown. B is the one-way goodput of TCP in the same run. Root, or a user who may make namespaces.
#
#   equal     2 to 4 hosts at 0.1, 0.5 and 1 Gb/s, 8 hosts at 0.1 and 0.2: layouts with K = m
#   other     layouts with K > m, 0.1 and 0.2 Gb/s: bytes against the plan, time against the busiest host's bytes at B
#   overlap   a backward pass of 60 ms that the exchange hides behind, 0.5 Gb/s
#   samples RATE "HOSTS..." "SIZES" SECONDS FILE   times of steps, for lockstep scaling project; RATE off: no limit
#
# $LOCKSTEP names the program, $NETNS_TOOLS the folder of netns-hosts, which makes the hosts. Of samples, $BACKWARD is the backward
# pass in ms (20), $STEPS how many steps of each run are kept (all), spread evenly.
set -u
fail() { echo "hosts.sh: $*" >&2; exit 1; }
built=$(cd "$(dirname "$0")/../.." && pwd)/build/lockstep
LOCKSTEP=${LOCKSTEP:-$(command -v lockstep || echo "$built")}
[ -x "$LOCKSTEP" ] || fail "no program lockstep on the path and no $built; LOCKSTEP names one"
[ -x "${NETNS_TOOLS:?names the folder of netns-hosts}/netns-hosts" ] || fail "no netns-hosts in $NETNS_TOOLS"
if [ -z "${INSIDE-}" ]; then # namespaces of our own, which end with us
    apart="unshare --mount --net --pid --fork --kill-child --mount-proc"
    [ "$(id -u)" = 0 ] || apart="$apart --user --map-root-user"
    INSIDE=1 exec $apart bash "$0" "$@"
fi
mount -t tmpfs -o mode=755 run /run && mount -t tmpfs shm /dev/shm && ip link set lo up || fail "no mounts in a namespace"
net() { "$NETNS_TOOLS/netns-hosts" "$@"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

hosts_up=0
hosts() { # HOSTS RATE
    [ "$hosts_up" = "$1" ] || { [ "$hosts_up" = 0 ] || net down; net up "$1" >/dev/null || fail "netns-hosts up $1"; hosts_up=$1; }
    net rate "$2" || fail "rate $2"
}
# exchange HOSTS RATE LANES SIZES [options of scaling exchange]
exchange() {
    hosts "$1" "$2"
    net run "$1" -q -- "$LOCKSTEP" scaling exchange "$4" --lanes "$3" "${@:5}" 2>"$work/err" >"$work/out" ||
        { cat "$work/err"; fail "$1 hosts at $2: lockstep scaling exchange"; }
}
value() { sed -n "s/.*\"$1\":\([^,}]*\).*/\1/p" "$work/out"; }

row() { # RATE: one row from the JSON of the run before
    awk -v rate="$1" -v m="$(value hosts)" -v lanes="$(value lanes)" -v k="$(value fringe_total)" -v n="$(value bytes)" \
        -v b="$(value goodput_bytes_per_s)" -v t="$(value exchange_s)" -v bound="$(value bound_s)" \
        -v busy="$(value busiest_bytes)" -v sent="$(value payload_bytes)" -v plan="$(value planned_bytes)" 'BEGIN {
        printf "| %s | %d | %d | %d | %.2f | %.2f | %.1f | %.3f | %.3f | %s |\n", rate, m, lanes, k, n / 1e6, b / 1e6, 1e3 * t,
            bound / t, busy / b / t, sent == plan ? "equal" : sent " of " plan }'
}
head_row() {
    echo "| link | hosts | lanes | K | n, MB | B, MB/s | exchange, ms | bound / time | busiest at B / time | bytes and plan |"
    echo "|---|---|---|---|---|---|---|---|---|---|"
}

equal() {
    local rate
    head_row
    for rate in 100mbit 500mbit 1gbit; do
        local n=8M
        [ $rate = 100mbit ] && n=2.68M
        exchange 2 $rate 8 $n --seconds 2 --json && row $rate
        exchange 3 $rate 3 $n --seconds 2 --json && row $rate
        exchange 4 $rate 16 $n --seconds 2 --json && row $rate
    done
    for rate in 100mbit 200mbit; do exchange 8 $rate 32 2.68M --seconds 2 --json && row $rate; done
}
other() {
    local layout
    head_row
    for layout in 3:8:200mbit 5:8:200mbit 6:8:200mbit 7:8:200mbit 3:64:200mbit 12:64:100mbit; do
        IFS=: read -r m lanes rate <<<"$layout"
        exchange "$m" "$rate" "$lanes" 2.68M --seconds 2 --json && row "$rate"
    done
}
overlap() {
    echo "| link | hosts | n, MB | backward, ms | exchange alone, ms | step, ms | of backward + exchange |"
    echo "|---|---|---|---|---|---|---|"
    local m alone
    for m in 2 4; do
        exchange $m 500mbit $((4 * m)) 2.68M --seconds 2 --json
        alone=$(value exchange_s)
        exchange $m 500mbit $((4 * m)) 2.68M --seconds 3 --backward 60 --json
        awk -v m=$m -v n="$(value bytes)" -v alone="$alone" -v step="$(value step_s)" 'BEGIN { printf \
            "| 500mbit | %d | %.2f | 60 | %.1f | %.1f | %.2f |\n", m, n / 1e6, 1e3 * alone, 1e3 * step, step / (0.06 + alone) }'
    done
}
thin() { # FILE STEPS: at most so many steps of each run, numbered anew
    awk -F, -v OFS=, -v most="$2" '
        FNR == 1 { if (NR == 1) print; next }
        { run = $1 "," $2 "," $3 "," $4 }
        NR == FNR { if ($8 >= n[run]) n[run] = $8 + 1; next }
        n[run] > most { k = int($8 * most / n[run]); if (k == int(($8 + 1) * most / n[run])) next; $8 = k }
        { print }' "$1" "$1"
}
samples() { # RATE "HOSTS..." SIZES SECONDS FILE
    local m first=1
    for m in $2; do
        exchange "$m" "$1" $((4 * m)) "$3" --seconds "$4" --backward "${BACKWARD:-20}" --samples "$work/samples.csv"
        thin "$work/samples.csv" "${STEPS:-1000000}" | tail -n +$((2 - first)) >>"$5.part"
        first=0
    done
    mv "$5.part" "$5"
}

[ $# -gt 0 ] || fail "a TABLE is missing: equal, other, overlap, samples"
if [ "$1" = samples ]; then
    samples "${@:2}"
    exit
fi
for table; do
    case $table in
    equal | other | overlap) "$table" ;;
    *) fail "no table '$table'" ;;
    esac
done
