lk_add_mpi_test(test_mpi_exactness mpi/test_mpi_exactness.c LABELS exactness)
lk_add_mpi_test(test_mpi_whole mpi/test_mpi_whole.c LABELS lockstep TIMEOUT 120)
lk_add_mpi_test(test_mpi_evaluate mpi/test_mpi_evaluate.c RANKS 1 2 3 5 TIMEOUT 120)
lk_add_mpi_test(test_mpi_allocations mpi/test_mpi_allocations.c)
# The same without a launcher: nobody's allocations, HDF5's and the C library's included.
add_test(NAME test_allocations_alone COMMAND test_mpi_allocations)
lk_test_properties(test_allocations_alone LABELS unit)
lk_add_test(test_train_place unit/test_train_place.c)
lk_add_test(test_train_monitor unit/test_train_monitor.c)
