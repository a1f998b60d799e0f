/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Load generator: two guests on any vhost-user switch. One sends frames of a size, the other receives them; both are
 * driven by one thread that never sleeps and never asks to be called, so that nothing but the switch limits the rate.
 * No more frames are under way than the receiver has buffers for, so none needs to be dropped. The same for every
 * server that is compared.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include "base/loop.h"
#include "base/macros.h"
#include "vhost/driver.h"
#include "virtio/features.h"

#define QUEUE_SIZE 256
#define SLOT_BYTES 2048
#define HEADER_BYTES 12
#define BURST 32
#define STALL_NS (5 * NSEC_PER_SEC)

enum { RX, TX };

struct load {
        const char *paths[2];
        uint32_t frame_bytes;
        unsigned window;
        uint64_t warm_up_ns, duration_ns;
        bool packed;
        int pid; /* of the server; 0: its CPU time is not measured */

        struct vhost_driver a, b;
        gpa_t *free_slots; /* of a's frames */
        unsigned n_free;
        uint64_t n_sent, n_received, n_lost, n_kicks;
};

static int connect_guest(struct load *l, struct vhost_driver *d, const char *path)
{
        struct vhost_driver_options options = {
                .features_wanted = FEATURE(VIRTIO_FEATURE_EVENT_IDX) | FEATURE(VIRTIO_FEATURE_INDIRECT_DESC) |
                                   FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
                                   (l->packed ? FEATURE(VIRTIO_FEATURE_RING_PACKED) : 0),
                .memory_bytes = UINT64_C(64) << 20,
                .n_queues = 2,
                .queue_size = QUEUE_SIZE,
        };
        int r;

        r = vhost_driver_start(d, path, &options);
        if (r < 0)
                fprintf(stderr, "%s: %s\n", path, strerror(-r));
        return r;
}

/* From the station of guest 1 to that of guest 2, or back. */
static void fill_frame(uint8_t *p, uint8_t from, uint8_t to, uint32_t n)
{
        const uint8_t start[] = { 0x52, 0x54, 0, 0, 0, to, 0x52, 0x54, 0, 0, 0, from, 0x88, 0xb5 };

        memset(p, 0, HEADER_BYTES);
        memcpy(p + HEADER_BYTES, start, sizeof(start));
        for (uint32_t i = sizeof(start); i < n; i++)
                p[HEADER_BYTES + i] = (uint8_t) i;
}

static int post(struct vhost_driver *d, gpa_t at)
{
        struct driver_buffer b = { at, SLOT_BYTES, true };

        return driver_queue_add(&d->queues[RX], &b, 1, (void *) (uintptr_t) at);
}

static int send_slot(struct load *l, struct vhost_driver *d, gpa_t at)
{
        struct driver_buffer b = { at, HEADER_BYTES + l->frame_bytes, false };

        return driver_queue_add(&d->queues[TX], &b, 1, (void *) (uintptr_t) at);
}

static int set_up(struct load *l)
{
        gpa_t at;
        int r;

        r = connect_guest(l, &l->a, l->paths[0]);
        if (r == 0)
                r = connect_guest(l, &l->b, l->paths[1]);
        if (r < 0)
                return r;
        l->free_slots = calloc(QUEUE_SIZE, sizeof(*l->free_slots));
        if (!l->free_slots)
                return -ENOMEM;
        for (unsigned i = 0; i < QUEUE_SIZE; i++) {
                at = vhost_driver_alloc(&l->a, SLOT_BYTES, SLOT_BYTES);
                fill_frame(vhost_driver_pointer(&l->a, at), 1, 2, l->frame_bytes);
                l->free_slots[l->n_free++] = at;
                at = vhost_driver_alloc(&l->b, SLOT_BYTES, SLOT_BYTES);
                r = post(&l->b, at);
                if (r == 0)
                        r = post(&l->a, vhost_driver_alloc(&l->a, SLOT_BYTES, SLOT_BYTES));
                if (r < 0)
                        return r;
        }
        for (int i = 0; i < 2; i++) {
                driver_queue_disarm(&l->a.queues[i]);
                driver_queue_disarm(&l->b.queues[i]);
        }
        (void) driver_queue_kick(&l->a.queues[RX]);
        (void) driver_queue_kick(&l->b.queues[RX]);

        /* The receiver says where it is. */
        at = vhost_driver_alloc(&l->b, SLOT_BYTES, SLOT_BYTES);
        fill_frame(vhost_driver_pointer(&l->b, at), 2, 1, 60);
        r = send_slot(l, &l->b, at);
        (void) driver_queue_kick(&l->b.queues[TX]);
        return r;
}

