/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What one guest of a screen notices of another that misbehaves: frames a second that reach the outputs, and the time
 * from its flush to the output, beside a neighbour that draws sixty full frames a second and beside ones that do
 * worse. A flush waits for the screen's next frame, which is up to 17 ms: how long is a matter of phase. The guest is
 * a little slower than the screen, so that in each second its flushes come at every phase, whoever the neighbour is.
 *
 *      isolation [SECONDS [ROUNDS]]     of each case a round; cases take turns
 *
 * The neighbour's thread does what a guest's commands make the server do: copies to its surface, flushes,
 * cursors. The last line says what composition costs: CPU time of the screen's thread a frame of 1920x720 that is all
 * new, beside that of one memcpy().
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/macros.h"
#include "display/frame.h"
#include "display/output.h"
#include "display/picture.h"
#include "display/screen.h"
#include "display/surface.h"
#include "display/view.h"
#include "scene/scene.h"

#define WIDTH 1920u
#define HEIGHT 720u
#define SPLIT 960u
#define TICK_NS (NSEC_PER_SEC / 60)
#define VICTIM_TICK_NS (NSEC_PER_SEC / 59)
#define STAMPS 4096u /* a power of two */
#define SAMPLES_MAX 100000u
#define ROUNDS_MAX 64u

struct bench {
        struct loop *loop;
        struct screen *screen;
        struct view *victim, *neighbour;
        struct surface *picture, *other, *large;
        struct picture *cursor;
        atomic_bool ends;
        const struct neighbour *kind;

        _Atomic uint64_t flushed_ns[STAMPS];
        uint32_t last; /* that was seen */
        atomic_uint n_drawn;
        double *delays_ms;
        size_t n_delays;
};

struct eye {
        struct output output;
        struct bench *bench; /* borrowed */
};

struct neighbour {
        const char *name;
        void (*fn)(struct bench *b); /* until b->ends */
};

static void sleep_until(uint64_t ns)
{
        struct timespec ts = { (time_t) (ns / NSEC_PER_SEC), (long) (ns % NSEC_PER_SEC) };

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
                ;
}

/* All of it. */
static void show(struct view *v, struct surface *s)
{
        auto_cleanup(picture_unrefp) struct picture *p = s ? surface_hold(s) : NULL;

        (void) view_show(v, s, p ? &(struct rectangle){ 0, 0, p->width, p->height } : NULL);
}

static void fill(struct surface *s, unsigned value)
{
        struct picture *p;

        if (surface_begin(s, &p) < 0)
                return;
        memset(p->pixels, (int) (value & 0xff), p->size_bytes);
        surface_end_box(s, &(struct pixman_box32){ 0, 0, (int) p->width, (int) p->height }, true);
}

static void flush_all(struct view *v)
{
        view_flush(v, &(struct rectangle){ 0, 0, SCENE_PIXELS_MAX, SCENE_PIXELS_MAX });
}

static void be_normal(struct bench *b)
{
        uint64_t next_ns = clock_now_ns();

        show(b->neighbour, b->other);
        for (unsigned i = 0; !atomic_load(&b->ends); i++) {
                fill(b->other, i);
                flush_all(b->neighbour);
                sleep_until(next_ns = MAX(next_ns + TICK_NS, clock_now_ns()));
        }
}

static void flood_frames(struct bench *b)
{
        show(b->neighbour, b->other);
        for (unsigned i = 0; !atomic_load(&b->ends); i++) {
                fill(b->other, i);
                flush_all(b->neighbour);
        }
}

static void flood_small_flushes(struct bench *b)
{
        show(b->neighbour, b->other);
        for (unsigned i = 0; !atomic_load(&b->ends); i++)
                view_flush(b->neighbour, &(struct rectangle){ i * 37 % SPLIT, i * 101 % HEIGHT, 1, 1 });
}

static void flood_cursor_moves(struct bench *b)
{
        show(b->neighbour, b->other);
        (void) view_set_cursor(b->neighbour, b->cursor, 0, 0);
        for (unsigned i = 0; !atomic_load(&b->ends); i++)
                view_move_cursor(b->neighbour, i % SPLIT, i % HEIGHT);
        (void) view_set_cursor(b->neighbour, NULL, 0, 0);
}

