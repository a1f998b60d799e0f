/* SPDX-License-Identifier: MPL-2.0 */
#include "display/dump.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/macros.h"
#include "display/frame.h"
#include "display/output.h"
#include "display/picture.h"
#include "display/screen.h"
#include "display/writer.h"

/* The screen's, as long as it has it. */
struct dump_output {
        struct output output;
        struct dump *dump; /* borrowed */
};

struct dump {
        struct writer *writer; /* owned */
        dump_fn ended;
        void *data;
        int fd;                     /* owned; -1: nothing runs */
        struct screen *screen;      /* borrowed; NULL: nothing runs, or it is ending */
        struct dump_output *output; /* borrowed from the screen */
        struct picture *copy;       /* a reference: reused from frame to frame */
        uint32_t sequence, n_missed;
};

/* The writer is not busy. */
static int write_frame(struct dump *d, const struct frame *frame)
{
        const struct writer_frame header = { .sequence = d->sequence++,
                                             .n_missed = d->n_missed,
                                             .time_ns = clock_now_ns() };
        pixman_region32_t all;
        int r;

        if (!d->copy || d->copy->width != frame->width || d->copy->height != frame->height) {
                d->copy = picture_unref(d->copy);
                r = picture_new(PIXMAN_x8r8g8b8, frame->width, frame->height, &d->copy);
                if (r < 0)
                        return r;
        }
        pixman_region32_init_rect(&all, 0, 0, frame->width, frame->height);
        frame_copy(frame, &all, d->copy->pixels, d->copy->stride_bytes);
        pixman_region32_fini(&all);
        d->n_missed = 0;
        writer_submit(d->writer, d->fd, picture_ref(d->copy), &header);
        return 0;
}

static void dump_present(struct output *o, struct frame *frame, const pixman_region32_t *damage)
{
        struct dump *d = container_of(o, struct dump_output, output)->dump;

        if (writer_is_busy(d->writer) || write_frame(d, frame) < 0)
                d->n_missed++;
}

static struct output *dump_output_free(struct output *o)
{
        free(o ? container_of(o, struct dump_output, output) : NULL);
        return NULL;
}

/* The last frame that was missed is written now. */
static int catch_up(struct dump *d)
{
        const struct frame *frame;

        if (d->n_missed == 0)
                return 0;
        frame = screen_compose_now(d->screen);
        if (writer_is_busy(d->writer))
                return 0;
        d->n_missed--;
        return write_frame(d, frame);
}

static void on_written(void *data, int result)
{
        struct dump *d = data;

        if (d->screen && result == 0)
                result = catch_up(d);
        if (d->screen && result < 0) {
                dump_end(d);
                d->ended(d->data, result);
        } else if (!d->screen)
                fd_close(&d->fd);
}

int dump_new(struct loop *loop, dump_fn ended, void *data, struct dump **ret)
{
        struct dump *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        *d = (struct dump){ .ended = ended, .data = data, .fd = -1 };
        r = writer_new(loop, on_written, d, &d->writer);
        if (r < 0) {
                free(d);
                return r;
        }
        *ret = d;
        return 0;
}

struct dump *dump_free(struct dump *d)
{
        if (!d)
                return NULL;
        dump_end(d);
        writer_free(d->writer);
        picture_unref(d->copy);
        fd_close(&d->fd);
        free(d);
        return NULL;
}

int dump_start(struct dump *d) { return writer_start(d->writer); }

int dump_begin(struct dump *d, struct screen *screen, int given_fd)
{
        static const struct output_ops ops = { .name = "dump", .present = dump_present, .free = dump_output_free };
        auto_cleanup(closep) int fd = given_fd;
        struct dump_output *o;
        int r;

        if (d->fd >= 0)
                return -EBUSY;
        r = writer_check_fd(fd);
        if (r < 0)
                return r;
        o = calloc(1, sizeof(*o));
        if (!o)
                return -ENOMEM;
        *o = (struct dump_output){ .output.ops = &ops, .dump = d };
        r = screen_add_output(screen, &o->output);
        if (r < 0)
                return r;
        d->fd = take_fd(&fd);
        d->screen = screen;
        d->output = o;
        d->sequence = d->n_missed = 0;
        return 0;
}

void dump_end(struct dump *d)
{
        if (!d->screen)
                return;
        screen_remove_output(d->screen, &d->output->output);
        d->screen = NULL;
        d->output = NULL;
        if (writer_is_busy(d->writer))
                writer_cancel(d->writer);
        else
                fd_close(&d->fd);
}
