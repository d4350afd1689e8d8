# Packed data: the memory line names what is unpacked, shared by a host in training and a chunk at a time in evaluations.
. "$(dirname "$0")/../lib.sh"
plans() { grep -qE -- "$1" err || fail "stderr has no line like '$1'"; }
small samples=600 shape=128x64 type=f64 deflate=1
sed -i 's/normalise: unit/normalise: none/; s/epochs: 3, batch_size: 24/epochs: 1, batch_size: 40/' run.yaml
lockstep train run.yaml --run alone
exits 0
plans '^memory .*, unpacked chunks 38\.[0-9] MiB per rank, unpacked chunks of evaluations 1\.0 MiB per rank$'
grep -q 'warning.*unpacked' err && fail "a warning where all fits"
ranks 2 train run.yaml --run together
exits 0
plans '^memory .*, unpacked chunks 38\.[0-9] MiB per host, unpacked chunks of evaluations 1\.0 MiB per rank$'
h=$(hash_of alone)
[ -n "$h" ] && [ "$h" = "$(hash_of together)" ] || fail "other bits on two ranks"
# What is not packed has nothing to say.
small
lockstep train run.yaml --run plain
exits 0
grep -q '^memory .*unpacked' err && fail "nothing is unpacked here"
exit 0
