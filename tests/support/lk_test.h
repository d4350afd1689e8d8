/** cmocka and its prerequisites in the right order, plus what our tests share. */
#ifndef LK_TEST_H
#define LK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

/** Asserts LK_OK and prints the message if it is not. */
#define assert_ok(call)                                                                                      \
    do {                                                                                                     \
        lk_status lk_test_status = (call);                                                                   \
        if (lk_test_status != LK_OK) print_error("%s: %s\n", #call, lk_error_message());                     \
        assert_int_equal(lk_test_status, LK_OK);                                                             \
    } while (0)

#define assert_status(call, expected) assert_int_equal((call), (expected))

#endif
