# An epoch of two steps, the second of one sample: scaling steps counts and notes the first one only.
. "$(dirname "$0")/../lib.sh"
small samples=512
ranks 2 scaling steps run.yaml --set train.batch_size=511 --set train.lanes=8 --seconds 0.00001 --samples run.csv
exits 0
# So short a time is ten turns of three steps, the least: 15 of them are full.
[ "$(grep -c '^1,2,8,' run.csv)" = 30 ] || fail "$(grep -c '^1,2,8,' run.csv) rows of two ranks instead of 30"
answers_like '^strong,2,1,511,8,0,15,step,'
