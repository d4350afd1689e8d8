# EIO, ENOSPC, EDQUOT and EINTR from every call that writes a checkpoint: nothing is renamed after a failed fsync, no fsync is
# tried twice on one descriptor, and the same command goes on to the undisturbed bits.
. "$(dirname "$0")/lib.sh"
need_strace
epochs=${EPOCHS:-2}
crash_config samples=960
undisturbed
watched="openat,fallocate,write,fsync,fdatasync,rename,close,unlink"
counts=""
for error in ${ERRORS:-EIO ENOSPC EDQUOT EINTR}; do
    for call in ${CALLS:-openat fallocate write fsync rename close}; do
        for k in ${WHEN:-1 3}; do
            rm -rf hurt
            # strace counts the calls of each thread, and every checkpoint has a thread: number k of each of them fails.
            # shellcheck disable=SC2046
            run strace -f -qq -o trace -P "$work/hurt/checkpoints" -P "$work/hurt/checkpoints/.new" -P "$work/hurt/.new" \
                -e trace=$watched -e inject=$call:error=$error:when="$k" "$LOCKSTEP" $(arguments hurt)
            command="$error from $call number $k: $command"
            counts="$counts $code"
            case $code in 0 | 74) ;; *) fail "exit code $code" ;; esac
            [ $code = 0 ] || grep -q "^lockstep: .*$work/hurt" err || fail "the message does not name the file"
            awk '/fsync\(.*INJECTED/ { split($0, a, /[(<)]/); failed[a[2]] = 1 }
                 /fsync\(/ && !/INJECTED/ { split($0, a, /[(<)]/); if (failed[a[2]]) { print; exit 1 } }
                 /close\(/ { split($0, a, /[(<)]/); delete failed[a[2]] }' trace || fail "a second fsync after a failed one"
            awk '/fsync\(.*INJECTED/ { failed = 1 } /openat.*\.new/ { failed = 0 }
                 /rename/ && failed { print; exit 1 }' trace || fail "a file was renamed after its fsync had failed"
            [ ! -f hurt/checkpoints/step-00000000.h5 ] || good hurt
            ends_whole hurt
        done
    done
done
echo "$(echo "$counts" | tr ' ' '\n' | sort | uniq -c | tr '\n' ' ')runs by exit code, all ended whole"
