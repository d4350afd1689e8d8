# Tests against numpy, h5py and PyTorch in the environment of scripts/venv.sh; skipped, in so many words, without it.
lk_add_shell_test(oracle_rebuild_cnn ${CMAKE_CURRENT_SOURCE_DIR}/oracle/rebuild.sh LABELS oracle TIMEOUT 120)
