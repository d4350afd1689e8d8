lk_add_test(test_bench_replay unit/test_bench_replay.c)
