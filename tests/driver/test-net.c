/* SPDX-License-Identifier: MPL-2.0 */
/* Guests on the switch of a server process, driven well and badly. Spec: VIRTIO 1.4, 5.1. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>
#include <linux/virtio_net.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "harness-expect.h"
#include "net-guest.h"
#include "sandbox/sandbox.h"
#include "virtio/features.h"

#define WAIT_MS 20000
#define RSS_MAX_KIB (6 * 1024)
#define RINGS (RING_FEATURES & ~FEATURE(VIRTIO_FEATURE_RING_PACKED) & ~FEATURE(VIRTIO_FEATURE_IN_ORDER))
#define PACKED FEATURE(VIRTIO_FEATURE_RING_PACKED)
#define ORDER FEATURE(VIRTIO_FEATURE_IN_ORDER)
#define MERGE FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define SENDS (FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4))
#define TAKES (FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4))

static struct harness harness;
static struct net_guest alpha, beta, gamma_;
static uint8_t frame[70000], got[70000];
static const struct frame_header plain;
static struct frame_header header;

static int setup(void **state)
{
        alpha = beta = gamma_ = (struct net_guest) { .d = { .memory_fd = -1, .inflight.fd = -1 } };
        for (size_t i = 14; i < sizeof(frame); i++)
                frame[i] = (uint8_t) (i * 37 + i / 256);
        return harness_init(&harness);
}

static int teardown(void **state)
{
        net_guest_disconnect(&alpha);
        net_guest_disconnect(&beta);
        net_guest_disconnect(&gamma_);
        harness_deinit(&harness);
        return 0;
}

/* Three guests; @more: further settings of each. */
static void start_switch(const char *option, const char *more)
{
        static const char *const names[] = { "alpha", "beta", "gamma" };
        char text[3][300];
        const char *words[] = { "net", "--backend=switch", "--guest", text[0], "--guest", text[1], "--guest", text[2],
                                option, NULL };

        for (int i = 0; i < 3; i++)
                (void) snprintf(text[i], sizeof(text[i]), "id=%s,socket-path=%s%s", names[i],
                                harness_path(&harness, names[i]), more);
        assert_int_equal(harness_start(&harness, words), 0);
}

static void connect_guest(struct net_guest *g, const char *name, uint8_t number, uint64_t features, uint16_t n_pairs)
{
        assert_int_equal(net_guest_connect(g, harness_path(&harness, name), number, features, n_pairs), 0);
}

/* So that the switch knows where they are. The frame of each reaches the other, which is taken out. */
static void introduce(struct net_guest *a, struct net_guest *b)
{
        for (int i = 0; i < 2; i++) {
                struct net_guest *from = i ? b : a, *to = i ? a : b;

                net_guest_address(frame, 0xff, from->mac[5]);
                assert_int_equal(net_guest_send(from, 0, plain, frame, 60), 0);
                assert_int_equal(net_guest_receive(to, 0, WAIT_MS, &header, got, sizeof(got)), 60);
                (void) net_guest_reclaim(from, 0);
        }
}

static void send_and_compare(struct net_guest *from, struct net_guest *to, uint32_t n)
{
        net_guest_address(frame, to->mac[5], from->mac[5]);
        assert_int_equal(net_guest_send(from, 0, plain, frame, n), 0);
        assert_int_equal(net_guest_receive(to, 0, WAIT_MS, &header, got, sizeof(got)), n);
        assert_memory_equal(got, frame, n);
        (void) net_guest_reclaim(from, 0);
}

static void expect_small(void)
{
        if (!sandbox_sanitizer_build()) /* shadow memory */
                assert_in_range(harness_rss_kib(&harness), 1, RSS_MAX_KIB);
}

static void frames_pass_intact_both_ways(void **state)
{
        static const uint64_t features[] = { RINGS, RINGS | MERGE, RINGS | MERGE | SENDS | TAKES, RINGS | PACKED,
                                             RINGS | MERGE | PACKED | ORDER, RINGS | MERGE | ORDER };

        start_switch("--flood-rate=0", "");
        for (size_t a = 0; a < ARRAY_SIZE(features); a++)
                for (size_t b = 0; b < ARRAY_SIZE(features); b++) {
                        connect_guest(&alpha, "alpha", 1, features[a], 1);
                        connect_guest(&beta, "beta", 2, features[b], 1);
                        introduce(&alpha, &beta);
                        for (unsigned i = 0; i < 150; i++) {
                                send_and_compare(&alpha, &beta, 60 + i * 9);
                                send_and_compare(&beta, &alpha, 1500 - i);
                        }
                        if (features[b] & MERGE)
                                send_and_compare(&alpha, &beta, 60000);
                        net_guest_disconnect(&alpha);
                        net_guest_disconnect(&beta);
                }
        expect_small();
        assert_int_equal(harness_stop(&harness), 0);
}

