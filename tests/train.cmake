lk_add_mpi_test(test_mpi_exactness mpi/test_mpi_exactness.c LABELS exactness)
