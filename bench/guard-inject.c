/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Guards in real time: a cluster guest's faults are injected at random moments while another guest floods the screen,
 * and the time from the rule's limit to the cover in what the outputs get is measured. Without faults: that nothing
 * is covered.
 *
 *      guard-inject N [LIMIT_MS]        N faults, one after the other, of every kind in turn
 *      guard-inject --quiet SECONDS [LIMIT_MS]     no fault, normal load; any cover is a false alarm
 *
 * Exit status: 0 all faults were covered within 100 ms of their limits (or: there was no false alarm).
 *
 * Threads: the main thread is the screen's loop; each guest has a thread, as in the server; the injector has one.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/macros.h"
#include "display/frame.h"
#include "display/guard-look.h"
#include "display/output.h"
#include "display/picture.h"
#include "display/screen.h"
#include "display/surface.h"
#include "display/view.h"
#include "scene/scene.h"

#define WIDTH 1920u
#define HEIGHT 720u
#define SPLIT 1280u /* cluster to the left, ivi to the right */
#define TICK_NS (NSEC_PER_SEC / 60)
#define ALLOWANCE_NS (100 * NSEC_PER_MSEC)
#define PATIENCE_NS (5 * NSEC_PER_SEC)
#define COVER 0xfe01fdu

enum { GUARD_FRESH, GUARD_ONE_OF, GUARD_LIT, N_GUARDS };

enum fault {
        FAULT_NONE,
        FAULT_STALL,
        FAULT_STUCK,
        FAULT_FLOOD,
        FAULT_GONE,
        FAULT_WRONG,
        FAULT_PIXEL,
        FAULT_BLANK,
        N_FAULTS
};

static const struct {
        const char *name;
        unsigned guards; /* that have to notice, one bit each */
} faults[N_FAULTS] = {
        [FAULT_STALL] = { "fresh: no flush of the region any more", 1 << GUARD_FRESH },
        [FAULT_STUCK] = { "fresh: a copy that never ends", 1 << GUARD_FRESH },
        [FAULT_FLOOD] = { "fresh: floods flushes beside the region", 1 << GUARD_FRESH },
        [FAULT_GONE] = { "all: the guest is gone", 1 << GUARD_FRESH | 1 << GUARD_ONE_OF | 1 << GUARD_LIT },
        [FAULT_WRONG] = { "one of: another content", 1 << GUARD_ONE_OF },
        [FAULT_PIXEL] = { "one of: one pixel of another shade", 1 << GUARD_ONE_OF },
        [FAULT_BLANK] = { "lit: blank", 1 << GUARD_LIT },
};

static const struct rectangle regions[N_GUARDS] = {
        [GUARD_FRESH] = { 100, 100, 200, 120 },
        [GUARD_ONE_OF] = { 500, 40, 96, 96 },
        [GUARD_LIT] = { 900, 300, 300, 200 },
};

struct run {
        struct loop *loop;
        struct screen *screen;
        struct view *cluster, *ivi;
        struct surface *cluster_surface, *ivi_surface;
        uint32_t allowed[2]; /* tell-tale off and on */
        uint64_t limit_ns;
        bool floods; /* the ivi */
        atomic_bool ends;

        pthread_mutex_t lock; /* all that follows */
        pthread_cond_t changed;
        enum fault fault;   /* wanted of the cluster */
        enum fault present; /* what it does; follows `fault` */
        uint64_t since_ns
                [N_GUARDS]; /* fresh: of the last flush; contents: since when they are wrong, or the last frame */
        bool is_wrong[N_GUARDS];
        uint64_t covered_ns[N_GUARDS]; /* since when the outputs have a cover; 0: none */
        uint64_t n_false;              /* covers that no fault explains */
        uint64_t n_starved;            /* rightly: the host let the guest's thread not run for longer than the limit */
        uint64_t gap_ns;               /* longest between two of the cluster's frames */
};

struct eye {
        struct output output;
        struct run *run; /* borrowed */
};

