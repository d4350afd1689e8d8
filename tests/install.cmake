lk_add_shell_test(install_consumers ${CMAKE_CURRENT_SOURCE_DIR}/install/consumers.sh LABELS cli TIMEOUT 180 PROCESSORS 2)
