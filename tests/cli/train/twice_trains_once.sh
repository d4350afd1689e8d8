. "$(dirname "$0")/../lib.sh"
small
lockstep train run.yaml
exits 0
files_of() { find "$1" -type f -printf "%P %T@ %s\n" | sort; }
before=$(hash_of runs/run) stamp=$(files_of runs/run)
lockstep train run.yaml
exits 0
answers "finished"
[ "$stamp" = "$(files_of runs/run)" ] || fail "files changed"
[ "$before" = "$(hash_of runs/run)" ] || fail "the state changed"