static void sleep_until(uint64_t ns)
{
        struct timespec ts = { (time_t) (ns / NSEC_PER_SEC), (long) (ns % NSEC_PER_SEC) };

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
                ;
}

static uint32_t *pixel_at(const struct picture *p, uint32_t x, uint32_t y)
{
        return (uint32_t *) (void *) (p->pixels + (size_t) y * p->stride_bytes) + x;
}

static void paint(struct picture *p, const struct rectangle *r, uint32_t seed, bool plain)
{
        for (uint32_t y = r->y; y < r->y + r->height; y++)
                for (uint32_t x = 0; x < r->width; x++)
                        *pixel_at(p, r->x + x, y) = plain ? seed : (x * 2654435761u ^ y * 40503u) + seed;
}

static void paint_telltale(struct picture *p, unsigned frame, enum fault fault)
{
        const struct rectangle *r = &regions[GUARD_ONE_OF];

        paint(p, r, fault == FAULT_WRONG ? 12345 : frame / 30 % 2, false);
        if (fault == FAULT_PIXEL)
                *pixel_at(p, r->x + r->width - 1, r->y + r->height - 1) ^= 1;
}

/* The output: what a person would see. */
static bool is_covered_at(const struct frame *frame, const struct rectangle *r)
{
        struct pixman_box32 at, box = { (int) r->x + 3, (int) r->y + 3, (int) r->x + 4, (int) r->y + 4 };
        auto_cleanup(picture_unrefp) struct picture *p = frame_picture_of(frame, &box, &at);

        return p && (*pixel_at(p, (uint32_t) at.x1, (uint32_t) at.y1) & 0xffffff) == COVER;
}

static void present(struct output *o, struct frame *frame, const pixman_region32_t *damage)
{
        struct run *run = container_of(o, struct eye, output)->run;
        uint64_t now_ns = clock_now_ns();

        pthread_mutex_lock(&run->lock);
        for (size_t i = 0; i < N_GUARDS; i++) {
                bool is_covered = is_covered_at(frame, &regions[i]);

                if (is_covered && run->covered_ns[i] == 0) {
                        run->covered_ns[i] = now_ns;
                        if (i == GUARD_FRESH && now_ns - run->since_ns[i] > run->limit_ns)
                                run->n_starved += run->present == FAULT_NONE;
                        else if (!(faults[run->present].guards >> i & 1))
                                run->n_false++;
                } else if (!is_covered)
                        run->covered_ns[i] = 0;
        }
        pthread_cond_broadcast(&run->changed);
        pthread_mutex_unlock(&run->lock);
}

static struct output *free_output(struct output *o)
{
        free(o ? container_of(o, struct eye, output) : NULL);
        return NULL;
}

static void show(struct view *v, struct surface *s)
{
        auto_cleanup(picture_unrefp) struct picture *p = s ? surface_hold(s) : NULL;

        (void) view_show(v, s, p ? &(struct rectangle){ 0, 0, p->width, p->height } : NULL);
}

/*
 * What the rules' limits count from: the last moment at which the guest was right, or the first at which it was
 * wrong.
 */
static void note(struct run *run, enum fault fault, uint64_t now_ns)
{
        pthread_mutex_lock(&run->lock);
        for (size_t i = 0; i < N_GUARDS; i++) {
                bool is_wrong = faults[fault].guards >> i & 1;

                if (!is_wrong || (i != GUARD_FRESH && !run->is_wrong[i]))
                        run->since_ns[i] = now_ns;
                run->is_wrong[i] = is_wrong;
        }
        pthread_mutex_unlock(&run->lock);
}

