. "$(dirname "$0")/../lib.sh"
small label=17:9
for launch in lockstep "ranks 3"; do
    rm -rf runs
    $launch train run.yaml
    exits 2
    says_once "data.h5: /train/y[17] is 9: "
    says "4 units, target 'y' has 10 classes"
done
small label=17:-3
for launch in lockstep "ranks 3"; do
    rm -rf runs
    $launch train run.yaml
    exits 65
    says_once "data.h5"
    says "17"
    says "-3"
done
