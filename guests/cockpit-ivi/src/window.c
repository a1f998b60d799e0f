/* SPDX-License-Identifier: MPL-2.0 */
/* See window.h. One finger is followed, the first. */
#define _GNU_SOURCE
#include "window.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wayland-client.h>

#include "xdg-shell-client.h"

#define N_BUFFERS 2
#define BUTTON_LEFT 0x110

struct buffer {
        struct wl_buffer *wl;
        uint8_t *pixels;
        bool is_busy; /* the compositor reads it */
        cairo_rectangle_int_t stale;
};

struct window {
        struct wl_display *display;
        struct wl_compositor *compositor;
        struct wl_shm *shm;
        struct wl_seat *seat;
        struct wl_touch *touch;
        struct wl_pointer *pointer;
        struct xdg_wm_base *shell;
        struct wl_surface *surface;
        struct wl_callback *frame; /* until the last picture is on the screen */
        struct window_events events;
        int width, height;
        bool is_configured, is_pressed;
        double x, y;
        int32_t finger;
        struct buffer buffers[N_BUFFERS];
        cairo_surface_t *canvas;
        cairo_rectangle_int_t damage;
};

static void rectangle_add(cairo_rectangle_int_t *to, const cairo_rectangle_int_t *r)
{
        int right = to->x + to->width, bottom = to->y + to->height;

        if (r->width <= 0 || r->height <= 0)
                return;
        if (to->width == 0) {
                *to = *r;
                return;
        }
        right = right > r->x + r->width ? right : r->x + r->width;
        bottom = bottom > r->y + r->height ? bottom : r->y + r->height;
        to->x = to->x < r->x ? to->x : r->x;
        to->y = to->y < r->y ? to->y : r->y;
        to->width = right - to->x;
        to->height = bottom - to->y;
}

/* ---- fingers ---- */

static void press(struct window *w, double x, double y)
{
        w->is_pressed = true;
        w->events.down(w->events.user, x, y);
}

static void release(struct window *w)
{
        w->is_pressed = false;
        w->events.up(w->events.user);
}

static void touch_down(void *user, struct wl_touch *touch, uint32_t serial, uint32_t time, struct wl_surface *surface,
                       int32_t id, wl_fixed_t x, wl_fixed_t y)
{
        struct window *w = user;

        (void) touch, (void) serial, (void) time, (void) surface;
        if (w->is_pressed)
                return;
        w->finger = id;
        press(w, wl_fixed_to_double(x), wl_fixed_to_double(y));
}

static void touch_up(void *user, struct wl_touch *touch, uint32_t serial, uint32_t time, int32_t id)
{
        struct window *w = user;

        (void) touch, (void) serial, (void) time;
        if (w->is_pressed && id == w->finger)
                release(w);
}

static void touch_motion(void *user, struct wl_touch *touch, uint32_t time, int32_t id, wl_fixed_t x, wl_fixed_t y)
{
        struct window *w = user;

        (void) touch, (void) time;
        if (w->is_pressed && id == w->finger)
                w->events.motion(w->events.user, wl_fixed_to_double(x), wl_fixed_to_double(y));
}

static void touch_frame(void *user, struct wl_touch *touch) { (void) user, (void) touch; }

static void touch_cancel(void *user, struct wl_touch *touch)
{
        struct window *w = user;

        (void) touch;
        if (w->is_pressed)
                release(w);
}

static const struct wl_touch_listener touch_listener = {
        .down = touch_down, .up = touch_up, .motion = touch_motion, .frame = touch_frame, .cancel = touch_cancel
};

static void pointer_enter(void *user, struct wl_pointer *p, uint32_t serial, struct wl_surface *surface, wl_fixed_t x,
                          wl_fixed_t y)
{
        struct window *w = user;

        (void) surface;
        w->x = wl_fixed_to_double(x);
        w->y = wl_fixed_to_double(y);
        wl_pointer_set_cursor(p, serial, NULL, 0, 0);
}

static void pointer_leave(void *user, struct wl_pointer *p, uint32_t serial, struct wl_surface *surface)
{
        (void) user, (void) p, (void) serial, (void) surface;
}

static void pointer_motion(void *user, struct wl_pointer *p, uint32_t time, wl_fixed_t x, wl_fixed_t y)
{
        struct window *w = user;

        (void) p, (void) time;
        w->x = wl_fixed_to_double(x);
        w->y = wl_fixed_to_double(y);
        if (w->is_pressed)
                w->events.motion(w->events.user, w->x, w->y);
}

static void pointer_button(void *user, struct wl_pointer *p, uint32_t serial, uint32_t time, uint32_t button,
                           uint32_t state)
{
        struct window *w = user;

        (void) p, (void) serial, (void) time;
        if (button != BUTTON_LEFT)
                return;
        if (state == WL_POINTER_BUTTON_STATE_PRESSED)
                press(w, w->x, w->y);
        else
                release(w);
}

