typedef int lk_sched_placeholder;
