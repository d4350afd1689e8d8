lk_add_test(test_loss_values unit/test_loss_values.c)
