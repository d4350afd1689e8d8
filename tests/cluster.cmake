# Several hosts on one machine (tests/cluster/lib.sh): the label `cluster`. Two short ones belong to every run of the tests, the
# others take minutes and are `soak`.
function(lk_cluster name script)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;ARGUMENTS" ${ARGN})
  lk_add_shell_test(cluster_${name} ${CMAKE_CURRENT_SOURCE_DIR}/cluster/${script}.sh ${ARG_ARGUMENTS}
    LABELS cluster ${ARG_LABELS} TIMEOUT ${ARG_TIMEOUT} PROCESSORS 2)
endfunction()
lk_cluster(power_off power_off TIMEOUT 120)
lk_cluster(doctor doctor TIMEOUT 120)
foreach(name cut heals silent stopped interface)
  lk_cluster(${name} ${name} TIMEOUT 300 LABELS soak)
endforeach()
lk_cluster(slurm_scaling scaling TIMEOUT 300 LABELS soak)
foreach(launcher mpirun srun)
  foreach(case signal end_time node batch_node stop scancel failing)
    lk_cluster(slurm_${launcher}_${case} slurm TIMEOUT 600 LABELS soak ARGUMENTS ${launcher} ${case})
  endforeach()
endforeach()
