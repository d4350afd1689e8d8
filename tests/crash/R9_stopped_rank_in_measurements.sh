# A rank of three that stops answering while a model is measured, or the machine is, or examined: it is warned of, and the job ends
# at train.hang_timeout, or without a configuration at --hang-timeout, with rank, host and place and exit code 77; nobody is left.
# Measurements that take longer than that are let alone.
. "$(dirname "$0")/lib.sh"
crash_config samples=96
sed -i 's/^  - dense: {units: 24.*/&\n  - dense: {units: 1000}\n  - dense: {units: 1000}/' run.yaml
place="step [0-9]+ in phase [a-z ]+"
stopped_in 2 "$place" bench run.yaml --seconds 90
stopped_in 1 "$place" bench run.yaml --lanes --seconds 90
stopped_in 0 "$place" scaling steps run.yaml --seconds 90
moment=watched
stopped_in 2 "the test of [a-z ]+" doctor run.yaml
set_by=--hang-timeout
stopped_in 0 "the test of [a-z ]+" doctor
moment=60
stopped_in 1 "step [1-9][0-9]* in phase (reduce|other)" bench --reduce
moment=250 # after the links, which take less
stopped_in 1 "step [1-9][0-9]* in phase (reduce|backward)" scaling exchange 16M --ranks-per-host 2 --seconds 90
named="host .*#0 waits for (rank 1 on host .*#1|another host): no answer"
stopped_in 1 "$place" scaling exchange 16M --ranks-per-host 1 --seconds 90
limit=2
let_alone bench --reduce --most 600KB
let_alone scaling exchange 16M --ranks-per-host 2 --seconds 8
