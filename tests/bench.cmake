lk_add_test(test_bench_replay unit/test_bench_replay.c)
# Measurements of single parts, run by scripts/io.sh; here only that they run and that their bytes add up.
lk_test_program(bench_io bench/bench_io.c)
foreach(part u8 f32 f64 packed checkpoint)
  lk_add_shell_test(bench_io_${part} ${CMAKE_CURRENT_SOURCE_DIR}/bench/io.sh $<TARGET_FILE:bench_io> ${part} LABELS cli)
endforeach()
