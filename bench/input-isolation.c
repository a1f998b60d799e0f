/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How late a guest's touches are while another guest of the same input server misbehaves.
 *
 *      BUSBAR_BUILD=build build/bench/input-isolation [SECONDS [ROUNDS]]     of each case a round; cases take turns
 *
 * Two displays are side by side; a finger moves on each of them 120 times a second, as a panel reports it. Measured is
 * the time from the datagram of a touch to its last event in the guest's used ring, as a poll of the call eventfd sees
 * it, and how many of them took less than a millisecond, of the 8.3 from one touch to the next. The other guest is a
 * process of its own with the lowest priority, as it stands for a machine that has its own share of the host.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "harness.h"
#include "input-guest.h"
#include "need.h"

#define RATE_HZ 120u
#define SOON_US 1000.0
#define SECONDS_MAX 600u
#define ROUNDS_MAX 64u
#define WIDTH 1600u /* of the screen; half of it is the neighbour's */
#define HEIGHT 600u

static const char scene[] =
        "{ \"screens\": { \"main\": { \"output\": \"headless\", \"size\": [1600, 600] } },\n"
        "  \"displays\": { \"left\": { \"screen\": \"main\", \"region\": [0, 0, 800, 600] },\n"
        "                \"right\": { \"screen\": \"main\", \"region\": [800, 0, 800, 600] } } }\n";

static struct harness harness;
static struct seat_sender *sender;
static struct vhost_driver victim;
static double delays_us[SECONDS_MAX * RATE_HZ];

/* ---- neighbours: each until it is killed ---- */

static void take_events(const char *path)
{
        struct vhost_driver d;

        input_driver_start(&d, path, true);
        input_give(&d, INPUT_QUEUE_SIZE);
        for (;;)
                (void) input_report(&d, INPUT_WAIT_MS);
}

static void take_nothing(const char *path)
{
        struct vhost_driver d;

        input_driver_start(&d, path, true);
        for (;;)
                (void) pause();
}

static void flood_status(const char *path)
{
        struct vhost_driver d;
        struct driver_buffer event;

        input_driver_start(&d, path, true);
        event = (struct driver_buffer) { vhost_driver_alloc(&d, 8, 8), 8, false };
        for (;;) {
                uint32_t len;
                void *cookie;

                while (driver_queue_add(&d.queues[INPUT_STATUS], &event, 1, NULL) == 0)
                        ;
                (void) driver_queue_kick(&d.queues[INPUT_STATUS]);
                need(vhost_driver_wait(&d, INPUT_STATUS, INPUT_WAIT_MS, &cookie, &len) == 1);
                while (driver_queue_get(&d.queues[INPUT_STATUS], &cookie, &len) == 1)
                        ;
        }
}

static void flood_kicks(const char *path)
{
        struct vhost_driver d;

        input_driver_start(&d, path, true);
        for (;;) {
                need(write(d.queues[INPUT_EVENTS].kick_fd, &(uint64_t) { 1 }, 8) == 8);
                need(write(d.queues[INPUT_STATUS].kick_fd, &(uint64_t) { 1 }, 8) == 8);
        }
}

/* A buffer outside of its memory, a reset, and so on. */
static void break_queues(const char *path)
{
        struct vhost_driver d;
        struct driver_buffer beyond = { UINT64_MAX - 3, 8, true };

        input_driver_start(&d, path, true);
        for (;;) {
                need(driver_queue_add(&d.queues[INPUT_EVENTS], &beyond, 1, NULL) == 0);
                (void) driver_queue_kick(&d.queues[INPUT_EVENTS]);
                need(vhost_driver_reset(&d) == 0);
        }
}

static void die_again(const char *path)
{
        for (;;) {
                struct vhost_driver d;

                input_driver_start(&d, path, true);
                input_give(&d, INPUT_QUEUE_SIZE);
                d.frontend = frontend_free(d.frontend); /* without a word: its rings run */
                vhost_driver_stop(&d);
        }
}

static const struct neighbour {
        const char *name;
        void (*fn)(const char *path);
} neighbours[] = {
        { "that takes its events", take_events },
        { "that takes nothing", take_nothing },
        { "that sends events without end", flood_status },
        { "that kicks without end", flood_kicks },
        { "that breaks its queue, and resets", break_queues },
        { "that dies, and comes again", die_again },
};

static pid_t start_neighbour(const struct neighbour *n)
{
        const char *path = harness_path(&harness, "right");
        pid_t pid = fork();

        need(pid >= 0);
        if (pid > 0)
                return pid;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) sched_setscheduler(0, SCHED_OTHER, &(struct sched_param) { 0 });
        (void) setpriority(PRIO_PROCESS, 0, 19);
        n->fn(path);
        _exit(1);
}

/* ---- the victim ---- */

static void sleep_until(uint64_t ns)
{
        struct timespec ts = { (time_t) (ns / NSEC_PER_SEC), (long) (ns % NSEC_PER_SEC) };

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
                ;
}

static void finger(uint32_t kind, uint32_t id, uint32_t x)
{
        input_say(sender, &(struct seat_message) { .kind = kind, .id = id, .x = seat_axis_from_pixel(x, WIDTH),
                                                   .y = seat_axis_from_pixel(HEIGHT / 2, HEIGHT) });
}

