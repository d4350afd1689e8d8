# What a start that fails before it has written anything leaves: nothing, so that --new and --run count the runs alone. What was
# there before stays, whatever it holds.
. "$(dirname "$0")/../lib.sh"
small
gone() {
    [ ! -e "$1" ] || fail "$1 was left: $(ls -A "$1")"
}
for launch in lockstep "ranks 2"; do
    $launch train run.yaml --run NN --resume=must
    exits 2
    says_once "--resume=must: NN holds no run"
    gone NN
    $launch train run.yaml --run some/where --set data.train=nothing.h5
    exits 65
    gone some/where
    $launch train run.yaml --set model.dense_2.units=3
    [ $code != 0 ] || fail "classes that do not fit were taken"
    gone runs/run
done
lockstep train run.yaml
exits 0
lockstep train run.yaml --from data.h5 --run tuned
exits 65
gone tuned
lockstep train run.yaml --from runs/run --new --set model.dense_1.units=17
exits 65
gone runs/run-2
lockstep train run.yaml --new
exits 0
holds [ -f runs/run-2/status.json ]

mkdir mine
lockstep train run.yaml --run mine --resume=must
exits 2
holds [ -d mine ]
mkdir old
: >old/.lock
lockstep train run.yaml --run old --resume=must
exits 2
holds [ -f old/.lock ]
lockstep train run.yaml --run runs/run --resume=never
exits 2
holds [ -f runs/run/config.yaml ]
# A start that was ended after its directory was begun goes on there.
lockstep train run.yaml --run half --max-time 0.001s
exits 75
lockstep train run.yaml --run half
exits 0
