lk_add_test(test_data_source_table unit/test_data_source_table.c)
lk_add_test(test_data_source_matrix unit/test_data_source_matrix.c)
target_link_libraries(test_data_source_matrix PRIVATE lk_hdf5)
lk_add_test(test_data_survey unit/test_data_survey.c)
target_link_libraries(test_data_survey PRIVATE lk_jansson)
lk_add_test(test_data_transform unit/test_data_transform.c)
lk_test_program(data_dump unit/test_data_source_dump.c)
lk_add_shell_test(test_data_source_numpy ${CMAKE_CURRENT_SOURCE_DIR}/unit/test_data_source_numpy.sh
  $<TARGET_FILE:data_dump> LABELS oracle)
