/* SPDX-License-Identifier: MPL-2.0 */
#include "display/control.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "display/control-private.h"
#include "display/dump.h"
#include "display/writer.h"

int display_control_open(struct loop *loop, const char *path, struct display_control **ret)
{
        struct display_control *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->writing_fd = -1;
        r = writer_new(loop, display_control_on_written, c, &c->writer);
        if (r == 0)
                r = dump_new(loop, display_control_on_dump_ended, c, &c->dump);
        if (r == 0)
                r = control_open(&c->control, loop, path, &display_control_ops);
        if (r < 0) {
                display_control_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

int display_control_add_screen(struct display_control *c, struct screen *screen)
{
        struct screen **screens = realloc(c->screens, (c->n_screens + 1) * sizeof(struct screen *));

        if (!screens)
                return -ENOMEM;
        c->screens = screens;
        c->screens[c->n_screens++] = screen;
        return 0;
}

int display_control_start(struct display_control *c)
{
        int r = writer_start(c->writer);

        return r == 0 ? dump_start(c->dump) : r;
}

struct display_control *display_control_free(struct display_control *c)
{
        if (!c)
                return NULL;
        control_close(&c->control);
        dump_free(c->dump);
        writer_free(c->writer);
        fd_close(&c->writing_fd);
        free(c->screens);
        free(c);
        return NULL;
}
