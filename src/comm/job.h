/**
 * What a batch system says about the job that this process belongs to. Read before MPI starts: an answer may
 * need a process of its own, and some of MPI's transports do not survive a fork.
 */
#ifndef LK_COMM_JOB_H
#define LK_COMM_JOB_H

/**
 * Unix time at which Slurm ends this job; 0: no such job, no limit, or no answer. SLURM_JOB_END_TIME where
 * Slurm sets it (23.02 and later), else squeue is asked and given 10 s. Local; to be called by one rank.
 */
double lk_job_end(void);

/** Seconds in squeue's "1-02:03:04", "2:03:04" or "3:04"; below 0 for anything else, e.g. "UNLIMITED". */
double lk_job_duration(const char *text);

#endif
