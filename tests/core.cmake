lk_add_test(test_core_rng unit/test_core_rng.c)
