lk_add_test(test_optim_steps unit/test_optim_steps.c)
