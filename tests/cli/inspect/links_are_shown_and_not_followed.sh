# Links to other files and virtual datasets are shown as what they are, and what reads them says why it does not, and the cure.
. "$(dirname "$0")/../lib.sh"
make_hostile=$LK_BUILD/tests/make_hostile
small samples=16 shape=4 classes=2 type=f32
cp data.h5 other.h5
"$make_hostile" external_x data.h5 other.h5 || fail make_hostile
lockstep inspect data.h5
exits 0
answers_like '^ +/train/x +external link to /train/x of other.h5$'
lockstep inspect data.h5 --json
exits 0
answers '"path": "/train/x", "is": "external link to /train/x of other.h5"'
lockstep train run.yaml
exits 65
says "data.h5: /train/x is an external link to /train/x of other.h5; a file is read without others"
says "Name that file itself in \`files\`"
lockstep data stats data.h5:/train/x
exits 65
says "external link to /train/x of other.h5"
"$make_hostile" external_link data.h5 other.h5 || fail make_hostile
lockstep inspect data.h5
exits 0
answers_like '^ +/train +external link to /train of other.h5$'
lockstep train run.yaml
exits 65
says "there is no /train/x"
says "\`lockstep inspect\` lists what is in a file"
lockstep data stats data.h5:/train/x
exits 65
says "/train/x is not read: /train is an external link to /train of other.h5"
"$make_hostile" virtual_dataset data.h5 "$PWD/other.h5" || fail make_hostile
lockstep inspect data.h5
exits 0
answers_like '^ +/train/x +not read: .*virtual dataset, .*the first in .*other.h5'
lockstep train run.yaml
exits 65
says "h5repack -l CONTI"
command -v h5repack >/dev/null || { echo "the cure was not tried: no h5repack"; exit 0; }
run h5repack -l CONTI data.h5 whole.h5
lockstep inspect whole.h5
exits 0
answers_like '^ +/train/x +f32 '
grep -q virtual out && fail "the cure is none"
exit 0
