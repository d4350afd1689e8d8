# The promise: the same bits on any rank count, hosts and restart. pairs.txt is a choice of launches with every pair of
# values of two factors; scripts/soak.sh ranks runs them all.
function(lk_bits name script)
  lk_add_shell_test(bits_${name} ${CMAKE_CURRENT_SOURCE_DIR}/bits/${script}.sh ${ARGN} LABELS lockstep TIMEOUT 300 PROCESSORS 2)
endfunction()
foreach(model mlp cnn resnet8)
  foreach(optimizer sgd adagrad rmsprop adam adamw)
    lk_bits(${model}_${optimizer} matrix ${model} ${optimizer})
  endforeach()
  lk_bits(${model}_resume resume ${model} 2 7 64)
endforeach()
lk_bits(pairs_are_complete factors check ${CMAKE_CURRENT_SOURCE_DIR}/bits/pairs.txt)
lk_bits(control control)
