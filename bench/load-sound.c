/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Load generator: guests that play on a sound server, each some streams of 16 bits, two channels, 48 kHz, in buffers of
 * a period. As soon as a buffer is back it is sent again. What is measured is the time from there, just before the
 * kick, until it is back: the server has then taken its last frame. Prints one JSON object.
 *
 * With --watch it says of each xrun (stderr) how long the machine held up its processors (holdups.h) shortly before,
 * and counts those that this does not explain. Events that come too fast are one: for each guest it says how many xruns
 * it was told of, and how many the hold-ups before them, and before the end, excuse at most.
 *
 * With --flood one guest does nothing but disturb: requests without end, buffers of one frame for a stream that runs,
 * and for none.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "holdups.h"
#include "sound-guest.h"

#define GUESTS_MAX 8
#define STREAMS_MAX 8
#define STALL_MS 10000
#define XRUNS_MAX 10000
#define RATE_HZ 48000

struct load {
        uint32_t n_streams, n_periods, period_frames;
        uint64_t warm_up_ns, duration_ns;
        int pid; /* of the server; 0: its CPU time is not measured */

        size_t n_guests;
        struct sound_driver guests[GUESTS_MAX];
        struct sound_pcm pcms[GUESTS_MAX][STREAMS_MAX];
        uint64_t *latencies; /* owned: ns */
        size_t n_latencies, n_room;
        uint32_t latency_bytes_max;

        struct holdups *holdups; /* owned; NULL: not watched */
        uint64_t n_xruns;
        struct {
                size_t guest;
                uint64_t at_ns;
        } xruns[XRUNS_MAX];      /* the first */
        uint64_t n_told[GUESTS_MAX];
};

static uint64_t cpu_ns(int pid)
{
        struct timespec t;

        if (pid <= 0 || clock_gettime((clockid_t) ((~(unsigned) pid << 3) | 2), &t) < 0)
                return 0;
        return (uint64_t) t.tv_sec * NSEC_PER_SEC + (uint64_t) t.tv_nsec;
}

static void start(struct load *l)
{
        for (size_t g = 0; g < l->n_guests; g++) {
                for (uint32_t s = 0; s < l->n_streams; s++) {
                        struct sound_pcm *p = &l->pcms[g][s];

                        sound_pcm_open(p, &l->guests[g], s, false, l->n_periods, l->period_frames * 4);
                        for (uint32_t i = 0; i < l->n_periods; i++) {
                                int16_t *frames = sound_pcm_frames(p, i);

                                for (uint32_t k = 0; k < l->period_frames * 2; k++)
                                        frames[k] = (int16_t) (k * 37 - 4440);
                                sound_pcm_add(p, i);
                        }
                        sound_pcm_kick(p);
                        if (sound_ask_stream(&l->guests[g], s, VIRTIO_SND_R_PCM_START) != VIRTIO_SND_S_OK)
                                abort();
                }
                sound_event_give(&l->guests[g]);
        }
}

static void keep(struct load *l, const struct sound_buffer *b, uint64_t now_ns)
{
        if (l->n_latencies < l->n_room)
                l->latencies[l->n_latencies++] = now_ns - b->sent_ns;
        l->latency_bytes_max = MAX(l->latency_bytes_max, b->latency_bytes);
}

/* Sends again what is back. Return: how many were. */
static unsigned serve(struct load *l, struct sound_driver *g, bool measured)
{
        struct driver_queue *dq = &g->d.queues[SOUND_TX];
        unsigned n = 0;
        uint32_t len;
        void *cookie;

        do {
                while (driver_queue_get(dq, &cookie, &len) == 1) {
                        struct sound_buffer *b = cookie;
                        struct virtio_snd_pcm_status status;
                        struct sound_pcm *p = NULL;

                        memcpy(&status, vhost_driver_pointer(&g->d, b->status), sizeof(status));
                        b->latency_bytes = le32toh(status.latency_bytes);
                        if (measured)
                                keep(l, b, clock_now_ns());
                        for (uint32_t s = 0; s < l->n_streams && !p; s++) {
                                struct sound_pcm *q = &l->pcms[g - l->guests][s];

                                if (b >= q->buffers && b < q->buffers + q->n_buffers)
                                        p = q;
                        }
                        sound_pcm_add(p, b->index);
                        n++;
                }
                if (n > 0)
                        (void) driver_queue_kick(dq);
        } while (!driver_queue_arm(dq));
        return n;
}

