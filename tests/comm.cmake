lk_add_test(test_comm_tree unit/test_comm_tree.c LABELS lockstep)
