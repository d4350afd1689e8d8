# io.sh PROGRAM PART: a few megabytes, for the sake of the bytes and not of the time.
. "$(dirname "$0")/../cli/lib.sh"
run "$1" "$2" . 12 # above what is kept in memory
exits 0
answers "ratio "
[ "$2" != packed ] || [ "$(grep -c "unpacked 1.00 times the bytes used" out)" = 2 ] || fail "a chunk was unpacked twice"
