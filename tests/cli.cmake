# make_data: data sets for tests that start from files.
add_executable(make_data support/make_data.c)
target_link_libraries(make_data PRIVATE lk_flags lockstep_all)
file(GLOB scripts RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/cli CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cli/*/*.sh)
foreach(script ${scripts})
  string(REPLACE "/" "_" name ${script})
  string(REPLACE ".sh" "" name ${name})
  lk_add_shell_test(cli_${name} ${CMAKE_CURRENT_SOURCE_DIR}/cli/${script} LABELS cli TIMEOUT 120 PROCESSORS 2)
endforeach()
