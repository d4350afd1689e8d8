# The seconds of --seconds are those of the timed steps: warm-up and yardstick come on top. What else runs here may make the steps
# that were tried first slow, or the timed ones, at random: one of five turns has to do.
. "$(dirname "$0")/../lib.sh"
small samples=2048
for attempt in 1 2 3 4 5; do
    lockstep bench run.yaml --set train.batch_size=256 --seconds 1 --json
    exits 0
    seconds=$(json_of seconds)
    awk -v s="$seconds" 'BEGIN { exit !(s > 0.7 && s < 1.5) }' && exit 0
    echo "attempt $attempt: $seconds s"
done
fail "of 1 s asked for $seconds s were timed"
