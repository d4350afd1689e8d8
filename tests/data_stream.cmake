lk_add_test(test_data_blocks unit/test_data_blocks.c)
lk_add_test(test_data_stream unit/test_data_stream.c)
lk_add_test(test_data_stream_augment unit/test_data_stream_augment.c)
