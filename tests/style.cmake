# What holds the tree together: who may include whom, headers that compile alone, one layout.
add_test(NAME layers COMMAND bash ${PROJECT_SOURCE_DIR}/scripts/check_layers.sh)
add_test(NAME headers COMMAND bash ${PROJECT_SOURCE_DIR}/scripts/check_headers.sh ${PROJECT_BINARY_DIR})
add_test(NAME format COMMAND bash ${PROJECT_SOURCE_DIR}/scripts/check_format.sh)
set_tests_properties(layers headers format PROPERTIES LABELS style TIMEOUT 120 SKIP_RETURN_CODE 77)
