lk_add_test(test_sched_factors unit/test_sched_factors.c)
