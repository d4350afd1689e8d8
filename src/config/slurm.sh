#!/bin/bash
# Trains @CONFIG_TEXT@ under Slurm: sbatch this file.
#
# The same command starts the run, goes on with it, and says so when it is done. When the job's time is up, when it is
# preempted, when a rank is killed or hangs or a node is lost, this script puts the job back into the queue, and the next
# start goes on from the last checkpoint: with the same result to the last bit, on any number of nodes and ranks.
#   look at it         tail -f @JOB@-JOBID.log
#   stop it cleanly    touch STOP in the run directory (below): a last checkpoint, and it is not queued again
#   stop it at once    scancel JOBID: the last periodic checkpoint stays (checkpoint.every)
#   go on with it      sbatch this file once more

#SBATCH --job-name=@JOB@
# One rank a core. @LANES@: more ranks than that, over all nodes, would idle
# (train.batch_size and train.lanes; `lockstep config render` shows them).
#SBATCH --nodes=@NODES@
#SBATCH --ntasks-per-node=@RANKS@
#SBATCH --cpus-per-task=1
# The program asks Slurm when the job ends, and stops with a checkpoint in time. USR1, which Slurm sends to this script two
# minutes before the end, and at preemption where the site has set send_user_signal, makes it stop at the next step.
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
# One log for all starts of the job.
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
# What your site wants besides: --account, --partition, --mem-per-cpu, --hint=nomultithread ...

config=@CONFIG@
run=@RUN@
lockstep=@LOCKSTEP@

# module load ...    # the MPI and HDF5 that Lockstep was built with

# How ranks are started. srun does as well where `srun --mpi=list` names pmix.
launch=(mpirun)
# launch=(srun --mpi=pmix --kill-on-bad-exit=1)

# Open MPI's mpirun asks so seldom whether other nodes are still there that a lost one may cost a quarter of an hour: here 20 s.
export OMPI_MCA_oob_tcp_keepalive_time=10 OMPI_MCA_oob_tcp_keepalive_intvl=2 OMPI_MCA_oob_tcp_keepalive_probes=5

# Before the first start, and if one does not go as it should: this looks at the data and all else that training begins with,
# at cores, binding, shared memory and the links between nodes. What is wrong are lines that begin with `trouble`.
# "${launch[@]}" "$lockstep" doctor "$config"

if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] && [ -e "$run/STOP" ]; then
    echo "$run/STOP is there: not started again"
    exit 0
fi

# In the background, since bash runs a trap only between two commands. mpirun ignores USR1 until it is ready for it.
(trap '' USR1; exec "${launch[@]}" "$lockstep" train "$config" --run "$run") &
pid=$!

# USR1 goes on to every rank: a checkpoint at the next step, then exit code 75. TERM is what scancel sends, and preemption,
# where Slurm itself queues again what it wants to come back. (mpirun passes TERM on and kills the ranks one second later.)
trap 'caught=1; kill -USR1 $pid' USR1
trap 'caught=1; ended=1; kill -USR1 $pid' TERM

# A trap ends `wait` early: then wait again.
while caught=; wait $pid; code=$?; [ "$caught" ]; do :; done

newest() { ls "$run/checkpoints" 2>/dev/null | grep '^step-.*h5$' | tail -n 1; }
queue_again() {
    if [ "$ended" ]; then
        echo "$1; ended from outside (scancel or preemption): not queued again by this script"
    elif [ -e "$run/STOP" ]; then
        echo "$1; $run/STOP is there: not queued again"
    else
        echo "$1; queued again, to go on from $(newest)"
        scontrol requeue "$SLURM_JOB_ID" || echo "scontrol does not queue it again: sbatch this script once more"
    fi
}
case $code in
    0) echo "$run is done" ;;
    75) queue_again "stopped with a checkpoint" ;;
    77 | 137 | 205)
        # A run that fails again and again at the same place, for want of memory perhaps, would be queued for ever.
        failures=$SLURM_JOB_NAME-$SLURM_JOB_ID.failures
        echo "after $(newest)" >>"$failures"
        if [ "$(tail -n 3 "$failures" | grep -cxF "after $(newest)")" = 3 ]; then
            echo "exit code $code, for the third time without a new checkpoint in between: not queued again"
        else
            queue_again "a rank hung (77), was killed (137) or was lost with its node (205): exit code $code"
        fi
        ;;
    *) echo "exit code $code: not queued again; the reason stands above" ;;
esac
exit $code
