. "$(dirname "$0")/../lib.sh"
small
lockstep train run.yaml
exits 0
before=$(hash_of runs/run) stamp=$(stat -c %Y.%s runs/run/checkpoints/*.h5 runs/run/log.txt runs/run/metrics.jsonl)
lockstep train run.yaml
exits 0
answers "finished"
[ "$stamp" = "$(stat -c %Y.%s runs/run/checkpoints/*.h5 runs/run/log.txt runs/run/metrics.jsonl)" ] || fail "files changed"
[ "$before" = "$(hash_of runs/run)" ] || fail "the state changed"