static void every_pair_is_used(void **state)
{
        bool seen[4] = { false };

        start_switch("--flood-rate=0", ",queues=4");
        connect_guest(&alpha, "alpha", 1, RINGS | FEATURE(VIRTIO_NET_F_MQ), 4);
        connect_guest(&beta, "beta", 2, RINGS | MERGE | FEATURE(VIRTIO_NET_F_MQ), 4);
        for (unsigned i = 0; i < 64; i++) {
                uint32_t n = 0;

                net_guest_address(frame, 2, (uint8_t) (3 + i)); /* each station a flow */
                assert_int_equal(net_guest_send(&alpha, (uint16_t) (i % 4), plain, frame, 100), 0);
                for (uint64_t end = clock_now_ns() + WAIT_MS * NSEC_PER_MSEC; n == 0 && clock_now_ns() < end;)
                        for (uint16_t p = 0; p < 4 && n == 0; p++) {
                                n = net_guest_poll(&beta, p, &header, got, sizeof(got));
                                seen[p] |= n > 0;
                        }
                assert_int_equal(n, 100);
                assert_memory_equal(got, frame, n);
        }
        assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
        assert_int_equal(harness_stop(&harness), 0);
}

static void vlans_keep_guests_apart(void **state)
{
        char text[3][300];
        const char *words[] = { "net", "--guest", text[0], "--guest", text[1], "--guest", text[2], NULL };
        static const char *const settings[] = { "id=alpha,vlan=7", "id=beta,vlan=7,mac=52:54:00:00:00:02",
                                                "id=gamma,vlan=8" };
        static const char *const names[] = { "alpha", "beta", "gamma" };

        for (int i = 0; i < 3; i++)
                (void) snprintf(text[i], sizeof(text[i]), "%s,socket-path=%s", settings[i],
                                harness_path(&harness, names[i]));
        assert_int_equal(harness_start(&harness, words), 0);
        connect_guest(&alpha, "alpha", 1, RINGS, 1);
        connect_guest(&beta, "beta", 2, RINGS, 1);
        connect_guest(&gamma_, "gamma", 3, RINGS, 1);
        introduce(&alpha, &beta);
        send_and_compare(&alpha, &beta, 100);
        /* What gamma sent to all has been dealt with when the answer to what alpha sent later is there. */
        net_guest_address(frame, 0xff, 3);
        assert_int_equal(net_guest_send(&gamma_, 0, plain, frame, 60), 0);
        while (net_guest_reclaim(&gamma_, 0) == 0)
                continue;
        send_and_compare(&alpha, &beta, 200);
        assert_int_equal(net_guest_poll(&gamma_, 0, &header, got, sizeof(got)), 0);
        assert_int_equal(harness_stop(&harness), 0);
}

/* Return: the answer, one line. */
static json_t *ask_control(const char *path, const char *request)
{
        static char text[30000];
        size_t n = 0;
        json_t *answer;
        ssize_t k;
        int fd = fd_unix_connect(path);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, request, strlen(request)), (ssize_t) strlen(request));
        while ((n == 0 || text[n - 1] != '\n') && (k = read(fd, text + n, sizeof(text) - n)) > 0)
                n += (size_t) k;
        (void) close(fd);
        answer = json_loadb(text, n, 0, NULL);
        assert_non_null(answer);
        return answer;
}

static void counters_are_told_on_a_socket(void **state)
{
        const char *path = harness_path(&harness, "control");
        char option[300];
        json_t *root;

        (void) snprintf(option, sizeof(option), "--control=%s", path);
        start_switch(option, "");
        connect_guest(&alpha, "alpha", 1, RINGS, 1);
        connect_guest(&beta, "beta", 2, RINGS, 1);
        introduce(&alpha, &beta);
        for (unsigned i = 0; i < 10; i++)
                send_and_compare(&alpha, &beta, 100);
        root = ask_control(path, "{\"status\": true}\n");
        assert_string_equal(json_string_value(json_object_get(root, "error")), "expected {\"stats\": true}");
        json_decref(root);
        root = ask_control(path, "{\"stats\": true}\n");
        assert_int_equal(json_array_size(json_object_get(root, "guests")), 3);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(
                                 json_array_get(json_object_get(root, "ports"), 1), "out"), "frames")), 11);
        json_decref(root);
        assert_int_equal(harness_stop(&harness), 0);
        assert_int_equal(access(path, F_OK), -1);
}

