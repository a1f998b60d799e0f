/* SPDX-License-Identifier: MPL-2.0 */
/* For cmocka tests with a harness (harness.h). Include after cmocka.h. */
#pragma once

#include <errno.h>
#include <string.h>

#include "harness.h"

/* The server does not start with these words, and its log says why. */
static inline void harness_expect_refused(struct harness *h, const char *const *words, const char *reason)
{
        assert_int_equal(harness_start(h, words), -ECHILD);
        if (!strstr(harness_log(h), reason))
                fail_msg("'%s' is not in: %s", reason, harness_log(h));
}