static void pointer_axis(void *user, struct wl_pointer *p, uint32_t time, uint32_t axis, wl_fixed_t value)
{
        (void) user, (void) p, (void) time, (void) axis, (void) value;
}

static const struct wl_pointer_listener pointer_listener = { .enter = pointer_enter,
                                                             .leave = pointer_leave,
                                                             .motion = pointer_motion,
                                                             .button = pointer_button,
                                                             .axis = pointer_axis };

static void seat_capabilities(void *user, struct wl_seat *seat, uint32_t capabilities)
{
        struct window *w = user;

        if ((capabilities & WL_SEAT_CAPABILITY_TOUCH) && !w->touch) {
                w->touch = wl_seat_get_touch(seat);
                (void) wl_touch_add_listener(w->touch, &touch_listener, w);
        }
        if ((capabilities & WL_SEAT_CAPABILITY_POINTER) && !w->pointer) {
                w->pointer = wl_seat_get_pointer(seat);
                (void) wl_pointer_add_listener(w->pointer, &pointer_listener, w);
        }
}

static const struct wl_seat_listener seat_listener = { .capabilities = seat_capabilities };

/* ---- the compositor ---- */

static void shell_ping(void *user, struct xdg_wm_base *shell, uint32_t serial)
{
        (void) user;
        xdg_wm_base_pong(shell, serial);
}

static const struct xdg_wm_base_listener shell_listener = { .ping = shell_ping };

static void registry_global(void *user, struct wl_registry *registry, uint32_t name, const char *interface,
                            uint32_t version)
{
        struct window *w = user;

        (void) version;
        if (strcmp(interface, wl_compositor_interface.name) == 0) {
                w->compositor = wl_registry_bind(registry, name, &wl_compositor_interface, 4);
        } else if (strcmp(interface, wl_shm_interface.name) == 0) {
                w->shm = wl_registry_bind(registry, name, &wl_shm_interface, 1);
        } else if (strcmp(interface, wl_seat_interface.name) == 0 && !w->seat) {
                w->seat = wl_registry_bind(registry, name, &wl_seat_interface, 1);
                (void) wl_seat_add_listener(w->seat, &seat_listener, w);
        } else if (strcmp(interface, xdg_wm_base_interface.name) == 0) {
                w->shell = wl_registry_bind(registry, name, &xdg_wm_base_interface, 1);
                (void) xdg_wm_base_add_listener(w->shell, &shell_listener, w);
        }
}

static void registry_remove(void *user, struct wl_registry *registry, uint32_t name)
{
        (void) user, (void) registry, (void) name;
}

static const struct wl_registry_listener registry_listener = { .global = registry_global,
                                                               .global_remove = registry_remove };

static void surface_configure(void *user, struct xdg_surface *surface, uint32_t serial)
{
        struct window *w = user;

        xdg_surface_ack_configure(surface, serial);
        w->is_configured = true;
}

static const struct xdg_surface_listener surface_listener = { .configure = surface_configure };

static void toplevel_configure(void *user, struct xdg_toplevel *toplevel, int32_t width, int32_t height,
                               struct wl_array *states)
{
        struct window *w = user;

        (void) toplevel, (void) states;
        if (width > 0 && height > 0 && !w->canvas) {
                w->width = width;
                w->height = height;
        }
}

static void toplevel_close(void *user, struct xdg_toplevel *toplevel) { (void) user, (void) toplevel; }

static const struct xdg_toplevel_listener toplevel_listener = { .configure = toplevel_configure,
                                                                .close = toplevel_close };

static void buffer_release(void *user, struct wl_buffer *buffer)
{
        (void) buffer;
        ((struct buffer *) user)->is_busy = false;
}

static const struct wl_buffer_listener buffer_listener = { .release = buffer_release };

