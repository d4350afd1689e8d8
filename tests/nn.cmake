lk_add_test(test_nn_model unit/test_nn_model.c)
lk_add_test(test_nn_whole unit/test_nn_whole.c)
