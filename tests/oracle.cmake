# Tests against numpy, h5py, scikit-learn and PyTorch in the environment of scripts/venv.sh; skipped, in so many words, without it.
lk_add_shell_test(oracle_rebuild_cnn ${CMAKE_CURRENT_SOURCE_DIR}/oracle/rebuild.sh LABELS oracle TIMEOUT 120)
lk_add_shell_test(oracle_tabular ${CMAKE_CURRENT_SOURCE_DIR}/oracle/tabular.sh LABELS oracle TIMEOUT 600 PROCESSORS 2)
