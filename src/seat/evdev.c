/* SPDX-License-Identifier: MPL-2.0 */
/* Reading is libevdev's, which also brings a device's state up to date after the kernel dropped events. */
#include "seat/evdev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libevdev/libevdev.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "seat/evdev-private.h"
#include "seat/router.h"

#define SUBJECT "seat"
#define EVENTS_AT_ONCE 256 /* before others on the loop have their turn */
#define RETRY_NS NSEC_PER_SEC

struct seat_evdev {
        struct loop *loop;          /* borrowed */
        struct seat_router *router; /* borrowed */
        size_t screen;
        char *path;                 /* owned */
        int fd;                     /* owned; -1: not there */
        struct libevdev *dev;       /* owned; NULL: not there */
        bool complained;            /* about what keeps it from being opened */
        unsigned flags;             /* of libevdev_next_event(): NORMAL, or SYNC on the way back to the present */
        struct watch watch;
        struct timer retry;
        struct task again;
        struct seat_source held;
        struct evdev_translator translator;
};

static bool has(const struct libevdev *dev, unsigned type, unsigned code)
{
        return libevdev_has_event_code(dev, type, code);
}

int evdev_shape_of(const struct libevdev *dev, struct evdev_shape *ret)
{
        struct evdev_shape s = { 0 };
        bool place = has(dev, EV_ABS, ABS_X) && has(dev, EV_ABS, ABS_Y), mt;

        s.panel = has(dev, EV_ABS, ABS_MT_SLOT) && has(dev, EV_ABS, ABS_MT_POSITION_X) &&
                  has(dev, EV_ABS, ABS_MT_POSITION_Y);
        s.single_panel = !s.panel && place && has(dev, EV_KEY, BTN_TOUCH) && !has(dev, EV_KEY, BTN_LEFT);
        s.tablet = !s.panel && !s.single_panel && place && has(dev, EV_KEY, BTN_LEFT);
        s.mouse = has(dev, EV_REL, REL_X) && has(dev, EV_REL, REL_Y);
        s.knob = !s.mouse && !has(dev, EV_KEY, BTN_LEFT) &&
                 (has(dev, EV_REL, REL_X) || has(dev, EV_REL, REL_DIAL) || has(dev, EV_REL, REL_WHEEL));
        if (!s.panel && !s.single_panel && !s.tablet && !s.mouse && !s.knob && !libevdev_has_event_type(dev, EV_KEY))
                return -ENOTSUP;
        mt = s.panel;
        for (unsigned i = 0; i < 2 && (s.panel || s.single_panel || s.tablet); i++) {
                s.min[i] = libevdev_get_abs_minimum(dev, (mt ? ABS_MT_POSITION_X : ABS_X) + i);
                s.max[i] = libevdev_get_abs_maximum(dev, (mt ? ABS_MT_POSITION_X : ABS_X) + i);
        }
        *ret = s;
        return 0;
}

static void emit(void *data, const struct seat_message *m)
{
        struct seat_evdev *e = data;

        (void) seat_router_handle(e->router, &e->held, e->screen, m);
}

static void close_device(struct seat_evdev *e)
{
        task_cancel(&e->again);
        watch_stop(&e->watch);
        libevdev_free(e->dev);
        e->dev = NULL;
        fd_close(&e->fd);
}

static void on_retry(struct timer *t);

static void lose_device(struct seat_evdev *e)
{
        close_device(e);
        seat_router_leave(e->router, &e->held);
        seat_router_commit(e->router);
        timer_start(&e->retry, e->loop, clock_now_ns() + RETRY_NS, on_retry);
}

static void on_again(struct task *t);