static void take_events(struct load *l, size_t g)
{
        uint32_t code;

        while ((code = sound_event_take(&l->guests[g])) != 0) {
                if (code != VIRTIO_SND_EVT_PCM_XRUN)
                        continue;
                if (l->n_xruns < XRUNS_MAX) {
                        l->xruns[l->n_xruns].guest = g;
                        l->xruns[l->n_xruns].at_ns = clock_now_ns();
                }
                l->n_xruns++;
                l->n_told[g]++;
        }
}

static int run(struct load *l, uint64_t duration_ns, bool measured)
{
        uint64_t end_ns = clock_now_ns() + duration_ns;
        struct pollfd fds[2 * GUESTS_MAX]; /* frames of all, events of all */

        for (size_t g = 0; g < l->n_guests; g++) {
                fds[g] = (struct pollfd) { .fd = l->guests[g].d.queues[SOUND_TX].call_fd, .events = POLLIN };
                fds[l->n_guests + g] = (struct pollfd) { l->guests[g].d.queues[SOUND_EVENT].call_fd, POLLIN, 0 };
        }
        while (clock_now_ns() < end_ns) {
                if (poll(fds, (nfds_t) (2 * l->n_guests), STALL_MS) <= 0)
                        return -ETIMEDOUT;
                for (size_t i = 0; i < 2 * l->n_guests; i++) {
                        if (!(fds[i].revents & POLLIN))
                                continue;
                        (void) fd_event_take(fds[i].fd);
                        if (i < l->n_guests)
                                (void) serve(l, &l->guests[i], measured);
                        else
                                take_events(l, i - l->n_guests);
                }
        }
        return 0;
}

/* What the server counts ends here, and is told. */
static void stop(struct load *l)
{
        for (size_t g = 0; g < l->n_guests; g++) {
                for (uint32_t s = 0; s < l->n_streams; s++)
                        if (sound_ask_stream(&l->guests[g], s, VIRTIO_SND_R_PCM_STOP) != VIRTIO_SND_S_OK)
                                abort();
                take_events(l, g);
        }
}

/*
 * Return: how many xruns the machine is no excuse for. A stream runs dry when guest and server together needed the
 * length of its buffers; of that, the machine must have taken a period at least. Not held up, they need less than 1 ms.
 */
static uint64_t explain_xruns(const struct load *l, uint64_t begin_ns)
{
        uint64_t period_ns = l->period_frames * NSEC_PER_SEC / RATE_HZ, n_unexplained = 0;

        for (uint64_t i = 0; i < l->n_xruns; i++) {
                uint64_t at_ns = l->xruns[MIN(i, (uint64_t) XRUNS_MAX - 1)].at_ns;
                struct holdups_sum sum;

                holdups_between(l->holdups, at_ns - 2 * l->n_periods * period_ns, at_ns, &sum);
                if (i < XRUNS_MAX)
                        fprintf(stderr, "load-sound: xrun of guest %zu after %.3f s: processors were held up %" PRIu64
                                " times, %.1f ms, %.1f ms at once\n", l->xruns[i].guest,
                                (double) (at_ns - begin_ns) / 1e9, sum.n, (double) sum.total_ns / 1e6,
                                (double) sum.longest_ns / 1e6);
                n_unexplained += sum.total_ns < period_ns;
        }
        return n_unexplained;
}

/*
 * Return: how many xruns of a guest the hold-ups allow, a period for each. An xrun without an event of its own came
 * shortly before the next event, or before the end.
 */
