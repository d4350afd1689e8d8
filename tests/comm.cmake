lk_add_test(test_comm_tree unit/test_comm_tree.c LABELS lockstep)
lk_add_test(test_comm_plan unit/test_comm_plan.c LABELS lockstep TIMEOUT 60)
# Up to 8 ranks on any machine: oversubscribed where there are fewer cores.
lk_add_mpi_test(test_mpi_lockstep mpi/test_mpi_lockstep.c LABELS lockstep RANKS 1 2 3 4 5 8 TIMEOUT 120)
lk_add_mpi_test(test_mpi_verify mpi/test_mpi_verify.c LABELS lockstep RANKS 1 2 3 5 TIMEOUT 60)
lk_add_mpi_test(test_mpi_window mpi/test_mpi_window.c LABELS lockstep RANKS 1 2 4 TIMEOUT 60)
foreach(program test_mpi_lockstep test_mpi_verify test_mpi_window)
  target_link_libraries(${program} PRIVATE MPI::MPI_C)
endforeach()