static void flood_shows(struct bench *b)
{
        for (unsigned i = 0; !atomic_load(&b->ends); i++)
                show(b->neighbour, i % 3 == 0 ? NULL : i % 3 == 1 ? b->other : b->large);
}

static void never_end(struct bench *b)
{
        const struct pixman_box32 pixel = { 0, 0, 1, 1 };
        struct picture *p;

        show(b->neighbour, b->other);
        fill(b->other, 0);
        surface_settle(b->other);
        if (surface_begin(b->other, &p) < 0) /* in what was not composed yet */
                return;
        while (!atomic_load(&b->ends)) {
                flush_all(b->neighbour);
                sleep_until(clock_now_ns() + NSEC_PER_MSEC);
        }
        surface_end_box(b->other, &pixel, true);
}

static void show_nothing(struct bench *b)
{
        show(b->neighbour, NULL);
        while (!atomic_load(&b->ends))
                sleep_until(clock_now_ns() + TICK_NS);
}

static const struct neighbour neighbours[] = {
        { "that draws 60 full frames a second", be_normal },
        { "that draws full frames without end", flood_frames },
        { "that flushes pixels without end", flood_small_flushes },
        { "that moves its cursor without end", flood_cursor_moves },
        { "that shows pictures without end", flood_shows },
        { "that never ends a copy", never_end },
        { "that is gone", show_nothing },
};

static void *neighbour_main(void *data)
{
        struct bench *b = data;

        b->kind->fn(b);
        return NULL;
}

/* Each frame has its number in its first pixel. */
static void *victim_main(void *data)
{
        struct bench *b = data;
        uint64_t next_ns = clock_now_ns();

        show(b->victim, b->picture);
        for (uint32_t i = b->last + 1; !atomic_load(&b->ends); i++) {
                struct picture *p;

                if (surface_begin(b->picture, &p) < 0)
                        break;
                *(uint32_t *) (void *) p->pixels = i;
                surface_end_box(b->picture, &(struct pixman_box32){ 0, 0, 1, 1 }, true);
                atomic_store(&b->flushed_ns[i % STAMPS], clock_now_ns());
                flush_all(b->victim);
                atomic_fetch_add(&b->n_drawn, 1);
                sleep_until(next_ns = MAX(next_ns + VICTIM_TICK_NS, clock_now_ns()));
        }
        return NULL;
}

static uint32_t stamp_of(const struct frame *frame)
{
        struct pixman_box32 at, first = { 0, 0, 1, 1 };
        auto_cleanup(picture_unrefp) struct picture *p = frame_picture_of(frame, &first, &at);

        return p ? *(const uint32_t *) (const void *) p->pixels & 0xffffff : 0;
}

static void present(struct output *o, struct frame *frame, const pixman_region32_t *damage)
{
        struct bench *b = container_of(o, struct eye, output)->bench;
        uint32_t stamp = stamp_of(frame);

        if (stamp == b->last || stamp == 0 || b->n_delays == SAMPLES_MAX)
                return;
        b->last = stamp;
        b->delays_ms[b->n_delays++] = (double) (clock_now_ns() - atomic_load(&b->flushed_ns[stamp % STAMPS])) / 1e6;
}

static struct output *free_eye(struct output *o)
{
        free(o ? container_of(o, struct eye, output) : NULL);
        return NULL;
}

struct ending {
        struct timer timer;
        struct bench *bench;
};

static void on_round_over(struct timer *t)
{
        struct bench *b = container_of(t, struct ending, timer)->bench;

        atomic_store(&b->ends, true);
        loop_quit(b->loop, 0);
}

