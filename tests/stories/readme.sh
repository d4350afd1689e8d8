# Every fenced command of README.md as it stands there, from top to bottom, in a copy of the tree: on small data of the names and
# layouts that the page speaks of, until the page itself imports Fashion-MNIST. YAML whose first line is `# NAME.yaml` becomes that
# file.
. "$(dirname "$0")/../cli/lib.sh"

# blocks README FOLDER: its fenced blocks as FOLDER/NN.KIND; a command can hide in no other kind of block.
blocks() {
    mkdir -p "$2"
    awk -v folder="$2" '
        /^```/ && !inside { kind = substr($0, 4); inside = 1; file = sprintf("%s/%02d.%s", folder, ++n, kind)
            if (kind !~ /^(console|yaml|text)$/) { print FILENAME ": line " FNR ": a block of kind \"" kind "\""; bad = 1 }
            next }
        /^```/ { inside = 0; close(file); next }
        inside { print > file }
        END { if (inside) { print FILENAME ": a block does not end"; bad = 1 } exit bad }' "$1"
}

# follow FOLDER: writes its files and runs its commands, here. test.sh alone is left out: it runs this.
follow() {
    local block name
    for block in "$1"/*; do
        case $block in
        *.console) sed '/^\.\/scripts\/test\.sh/d' "$block" >commands
            cat commands
            # `data import` keeps what it did not make, such as the small stand-in.
            ! grep -q 'data import idx' commands || rm -f data/fashion-mnist/fashion-mnist.h5
            bash -eu commands >out 2>err </dev/null || { tail -n 30 out err; echo "FAILED: a command of these"; return 1; } ;;
        *.yaml) name=$(sed -n '1s/^# *\([a-z0-9_-]*\.yaml\)$/\1/p' "$block")
            [ -z "$name" ] || cp "$block" "$name" ;;
        esac
    done
}

mkdir tree
tar -C "$LK_SOURCE" --exclude='./build*' --exclude=./runs --exclude=./.git --exclude=./.venv --exclude='*.h5' -c . | tar -x -C tree ||
    fail "no copy of the tree"
cd tree || exit 1
scripts/install.sh >../install 2>&1 || { cat ../install; echo "skipped: quickstart's packages are not here"; exit 77; }
grep -q 'scripts/test\.sh' .ci/run || fail "continuous integration does not run scripts/test.sh"
[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1 # four ranks, whatever the number of cores

"$make_data" data/fashion-mnist/fashion-mnist.h5 shape=28x28x1 classes=10 samples=600 || fail make_data
mkdir run
for i in 0 1 2 3 4 5; do "$make_data" run/out_$i.h5 layout=fields samples=80 seed=1$i || fail make_data; done
awk 'BEGIN { srand(7); print "width,height,colour,kind"
    for (i = 0; i < 300; i++) { w = rand() * 4; h = rand() * 4
        printf("%s,%.3f,%s,%s\n", i % 50 == 7 ? "" : sprintf("%.3f", w), h, i % 3 ? "red" : "blue", (w > h ? "wide" : "tall")) } }' >things.csv
printf 'colour,height,width\nred,1.0,3.5\ngreen,1,\n' >today.csv

blocks README.md ../blocks || fail "README.md"
holds [ "$(cat ../blocks/*.console | grep -c .)" -ge 15 ]
follow ../blocks || fail "README.md"
[ -f runs/cnn/best.h5 ] && [ -f out.h5 ] && [ -f surrogate.yaml ] && [ -f today.h5 ] || fail "a command left no result"
for block in ../blocks/*.yaml; do "$LOCKSTEP" config check "$block" || fail "$block"; done

echo "# the page with a letter wrong does not pass"
sed 's/lockstep config check surrogate/lockstep config chekc surrogate/' README.md >wrong.md
blocks wrong.md ../wrong || fail wrong.md
rm -rf ../wrong/0[1-5].console
follow ../wrong >/dev/null && fail "a wrong command went unnoticed"
sed 's/^```console/```sh/' README.md >wrong.md
blocks wrong.md ../other >/dev/null && fail "commands in a block of another kind went unnoticed"
exit 0
