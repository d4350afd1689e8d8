lk_add_test(test_io_atomic unit/test_io_atomic.c)
lk_add_test(test_io_h5 unit/test_io_h5.c)
lk_add_test(test_io_map unit/test_io_map.c)
