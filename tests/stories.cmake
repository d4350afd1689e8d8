# Two strangers' first hour, as typed; and every command of README.md, which builds the program a second time.
foreach(story hpc ml readme)
  lk_add_shell_test(story_${story} ${CMAKE_CURRENT_SOURCE_DIR}/stories/${story}.sh LABELS story TIMEOUT 180 PROCESSORS 2)
endforeach()
set_tests_properties(story_readme PROPERTIES TIMEOUT 600)