/* Takes what arrived and what was sent, sends as much again. Return: frames that arrived; a negative errno. */
static int turn(struct load *l)
{
        struct driver_queue *tx = &l->a.queues[TX], *rx = &l->b.queues[RX];
        unsigned n = 0, n_added = 0;
        uint32_t len;
        void *cookie;
        int r = 0;

        while (n < BURST && (r = driver_queue_get(rx, &cookie, &len)) > 0) {
                if (len != HEADER_BYTES + l->frame_bytes)
                        return -EPROTO;
                r = post(&l->b, (gpa_t) (uintptr_t) cookie);
                if (r < 0)
                        return r;
                n++;
        }
        if (r < 0)
                return r;
        if (n > 0)
                l->n_kicks += driver_queue_kick(rx);
        l->n_received += n;

        while (l->n_free < BURST && (r = driver_queue_get(tx, &cookie, &len)) > 0)
                l->free_slots[l->n_free++] = (gpa_t) (uintptr_t) cookie;
        while (n_added < BURST && l->n_free > 0 && l->n_sent - l->n_received - l->n_lost < l->window) {
                r = send_slot(l, &l->a, l->free_slots[l->n_free - 1]);
                if (r < 0)
                        return r;
                l->n_free--;
                l->n_sent++;
                n_added++;
        }
        if (n_added > 0)
                l->n_kicks += driver_queue_kick(tx);
        return r < 0 ? r : (int) n;
}

/* Nanoseconds of CPU time that all threads of the server have used. */
static uint64_t cpu_ns(int pid)
{
        char path[300];
        uint64_t sum = 0;
        struct dirent *e;
        DIR *dir;

        (void) snprintf(path, sizeof(path), "/proc/%d/task", pid);
        dir = opendir(path);
        while (dir && (e = readdir(dir))) {
                uint64_t ns = 0;
                FILE *f;

                if (e->d_name[0] == '.')
                        continue;
                (void) snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", pid, e->d_name);
                f = fopen(path, "re");
                if (f && fscanf(f, "%" SCNu64, &ns) == 1)
                        sum += ns;
                if (f)
                        (void) fclose(f);
        }
        if (dir)
                (void) closedir(dir);
        return sum;
}

/* Runs for a time. Return: 0; -ETIMEDOUT if nothing arrives any more. */
static int run(struct load *l, uint64_t duration_ns)
{
        uint64_t now = clock_now_ns(), end = now + duration_ns, last = now;

        while (now < end) {
                for (unsigned i = 0; i < 64; i++) {
                        int r = turn(l);

                        if (r < 0)
                                return r;
                        if (r > 0)
                                last = now;
                }
                now = clock_now_ns();
                if (now - last > STALL_NS / 50) {
                        /* Whatever is under way is not coming. */
                        l->n_lost = l->n_sent - l->n_received;
                        if (now - last > STALL_NS)
                                return -ETIMEDOUT;
                }
        }
        return 0;
}

static int measure(struct load *l)
{
        uint64_t start, cpu, n, elapsed, lost, kicks;
        int r;

        r = run(l, l->warm_up_ns);
        if (r < 0)
                return r;
        n = l->n_received;
        lost = l->n_lost;
        kicks = l->n_kicks;
        cpu = l->pid > 0 ? cpu_ns(l->pid) : 0;
        start = clock_now_ns();
        r = run(l, l->duration_ns);
        if (r < 0)
                return r;
        elapsed = clock_now_ns() - start;
        cpu = l->pid > 0 ? cpu_ns(l->pid) - cpu : 0;
        n = l->n_received - n;
        printf("{\"frames\": %" PRIu64 ", \"seconds\": %.6f, \"frames_per_second\": %.0f, \"cpu_seconds\": %.6f, "
               "\"lost\": %" PRIu64 ", \"kicks\": %" PRIu64 "}\n",
               n, (double) elapsed / 1e9, (double) n / ((double) elapsed / 1e9), (double) cpu / 1e9, l->n_lost - lost,
               l->n_kicks - kicks);
        return 0;
}

static int usage(void)
{
        fprintf(stderr,
                "usage: load-net --size=BYTES [--seconds=S] [--warm-up=S] [--window=N] [--packed] [--pid=PID] "
                "SOCKET_A SOCKET_B\n");
        return 2;
}

int main(int argc, char **argv)
{
        static const struct option options[] = {
                { "size", required_argument, NULL, 's' },    { "seconds", required_argument, NULL, 't' },
                { "warm-up", required_argument, NULL, 'u' }, { "window", required_argument, NULL, 'w' },
                { "packed", no_argument, NULL, 'p' },        { "pid", required_argument, NULL, 'i' },
                { 0 },
        };
        struct load l = {
                .frame_bytes = 64, .window = 192, .warm_up_ns = NSEC_PER_SEC / 2, .duration_ns = 2 * NSEC_PER_SEC
        };
        int c, r;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 's': l.frame_bytes = (uint32_t) atoi(optarg); break;
                case 't': l.duration_ns = (uint64_t) (atof(optarg) * 1e9); break;
                case 'u': l.warm_up_ns = (uint64_t) (atof(optarg) * 1e9); break;
                case 'w': l.window = (unsigned) atoi(optarg); break;
                case 'p': l.packed = true; break;
                case 'i': l.pid = atoi(optarg); break;
                default: return usage();
                }
        if (argc - optind != 2 || l.frame_bytes < 60 || l.frame_bytes > SLOT_BYTES - HEADER_BYTES || l.window < 1 ||
            l.window > QUEUE_SIZE)
                return usage();
        l.paths[0] = argv[optind];
        l.paths[1] = argv[optind + 1];
        r = set_up(&l);
        if (r == 0)
                r = measure(&l);
        if (r < 0)
                fprintf(stderr, "load-net: %s\n", strerror(-r));
        vhost_driver_stop(&l.a);
        vhost_driver_stop(&l.b);
        free(l.free_slots);
        return r < 0 ? 1 : 0;
}
