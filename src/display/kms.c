/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A screen on a connector: two buffers, one shown and one drawn.
 *
 *      off ── connected, mode set ──► idle ── damage: copied, flip ──► flipping ── its event ──► idle, or the next flip
 *       ▲                              │                                  │
 *       └── disconnected ──────────────┴── another program took over ─────┴──► lost ── asked each second, back ──► off
 *
 * A buffer that comes back is two frames old, so each remembers in which part it is unlike the picture.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <xf86drm.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "display/frame.h"
#include "display/kms-private.h"
#include "display/outputs.h"

#define RETRY_NS NSEC_PER_SEC

enum state { STATE_OFF, STATE_IDLE, STATE_FLIPPING, STATE_LOST };

struct kms {
        struct output output;
        struct loop *loop;           /* borrowed */
        char subject[48];            /* of log lines */
        struct kms_connection connection;
        struct kms_buffer buffers[2];
        unsigned back;               /* index of the one that is drawn */
        enum state state;
        struct frame *frame; /* borrowed until the next one; NULL: none yet */
        pixman_region32_t damage;    /* since the last flip was asked for */
        struct watch device_watch, hotplug_watch;
        struct timer retry;
        int hotplug_fd;              /* owned; -1: the kernel tells nothing */
};

static void on_retry(struct timer *t);

static void lose(struct kms *k, int error)
{
        log_warning(k->subject, "%s: cannot show: %s; tried again each second", k->connection.name, strerror(-error));
        k->state = STATE_LOST;
        timer_start(&k->retry, k->loop, clock_now_ns() + RETRY_NS, on_retry);
}

/* Draws what is due and has it shown. */
static void flip(struct kms *k)
{
        struct kms_buffer *b = &k->buffers[k->back];
        int r;

        kms_buffer_update(b, k->frame);
        r = kms_flip(&k->connection, b->fb, &k->damage, k);
        if (r == -EBUSY) { /* the flip before is not quite over: its event is still to come */
                k->state = STATE_FLIPPING;
                return;
        }
        if (r < 0) {
                lose(k, r);
                return;
        }
        pixman_region32_clear(&k->damage);
        k->back ^= 1;
        k->state = STATE_FLIPPING;
}

/* From off: with all of the picture. */
static void switch_on(struct kms *k)
{
        struct kms_buffer *b = &k->buffers[k->back];
        int r;

        if (!k->connection.is_connected || !k->frame)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(k->buffers); i++) {
                pixman_region32_fini(&k->buffers[i].stale);
                pixman_region32_init_rect(&k->buffers[i].stale, 0, 0, k->connection.width, k->connection.height);
        }
        kms_buffer_update(b, k->frame);
        r = kms_set_mode(&k->connection, b->fb);
        if (r < 0) {
                lose(k, r);
                return;
        }
        log_info(k->subject, "%s: shows %u by %u pixels at %u Hz", k->connection.name, k->connection.width,
                 k->connection.height, k->connection.rate_hz);
        pixman_region32_clear(&k->damage);
        k->back ^= 1;
        k->state = STATE_IDLE;
}

static void look_again(struct kms *k)
{
        bool was_connected = k->connection.is_connected;

        if (kms_probe(&k->connection) < 0)
                k->connection.is_connected = false;
        if (was_connected && !k->connection.is_connected)
                log_info(k->subject, "%s: nothing is connected any more that has %u by %u pixels", k->connection.name,
                         k->connection.width, k->connection.height);
        if (k->state == STATE_LOST)
                return;
        if (!k->connection.is_connected && k->state != STATE_OFF)
                (void) kms_switch_off(&k->connection);
        /* Another display may have come in place of the first one: its mode is set in any case. */
        k->state = STATE_OFF;
        switch_on(k);
}

static void on_retry(struct timer *t)
{
        struct kms *k = container_of(t, struct kms, retry);

        if (!drmIsMaster(k->connection.fd) && drmSetMaster(k->connection.fd) < 0) {
                timer_start(&k->retry, k->loop, clock_now_ns() + RETRY_NS, on_retry);
                return;
        }
        k->state = STATE_OFF;
        look_again(k);
}

static void on_flipped(int fd, unsigned sequence, unsigned seconds, unsigned microseconds, unsigned crtc, void *data)
{
        struct kms *k = data;

        if (k->state != STATE_FLIPPING)
                return;
        k->state = STATE_IDLE;
        if (pixman_region32_not_empty(&k->damage))
                flip(k);
}

static void on_device(struct watch *w, uint32_t events)
{
        drmEventContext context = { .version = 3, .page_flip_handler2 = on_flipped };

        if (drmHandleEvent(w->fd, &context) < 0 || events & (EPOLLHUP | EPOLLERR))
                watch_stop(w); /* the device is gone */
}

