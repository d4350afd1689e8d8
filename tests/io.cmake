lk_add_test(test_io_atomic unit/test_io_atomic.c)
