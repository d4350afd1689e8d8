lk_add_test(test_data_stream unit/test_data_stream.c)
