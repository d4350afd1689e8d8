. "$(dirname "$0")/../lib.sh"
small
lockstep config check run.yaml
exits 0
answers "lockstep doctor run.yaml"
# What a check of the text cannot see, doctor does.
sed 's|data.h5:/test|not_there.h5:/test|' run.yaml >gone.yaml
lockstep config check gone.yaml
exits 0
lockstep doctor gone.yaml
exits 0
answers_like '^trouble +train would not start: .*not_there.h5'
lockstep config render run.yaml
exits 0
cp out rendered.yaml
grep -q "lanes: 8" rendered.yaml || fail "lanes is not in the rendered config"
lockstep config render rendered.yaml
exits 0
sed 's/ *# .*//' out >a
sed 's/ *# .*//' rendered.yaml >b
holds cmp a b
sed -i 's/learning_rate/lerning_rate/; s/epochs/epoch/; s/units: 4/units: four/' run.yaml
lockstep config check run.yaml
exits 2
silent
says "did you mean 'learning_rate'?"
says "did you mean 'epochs'?"
says "four"
[ "$(grep -c '^run.yaml:[0-9]*:[0-9]*: ' err)" = 3 ] || fail "not three messages with their places"
lockstep config init data.h5
exits 0
cp out made.yaml
lockstep train made.yaml --set train.epochs=1
exits 0
