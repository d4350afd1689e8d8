# Every mistake of tests/mutants still fits the code it is made in; scripts/mutants.sh makes them.
set -u
: "${LK_SOURCE:?}"
command -v patch >/dev/null || { echo "skipped: no program patch"; exit 77; }
cd "$LK_SOURCE" || exit 1
n=0 bad=0
for file in tests/mutants/*.patch; do
    n=$((n + 1))
    patch -p1 -s -F0 --dry-run <"$file" || { echo "$file no longer fits"; bad=1; }
done
[ $n -ge 10 ] || { echo "only $n mistakes"; bad=1; }
exit $bad