static size_t touch_for(unsigned seconds)
{
        uint64_t next_ns = clock_now_ns();
        size_t n = seconds * RATE_HZ;

        for (size_t i = 0; i < n; i++) {
                uint32_t kind = i == 0 ? SEAT_TOUCH_DOWN : SEAT_TOUCH_MOVE, x = (uint32_t) i % (WIDTH / 2);
                uint64_t begin_ns;

                sleep_until(next_ns += NSEC_PER_SEC / RATE_HZ);
                begin_ns = clock_now_ns();
                finger(kind, 0, x);
                need(input_report(&victim, INPUT_WAIT_MS));
                delays_us[i] = (double) (clock_now_ns() - begin_ns) / 1e3;
                finger(kind, 1, WIDTH / 2 + x);
        }
        finger(SEAT_TOUCH_UP, 0, 0);
        need(input_report(&victim, INPUT_WAIT_MS));
        finger(SEAT_TOUCH_UP, 1, 0);
        return n;
}

static int compare(const void *a, const void *b)
{
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

enum figure { SOON, MEDIAN, P99, LONGEST, N_FIGURES };

typedef double figures[N_FIGURES][ROUNDS_MAX];

static void measure_round(const struct neighbour *kind, unsigned seconds, figures f, unsigned round)
{
        pid_t pid = start_neighbour(kind);
        size_t n = touch_for(seconds);

        need(waitpid(pid, NULL, WNOHANG) == 0);
        (void) kill(pid, SIGKILL);
        need(waitpid(pid, NULL, 0) == pid);
        qsort(delays_us, n, sizeof(*delays_us), compare);
        for (size_t i = 0; i < n; i++)
                f[SOON][round] += delays_us[i] < SOON_US ? 100.0 / (double) n : 0;
        f[MEDIAN][round] = delays_us[n / 2];
        f[P99][round] = delays_us[n * 99 / 100];
        f[LONGEST][round] = delays_us[n - 1];
}

static void start(void)
{
        static char scene_option[256], seat_option[256], left[256], right[256];
        static const char *const words[] = { "input", scene_option, seat_option, "--guest", left,
                                             "--guest", right, NULL };
        const char *path = harness_path(&harness, "system.json"), *seat = harness_path(&harness, "seat");

        (void) snprintf(scene_option, sizeof(scene_option), "--scene=%s", path);
        (void) snprintf(seat_option, sizeof(seat_option), "--seat=%s", seat);
        (void) snprintf(left, sizeof(left), "id=left,display=left,socket-path=%s", harness_path(&harness, "left"));
        (void) snprintf(right, sizeof(right), "id=right,display=right,socket-path=%s", harness_path(&harness, "right"));
        need(fd_write_file_atomic(path, scene, strlen(scene), 0600) == 0);
        need(harness_start(&harness, words) == 0);
        need(seat_sender_new(seat, "main", &sender) == 0);
        input_driver_start(&victim, harness_path(&harness, "left"), true);
        input_give(&victim, INPUT_QUEUE_SIZE);
}

static void measure(unsigned seconds, unsigned n_rounds)
{
        static figures values[ARRAY_SIZE(neighbours)];
        double medians[ARRAY_SIZE(neighbours)][N_FIGURES];

        for (unsigned round = 0; round < n_rounds; round++)
                for (size_t i = 0; i < ARRAY_SIZE(neighbours); i++)
                        measure_round(&neighbours[i], seconds, values[i], round);
        printf("%-36s %10s %6s   %10s %10s %10s\n", "beside a neighbour", "in 1 ms", "ratio", "median", "99 %",
               "longest");
        for (size_t i = 0; i < ARRAY_SIZE(neighbours); i++) {
                for (size_t f = 0; f < N_FIGURES; f++) {
                        qsort(values[i][f], n_rounds, sizeof(double), compare);
                        medians[i][f] = values[i][f][n_rounds / 2];
                }
                printf("%-36s %8.1f %% %6.2f   %7.1f us %7.1f us %7.1f us\n", neighbours[i].name, medians[i][SOON],
                       medians[i][SOON] / medians[0][SOON], medians[i][MEDIAN], medians[i][P99], medians[i][LONGEST]);
        }
}

int main(int argc, char **argv)
{
        unsigned seconds = argc > 1 ? (unsigned) atoi(argv[1]) : 3, n_rounds = argc > 2 ? (unsigned) atoi(argv[2]) : 5;

        if (seconds == 0 || seconds > SECONDS_MAX || n_rounds == 0 || n_rounds > ROUNDS_MAX ||
            !getenv("BUSBAR_BUILD")) {
                fprintf(stderr, "usage: BUSBAR_BUILD=FOLDER input-isolation [SECONDS [ROUNDS]]\n");
                return 2;
        }
        need(harness_init(&harness) == 0);
        start();
        measure(seconds, n_rounds);
        sender = seat_sender_free(sender);
        vhost_driver_stop(&victim);
        need(harness_stop(&harness) == 0);
        harness_deinit(&harness);
        return 0;
}