/* A frame with a number; contents follow from it. */
static void numbered_frame(uint32_t number, uint32_t *ret_n)
{
        uint32_t n = 64 + number * 7919 % 1400;

        memcpy(frame + 14, &number, sizeof(number));
        for (uint32_t i = 18; i < n; i++)
                frame[i] = (uint8_t) (number + i);
        *ret_n = n;
}

static uint32_t check_numbered(uint32_t n)
{
        uint32_t number, expected;

        memcpy(&number, got + 14, sizeof(number));
        expected = 64 + number * 7919 % 1400;
        assert_int_equal(n, expected);
        for (uint32_t i = 18; i < n; i++)
                assert_int_equal(got[i], (uint8_t) (number + i));
        return number;
}

static void hostile_guest_disturbs_nobody(void **state)
{
        uint32_t seed = 12345;

        start_switch("--flood-rate=0", "");
        connect_guest(&alpha, "alpha", 1, RINGS, 1);
        connect_guest(&beta, "beta", 2, RINGS | MERGE, 1);
        introduce(&alpha, &beta);
        for (unsigned round = 0; round < 40; round++) {
                uint8_t *ring;

                assert_int_equal(net_guest_connect(&gamma_, harness_path(&harness, "gamma"), 3,
                                                   RINGS | MERGE | SENDS | (round % 2 ? PACKED : 0), 1), 0);
                /* Noise in all of both rings, the frames' memory included, and kicks. */
                ring = vhost_driver_pointer(&gamma_.d, gamma_.d.queues[0].descriptors);
                for (size_t i = 0; i < 65536; i++) {
                        seed = seed * 1103515245 + 12345;
                        ring[i] = (uint8_t) (seed >> 16);
                }
                fd_event_signal(gamma_.d.queues[0].kick_fd);
                fd_event_signal(gamma_.d.queues[1].kick_fd);
                for (unsigned i = 0; i < 20; i++) {
                        send_and_compare(&alpha, &beta, 60 + i * 50);
                        send_and_compare(&beta, &alpha, 60 + i * 50);
                }
                net_guest_disconnect(&gamma_);
        }
        assert_true(harness_running(&harness));
        assert_int_equal(harness_stop(&harness), 0);
}

static void guest_that_never_reads_starves_nobody(void **state)
{
        start_switch("--flood-rate=0", "");
        connect_guest(&alpha, "alpha", 1, RINGS, 1);
        connect_guest(&beta, "beta", 2, RINGS, 1);
        connect_guest(&gamma_, "gamma", 3, RINGS, 1);
        introduce(&alpha, &beta);
        /* gamma says where it is, and never takes a frame. */
        net_guest_address(frame, 1, 3);
        assert_int_equal(net_guest_send(&gamma_, 0, plain, frame, 60), 0);
        assert_int_equal(net_guest_receive(&alpha, 0, WAIT_MS, &header, got, sizeof(got)), 60);
        for (unsigned i = 0; i < 20000; i++) {
                net_guest_address(frame, 3, 1);
                while (net_guest_send(&alpha, 0, plain, frame, 1000) == -ENOSPC)
                        (void) net_guest_reclaim(&alpha, 0);
                if (i % 100 == 0)
                        send_and_compare(&beta, &alpha, 300);
        }
        while (alpha.n_in_flight > 0)
                (void) net_guest_reclaim(&alpha, 0);
        send_and_compare(&alpha, &beta, 300);
        expect_small();
        /* What it left lying is there, in order, once it reads. */
        assert_int_equal(net_guest_receive(&gamma_, 0, WAIT_MS, &header, got, sizeof(got)), 60); /* introduce() */
        assert_int_equal(net_guest_receive(&gamma_, 0, WAIT_MS, &header, got, sizeof(got)), 60);
        for (unsigned i = 0; i < 300; i++)
                assert_int_equal(net_guest_receive(&gamma_, 0, WAIT_MS, &header, got, sizeof(got)), 1000);
        assert_int_equal(harness_stop(&harness), 0);
}

