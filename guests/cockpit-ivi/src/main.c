/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The infotainment of the cockpit: a Wayland client with a map and a music player that are worked by touch.
 *
 * A touch on the map sets the destination, a drag moves the map; the buttons of the media card do what they show. What
 * it does it says on standard output.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "draw.h"
#include "map.h"
#include "media.h"
#include "player.h"
#include "window.h"

#define FRAME_NS 80000000
#define MEDIA_HEIGHT 250
#define SKIP_S 9.14   /* four bars */
#define DRAG_LEAST 12 /* pixels; less is a touch */
#define RING_S 0.6
#define RING_RADIUS 44

struct ivi {
        struct window *window;
        cairo_t *cr;
        int width, height;
        struct map map;
        struct media media;
        struct player_state music;
        double last_s;
        /* The finger: where it came down, where it was last, on which button. */
        double down_x, down_y, x, y;
        bool is_down, is_drag;
        int button;
        double ring_s; /* when the ring around the finger began */
        bool has_ring;
};

static double now_s(void)
{
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void draw_ring(struct ivi *ivi)
{
        double part = (now_s() - ivi->ring_s) / RING_S;

        if (!ivi->has_ring || part > 1)
                return;
        cairo_arc(ivi->cr, ivi->x, ivi->y, 10 + (RING_RADIUS - 14) * fmax(part, 0), 0, 2 * M_PI);
        cairo_set_line_width(ivi->cr, 4);
        draw_colour(ivi->cr, 0xffffff, 0.9 * (1 - 0.8 * part));
        cairo_stroke(ivi->cr);
}

/* Draws a part of the screen again. */
static void redraw(struct ivi *ivi, int x, int y, int width, int height)
{
        cairo_save(ivi->cr);
        cairo_rectangle(ivi->cr, x, y, width, height);
        cairo_clip(ivi->cr);
        if (y < ivi->map.height)
                map_draw(&ivi->map, ivi->cr);
        if (y + height > ivi->media.y)
                media_draw(&ivi->media, ivi->cr, &ivi->music, ivi->is_down ? ivi->button : -1);
        draw_ring(ivi);
        cairo_restore(ivi->cr);
        window_damage(ivi->window, x, y, width, height);
}

static void redraw_ring(struct ivi *ivi)
{
        redraw(ivi, (int) ivi->x - RING_RADIUS, (int) ivi->y - RING_RADIUS, 2 * RING_RADIUS, 2 * RING_RADIUS);
}

static void on_down(void *user, double x, double y)
{
        struct ivi *ivi = user;

        redraw_ring(ivi);
        ivi->down_x = ivi->x = x;
        ivi->down_y = ivi->y = y;
        ivi->is_down = true;
        ivi->is_drag = false;
        ivi->button = media_button_at(&ivi->media, x, y);
        ivi->has_ring = true;
        ivi->ring_s = now_s();
        (void) printf("ivi: touch %.0f %.0f\n", x, y);
        if (ivi->button == MEDIA_PLAY)
                player_toggle();
        else if (ivi->button >= 0)
                player_skip(ivi->button == MEDIA_BACK ? -SKIP_S : SKIP_S);
        if (ivi->button == MEDIA_PLAY) {
                player_state(&ivi->music);
                (void) printf("ivi: music %s\n", ivi->music.is_playing ? "on" : "off");
        }
        redraw(ivi, 0, ivi->media.y, ivi->width, ivi->media.height);
}

static void on_motion(void *user, double x, double y)
{
        struct ivi *ivi = user;

        ivi->is_drag = ivi->is_drag || hypot(x - ivi->down_x, y - ivi->down_y) > DRAG_LEAST;
        if (!ivi->is_drag || ivi->down_y >= ivi->map.height)
                return;
        map_pan(&ivi->map, x - ivi->x, y - ivi->y);
        ivi->has_ring = false;
        ivi->x = x;
        ivi->y = y;
        redraw(ivi, 0, 0, ivi->width, ivi->map.height);
}

static void on_up(void *user)
{
        struct ivi *ivi = user;

        ivi->is_down = false;
        if (!ivi->is_drag && ivi->down_y < ivi->map.height) {
                map_pin(&ivi->map, ivi->down_x, ivi->down_y);
                (void) printf("ivi: destination %.0f %.0f\n", ivi->down_x, ivi->down_y);
        }
        redraw(ivi, 0, 0, ivi->width, ivi->height);
}

static void tick(struct ivi *ivi)
{
        double now = now_s();
        cairo_rectangle_int_t damage;

        map_drive(&ivi->map, now - ivi->last_s, &damage);
        ivi->last_s = now;
        redraw(ivi, damage.x, damage.y, damage.width, damage.height);
        if (ivi->has_ring) {
                redraw_ring(ivi);
                ivi->has_ring = now - ivi->ring_s <= RING_S;
        }
        player_state(&ivi->music);
        if (ivi->music.is_playing)
                redraw(ivi, ivi->media.x + media_lively.x, ivi->media.y + media_lively.y, media_lively.width,
                       media_lively.height);
        (void) window_show(ivi->window);
}

static int run(struct ivi *ivi, int timer)
{
        struct pollfd fds[2] = { { .fd = timer, .events = POLLIN },
                                 { .fd = window_fd(ivi->window), .events = POLLIN } };

        ivi->last_s = now_s();
        for (;;) {
                uint64_t n_passed;

                if (poll(fds, 2, -1) < 0 && errno != EINTR)
                        return -errno;
                if (fds[1].revents && !window_dispatch(ivi->window))
                        return -ENOTCONN;
                if (fds[0].revents && read(timer, &n_passed, sizeof(n_passed)) == sizeof(n_passed))
                        tick(ivi);
        }
}

int main(void)
{
        static struct ivi ivi = { .button = -1 };
        const struct window_events events = { on_down, on_motion, on_up, &ivi };
        const struct itimerspec every = { .it_interval.tv_nsec = FRAME_NS, .it_value.tv_nsec = 1 };
        int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        if (!draw_init() || timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0)
                return EXIT_FAILURE;
        ivi.window = window_open(&events);
        if (!ivi.window)
                return EXIT_FAILURE;
        window_size(ivi.window, &ivi.width, &ivi.height);
        if (ivi.width < 640 || ivi.height < 720) {
                (void) fprintf(stderr, "the screen has %d by %d pixels, 640 by 720 are needed\n", ivi.width,
                               ivi.height);
                return EXIT_FAILURE;
        }
        player_init();
        player_state(&ivi.music);
        ivi.cr = cairo_create(window_canvas(ivi.window));
        map_init(&ivi.map, ivi.width, ivi.height - MEDIA_HEIGHT);
        media_init(&ivi.media, 0, ivi.height - MEDIA_HEIGHT, ivi.width, MEDIA_HEIGHT);
        redraw(&ivi, 0, 0, ivi.width, ivi.height);
        (void) window_show(ivi.window);
        (void) printf("ivi: first picture\n");
        return run(&ivi, timer) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
