lk_add_test(test_comm_tree unit/test_comm_tree.c LABELS lockstep)
lk_add_test(test_comm_plan unit/test_comm_plan.c LABELS lockstep TIMEOUT 60)
lk_add_mpi_test(test_mpi_lockstep mpi/test_mpi_lockstep.c LABELS lockstep RANKS 1 2 3 4 5 8 TIMEOUT 120)
target_link_libraries(test_mpi_lockstep PRIVATE MPI::MPI_C)
