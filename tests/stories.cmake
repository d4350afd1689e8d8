# Two strangers' first hour, as typed.
foreach(story hpc ml)
  lk_add_shell_test(story_${story} ${CMAKE_CURRENT_SOURCE_DIR}/stories/${story}.sh LABELS story TIMEOUT 180 PROCESSORS 2)
endforeach()
