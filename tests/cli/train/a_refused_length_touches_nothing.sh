# A finished run is asked for a length that it cannot go on to: exit 2 with the ways on, and no file has changed.
. "$(dirname "$0")/../lib.sh"
small
files_of() { find "$1" -type f -printf '%P %T@ %s\n' | sort; }
lockstep train run.yaml --set schedule=cosine
exits 0
before=$(files_of runs/run)
for length in 2 6; do
    for launch in lockstep "ranks 2"; do
        $launch train run.yaml --set schedule=cosine --set train.epochs=$length
        exits 2
        says_once "lockstep: configuration: runs/run"
        says "--new"
        [ "$(files_of runs/run)" = "$before" ] || fail "files changed"
    done
done
lockstep train run.yaml --set schedule=cosine
exits 0
answers "nothing to do"
# The start of a run from parameters that do not fit leaves a directory that the right ones can still start in.
lockstep train run.yaml --from data.h5 --run tuned
exits 65
lockstep train run.yaml --from runs/run --run tuned
exits 0
answers_like '^Epoch 3/3'
