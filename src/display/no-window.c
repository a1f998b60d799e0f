/* SPDX-License-Identifier: MPL-2.0 */
/* The twin of window.c in builds without SDL 2. */
#include <errno.h>

#include "display/outputs.h"

int window_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
                struct output **ret)
{
        return output_error(ret_error, -ENOTSUP, "output \"window\": this build has no SDL 2");
}
