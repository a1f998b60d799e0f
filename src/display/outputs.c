/* SPDX-License-Identifier: MPL-2.0 */
#include "display/outputs.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int output_error(char **ret_error, int error, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        if (vasprintf(ret_error, format, ap) < 0)
                *ret_error = NULL;
        va_end(ap);
        return error;
}

static void ignore_frame(struct output *o, struct frame *frame, const pixman_region32_t *damage)
{
}

static struct output *free_nothing(struct output *o)
{
        free(o);
        return NULL;
}

/* The composed picture is all there is: screenshots are made of it. */
static int headless_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
                         struct output **ret)
{
        static const struct output_ops ops = { .name = "headless", .present = ignore_frame, .free = free_nothing };
        struct output *o = calloc(1, sizeof(*o));

        if (!o)
                return -ENOMEM;
        o->ops = &ops;
        *ret = o;
        return 0;
}

int output_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
                struct output **ret)
{
        static const output_open_fn openers[] = {
                [OUTPUT_HEADLESS] = headless_open,
                [OUTPUT_VNC] = vnc_open,
                [OUTPUT_WINDOW] = window_open,
                [OUTPUT_KMS] = kms_open,
        };

        assert(screen->output <= OUTPUT_KMS);
        *ret_error = NULL;
        return openers[screen->output](loop, screen, seat, ret_error, ret);
}
