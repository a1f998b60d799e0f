/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The cluster of the cockpit: gauges and tell-tales of a replayed drive, and a chime for a warning.
 *
 *      cluster DRIVE-FILE
 *
 * Standard input takes commands, a line each: "start" (the drive from its beginning), "freeze" and "thaw" (the panel
 * of tell-tales stays as it is, a fault that a guard of the host sees), "warn" and "unwarn" (the oil lamp and the
 * chime), "chime". What it does it says on standard output.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "chime.h"
#include "draw.h"
#include "drive.h"
#include "kms.h"
#include "scene.h"
#include "telltale.h"

#define FRAME_NS 50000000 /* 20 frames a second, if the CPU is fast enough; fewer if not */
#define GREETING_S 2.2    /* the needles' way up and down at the start */
#define BLINK_S 0.7
#define REPORT_S 5.0

struct cluster {
        struct kms kms, panel;
        struct scene scene;
        struct drive *drive;
        double started_s, last_s, reported_s;
        unsigned n_frames; /* since the last report */
        bool is_warned, was_warned;
        char line[128];
        size_t n_line;
};

static double now_s(void)
{
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void obey(struct cluster *c, const char *command)
{
        if (strcmp(command, "start") == 0)
                c->started_s = now_s() - GREETING_S;
        else if (strcmp(command, "freeze") == 0)
                c->scene.is_frozen = true;
        else if (strcmp(command, "thaw") == 0)
                c->scene.is_frozen = false;
        else if (strcmp(command, "warn") == 0)
                c->is_warned = true;
        else if (strcmp(command, "unwarn") == 0)
                c->is_warned = false;
        else if (strcmp(command, "chime") == 0)
                chime_play();
        else
                return (void) printf("cluster: unknown command '%s'\n", command);
        (void) printf("cluster: %s\n", command);
}

static void read_commands(struct cluster *c)
{
        char data[128];
        ssize_t n = read(STDIN_FILENO, data, sizeof(data));

        for (ssize_t i = 0; i < n; i++) {
                if (data[i] != '\n' && data[i] != '\r') {
                        if (c->n_line < sizeof(c->line) - 1)
                                c->line[c->n_line++] = data[i];
                        continue;
                }
                c->line[c->n_line] = '\0';
                if (c->n_line > 0)
                        obey(c, c->line);
                c->n_line = 0;
        }
}

/* At the start all lamps are lit and the needles go once over their scales, so that a broken one is seen. */
static void greet(double time_s, struct car *car)
{
        double part = time_s / GREETING_S, up = part < 0.5 ? part * 2 : 2 - part * 2;

        *car = (struct car) { .speed_kmh = 240 * up * up * (3 - 2 * up),
                             .engine_rpm = 8000 * up * up * (3 - 2 * up),
                             .gear = 'P',
                             .fuel = 0.62 * part,
                             .coolant = 0.45 * part };
        for (int i = 0; i < N_LAMPS; i++)
                car->lamps[i] = part < 0.8;
}

static void show_frame(struct cluster *c)
{
        double now = now_s(), time_s = now - c->started_s, length = drive_length_s(c->drive);
        struct car car;

        if (time_s < GREETING_S) {
                greet(time_s, &car);
        } else {
                time_s -= GREETING_S;
                if (time_s > length)
                        c->started_s = now - GREETING_S;
                drive_at(c->drive, time_s, &car);
                car.lamps[LAMP_OIL] = car.lamps[LAMP_OIL] || c->is_warned;
                for (int i = LAMP_LEFT; i <= LAMP_RIGHT; i++)
                        car.lamps[i] = car.lamps[i] && (int) (now / (BLINK_S / 2)) % 2 == 0;
                if (car.lamps[LAMP_OIL] && !c->was_warned) {
                        chime_play();
                        (void) printf("cluster: warning: oil pressure\n");
                }
                c->was_warned = car.lamps[LAMP_OIL];
        }
        scene_update(&c->scene, &car, now - c->last_s);
        c->last_s = now;
        c->n_frames++;
        if (now - c->reported_s >= REPORT_S) {
                (void) printf("cluster: %.1f frames a second\n", c->n_frames / (now - c->reported_s));
                c->reported_s = now;
                c->n_frames = 0;
        }
}

static int run(struct cluster *c, int timer)
{
        struct pollfd fds[2] = { { .fd = timer, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };

        c->started_s = c->last_s = c->reported_s = now_s();
        for (;;) {
                uint64_t n_passed;

                if (poll(fds, 2, -1) < 0 && errno != EINTR)
                        return -errno;
                if (fds[1].revents & POLLIN)
                        read_commands(c);
                else if (fds[1].revents)
                        fds[1].fd = -1; /* nobody is at the console any more */
                if (fds[0].revents && read(timer, &n_passed, sizeof(n_passed)) == sizeof(n_passed))
                        show_frame(c);
        }
}

int main(int argc, char *argv[])
{
        static struct cluster cluster;
        const struct itimerspec every = { .it_interval.tv_nsec = FRAME_NS, .it_value.tv_nsec = 1 };
        int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc != 2 || timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0) {
                (void) fprintf(stderr, "usage: cluster DRIVE-FILE\n");
                return EXIT_FAILURE;
        }
        cluster.drive = drive_load(argv[1]);
        if (!cluster.drive || !draw_init() || kms_open(&cluster.kms, 0) < 0 || kms_open(&cluster.panel, 1) < 0)
                return EXIT_FAILURE;
        if (cluster.kms.width < 1280 || cluster.kms.height < 720 || cluster.panel.width < PANEL_WIDTH ||
            cluster.panel.height < PANEL_HEIGHT) {
                (void) fprintf(stderr,
                               "the screens have %u by %u and %u by %u pixels; 1280 by 720 and %d by %d are needed\n",
                               cluster.kms.width, cluster.kms.height, cluster.panel.width, cluster.panel.height,
                               PANEL_WIDTH, PANEL_HEIGHT);
                return EXIT_FAILURE;
        }
        chime_init();
        scene_init(&cluster.scene, &cluster.kms, &cluster.panel);
        (void) printf("cluster: first picture\n");
        return run(&cluster, timer) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
