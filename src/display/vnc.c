/* SPDX-License-Identifier: MPL-2.0 */
/* A screen that VNC viewers see: the loop's side. How it works is told in vnc-private.h. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/acceptor.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/thread.h"
#include "display/frame.h"
#include "display/outputs.h"
#include "display/picture.h"
#include "display/vnc-listen.h"
#include "display/vnc-private.h"
#include "seat/sender.h"

#define RATE_DEFAULT_HZ 60u
#define WAIT_MS 2000 /* for the rest of a message; libvncserver waits 5 s for a viewer to read on */

struct vnc {
        struct output output;
        struct loop *loop;           /* borrowed */
        struct vnc_screen screen;
        struct vnc_slot slots[VNC_VIEWERS_MAX];
        size_t n_slots;              /* that were begun with */
        struct frame *frame; /* borrowed until the next one; NULL: none yet */
        int listen_fd;               /* owned */
        char *socket_path;           /* owned; NULL: TCP */
        struct acceptor acceptor;
        struct watch ask_watch;
};

void vnc_log(struct vnc_screen *s, const char *format, ...)
{
        char subject[64];
        va_list ap;
        bool ok;

        pthread_mutex_lock(&s->log_lock);
        ok = ratelimit_take(&s->log_limit, 1, clock_now_ns());
        pthread_mutex_unlock(&s->log_lock);
        if (!ok)
                return;
        (void) snprintf(subject, sizeof(subject), "screen %s", s->name);
        va_start(ap, format);
        log_linev(LOG_LEVEL_INFO, subject, format, ap);
        va_end(ap);
}

static void ignore_line(const char *format, ...)
{
}

static void give(struct vnc *v, const pixman_region32_t *damage)
{
        for (size_t i = 0; i < v->n_slots; i++)
                if (feed_give(&v->slots[i].feed, v->frame, damage))
                        fd_event_signal(v->slots[i].wake_fd);
}

static void vnc_present(struct output *o, struct frame *frame, const pixman_region32_t *damage)
{
        struct vnc *v = container_of(o, struct vnc, output);

        assert(frame->width == v->screen.width && frame->height == v->screen.height);
        v->frame = frame;
        give(v, damage);
}

static void on_ask(struct watch *w, uint32_t events)
{
        struct vnc *v = container_of(w, struct vnc, ask_watch);

        (void) fd_event_take(v->screen.ask_fd);
        give(v, NULL);
}

static void on_connection(struct acceptor *a, int fd)
{
        struct vnc *v = container_of(a, struct vnc, acceptor);
        static const int on = 1;

        if (fd < 0)
                return;
        /* Fails on unix sockets, which need neither. */
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        (void) fd_set_nonblock(fd, true);
        for (size_t i = 0; i < v->n_slots; i++) {
                struct vnc_slot *slot = &v->slots[i];
                bool taken;

                pthread_mutex_lock(&slot->lock);
                taken = slot->fd < 0;
                if (taken)
                        slot->fd = fd;
                pthread_mutex_unlock(&slot->lock);
                if (taken) {
                        fd_event_signal(slot->wake_fd);
                        return;
                }
        }
        vnc_log(&v->screen, "a viewer was refused: %d are served already", VNC_VIEWERS_MAX);
        (void) close(fd);
}

static int vnc_start(struct output *o)
{
        struct vnc *v = container_of(o, struct vnc, output);
        int r = 0;

        for (size_t i = 0; i < v->n_slots && r == 0; i++) {
                struct vnc_slot *slot = &v->slots[i];

                r = thread_start(&slot->thread, "vnc", vnc_viewer_main, slot);
                slot->started = r == 0;
                if (r < 0 || !v->screen.door.tls)
                        continue;
                r = thread_start(&slot->relay, "vnc-tls", vnc_relay_main, slot);
                slot->relay_started = r == 0;
        }
        if (r == 0)
                r = watch_start(&v->ask_watch, v->loop, v->screen.ask_fd, EPOLLIN, on_ask);
        return r < 0 ? r : acceptor_start(&v->acceptor, v->loop, v->listen_fd, on_connection);
}

