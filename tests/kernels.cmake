lk_add_test(test_kernels_twins unit/test_kernels_twins.c)