static uint64_t excused(const struct load *l, size_t guest, uint64_t end_ns)
{
        uint64_t period_ns = l->period_frames * NSEC_PER_SEC / RATE_HZ, n = 0, last_ns = 0;
        size_t n_kept = MIN(l->n_xruns, (uint64_t) XRUNS_MAX);

        for (size_t i = 0; i <= n_kept; i++) {
                uint64_t at_ns = i < n_kept ? l->xruns[i].at_ns : end_ns;
                struct holdups_sum sum;

                if (i < n_kept && l->xruns[i].guest != guest)
                        continue;
                holdups_between(l->holdups, MAX(at_ns - 2 * l->n_periods * period_ns, last_ns), at_ns, &sum);
                n += sum.total_ns / period_ns;
                last_ns = at_ns;
        }
        return n;
}

static void print_xruns(struct load *l, uint64_t begin_ns, uint64_t end_ns)
{
        struct holdups_sum all;

        printf("\"xruns\": %" PRIu64, l->n_xruns);
        if (!l->holdups)
                return;
        holdups_stop(l->holdups);
        holdups_between(l->holdups, 0, UINT64_MAX, &all);
        printf(", \"xruns_unexplained\": %" PRIu64 ", \"held_up\": %" PRIu64 ", \"held_up_ms\": %.3f, "
               "\"held_up_max_ms\": %.3f", explain_xruns(l, begin_ns), all.n, (double) all.total_ns / 1e6,
               (double) all.longest_ns / 1e6);
        for (size_t g = 0; g < l->n_guests; g++)
                printf("%s{\"told\": %" PRIu64 ", \"excused\": %" PRIu64 "}", g == 0 ? ", \"guests\": [" : ", ",
                       l->n_told[g], excused(l, g, end_ns));
        printf("]");
}

static int compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

static double percentile_ms(const struct load *l, double p)
{
        size_t i = (size_t) (p * (double) l->n_latencies);

        return l->n_latencies ? (double) l->latencies[MIN(i, l->n_latencies - 1)] / 1e6 : 0.0;
}

static int measure(struct load *l)
{
        uint64_t cpu, begin_ns, end_ns;
        int r;

        l->n_room = (size_t) (2 + l->duration_ns * 48 / 1000000 / l->period_frames) * l->n_guests * l->n_streams + 1000;
        l->latencies = calloc(l->n_room, sizeof(*l->latencies));
        if (!l->latencies)
                return -ENOMEM;
        start(l);
        r = run(l, l->warm_up_ns, false);
        if (r < 0)
                return r;
        cpu = cpu_ns(l->pid);
        begin_ns = clock_now_ns();
        r = run(l, l->duration_ns, true);
        if (r < 0)
                return r;
        cpu = cpu_ns(l->pid) - cpu;
        end_ns = clock_now_ns();
        stop(l);
        qsort(l->latencies, l->n_latencies, sizeof(*l->latencies), compare);
        printf("{");
        print_xruns(l, begin_ns, clock_now_ns());
        printf(", \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"buffers\": %zu, \"latency_bytes_max\": %" PRIu32
               ", \"min_ms\": %.3f, \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, "
               "\"max_ms\": %.3f}\n",
               (double) (end_ns - begin_ns) / 1e9, (double) cpu / 1e9, l->n_latencies, l->latency_bytes_max,
               percentile_ms(l, 0), percentile_ms(l, 0.5), percentile_ms(l, 0.9), percentile_ms(l, 0.99),
               percentile_ms(l, 0.999), percentile_ms(l, 1));
        return 0;
}