static void slot_deinit(struct vnc_slot *slot)
{
        pthread_mutex_lock(&slot->lock);
        atomic_store(&slot->stopping, true);
        if (slot->fd >= 0)
                (void) shutdown(slot->fd, SHUT_RDWR);
        pthread_cond_broadcast(&slot->relay_cond);
        pthread_mutex_unlock(&slot->lock);
        if (slot->started) {
                fd_event_signal(slot->wake_fd);
                (void) pthread_join(slot->thread, NULL);
        }
        if (slot->relay_started)
                (void) pthread_join(slot->relay, NULL);
        fd_close(&slot->fd);
        fd_close(&slot->wake_fd);
        slot->input.seat = seat_sender_free(slot->input.seat);
        if (slot->rfb)
                rfbScreenCleanup(slot->rfb);
        feed_deinit(&slot->feed);
        pixman_region32_fini(&slot->fresh);
        pixman_region32_fini(&slot->unlike);
        picture_unref(slot->flat);
        pthread_cond_destroy(&slot->relay_cond);
        pthread_mutex_destroy(&slot->lock);
}

static struct output *vnc_free(struct output *o)
{
        struct vnc *v = container_of(o, struct vnc, output);

        acceptor_stop(&v->acceptor);
        watch_stop(&v->ask_watch);
        for (size_t i = 0; i < v->n_slots; i++)
                slot_deinit(&v->slots[i]);
        fd_close(&v->listen_fd);
        fd_close(&v->screen.ask_fd);
        if (v->socket_path)
                (void) unlink(v->socket_path);
        v->screen.door.tls = vnc_tls_free(v->screen.door.tls);
        explicit_bzero(v->screen.door.password, sizeof(v->screen.door.password));
        pthread_mutex_destroy(&v->screen.log_lock);
        free(v->screen.name);
        free(v->socket_path);
        free(v);
        return NULL;
}

static void vnc_needs(const struct output *o, struct output_needs *ret)
{
        static const char *const calls[] = {
                "dup3", "getpeername", "getsockname", "pselect6", "select", "setsockopt", "socketpair", "uname", NULL,
        };
        const struct vnc *v = container_of(o, struct vnc, output);

        *ret = (struct output_needs) { .calls = calls, .removes = v->socket_path };
}

static const struct output_ops vnc_ops = {
        .name = "vnc",
        .present = vnc_present,
        .free = vnc_free,
        .needs = vnc_needs,
        .start = vnc_start,
};

/* An instance of the library: x8r8g8b8 as the screen has it, one viewer, nothing that was not asked for. */
static rfbScreenInfoPtr new_rfb(struct vnc_slot *slot)
{
        const struct vnc_screen *screen = slot->screen;
        rfbScreenInfoPtr rfb = rfbGetScreen(NULL, NULL, (int) screen->width, (int) screen->height, 8, 3, 4);

        if (!rfb)
                return NULL;
        rfb->serverFormat.depth = 24;
        rfb->serverFormat.redShift = 16;
        rfb->serverFormat.greenShift = 8;
        rfb->serverFormat.blueShift = 0;
        rfb->desktopName = screen->name;
        rfb->screenData = slot;
        rfb->cursor = NULL;
        rfb->alwaysShared = TRUE;
        rfb->deferUpdateTime = 0;
        rfb->maxClientWait = WAIT_MS;
        rfb->ignoreSIGPIPE = FALSE;
        return rfb;
}

static int slot_init(struct vnc_slot *slot, struct vnc_screen *screen, const char *seat)
{
        *slot = (struct vnc_slot) { .screen = screen, .fd = -1,
                                    .input = { .width = screen->width, .height = screen->height } };
        (void) pthread_mutex_init(&slot->lock, NULL);
        (void) pthread_cond_init(&slot->relay_cond, NULL);
        feed_init(&slot->feed, screen->width, screen->height);
        pixman_region32_init(&slot->fresh);
        pixman_region32_init(&slot->unlike);
        vnc_input_reset(&slot->input);
        slot->wake_fd = fd_event();
        if (slot->wake_fd < 0)
                return slot->wake_fd;
        slot->rfb = new_rfb(slot);
        if (!slot->rfb)
                return -ENOMEM;
        return seat ? seat_sender_new(seat, screen->name, &slot->input.seat) : 0;
}

