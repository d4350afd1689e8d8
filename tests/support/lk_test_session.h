/** Training in the test program itself, on all its ranks: a session, a folder that all ranks know, data in it, and runs of them. */
#ifndef LK_TEST_SESSION_H
#define LK_TEST_SESSION_H

#include "lk_test_folder.h"

#include "core/alloc.h"
#include "train/run.h"
#include "train/session.h"

static lk_session *session;

/** For cmocka's setup of a group. Collective. */
static inline int begin_session(void **state)
{
    if (lk_session_start(&session) != LK_OK) return 1;
    if (lk_session_is_root(session) && make_folder(state) != 0) return 1;
    return lk_session_share(session, folder, sizeof folder) != LK_OK;
}

/** For its teardown. Collective. */
static inline int end_session(void **state)
{
    bool root = lk_session_is_root(session);
    lk_session_end(&session);
    return root ? remove_folder(state) : 0;
}

typedef struct test_array {
    lk_h5_type  type;
    int         n_axes;
    int64_t     axes[LK_H5_MAX_AXES];
    const void *values;
} test_array;

/** FILE:/train with these x and y. Local. */
static inline lk_status write_train(const char *file, test_array x, test_array y)
{
    lk_status st = LK_OK;
    lk_h5    *h5 = NULL;
    LK_TRY(lk_h5_create(file, &h5));
    LK_TRY(lk_h5_write(h5, "/train/x", x.type, x.n_axes, x.axes, x.values));
    LK_TRY(lk_h5_write(h5, "/train/y", y.type, y.n_axes, y.axes, y.values));
    LK_TRY(lk_h5_close(&h5));
done:
    lk_h5_abandon(&h5);
    return st;
}

/** A run and what it borrows. */
typedef struct test_run {
    lk_config *config;
    lk_run    *run;
} test_run;

static inline void stop_run(test_run *it)
{
    lk_run_destroy(&it->run);
    lk_config_destroy(&it->config);
}

/** The run of a configuration (as of printf), before its first step. stop_run follows, whatever comes of it. Collective. */
__attribute__((format(printf, 3, 4))) static inline lk_status start_run(lk_comm *comm, test_run *it,
                                                                        const char *format, ...)
{
    lk_status st = LK_OK;
    char      text[4096];
    va_list   arguments;
    *it = (test_run){0};
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    LK_CHECK(n >= 0 && n < (int)sizeof text, LK_E_BUG, "a configuration of %d bytes", n);
    LK_TRY(lk_config_parse(text, "test", NULL, NULL, 0, &it->config));
    LK_TRY(lk_run_create(comm, lk_config_options(it->config), NULL, NULL, true, &it->run));
    if (lk_comm_is_root(comm)) lk_run_initial(it->run);
    LK_TRY(lk_reduce_publish(it->run->reduce));
    lk_stream_seek(it->run->stream, 0, 0);
done:
    return st;
}

#endif
