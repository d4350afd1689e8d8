#!/bin/bash
# smpi.sh BYTES COMPUTE_S GBIT HOSTS...: a step between hosts as SimGrid's SMPI sees it, beside lockstep scaling project: the same
# plan of the exchange, another model of the network. Links of GBIT Gb/s (0.941 of it for TCP), 30 us; rows hosts,bytes,seconds.
# $SMPI_OPTIONS: more options of smpirun. With $LOCKSTEP, the program, first the rows of the event model, where nothing is charged
# for messages and bytes either: so it was fitted to validation/fit.csv.
# Needs smpicc and smpirun (Debian package libsimgrid-dev). 128 hosts take half a minute, 256 two minutes.
set -eu
[ $# -ge 4 ] || { sed -n '2,6s/^# //p' "$0"; exit 2; }
command -v smpicc >/dev/null || { echo "smpi.sh: no smpicc; it is in Debian's libsimgrid-dev" >&2; exit 1; }
source=$(cd "$(dirname "$0")/../.." && pwd)
bytes=$1 compute=$2 gbit=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -n "${LOCKSTEP-}" ]; then
    echo "hosts,ranks,lanes,bytes,goodput_bytes_per_s,latency_s,rank,step,compute_s,backward_s,tail_s,step_s
1,1,4,$bytes,0,0,0,0,$compute,0,0,$compute" >"$work/compute.csv"
    hosts=$*
    "$LOCKSTEP" scaling project "$source/scripts/scaling/validation/fit.csv" --compute "$work/compute.csv" --hosts "${hosts// /,}" \
        --gbit "$gbit" --latency 0.03 | awk -F, '/^[0-9]/ { printf "event model %d,%d,%.5f\n", $1, $3, $6 / 1e3 }'
fi
smpicc -DSMPI -O2 -D_GNU_SOURCE -I"$source/src" -I"$source/include" -o "$work/exchange" "$source/scripts/scaling/smpi/exchange.c" \
    "$source"/src/comm/{plan,tree}.c "$source"/src/core/{alloc,shape,span,status,str}.c -lm
cd "$work"
cat >platform.xml <<X
<?xml version='1.0'?><!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1"><zone id="w" routing="Full"><cluster id="c" prefix="n" suffix="" radical="0-511" speed="50Gf"
  bw="$(awk -v g="$gbit" 'BEGIN { printf "%.0f", 0.941 * g * 1e9 / 8 }')Bps" lat="15us" sharing_policy="SPLITDUPLEX"
  loopback_bw="10GBps" loopback_lat="1us"/></zone></platform>
X
for ((i = 0; i < 512; i++)); do echo n$i; done >hosts
# Factors of 1: the defaults were fitted to a gigabit cluster of long ago. A poll takes no time.
# shellcheck disable=SC2086
for m; do
    smpirun -np "$m" -platform platform.xml -hostfile hosts --cfg=smpi/host-speed:50Gf --cfg=smpi/simulate-computation:no \
        --cfg=smpi/shared-malloc:global --cfg=contexts/stack-size:256 --cfg=smpi/lat-factor:0:1 --cfg=smpi/bw-factor:0:1 \
        --cfg=smpi/test:1e-9 --log=root.thresh:warning ${SMPI_OPTIONS-} ./exchange "$bytes" "$compute"
done
