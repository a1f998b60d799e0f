/* SPDX-License-Identifier: MPL-2.0 */
/* The twin of kms.c in builds without libdrm. */
#include <errno.h>

#include "display/outputs.h"

int kms_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
             struct output **ret)
{
        return output_error(ret_error, -ENOTSUP, "output \"kms\": this build has no libdrm");
}