/* Return: 1: an event was read; 0: there are none now; -ENODEV: it is gone; another negative errno. */
static int read_event(struct seat_evdev *e)
{
        struct input_event event;
        int r = libevdev_next_event(e->dev, e->flags, &event);

        if (r == -EINTR)
                return 1;
        if (r == -EAGAIN && e->flags == LIBEVDEV_READ_FLAG_NORMAL)
                return 0;
        if (r < 0 && r != -EAGAIN)
                return r;
        e->flags = r == LIBEVDEV_READ_STATUS_SYNC ? LIBEVDEV_READ_FLAG_SYNC : LIBEVDEV_READ_FLAG_NORMAL;
        if (r == -EAGAIN)
                return 1; /* back in the present */
        evdev_translate(&e->translator, event.type, event.code, event.value, emit, e);
        if (event.type == EV_SYN && event.code == SYN_REPORT)
                seat_router_commit(e->router);
        return 1;
}

static void read_events(struct seat_evdev *e)
{
        int r = 1;

        for (int i = 0; i < EVENTS_AT_ONCE && r > 0; i++)
                r = read_event(e);
        if (r > 0)
                task_schedule(&e->again, e->loop, on_again);
        else if (r < 0) {
                log_warning(SUBJECT, "%s is gone: %s", e->path, strerror(-r));
                lose_device(e);
        }
}

static void on_again(struct task *t)
{
        read_events(container_of(t, struct seat_evdev, again));
}

static void on_readable(struct watch *w, uint32_t events)
{
        read_events(container_of(w, struct seat_evdev, watch));
}

static int open_path(const char *path)
{
        auto_cleanup(closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        return S_ISCHR(st.st_mode) ? take_fd(&fd) : -ENOTTY;
}

/* Return: 0; -ENOTTY: no input device; a negative errno. */
static int open_device(struct seat_evdev *e)
{
        struct evdev_shape shape;
        int r;

        e->fd = open_path(e->path);
        if (e->fd < 0)
                return e->fd;
        r = libevdev_new_from_fd(e->fd, &e->dev);
        if (r < 0)
                return r == -EINVAL ? -ENOTTY : r;
        r = evdev_shape_of(e->dev, &shape);
        if (r < 0)
                return -ENOTTY;
        r = libevdev_grab(e->dev, LIBEVDEV_GRAB);
        if (r < 0)
                return r;
        seat_router_screen_size(e->router, e->screen, &shape.width, &shape.height);
        evdev_translator_init(&e->translator, &shape);
        e->flags = LIBEVDEV_READ_FLAG_NORMAL;
        e->complained = false;
        log_info(SUBJECT, "%s is %s", e->path, libevdev_get_name(e->dev));
        return watch_start(&e->watch, e->loop, e->fd, EPOLLIN, on_readable);
}

/* Opens, or comes back later. Return: 0; -ENOTTY. */
static int try_device(struct seat_evdev *e)
{
        int r = open_device(e);

        if (r >= 0)
                return 0;
        close_device(e);
        if (!e->complained)
                log_warning(SUBJECT, "%s: %s; tried again until it is there", e->path, strerror(-r));
        e->complained = true;
        timer_start(&e->retry, e->loop, clock_now_ns() + RETRY_NS, on_retry);
        return r == -ENOTTY ? r : 0;
}

static void on_retry(struct timer *t)
{
        (void) try_device(container_of(t, struct seat_evdev, retry));
}

static void evdev_freep(struct seat_evdev **e)
{
        *e = seat_evdev_free(*e);
}

int seat_evdev_new(struct loop *loop, struct seat_router *router, size_t screen, const char *path,
                   struct seat_evdev **ret)
{
        auto_cleanup(evdev_freep) struct seat_evdev *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        e->loop = loop;
        e->router = router;
        e->screen = screen;
        e->fd = -1;
        e->path = strdup(path);
        if (!e->path)
                return -ENOMEM;
        r = try_device(e);
        if (r < 0)
                return r;
        *ret = take_ptr(&e);
        return 0;
}

struct seat_evdev *seat_evdev_free(struct seat_evdev *e)
{
        if (!e)
                return NULL;
        timer_stop(&e->retry);
        close_device(e);
        free(e->path);
        free(e);
        return NULL;
}
