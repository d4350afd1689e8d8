# The printed batch script is whole: bash reads it, Slurm's options stand before the first command, names are filled in and
# quoted, and it asks for no more ranks than the configuration has lanes.
. "$(dirname "$0")/../lib.sh"
value() { (eval "$(grep -E "^$1=" out)"; eval "printf %s \"\$$1\""); }
small
lockstep config init --slurm
exits 0
holds bash -n out
[ "$(value config)" = run.yaml ] || fail "config=$(value config)"
[ "$(value run)" = runs/run ] || fail "run=$(value run)"
[ "$(value lockstep)" -ef "$LOCKSTEP" ] || fail "lockstep=$(value lockstep)"
grep -q '@' <(grep -v '^#SBATCH --signal\|launch\[@\]' out) && fail "a blank was not filled in: $(grep '@' out)"
# sbatch stops reading options at the first command.
awk '/^#SBATCH/ { if (command) { print "late: " $0; bad = 1 } } /^[^#]/ { command = 1 } END { exit bad }' out || fail "options after a command"
for option in requeue open-mode=append signal=B:USR1@ time= nodes= ntasks-per-node=4; do
    grep -q "^#SBATCH --$option" out || fail "no --$option"
done
grep -q '77 | 137 | 205)' out || fail "it does not restart on 77, 137 and 205"
# A configuration of its own, in an awkward place.
mkdir -p "my runs"
sed 's/batch_size: 24/batch_size: 2048, lanes: 64/; s/data.h5/..\/data.h5/' run.yaml >"my runs/it's 50%.yaml"
lockstep config init --slurm "my runs/it's 50%.yaml"
exits 0
holds bash -n out
[ "$(value config)" = "my runs/it's 50%.yaml" ] || fail "config=$(value config)"
[ "$(value run)" = "runs/it's 50%" ] || fail "run=$(value run)"
grep -qx '#SBATCH --job-name=it_s_50_' out || fail "job name: $(grep job-name out)"
grep -q 'This configuration has 64 lanes' out || fail "lanes"
grep -qx '#SBATCH --ntasks-per-node=32' out || fail "ranks a node"
# It is a configuration that is named, and it is read.
lockstep config init --slurm data.h5
exits 2
lockstep config init --slurm missing.yaml
exits 2
says missing.yaml
lockstep config init --slurm run.yaml run.yaml
exits 2
