/* SPDX-License-Identifier: MPL-2.0 */
/* For cmocka tests with a harness (harness.h). */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "harness.h"

/* The server does not start with these words, and its log says why. */
static inline void harness_expect_refused(struct harness *h, const char *const *words, const char *reason)
{
        size_t n_before = strlen(harness_log(h)); /* of earlier starts */

        assert_int_equal(harness_start(h, words), -ECHILD);
        if (!strstr(harness_log(h) + n_before, reason))
                fail_msg("'%s' is not in: %s", reason, harness_log(h) + n_before);
}
