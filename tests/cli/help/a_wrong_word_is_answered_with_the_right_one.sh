# Verbs and options misspelt or brought from elsewhere: exit 2, nothing on stdout, one line with the right word.
. "$(dirname "$0")/../lib.sh"
wrong() { # wrong ANSWER WORD...
    answer=$1
    shift
    lockstep "$@"
    exits 2
    silent
    says_once "$answer"
    [ "$(wc -l <err)" = 1 ] || fail "more than one line"
}
wrong "a verb is missing"
wrong "did you mean 'lockstep train'?" trian run.yaml
wrong "did you mean 'lockstep train'?" fit run.yaml
wrong "did you mean 'lockstep eval'?" evaluate run
wrong "did you mean 'lockstep inspect'?" summary run
wrong "did you mean 'lockstep data import'?" import a.csv
wrong "did you mean --set?" train --st a=1 run.yaml
wrong "did you mean --json?" eval --jsno run
wrong "--at needs a value" eval run --at
wrong "--new takes no value" train --new=3 run.yaml
wrong "one CONFIG expected, 0 given" train
wrong "one CONFIG expected, 2 given" train a.yaml b.yaml
wrong "expected auto, never or must" train a.yaml --resume=maybe
wrong "is no duration" train a.yaml --max-time soon
wrong "--hang-timeout: 'never' is no duration" doctor --hang-timeout never
wrong "--set train.hang_timeout=4s" bench a.yaml --hang-timeout 4s
wrong "changes a CONFIG, and none is given" doctor --set train.hang_timeout=4s
wrong "changes a CONFIG, and none is given" scaling exchange 4k --set train.hang_timeout=4s
wrong "-o OUT.h5 is missing" predict run in.csv
wrong "unknown option -o" config init d.h5 -o run.yaml
wrong "idx, csv or npy expected" data import
wrong "--target COLUMN" data import csv a.csv -o b.h5
wrong "check, render, init or reference expected" config
for verb in train eval predict inspect data config bench doctor help; do
    lockstep help $verb
    exits 0
    answers "lockstep $verb"
    cp out page
    [ $verb = help ] && continue
    lockstep $verb --help
    exits 0
    holds cmp -s out page
done