/* The password is the file's first line. */
static int read_password(const char *path, char *ret, char **ret_error)
{
        auto_cleanup(freep) char *text = NULL;
        uint8_t scratch[16] = { 0 };
        struct stat st;
        size_t n;
        int r;

        r = fd_read_file(path, 4096, &text, &n);
        if (r < 0)
                return output_error(ret_error, r, "password file %s: %s", path, strerror(-r));
        if (stat(path, &st) < 0 || (st.st_mode & 07))
                return output_error(ret_error, -EPERM, "password file %s: others may read or write it", path);
        n = strcspn(text, "\r\n");
        if (n == 0 || n > VNC_PASSWORD_MAX)
                return output_error(ret_error, -EINVAL,
                                    "password file %s: VNC passwords have 1 to %d characters, found %zu", path,
                                    VNC_PASSWORD_MAX, n);
        memcpy(ret, text, n);
        ret[n] = 0;
        explicit_bzero(text, strlen(text));
        rfbEncryptBytes(scratch, ret); /* the library's cipher opens files when it is first used */
        return 0;
}

static int open_door(struct vnc *v, const struct scene_screen *screen, char **ret_error)
{
        const char *text;
        int r = 0;

        if (screen->password_file)
                r = read_password(screen->password_file, v->screen.door.password, ret_error);
        if (r == 0 && screen->tls_certificate) {
                r = vnc_tls_new(screen->tls_certificate, screen->tls_key, &text, &v->screen.door.tls);
                if (r < 0)
                        return output_error(ret_error, r, "certificate %s, key %s: %s", screen->tls_certificate,
                                            screen->tls_key, text);
        }
        return r;
}

static int open_all(struct vnc *v, const struct scene_screen *screen, const char *seat, char **ret_error)
{
        int r;

        v->screen.name = strdup(screen->name);
        if (!v->screen.name)
                return -ENOMEM;
        r = open_door(v, screen, ret_error);
        if (r < 0)
                return r;
        v->screen.ask_fd = fd_event();
        if (v->screen.ask_fd < 0)
                return v->screen.ask_fd;
        for (size_t i = 0; i < VNC_VIEWERS_MAX; i++) {
                v->n_slots++;
                r = slot_init(&v->slots[i], &v->screen, seat);
                if (r < 0)
                        return r;
        }
        r = vnc_listen(screen->listen, &v->listen_fd);
        if (r < 0)
                return output_error(ret_error, r, "listen on %s: %s", screen->listen,
                                    r == -EINVAL
                                            ? "expected ADDRESS:PORT, [ADDRESS]:PORT or the absolute path of a socket"
                                            : strerror(-r));
        if (screen->listen[0] == '/') {
                v->socket_path = strdup(screen->listen);
                if (!v->socket_path)
                        return -ENOMEM;
        }
        return 0;
}

int vnc_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
             struct output **ret)
{
        auto_cleanup(output_freep) struct output *o = NULL;
        struct vnc *v;
        int r;

        *ret_error = NULL;
        if (!screen->listen)
                return output_error(ret_error, -EINVAL, "VNC needs \"listen\"");
        if (screen->width == 0 || screen->height == 0 || screen->width > VNC_WIDTH_MAX)
                return output_error(ret_error, -EINVAL, "VNC screens are 1 to %u pixels wide", VNC_WIDTH_MAX);
        v = calloc(1, sizeof(*v));
        if (!v)
                return -ENOMEM;
        v->output.ops = &vnc_ops;
        v->loop = loop;
        v->listen_fd = v->screen.ask_fd = -1;
        v->screen.width = screen->width;
        v->screen.height = screen->height;
        v->screen.rate_hz = screen->rate_hz ?: RATE_DEFAULT_HZ;
        (void) pthread_mutex_init(&v->screen.log_lock, NULL);
        ratelimit_init(&v->screen.log_limit, 1, 10);
        o = &v->output;
        rfbLog = rfbErr = ignore_line;
        r = open_all(v, screen, seat, ret_error);
        if (r < 0)
                return r;
        *ret = take_ptr(&o);
        return 0;
}
