lk_add_test(test_golden_layers unit/test_golden_layers.c)
lk_add_test(test_golden_curves unit/test_golden_curves.c TIMEOUT 300)
