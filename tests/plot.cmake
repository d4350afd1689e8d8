lk_add_test(test_plot unit/test_plot.c)
