lk_add_test(test_nn_model unit/test_nn_model.c)