/* As fast as it can, for so long. */
static void flood(struct load *l, struct sound_driver *g)
{
        static const uint32_t codes[] = { VIRTIO_SND_R_PCM_START, VIRTIO_SND_R_PCM_RELEASE, VIRTIO_SND_R_PCM_STOP,
                                          VIRTIO_SND_R_PCM_PREPARE, VIRTIO_SND_R_PCM_INFO, 0xffffffff };
        uint64_t end_ns = clock_now_ns() + l->warm_up_ns + l->duration_ns, n_requests = 0, n_buffers = 0;
        struct sound_pcm p;
        uint32_t len;
        void *cookie;

        sound_pcm_open(&p, g, 0, false, 64, 4);
        if (sound_ask_stream(g, 0, VIRTIO_SND_R_PCM_START) != VIRTIO_SND_S_OK)
                abort();
        for (uint32_t i = 0; i < p.n_buffers; i++)
                sound_pcm_add(&p, i);
        while (clock_now_ns() < end_ns) {
                sound_pcm_kick(&p);
                (void) sound_ask_stream(g, 1 + n_requests % 7, codes[n_requests % ARRAY_SIZE(codes)]);
                n_requests++;
                while (driver_queue_get(&g->d.queues[SOUND_TX], &cookie, &len) == 1) {
                        sound_pcm_add(&p, ((struct sound_buffer *) cookie)->index);
                        n_buffers++;
                }
        }
        sound_pcm_close(&p);
        printf("{\"requests\": %" PRIu64 ", \"buffers\": %" PRIu64 "}\n", n_requests, n_buffers);
}

static int usage(void)
{
        fputs("usage: load-sound [--seconds=S] [--warm-up=S] [--streams=N] [--periods=N] [--period-frames=N]\n"
              "                  [--pid=SERVER] [--flood|--watch] SOCKET...\n", stderr);
        return 2;
}

int main(int argc, char **argv)
{
        static const struct option options[] = {
                { "seconds", required_argument, NULL, 't' }, { "warm-up", required_argument, NULL, 'u' },
                { "streams", required_argument, NULL, 's' }, { "periods", required_argument, NULL, 'n' },
                { "period-frames", required_argument, NULL, 'f' }, { "pid", required_argument, NULL, 'i' },
                { "flood", no_argument, NULL, 'x' }, { "watch", no_argument, NULL, 'w' },
                { 0 },
        };
        static struct load l = { .n_streams = 1, .n_periods = 2, .period_frames = 240, .warm_up_ns = NSEC_PER_SEC / 2,
                                 .duration_ns = 2 * NSEC_PER_SEC };
        bool floods = false, watches = false;
        int c, r = 0;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 't': l.duration_ns = (uint64_t) (atof(optarg) * 1e9); break;
                case 'u': l.warm_up_ns = (uint64_t) (atof(optarg) * 1e9); break;
                case 's': l.n_streams = (uint32_t) atoi(optarg); break;
                case 'n': l.n_periods = (uint32_t) atoi(optarg); break;
                case 'f': l.period_frames = (uint32_t) atoi(optarg); break;
                case 'i': l.pid = atoi(optarg); break;
                case 'x': floods = true; break;
                case 'w': watches = true; break;
                default: return usage();
                }
        l.n_guests = (size_t) (argc - optind);
        if (l.n_guests < 1 || l.n_guests > GUESTS_MAX || l.n_streams < 1 || l.n_streams > STREAMS_MAX ||
            l.n_periods < 1 || l.n_periods > 64 || l.period_frames < 48 || l.period_frames > 48000)
                return usage();
        (void) prctl(PR_SET_TIMERSLACK, 1UL);
        if (watches) {
                r = holdups_start(l.warm_up_ns + l.duration_ns + NSEC_PER_SEC, &l.holdups);
                if (r < 0) {
                        fprintf(stderr, "load-sound: cannot watch the machine: %s\n", strerror(-r));
                        return 1;
                }
        }
        for (size_t g = 0; g < l.n_guests; g++)
                sound_driver_start(&l.guests[g], argv[optind + (int) g], false);
        if (floods)
                flood(&l, &l.guests[0]);
        else
                r = measure(&l);
        if (r < 0)
                fprintf(stderr, "load-sound: %s\n", strerror(-r));
        for (size_t g = 0; g < l.n_guests; g++) {
                for (uint32_t s = 0; s < l.n_streams; s++)
                        sound_pcm_close(&l.pcms[g][s]);
                sound_driver_stop(&l.guests[g]);
        }
        holdups_free(l.holdups);
        free(l.latencies);
        return r < 0 ? 1 : 0;
}
