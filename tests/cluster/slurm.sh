# slurm.sh LAUNCHER CASE...: the script that `config init --slurm` prints, on a real Slurm of three nodes; LAUNCHER is mpirun or
# srun. Only its header is edited, as a user would. Cases:
#   signal      USR1 to the script: checkpoint, 75, queued again, goes on
#   end_time    nobody sends a signal: the program stops by itself before the job's time is up
#   node        a node of the job dies: goes on, on the nodes that are left
#   batch_node  the node that runs the script dies
#   stop        the file STOP ends it with a checkpoint and for good
#   scancel     so does scancel, without a promise of a checkpoint
#   failing     a rank is killed three times at the same place: not queued for ever
# After each: the bits of a run that nobody disturbed.
. "$(dirname "$0")/lib.sh"
launcher=$1
shift
[ -x "$tools/netns-slurm" ] || skip "no netns-slurm in $tools"
for program in slurmctld slurmd munged sbatch; do
    PATH=$PATH:/usr/sbin command -v $program >/dev/null || skip "no program $program (Debian packages slurm-wlm, munge)"
done
"$tools/netns-slurm" up 3 >up 2>&1 || fail "netns-slurm up: $(cat up)"
slurm() { "$tools/netns-slurm" exec "cd $(printf %q "$PWD") && $*"; }

# submit: the printed script with this header.
submit() { # TIME SIGNAL
    "$LOCKSTEP" config init --slurm run.yaml >printed || fail "config init --slurm"
    bash -n printed || fail "bash does not read it"
    sed "s/^#SBATCH --ntasks-per-node=.*/#SBATCH --ntasks-per-node=2/; s/^#SBATCH --time=.*/#SBATCH --time=$1/
        s/^#SBATCH --signal=.*/$2/" printed >job.sbatch
    [ "$launcher" = mpirun ] || sed -i 's/^launch=(mpirun)/# &/; s/^# launch=(srun/launch=(srun/' job.sbatch
    job=$(slurm "sbatch --parsable job.sbatch")
    log=run-$job.log
    command="sbatch job.sbatch ($launcher, job $job)"
    until_true 60 reached runs/run "${at_step:-100}" || { show; fail "no step ${at_step:-100}"; }
}
show() {
    echo "--- $log:"
    grep -vE '^(Epoch|step) ' "$log"
    slurm "scontrol show job $job" | grep -E 'JobState|Restarts|ExitCode|NodeList='
    "$tools/netns-slurm" log 3 | tail -40
}
says_log() { grep -qE -- "$1" "$log" || { show; fail "the log does not say '$1'"; }; }
until_log() { until_true "$1" grep -qE -- "$2" "$log" || { show; fail "the log does not say '$2' within $1 s"; }; }
state() { slurm "squeue -h -j $job -o %T" 2>/dev/null; }
ended() { # squeue says nothing of a job that is over, and nothing either when it does not reach the controller
    local now
    now=$(state) || return 1
    case $now in '' | COMPLETED | CANCELLED | FAILED) true ;; *) false ;; esac
}
over() { grep -q '^runs/run is done' "$log" || ended; }
idle() { [ "$(slurm "sinfo -h -t idle -o %D")" = "$1" ]; }
started() { [ "$(grep -c '^memory ' "$log")" -ge "$1" ] && [ -n "$(process_on h0)" ]; }
# From now on the run is short: the next start takes it to its end.
shorten() {
    steps=$(($(step_of runs/run) + 100))
    sed -i "s/steps: 1000000/steps: $steps/" run.yaml
}
# The job comes back by itself and finishes, with the bits of a run nobody disturbed.
comes_back() { # SECONDS
    local from=$SECONDS here there
    until_true "$1" over
    grep -q '^runs/run is done' "$log" || { show; fail "not done within $1 s"; }
    says_log '^resume      of step'
    lockstep train run.yaml --run undisturbed
    exits 0
    here=$(hash_of runs/run) there=$(hash_of undisturbed)
    [ -n "$here" ] && [ "$here" = "$there" ] || { show; fail "other bits than an undisturbed run: $here, $there"; }
    echo "$launcher, $case: done $((SECONDS - from)) s later, equal after $(step_of runs/run) steps: $here"
}

for case in "$@"; do
    rm -rf runs undisturbed ./*.log ./*.failures
    endless
    submitted=$SECONDS
    case $case in
    signal)
        submit 5 '#SBATCH --signal=B:USR1@60'
        slurm scancel --batch --signal=USR1 "$job"
        until_log 20 '^stopped with a checkpoint; queued again'
        says_log 'stopped by a signal at step'
        shorten
        comes_back 150
        ;;
    end_time)
        submit 1 '# no signal'
        until_log 70 '^stopped with a checkpoint; queued again'
        says_log "stopped by the end of the job's time at step"
        [ $((SECONDS - submitted)) -ge 30 ] || fail "it stopped after $((SECONDS - submitted)) s of 60"
        shorten
        comes_back 150
        ;;
    node | batch_node)
        # slurmctld runs on h0, which therefore may not die: it is no node of the job until that has started.
        slurm scontrol update nodename=h0 state=drain reason=test
        submit 5 '#SBATCH --signal=B:USR1@60'
        slurm scontrol update nodename=h0 state=resume
        script=$(slurm "squeue -h -j $job -o %B")
        [ "$script" = h1 ] && other=h2 || other=h1
        [ $case = node ] && dead=$other || dead=$script
        net power-off "$dead"
        shorten
        comes_back 240
        [ $case = batch_node ] || [ "$launcher" = srun ] || says_log 'lost with its node .*exit code 205'
        grep -E '^ranks ' "$log" | tail -1 | grep -q "$dead:" && { show; fail "$dead is dead, and the job ran on it"; }
        "$tools/netns-slurm" start "$dead"
        until_true 60 idle 3 || fail "the nodes are not idle: $(slurm sinfo)"
        ;;
    stop)
        submit 5 '#SBATCH --signal=B:USR1@60'
        touch runs/run/STOP
        until_log 20 'STOP is there: not queued again'
        until_true 30 ended || fail "state $(state)"
        shorten
        job=$(slurm "sbatch --parsable job.sbatch") log=run-$job.log
        comes_back 60
        ;;
    scancel)
        submit 5 '#SBATCH --signal=B:USR1@60'
        slurm scancel "$job"
        until_true 40 ended || { show; fail "state $(state)"; }
        grep -q 'queued again, to go on' "$log" && { show; fail "cancelled, and it queued itself again"; }
        shorten
        job=$(slurm "sbatch --parsable job.sbatch") log=run-$job.log
        comes_back 60
        ;;
    failing)
        sed -i 's/every: 50 steps/every: never/' run.yaml
        at_step=0 submit 5 '#SBATCH --signal=B:USR1@60'
        for time in 1 2 3; do
            until_true 90 started "$time" || { show; fail "start $time does not come"; }
            kill -9 "$(process_on h0)"
            case $time in
            3) until_log 30 '^exit code 137, for the third time without a new checkpoint' ;;
            *) until_log 30 'a rank .*: exit code 137; queued again' ;;
            esac
        done
        until_true 30 ended || { show; fail "state $(state)"; }
        [ "$(grep -c 'queued again, to go on' "$log")" = 2 ] || { show; fail "not queued twice"; }
        echo "$launcher, failing: given up after three failures at the same checkpoint"
        ;;
    *) fail "no case $case" ;;
    esac
done
"$tools/netns-slurm" down