/* A frame of the cluster, as a guest's commands make it: copy, then flush. */
static void draw_cluster(struct run *run, unsigned frame, enum fault fault)
{
        struct rectangle gauge = { 350, 250, 256, 256 };
        pixman_region32_t painted;
        struct picture *p;
        uint64_t before_ns;

        if (surface_begin(run->cluster_surface, &p) < 0)
                return;
        paint(p, &gauge, frame * 7, false);
        paint(p, &regions[GUARD_FRESH], frame, false);
        paint(p, &regions[GUARD_LIT], frame, fault == FAULT_BLANK);
        paint_telltale(p, frame, fault);
        pixman_region32_init_rect(&painted, (int) gauge.x, (int) gauge.y, gauge.width, gauge.height);
        for (size_t i = 0; i < N_GUARDS; i++)
                (void) pixman_region32_union_rect(&painted, &painted, (int) regions[i].x, (int) regions[i].y,
                                                  regions[i].width, regions[i].height);
        surface_end(run->cluster_surface, &painted, true);
        pixman_region32_fini(&painted);
        before_ns = clock_now_ns();
        view_flush(run->cluster, &gauge);
        view_flush(run->cluster, &regions[GUARD_ONE_OF]);
        view_flush(run->cluster, &regions[GUARD_LIT]);
        if (fault != FAULT_STALL && fault != FAULT_FLOOD)
                view_flush(run->cluster, &regions[GUARD_FRESH]);

        note(run, fault, before_ns);
}

/* A busy host does not falsify the injector's clock: it runs when it wants to, except while it floods. */
static void set_realtime(bool on)
{
        const struct sched_param param = { .sched_priority = on ? sched_get_priority_min(SCHED_RR) : 0 };

        (void) sched_setscheduler(0, (on ? SCHED_RR : SCHED_OTHER), &param);
}

/*
 * The guest's thread in a command that never comes back, or with nothing but useless commands, until the fault is
 * over.
 */
static void be_faulty(struct run *run, enum fault fault)
{
        struct rectangle beside = { 0, 0, 90, 90 };
        struct picture *p;
        bool stuck = false;

        set_realtime(fault != FAULT_FLOOD);
        note(run, fault, clock_now_ns());
        if (fault == FAULT_GONE)
                show(run->cluster, NULL);
        if (fault == FAULT_STUCK)
                stuck = surface_begin(run->cluster_surface, &p) == 0;
        for (;;) {
                bool is_over;

                pthread_mutex_lock(&run->lock);
                if (fault != FAULT_FLOOD)
                        pthread_cond_wait(&run->changed, &run->lock);
                is_over = run->fault != fault || atomic_load(&run->ends);
                pthread_mutex_unlock(&run->lock);
                if (is_over)
                        break;
                for (uint32_t i = 0; i < 1000 && fault == FAULT_FLOOD; i++)
                        view_flush(run->cluster, &beside);
        }
        if (fault == FAULT_GONE)
                show(run->cluster, run->cluster_surface);
        if (stuck)
                surface_end_box(run->cluster_surface, &(struct pixman_box32){ 0, 0, 1, 1 }, false);
        set_realtime(true);
}

static void *cluster_main(void *data)
{
        struct run *run = data;
        uint64_t next_ns = clock_now_ns(), last_ns = 0;

        set_realtime(true);
        show(run->cluster, run->cluster_surface);
        for (unsigned frame = 0; !atomic_load(&run->ends); frame++) {
                uint64_t now_ns = clock_now_ns();
                enum fault fault;

                pthread_mutex_lock(&run->lock);
                fault = run->fault;
                if (run->present == FAULT_NONE && last_ns > 0)
                        run->gap_ns = MAX(run->gap_ns, now_ns - last_ns);
                run->present = fault;
                pthread_cond_broadcast(&run->changed);
                pthread_mutex_unlock(&run->lock);
                if (fault == FAULT_STUCK || fault == FAULT_FLOOD || fault == FAULT_GONE)
                        be_faulty(run, fault);
                else
                        draw_cluster(run, frame, fault);
                last_ns = now_ns;
                next_ns = MAX(next_ns + TICK_NS, clock_now_ns());
                sleep_until(next_ns);
        }
        return NULL;
}