static int make_buffers(struct window *w)
{
        size_t stride = (size_t) w->width * 4, bytes = stride * (size_t) w->height;
        int fd = memfd_create("window", MFD_CLOEXEC);
        struct wl_shm_pool *pool;
        uint8_t *pixels;

        if (fd < 0 || ftruncate(fd, (off_t) (bytes * N_BUFFERS)) < 0)
                return -errno;
        pixels = mmap(NULL, bytes * N_BUFFERS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (pixels == MAP_FAILED)
                return -errno;
        pool = wl_shm_create_pool(w->shm, fd, (int32_t) (bytes * N_BUFFERS));
        for (int i = 0; i < N_BUFFERS; i++) {
                struct buffer *b = &w->buffers[i];

                *b = (struct buffer) { .pixels = pixels + bytes * (size_t) i, .stale = { 0, 0, w->width, w->height } };
                b->wl = wl_shm_pool_create_buffer(pool, (int32_t) (bytes * (size_t) i), w->width, w->height,
                                                  (int32_t) stride, WL_SHM_FORMAT_XRGB8888);
                (void) wl_buffer_add_listener(b->wl, &buffer_listener, b);
        }
        wl_shm_pool_destroy(pool);
        (void) close(fd);
        return 0;
}

struct window *window_open(const struct window_events *events)
{
        struct window *w = calloc(1, sizeof(*w));
        struct xdg_surface *surface;
        struct xdg_toplevel *toplevel;
        struct wl_registry *registry;

        w->events = *events;
        w->display = wl_display_connect(NULL);
        if (!w->display) {
                (void) fprintf(stderr, "no compositor: %s\n", strerror(errno));
                return NULL;
        }
        registry = wl_display_get_registry(w->display);
        (void) wl_registry_add_listener(registry, &registry_listener, w);
        (void) wl_display_roundtrip(w->display);
        if (!w->compositor || !w->shm || !w->shell) {
                (void) fprintf(stderr, "the compositor lacks an interface\n");
                return NULL;
        }
        w->surface = wl_compositor_create_surface(w->compositor);
        surface = xdg_wm_base_get_xdg_surface(w->shell, w->surface);
        (void) xdg_surface_add_listener(surface, &surface_listener, w);
        toplevel = xdg_surface_get_toplevel(surface);
        (void) xdg_toplevel_add_listener(toplevel, &toplevel_listener, w);
        xdg_toplevel_set_fullscreen(toplevel, NULL);
        wl_surface_commit(w->surface);
        while (!w->is_configured)
                if (wl_display_dispatch(w->display) < 0)
                        return NULL;
        if (make_buffers(w) < 0) {
                (void) fprintf(stderr, "no memory for the window\n");
                return NULL;
        }
        w->canvas = cairo_image_surface_create(CAIRO_FORMAT_RGB24, w->width, w->height);
        return w;
}

cairo_surface_t *window_canvas(struct window *w) { return w->canvas; }

void window_size(const struct window *w, int *ret_width, int *ret_height)
{
        *ret_width = w->width;
        *ret_height = w->height;
}

int window_fd(const struct window *w) { return wl_display_get_fd(w->display); }

bool window_dispatch(struct window *w) { return wl_display_dispatch(w->display) >= 0; }

/* ---- pictures ---- */

static void frame_done(void *user, struct wl_callback *callback, uint32_t time)
{
        struct window *w = user;

        (void) time;
        wl_callback_destroy(callback);
        w->frame = NULL;
}

static const struct wl_callback_listener frame_listener = { .done = frame_done };

void window_damage(struct window *w, int x, int y, int width, int height)
{
        cairo_rectangle_int_t r = { x < 0 ? 0 : x, y < 0 ? 0 : y, 0, 0 };

        r.width = (x + width > w->width ? w->width : x + width) - r.x;
        r.height = (y + height > w->height ? w->height : y + height) - r.y;
        if (r.width <= 0 || r.height <= 0)
                return;
        wl_surface_damage_buffer(w->surface, r.x, r.y, r.width, r.height);
        rectangle_add(&w->damage, &r);
        for (int i = 0; i < N_BUFFERS; i++)
                rectangle_add(&w->buffers[i].stale, &r);
}

static void copy(const struct window *w, struct buffer *b)
{
        const uint8_t *from = cairo_image_surface_get_data(w->canvas);
        size_t from_stride = (size_t) cairo_image_surface_get_stride(w->canvas), stride = (size_t) w->width * 4;

        cairo_surface_flush(w->canvas);
        for (int y = b->stale.y; y < b->stale.y + b->stale.height; y++)
                memcpy(b->pixels + stride * (size_t) y + (size_t) b->stale.x * 4,
                       from + from_stride * (size_t) y + (size_t) b->stale.x * 4, (size_t) b->stale.width * 4);
        b->stale = (cairo_rectangle_int_t) { 0 };
}

bool window_show(struct window *w)
{
        struct buffer *b = &w->buffers[0];

        while (b < w->buffers + N_BUFFERS && b->is_busy)
                b++;
        if (w->frame || b == w->buffers + N_BUFFERS || w->damage.width == 0)
                return false;
        copy(w, b);
        w->damage = (cairo_rectangle_int_t) { 0 };
        b->is_busy = true;
        w->frame = wl_surface_frame(w->surface);
        (void) wl_callback_add_listener(w->frame, &frame_listener, w);
        wl_surface_attach(w->surface, b->wl, 0, 0);
        wl_surface_commit(w->surface);
        (void) wl_display_flush(w->display);
        return true;
}
