/**
 * Statuses: every function that can fail returns one, and the reason stands in a message.
 *
 * One list gives the code, the exit code of the program (design: exit codes) and a short text. The message
 * names the thing, the value and what would be right; it belongs to the calling thread until its next
 * failure.
 */
#ifndef LOCKSTEP_STATUS_H
#define LOCKSTEP_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define LK_API __attribute__((visibility("default")))

/*  name            exit  text */
#define LK_STATUS_LIST(X)                                                                                    \
    X(LK_OK, 0, "done")                                                                                      \
    X(LK_E_USAGE, 2, "command line")                                                                         \
    X(LK_E_CONFIG, 2, "configuration")                                                                       \
    X(LK_E_SHAPE, 2, "shapes do not fit")                                                                    \
    X(LK_E_DATA, 65, "input file")                                                                           \
    X(LK_E_NEWER, 65, "file of a newer version")                                                             \
    X(LK_E_BUG, 70, "internal error")                                                                        \
    X(LK_E_MPI, 70, "MPI error")                                                                             \
    X(LK_E_NOMEM, 71, "out of memory")                                                                       \
    X(LK_E_LOCKED, 73, "occupied")                                                                           \
    X(LK_E_IO, 74, "I/O error")                                                                              \
    X(LK_STOPPED, 75, "stopped, resumable")                                                                  \
    X(LK_E_DESYNC, 76, "replicas diverged")                                                                  \
    X(LK_E_HUNG, 77, "a rank hung")                                                                          \
    X(LK_E_DIVERGED, 79, "training diverged")

typedef enum lk_status {
#define LK_STATUS_ENUM(name, exit_code, text) name,
    LK_STATUS_LIST(LK_STATUS_ENUM)
#undef LK_STATUS_ENUM
        LK_STATUS_COUNT
} lk_status;

/** The program's exit code for a status. */
LK_API int lk_status_exit_code(lk_status status);

/** A short constant text for a status. */
LK_API const char *lk_status_text(lk_status status);

/** The message of this thread's last failure; "" if there was none. */
LK_API const char *lk_error_message(void);

#ifdef __cplusplus
}
#endif
#endif