static void on_hotplug(struct watch *w, uint32_t events)
{
        struct kms *k = container_of(w, struct kms, hotplug_watch);
        char message[4096];
        bool any = false;
        ssize_t n;

        while ((n = recv(w->fd, message, sizeof(message), MSG_DONTWAIT)) > 0 || (n < 0 && errno == ENOBUFS))
                any |= n < 0 || kms_is_hotplug(message, (size_t) n); /* some were lost: one may have been ours */
        if (any)
                look_again(k);
}

static void kms_present(struct output *o, struct frame *frame, const pixman_region32_t *damage)
{
        struct kms *k = container_of(o, struct kms, output);

        assert(frame->width == k->connection.width && frame->height == k->connection.height);
        k->frame = frame;
        (void) pixman_region32_union(&k->damage, &k->damage, (pixman_region32_t *) damage);
        for (size_t i = 0; i < ARRAY_SIZE(k->buffers); i++)
                (void) pixman_region32_union(&k->buffers[i].stale, &k->buffers[i].stale, (pixman_region32_t *) damage);
        if (k->state == STATE_IDLE)
                flip(k);
        else if (k->state == STATE_OFF)
                switch_on(k);
}

static struct output *kms_free(struct output *o)
{
        struct kms *k = container_of(o, struct kms, output);

        timer_stop(&k->retry);
        watch_stop(&k->device_watch);
        watch_stop(&k->hotplug_watch);
        if (k->connection.fd >= 0 && k->state != STATE_OFF && k->state != STATE_LOST)
                (void) kms_switch_off(&k->connection);
        for (size_t i = 0; i < ARRAY_SIZE(k->buffers); i++)
                kms_buffer_deinit(&k->buffers[i]);
        kms_disconnect(&k->connection);
        closep(&k->hotplug_fd);
        pixman_region32_fini(&k->damage);
        free(k);
        return NULL;
}

static void kms_info(const struct output *o, struct output_info *ret)
{
        const struct kms *k = container_of(o, struct kms, output);

        *ret = (struct output_info) { .width = k->connection.width, .height = k->connection.height,
                                        .rate_hz = k->connection.rate_hz };
}

static void kms_needs(const struct output *o, struct output_needs *ret)
{
        *ret = (struct output_needs) { .ioctl_type = DRM_IOCTL_BASE };
}

static const struct output_ops kms_ops = {
        .name = "kms",
        .present = kms_present,
        .free = kms_free,
        .info = kms_info,
        .needs = kms_needs,
};

static int open_all(struct kms *k, const struct scene_screen *screen, char **ret_error)
{
        int r;

        r = kms_connect(&k->connection, screen->device, screen->connector, screen->width, screen->height,
                        screen->rate_hz, ret_error);
        for (size_t i = 0; i < ARRAY_SIZE(k->buffers) && r == 0; i++) {
                kms_buffer_deinit(&k->buffers[i]);
                r = kms_buffer_init(&k->buffers[i], k->connection.fd, k->connection.width, k->connection.height);
        }
        if (r == 0 && !drmIsMaster(k->connection.fd) && drmSetMaster(k->connection.fd) < 0)
                return output_error(ret_error, -EBUSY, "%s: another program, or another screen, has it",
                                    screen->device);
        if (r < 0)
                return *ret_error ? r : output_error(ret_error, r, "%s: %s", screen->device, strerror(-r));
        r = watch_start(&k->device_watch, k->loop, k->connection.fd, EPOLLIN, on_device);
        k->hotplug_fd = kms_listen_hotplug();
        if (r == 0 && k->hotplug_fd >= 0)
                r = watch_start(&k->hotplug_watch, k->loop, k->hotplug_fd, EPOLLIN, on_hotplug);
        return r;
}

int kms_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
             struct output **ret)
{
        auto_cleanup(output_freep) struct output *o = NULL;
        struct kms *k;
        int r;

        *ret_error = NULL;
        if (!screen->device)
                return output_error(ret_error, -EINVAL, "KMS needs \"device\"");
        k = calloc(1, sizeof(*k));
        if (!k)
                return -ENOMEM;
        k->output.ops = &kms_ops;
        k->loop = loop;
        k->connection.fd = k->hotplug_fd = -1;
        (void) snprintf(k->subject, sizeof(k->subject), "screen %s", screen->name);
        pixman_region32_init(&k->damage);
        for (size_t i = 0; i < ARRAY_SIZE(k->buffers); i++)
                pixman_region32_init(&k->buffers[i].stale);
        o = &k->output;
        r = open_all(k, screen, ret_error);
        if (r < 0)
                return r;
        *ret = take_ptr(&o);
        return 0;
}
