# Failures, by the names of the reliability notes. A short selection; scripts/soak.sh runs the long one.
add_executable(kill_at support/kill_at.c)
target_link_libraries(kill_at PRIVATE lk_flags)
file(GLOB scripts RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/crash CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/crash/*.sh)
list(REMOVE_ITEM scripts lib.sh)
foreach(script ${scripts})
  string(REPLACE ".sh" "" name ${script})
  lk_add_shell_test(${name} ${CMAKE_CURRENT_SOURCE_DIR}/crash/${script} LABELS crash TIMEOUT 240 PROCESSORS 2)
endforeach()
