# File systems of every size around that of the checkpoints: the run ends with 74 and says why, or goes on where there is
# room again; a good checkpoint stays, and with room the same command goes on to the undisturbed bits.
. "$(dirname "$0")/lib.sh"
mkdir disk
mount -t tmpfs -o size=64k none disk 2>/dev/null && umount disk || { echo "skipped: no right to mount a small file system"; exit 77; }
crash_config samples=960
undisturbed
one=$(($(stat -c %s whole/best.h5) / 1024 + 1))
codes=""
for tenth in ${SIZES:-1 9 15 22 30 45 60}; do # of the size of one checkpoint: five are there at once at most
    mount -t tmpfs -o size=$((one * tenth / 10))k none disk
    train disk/run
    codes="$codes $tenth:$code"
    command="$tenth tenths of a checkpoint of $one KiB: $command"
    case $code in 0 | 74) ;; *) fail "exit code $code" ;; esac
    [ $code = 0 ] || says "disk full"
    [ $code = 0 ] || grep -q "^lockstep: .*$work/disk/run" err || fail "the message does not name the file"
    ! ls disk/run/checkpoints/step-* >/dev/null 2>&1 || good disk/run
    mount -o remount,size=20m disk
    ends_whole disk/run
    umount disk
done
[ "${codes#*:74}" != "$codes" ] && [ "${codes#*:0}" != "$codes" ] || fail "not both sides were seen:$codes"
echo "tenths:code$codes"
