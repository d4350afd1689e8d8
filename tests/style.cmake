# What holds the tree together: who may include whom, headers that compile alone, one layout; and that these gates close.
add_test(NAME layers COMMAND bash ${PROJECT_SOURCE_DIR}/scripts/check_layers.sh)
add_test(NAME headers COMMAND bash ${PROJECT_SOURCE_DIR}/scripts/check_headers.sh ${PROJECT_BINARY_DIR})
add_test(NAME format COMMAND bash ${PROJECT_SOURCE_DIR}/scripts/check_format.sh)
add_test(NAME gates COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/style/gates.sh)
add_test(NAME promises COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/style/promises.sh)
add_test(NAME mutants COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/style/mutants.sh)
set_tests_properties(layers headers format gates promises mutants PROPERTIES LABELS style TIMEOUT 120 SKIP_RETURN_CODE 77)
set_tests_properties(gates promises mutants PROPERTIES ENVIRONMENT "LK_SOURCE=${PROJECT_SOURCE_DIR};LK_BUILD=${PROJECT_BINARY_DIR}")