static void *ivi_main(void *data)
{
        struct run *run = data;
        struct rectangle all = { 0, 0, WIDTH - SPLIT, HEIGHT };
        uint64_t next_ns = clock_now_ns();

        show(run->ivi, run->ivi_surface);
        for (uint32_t frame = 0; !atomic_load(&run->ends); frame++) {
                struct picture *p;

                if (surface_begin(run->ivi_surface, &p) < 0)
                        break;
                memset(p->pixels, (int) (frame & 0xff), p->size_bytes);
                surface_end_box(run->ivi_surface, &(struct pixman_box32){ 0, 0, (int) p->width, (int) p->height },
                                true);
                view_flush(run->ivi, &all);
                if (!run->floods)
                        sleep_until(next_ns = MAX(next_ns + TICK_NS, clock_now_ns()));
        }
        return NULL;
}

static int compare(const void *a, const void *b)
{
        const int64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static double ms_of(const int64_t *sorted, size_t n, double quantile)
{
        return n == 0 ? 0 : (double) sorted[(size_t) ((double) (n - 1) * quantile)] / 1e6;
}

struct result {
        size_t n_injected[N_FAULTS], n_covered[N_FAULTS], n_in_time[N_FAULTS], n_stuck;
        int64_t *late_ns[N_FAULTS]; /* beyond the limit, of each guard that had to notice */
        size_t n_late[N_FAULTS];
};

/* Under the lock. Waits until all guards of a mask are covered, or none is. */
static bool wait_for_covers(struct run *run, unsigned mask, bool covered)
{
        uint64_t end_ns = clock_now_ns() + run->limit_ns + PATIENCE_NS;
        struct timespec end = { (time_t) (end_ns / NSEC_PER_SEC), (long) (end_ns % NSEC_PER_SEC) };

        for (;;) {
                unsigned n_wrong = 0;

                for (size_t i = 0; i < N_GUARDS; i++)
                        n_wrong += (mask >> i & 1) && (run->covered_ns[i] != 0) != covered;
                if (n_wrong == 0)
                        return true;
                if (pthread_cond_clockwait(&run->changed, &run->lock, CLOCK_MONOTONIC, &end) == ETIMEDOUT)
                        return false;
        }
}

static void inject(struct run *run, enum fault fault, struct result *result)
{
        bool in_time = true;

        pthread_mutex_lock(&run->lock);
        run->fault = fault;
        pthread_cond_broadcast(&run->changed);
        result->n_injected[fault]++;
        if (wait_for_covers(run, faults[fault].guards, true)) {
                result->n_covered[fault]++;
                for (size_t i = 0; i < N_GUARDS; i++) {
                        int64_t late_ns = (int64_t) (run->covered_ns[i] - run->since_ns[i] - run->limit_ns);

                        if (!(faults[fault].guards >> i & 1))
                                continue;
                        result->late_ns[fault][result->n_late[fault]++] = late_ns;
                        in_time &= late_ns <= (int64_t) ALLOWANCE_NS;
                }
                result->n_in_time[fault] += in_time;
        }
        run->fault = FAULT_NONE;
        pthread_cond_broadcast(&run->changed);
        if (!wait_for_covers(run, (1 << N_GUARDS) - 1, false))
                result->n_stuck++;
        pthread_mutex_unlock(&run->lock);
}

static bool report(const struct run *run, struct result *result)
{
        size_t n_injected = 0, n_in_time = 0;

        printf("%-42s %8s %8s %8s   cover after the limit, ms: %6s %6s %6s\n", "fault", "injected", "covered",
               "in time", "median", "99 %", "max");
        for (size_t i = 1; i < N_FAULTS; i++) {
                int64_t *late_ns = result->late_ns[i];
                size_t n = result->n_late[i];

                qsort(late_ns, n, sizeof(*late_ns), compare);
                printf("%-42s %8zu %8zu %8zu   %25s %6.1f %6.1f %6.1f\n", faults[i].name, result->n_injected[i],
                       result->n_covered[i], result->n_in_time[i], "", ms_of(late_ns, n, 0.5), ms_of(late_ns, n, 0.99),
                       ms_of(late_ns, n, 1));
                n_injected += result->n_injected[i];
                n_in_time += result->n_in_time[i];
        }
        printf("in time: %zu of %zu; covers that stayed: %zu; false alarms: %llu\n", n_in_time, n_injected,
               result->n_stuck, (unsigned long long) run->n_false);
        return n_in_time == n_injected && result->n_stuck == 0 && run->n_false == 0;
}

static bool inject_all(struct run *run, size_t n)
{
        struct result result = { 0 };
        unsigned seed = 1;
        bool ok = true;

        for (size_t i = 1; i < N_FAULTS; i++) {
                result.late_ns[i] = calloc(n * N_GUARDS, sizeof(int64_t));
                ok = ok && result.late_ns[i];
        }
        for (size_t i = 0; i < n && ok; i++) {
                sleep_until(clock_now_ns() + (20 + (uint64_t) rand_r(&seed) % 130) * NSEC_PER_MSEC);
                inject(run, (enum fault)(1 + i % (N_FAULTS - 1)), &result);
        }
        ok = ok && report(run, &result);
        for (size_t i = 1; i < N_FAULTS; i++)
                free(result.late_ns[i]);
        return ok;
}

struct injector {
        struct run *run;
        size_t n_faults; /* 0: none, for so many seconds */
        unsigned seconds;
        bool ok;
};

static void *injector_main(void *data)
{
        struct injector *i = data;

        sleep_until(clock_now_ns() + NSEC_PER_SEC);
        pthread_mutex_lock(&i->run->lock);
        i->run->n_false = i->run->n_starved = i->run->gap_ns = 0; /* before the guests first showed anything */
        pthread_mutex_unlock(&i->run->lock);
        if (i->n_faults > 0)
                i->ok = inject_all(i->run, i->n_faults);
        else {
                sleep_until(clock_now_ns() + i->seconds * NSEC_PER_SEC);
                i->ok = i->run->n_false == 0;
                printf("%u s without a fault: %llu false alarms, limit %llu ms; the cluster was kept from running for "
                       "longer than that %llu times, for %.1f ms at most\n",
                       i->seconds, (unsigned long long) i->run->n_false,
                       (unsigned long long) (i->run->limit_ns / NSEC_PER_MSEC), (unsigned long long) i->run->n_starved,
                       (double) i->run->gap_ns / 1e6);
        }
        atomic_store(&i->run->ends, true);
        pthread_mutex_lock(&i->run->lock);
        pthread_cond_broadcast(&i->run->changed);
        pthread_mutex_unlock(&i->run->lock);
        loop_quit(i->run->loop, 0);
        return NULL;
}

static int new_surface(uint32_t width, uint32_t height, struct surface **ret)
{
        struct picture *p;
        int r = picture_new(PIXMAN_x8r8g8b8, width, height, &p);

        return r < 0 ? r : surface_new(p, ret);
}

static int open_screen(struct run *run, struct scene *scene)
{
        static const struct output_ops ops = { .name = "eye", .present = present, .free = free_output };
        struct eye *eye = calloc(1, sizeof(*eye));
        char *error = NULL;
        int r;

        if (!eye)
                return -ENOMEM;
        *eye = (struct eye){ .output.ops = &ops, .run = run };
        r = loop_new(&run->loop);
        if (r == 0)
                r = screen_new(run->loop, scene, 0, &run->screen, &error);
        if (error)
                fprintf(stderr, "%s\n", error);
        free(error);
        if (r == 0)
                r = screen_add_output(run->screen, &eye->output);
        else
                free(eye);
        if (r == 0)
                r = new_surface(SPLIT, HEIGHT, &run->cluster_surface);
        if (r == 0)
                r = new_surface(WIDTH - SPLIT, HEIGHT, &run->ivi_surface);
        if (r == 0) {
                run->cluster = screen_find_view(run->screen, "cluster");
                run->ivi = screen_find_view(run->screen, "ivi");
        }
        return r;
}

static void print_costs(const struct run *run, uint64_t begin_ns)
{
        struct screen_stats stats;
        struct rusage usage;
        double seconds = (double) (clock_now_ns() - begin_ns) / 1e9, load[3] = { 0 };

        screen_get_stats(run->screen, &stats);
        (void) getrusage(RUSAGE_THREAD, &usage);
        (void) getloadavg(load, 3);
        printf("%.0f s, %.1f frames/s, %llu views late, %llu looks of guards, "
               "the screen's thread took %.1f %% of a CPU, load %.1f\n",
               seconds, (double) stats.n_frames / seconds, (unsigned long long) stats.n_late,
               (unsigned long long) stats.n_looks,
               ((double) usage.ru_utime.tv_sec + (double) usage.ru_stime.tv_sec +
                (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6) /
                       seconds * 100,
               load[0]);
}

int main(int argc, char **argv)
{
        struct run run = { .limit_ns = 100 * NSEC_PER_MSEC,
                           .lock = PTHREAD_MUTEX_INITIALIZER,
                           .changed = PTHREAD_COND_INITIALIZER };
        struct scene_guard guards[N_GUARDS];
        struct scene_screen screen = { .name = (char *) "main", .width = WIDTH, .height = HEIGHT, .rate_hz = 60 };
        struct scene_display displays[] = {
                { .name = (char *) "cluster",
                  .region = { 0, 0, SPLIT, HEIGHT },
                  .guards = guards,
                  .n_guards = N_GUARDS },
                { .name = (char *) "ivi", .region = { SPLIT, 0, WIDTH - SPLIT, HEIGHT } },
        };
        struct scene scene = { .screens = &screen, .n_screens = 1, .displays = displays, .n_displays = 2 };
        struct injector injector = { .run = &run };
        pthread_t threads[3];
        uint64_t begin_ns = clock_now_ns();
        bool quiet = argc > 1 && strcmp(argv[1], "--quiet") == 0;
        int at = quiet ? 2 : 1;

        if (at < argc && quiet)
                injector.seconds = (unsigned) atoi(argv[at]);
        else if (at < argc)
                injector.n_faults = (size_t) atol(argv[at]);
        if (at + 1 < argc)
                run.limit_ns = (uint64_t) atol(argv[at + 1]) * NSEC_PER_MSEC;
        if ((injector.n_faults == 0 && injector.seconds == 0) || run.limit_ns == 0) {
                fprintf(stderr, "usage: guard-inject N [LIMIT_MS] | --quiet SECONDS [LIMIT_MS]\n");
                return 2;
        }
        run.floods = injector.n_faults > 0;
        for (size_t i = 0; i < N_GUARDS; i++)
                guards[i] = (struct scene_guard){ .name = (char *) "guard",
                                                  .rule = (enum scene_rule) i,
                                                  .region = regions[i],
                                                  .limit_ms = (uint32_t) (run.limit_ns / NSEC_PER_MSEC),
                                                  .allowed = run.allowed,
                                                  .n_allowed = ARRAY_SIZE(run.allowed),
                                                  .cover_colour = COVER };
        screen_prefer_thread();
        if (open_screen(&run, &scene) < 0)
                return 1;
        for (unsigned i = 0; i < 2; i++) {
                const struct rectangle *r = &regions[GUARD_ONE_OF];
                auto_cleanup(picture_unrefp) struct picture *p = NULL;

                if (picture_new(PIXMAN_x8r8g8b8, SPLIT, HEIGHT, &p) < 0)
                        return 1;
                paint_telltale(p, i * 30, FAULT_NONE);
                run.allowed[i] = guard_crc(p, &(struct pixman_box32){ (int) r->x, (int) r->y, (int) (r->x + r->width),
                                                                   (int) (r->y + r->height) });
        }
        if (pthread_create(&threads[0], NULL, cluster_main, &run) != 0 ||
            pthread_create(&threads[1], NULL, ivi_main, &run) != 0 ||
            pthread_create(&threads[2], NULL, injector_main, &injector) != 0)
                return 1;
        (void) loop_run(run.loop);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                (void) pthread_join(threads[i], NULL);
        print_costs(&run, begin_ns);
        screen_free(run.screen);
        surface_unref(run.cluster_surface);
        surface_unref(run.ivi_surface);
        loop_free(run.loop);
        return injector.ok ? 0 : 1;
}
