# The worked examples of data/, as their READMEs say.
lk_add_shell_test(example_linear_regression ${CMAKE_CURRENT_SOURCE_DIR}/examples/linear_regression.sh LABELS example TIMEOUT 60)
