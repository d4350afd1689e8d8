lk_add_test(test_metric_values unit/test_metric_values.c)
