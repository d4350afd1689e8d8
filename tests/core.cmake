lk_add_test(test_core_rng unit/test_core_rng.c)
lk_add_test(test_core_memory unit/test_core_memory.c)