static int compare(const void *a, const void *b)
{
        const double *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static int run_round(struct bench *b, const struct neighbour *kind, unsigned seconds)
{
        struct ending ending = { .bench = b };
        pthread_t threads[2];

        b->kind = kind;
        atomic_store(&b->ends, false);
        timer_start(&ending.timer, b->loop, clock_now_ns() + seconds * NSEC_PER_SEC, on_round_over);
        if (pthread_create(&threads[0], NULL, victim_main, b) != 0 ||
            pthread_create(&threads[1], NULL, neighbour_main, b) != 0)
                return -EAGAIN;
        (void) loop_run(b->loop);
        (void) pthread_join(threads[0], NULL);
        (void) pthread_join(threads[1], NULL);
        return 0;
}

static double cpu_ms(void)
{
        struct timespec ts;

        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        return (double) ts.tv_sec * 1e3 + (double) ts.tv_nsec / 1e6;
}

/* Both views all new, a frame at a time; and what one copy of it takes. */
static void measure_cost(struct bench *b)
{
        const unsigned n = 300;
        pixman_region32_t all;
        struct picture *copy;
        double begin, composed, copied;

        if (picture_new(PIXMAN_x8r8g8b8, WIDTH, HEIGHT, &copy) < 0)
                return;
        show(b->victim, b->picture);
        show(b->neighbour, b->other);
        (void) screen_compose_now(b->screen);
        begin = cpu_ms();
        for (unsigned i = 0; i < n; i++) {
                flush_all(b->victim);
                flush_all(b->neighbour);
                (void) screen_compose_now(b->screen);
        }
        composed = (cpu_ms() - begin) / n;
        pixman_region32_init_rect(&all, 0, 0, WIDTH, HEIGHT);
        frame_copy(screen_compose_now(b->screen), &all, copy->pixels, copy->stride_bytes);
        begin = cpu_ms();
        for (unsigned i = 0; i < n; i++) {
                frame_copy(screen_compose_now(b->screen), &all, copy->pixels, copy->stride_bytes);
                __asm__ volatile("" ::: "memory");
        }
        copied = (cpu_ms() - begin) / n;
        printf("composition of %ux%u from two guests: %.4f ms of CPU a frame; to copy it: %.3f ms\n", WIDTH, HEIGHT,
               composed, copied);
        pixman_region32_fini(&all);
        picture_unref(copy);
}

enum figure { DRAWN_HZ, SHOWN_HZ, HALF_MS, LATE_MS, LATEST_MS, N_FIGURES };

typedef double figures[N_FIGURES][ROUNDS_MAX];

static double median_of(double *values, size_t n)
{
        qsort(values, n, sizeof(*values), compare);
        return n == 0 ? 0 : values[n / 2];
}

static int measure_round(struct bench *b, const struct neighbour *kind, unsigned seconds, figures f, unsigned round)
{
        size_t n;
        int r;

        b->n_delays = 0;
        r = run_round(b, kind, seconds);
        n = b->n_delays;
        if (r < 0 || n == 0)
                return r < 0 ? r : -ENODATA;
        f[DRAWN_HZ][round] = (double) atomic_exchange(&b->n_drawn, 0) / seconds;
        f[SHOWN_HZ][round] = (double) n / seconds;
        f[HALF_MS][round] = median_of(b->delays_ms, n);
        f[LATE_MS][round] = b->delays_ms[n * 99 / 100];
        f[LATEST_MS][round] = b->delays_ms[n - 1];
        return 0;
}

static void print_case(const char *name, const double *f, const double *base)
{
        printf("%-36s %7.1f %7.1f %6.2f   %4.1f ms %6.2f   %4.1f ms %6.2f   %4.1f ms\n", name, f[DRAWN_HZ], f[SHOWN_HZ],
               f[SHOWN_HZ] / base[SHOWN_HZ], f[HALF_MS], f[HALF_MS] / base[HALF_MS], f[LATE_MS],
               f[LATE_MS] / base[LATE_MS], f[LATEST_MS]);
}

static int run_cases(struct bench *b, unsigned seconds, unsigned n_rounds)
{
        double medians[ARRAY_SIZE(neighbours)][N_FIGURES];
        auto_cleanup(freep) figures *values = calloc(ARRAY_SIZE(neighbours), sizeof(*values));
        int r = values ? 0 : -ENOMEM;

        for (unsigned round = 0; round < n_rounds && r == 0; round++)
                for (size_t i = 0; i < ARRAY_SIZE(neighbours) && r == 0; i++)
                        r = measure_round(b, &neighbours[i], seconds, values[i], round);
        if (r < 0)
                return r;
        printf("%-36s %-22s   %s\n", "", " frames", "flush to output");
        printf("%-36s %7s %7s %6s   %7s %6s   %7s %6s   %7s\n", "beside a neighbour", "drawn/s", "shown/s", "ratio",
               "median", "ratio", "99 %", "ratio", "longest");
        for (size_t i = 0; i < ARRAY_SIZE(neighbours); i++) {
                for (size_t f = 0; f < N_FIGURES; f++)
                        medians[i][f] = median_of(values[i][f], n_rounds);
                print_case(neighbours[i].name, medians[i], medians[0]);
        }
        return 0;
}

static int new_surface(pixman_format_code_t format, uint32_t width, uint32_t height, struct surface **ret)
{
        struct picture *p;
        int r = picture_new(format, width, height, &p);

        return r < 0 ? r : surface_new(p, ret);
}

static int open_bench(struct bench *b, struct scene *scene)
{
        static const struct output_ops ops = { .name = "eye", .present = present, .free = free_eye };
        struct eye *eye = calloc(1, sizeof(*eye));
        char *error = NULL;
        int r;

        b->delays_ms = calloc(SAMPLES_MAX, sizeof(*b->delays_ms));
        if (!eye || !b->delays_ms)
                return -ENOMEM;
        *eye = (struct eye){ .output.ops = &ops, .bench = b };
        r = loop_new(&b->loop);
        if (r == 0)
                r = screen_new(b->loop, scene, 0, &b->screen, &error);
        free(error);
        if (r < 0) {
                free(eye);
                return r;
        }
        r = screen_add_output(b->screen, &eye->output);
        if (r == 0)
                r = new_surface(PIXMAN_x8r8g8b8, SPLIT, HEIGHT, &b->picture);
        if (r == 0)
                r = new_surface(PIXMAN_x8r8g8b8, WIDTH - SPLIT, HEIGHT, &b->other);
        if (r == 0)
                r = new_surface(PIXMAN_a8r8g8b8, 2048, 2048, &b->large);
        if (r == 0)
                r = picture_new(PIXMAN_a8r8g8b8, 2048, 2048, &b->cursor);
        if (r == 0) {
                b->victim = screen_find_view(b->screen, "victim");
                b->neighbour = screen_find_view(b->screen, "neighbour");
        }
        return r;
}

int main(int argc, char **argv)
{
        static struct bench b;
        struct scene_screen screen = { .name = (char *) "main", .width = WIDTH, .height = HEIGHT, .rate_hz = 60 };
        struct scene_display displays[] = {
                { .name = (char *) "victim", .region = { 0, 0, SPLIT, HEIGHT } },
                { .name = (char *) "neighbour", .region = { SPLIT, 0, WIDTH - SPLIT, HEIGHT } },
        };
        struct scene scene = { .screens = &screen, .n_screens = 1, .displays = displays, .n_displays = 2 };
        unsigned seconds = argc > 1 ? (unsigned) atoi(argv[1]) : 3, n_rounds = argc > 2 ? (unsigned) atoi(argv[2]) : 5;
        int r;

        if (seconds == 0 || n_rounds == 0 || n_rounds > ROUNDS_MAX) {
                fprintf(stderr, "usage: isolation [SECONDS [ROUNDS]]\n");
                return 2;
        }
        screen_prefer_thread();
        r = open_bench(&b, &scene);
        if (r == 0)
                r = run_cases(&b, seconds, n_rounds);
        if (r == 0)
                measure_cost(&b);
        screen_free(b.screen);
        surface_unref(b.picture);
        surface_unref(b.other);
        surface_unref(b.large);
        picture_unref(b.cursor);
        loop_free(b.loop);
        free(b.delays_ms);
        return r < 0;
}