/* Sends and receives for a time or until n frames arrived. Return: frames that arrived. */
static unsigned traffic(uint32_t *next, uint32_t *last, unsigned n, uint64_t *stall_ns)
{
        uint64_t start = clock_now_ns(), before = start;
        unsigned n_arrived = 0;

        while (n_arrived < n) {
                uint64_t now = clock_now_ns();
                uint32_t bytes;

                assert_true(now - before < WAIT_MS * NSEC_PER_MSEC);
                net_guest_address(frame, 2, 1);
                numbered_frame(*next, &bytes);
                if (net_guest_send(&alpha, 0, plain, frame, bytes) == 0)
                        (*next)++;
                (void) net_guest_reclaim(&alpha, 0);
                while ((bytes = net_guest_poll(&beta, 0, &header, got, sizeof(got))) > 0) {
                        if (bytes == 60)
                                continue;
                        *last = check_numbered(bytes);
                        n_arrived++;
                        now = clock_now_ns();
                        *stall_ns = MAX(*stall_ns, now - before);
                        before = now;
                }
        }
        return n_arrived;
}

static void switch_killed_20_times_under_load(void **state)
{
        static const uint64_t kinds[] = { RINGS | MERGE, RINGS | MERGE | PACKED };
        uint64_t stall_ns = 0;

        for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
                uint32_t next = 0, last = 0;

                start_switch("--flood-rate=0", "");
                connect_guest(&alpha, "alpha", 1, kinds[k], 1);
                connect_guest(&beta, "beta", 2, kinds[k], 1);
                introduce(&alpha, &beta);
                for (unsigned i = 0; i < 10; i++) {
                        uint32_t first;
                        uint64_t ignored = 0, start;

                        (void) traffic(&next, &last, 500, &ignored);
                        for (unsigned j = 0; j < 30; j++) { /* some are under way when it dies */
                                uint32_t bytes;

                                net_guest_address(frame, 2, 1);
                                numbered_frame(next, &bytes);
                                next += net_guest_send(&alpha, 0, plain, frame, bytes) == 0;
                        }
                        start = clock_now_ns();
                        harness_kill(&harness);
                        start_switch("--flood-rate=0", "");
                        assert_int_equal(vhost_driver_reconnect(&alpha.d, harness_path(&harness, "alpha")), 0);
                        assert_int_equal(vhost_driver_reconnect(&beta.d, harness_path(&harness, "beta")), 0);
                        first = next;
                        ignored = 0;
                        (void) traffic(&next, &last, 1, &ignored);
                        stall_ns = MAX(stall_ns, clock_now_ns() - start);
                        (void) traffic(&next, &last, 200, &ignored);
                        assert_true(last >= first || next - last < 1000);
                }
                assert_int_equal(harness_stop(&harness), 0);
                net_guest_disconnect(&alpha);
                net_guest_disconnect(&beta);
        }
        print_message("# longest stall: %.1f ms, from kill to the first frame, the server's start included\n",
                      (double) stall_ns / 1e6);
}

static void wrong_settings_are_refused(void **state)
{
        static const struct { const char *server, *guest, *says; } cases[] = {
                { "--backend=switch", "mac=52:54:00:00:00", "mac=52:54:00:00:00: expected" },
                { "--backend=switch", "mac=53:54:00:00:00:01", "expected the address of one station" },
                { "--backend=switch", "vlan=0", "vlan=0: expected 1 to 4094 or trunk" },
                { "--backend=switch", "vlan=4095", "vlan=4095: expected" },
                { "--backend=switch", "vlan=7x", "vlan=7x: expected" },
                { "--backend=switch", "tap=t0", "are for --backend=tap" },
                { "--backend=user", "vlan=7", "vlan is for --backend=switch" },
                { "--backend=tap", "mtu=1500", "give either tap or tap-fd" },
                { "--backend=tap", "tap-fd=x", "tap-fd=x: expected" },
                { "--backend=tap", "tap-fd=4000", "tap-fd" },
                { "--uplink=wlan", "mtu=1500", "uplink=wlan: expected none, user or tap=NAME" },
                { "--uplink=tap=this-name-is-too-long", "mtu=1500", "not a name" },
                { "--backend=switch", "queues=17", "queues=17" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char guest[300];
                const char *words[] = { "net", cases[i].server, "--guest", guest, NULL };

                (void) snprintf(guest, sizeof(guest), "socket-path=%s,%s", harness_path(&harness, "alpha"),
                                cases[i].guest);
                harness_expect_refused(&harness, words, cases[i].says);
        }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(frames_pass_intact_both_ways),
                CASE(every_pair_is_used),
                CASE(vlans_keep_guests_apart),
                CASE(counters_are_told_on_a_socket),
                CASE(hostile_guest_disturbs_nobody),
                CASE(guest_that_never_reads_starves_nobody),
                CASE(switch_killed_20_times_under_load),
                CASE(wrong_settings_are_refused),
        };

        return cmocka_run_group_tests_name("driver-net", tests, NULL, NULL);
}
