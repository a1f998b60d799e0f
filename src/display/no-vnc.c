/* SPDX-License-Identifier: MPL-2.0 */
/* The twin of vnc.c in builds without libvncserver. */
#include <errno.h>

#include "display/outputs.h"

int vnc_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
             struct output **ret)
{
        return output_error(ret_error, -ENOTSUP, "output \"vnc\": this build has no libvncserver");
}
