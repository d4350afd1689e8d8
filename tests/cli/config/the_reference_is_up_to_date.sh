# src/config/REFERENCE.md is what the option table says; one key of it is a command away.
. "$(dirname "$0")/../lib.sh"
lockstep config reference
exits 0
cmp -s out "$LK_SOURCE/src/config/REFERENCE.md" ||
    fail "src/config/REFERENCE.md is not up to date: lockstep config reference >src/config/REFERENCE.md"
lockstep help optimizer.adam
exits 0
answers "learning_rate"
answers "default 1e-3"
lockstep help train.lanes
answers "default auto"
lockstep config reference model.dense.init.constant
exits 0
answers "value"
lockstep help train.lane
exits 2
says "did you mean 'lanes'?"
lockstep config reference model.Linear
exits 2
says "did you mean 'dense'?"
