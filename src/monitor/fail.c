/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/fail.h"

#include <stdarg.h>
#include <stdio.h>

int fail(int error, char **ret_error, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        if (vasprintf(ret_error, format, ap) < 0)
                *ret_error = NULL;
        va_end(ap);
        return error;
}
