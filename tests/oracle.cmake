# Tests against numpy, h5py, scikit-learn and PyTorch in the environment of scripts/venv.sh; skipped, in so many words, without it.
lk_add_shell_test(oracle_rebuild_cnn ${CMAKE_CURRENT_SOURCE_DIR}/oracle/rebuild.sh LABELS oracle TIMEOUT 120)
lk_add_shell_test(oracle_tabular ${CMAKE_CURRENT_SOURCE_DIR}/oracle/tabular.sh LABELS oracle TIMEOUT 600 PROCESSORS 2)
foreach(row mlp-32 cnn-64 resnet8-64 gpt-128-8 linear-256-128)
  lk_add_shell_test(oracle_losses_${row} ${CMAKE_CURRENT_SOURCE_DIR}/oracle/losses.sh ${row} LABELS oracle TIMEOUT 600 PROCESSORS 2)
endforeach()
