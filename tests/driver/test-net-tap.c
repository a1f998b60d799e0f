/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The tap backend, in a network namespace of the test's own; needs no privilege where user namespaces are allowed,
 * skips where they are not. The host's side is a packet socket on the interface.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/virtio_net.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "harness.h"
#include "net-guest.h"
#include "virtio/features.h"

#define WAIT_MS 20000
#define GIVEN_FD 9
#define RINGS (RING_FEATURES & ~FEATURE(VIRTIO_FEATURE_IN_ORDER))
#define MERGE FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define OFFLOADS                                                                                           \
        (FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_CSUM) | \
         FEATURE(VIRTIO_NET_F_GUEST_TSO4))
#define TYPE 0x88b5

static struct harness harness;
static struct net_guest guest;
static uint8_t frame[70000], got[70000];
static struct frame_header header;
static const struct frame_header plain;

static int setup(void **state)
{
        guest = (struct net_guest) { .d = { .memory_fd = -1, .inflight.fd = -1 } };
        for (size_t i = 14; i < sizeof(frame); i++)
                frame[i] = (uint8_t) (i * 37 + i / 256);
        return harness_init(&harness);
}

static int teardown(void **state)
{
        net_guest_disconnect(&guest);
        harness_deinit(&harness);
        return 0;
}

/* A packet socket that hears all of our type on the interface. */
static int open_host(const char *name)
{
        struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE) };
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(TYPE));

        assert_true(fd >= 0);
        a.sll_ifindex = (int) if_nametoindex(name);
        assert_true(a.sll_ifindex > 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &a, sizeof(a)), 0);
        return fd;
}

static uint32_t host_receive(int fd)
{
        struct pollfd p = { .fd = fd, .events = POLLIN };

        for (;;) {
                struct sockaddr_ll from;
                socklen_t n_from = sizeof(from);
                ssize_t n;

                assert_int_equal(poll(&p, 1, WAIT_MS), 1);
                n = recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *) &from, &n_from);
                assert_true(n > 0);
                if (from.sll_pkttype != PACKET_OUTGOING)
                        return (uint32_t) n;
        }
}

static void start_named(const char *more)
{
        char text[300];
        const char *words[] = { "net", "--backend=tap", "--guest", text, NULL };

        (void) snprintf(text, sizeof(text), "id=alpha,socket-path=%s,tap=busbar0%s", harness_path(&harness, "s"), more);
        assert_int_equal(harness_start(&harness, words), 0);
}

static void exchange(int host, unsigned n_frames, uint32_t n_max)
{
        for (unsigned i = 0; i < n_frames; i++) {
                uint32_t n = 60 + i * 131 % (n_max - 59);

                net_guest_address(frame, 0xff, 1);
                assert_int_equal(net_guest_send(&guest, 0, plain, frame, n), 0);
                assert_int_equal(host_receive(host), n);
                assert_memory_equal(got, frame, n);
                (void) net_guest_reclaim(&guest, 0);

                net_guest_address(frame, 1, 9);
                assert_int_equal(send(host, frame, n, 0), n);
                do
                        assert_true(net_guest_receive(&guest, 0, WAIT_MS, &header, got, sizeof(got)) > 0);
                while (got[12] != TYPE >> 8 || got[13] != (TYPE & 0xff)); /* the kernel looks for its neighbours */
                assert_memory_equal(got, frame, n);
        }
}

static void frames_pass_and_nothing_is_left_behind(void **state)
{
        static const uint64_t features[] = { RINGS & ~FEATURE(VIRTIO_FEATURE_RING_PACKED), RINGS, RINGS | MERGE,
                                             RINGS | MERGE | OFFLOADS, RINGS | OFFLOADS };

        start_named("");
        for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
                auto_cleanup(closep) int host = -1;

                assert_int_equal(net_guest_connect(&guest, harness_path(&harness, "s"), 1, features[i], 1), 0);
                host = open_host("busbar0");
                exchange(host, 300, 1514);
                net_guest_disconnect(&guest);
        }
        assert_int_equal(harness_stop(&harness), 0);
        assert_int_equal(if_nametoindex("busbar0"), 0);
}

static void killed_server_leaves_no_interface(void **state)
{
        start_named("");
        assert_true(if_nametoindex("busbar0") > 0);
        harness_kill(&harness);
        assert_int_equal(if_nametoindex("busbar0"), 0);
        start_named("");
        assert_int_equal(harness_stop(&harness), 0);
}

/* The kernel takes a frame that is still to be cut, as one. */
static void large_frame_is_the_kernels_to_cut(void **state)
{
        static const uint8_t headers[] = {
                0x08, 0, 0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2
        };
        const struct frame_header h = { .flags = FRAME_NEEDS_CHECKSUM, .gso_type = FRAME_GSO_TCPV4, .hdr_len = 54,
                                        .gso_size = 1448, .csum_start = 34, .csum_offset = 16 };
        struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
        auto_cleanup(closep) int host = -1;
        uint32_t n = 54 + 30000, n_arrived = 0;

        start_named("");
        assert_int_equal(net_guest_connect(&guest, harness_path(&harness, "s"), 1, RINGS | MERGE | OFFLOADS, 1), 0);
        host = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP));
        a.sll_ifindex = (int) if_nametoindex("busbar0");
        assert_int_equal(bind(host, (struct sockaddr *) &a, sizeof(a)), 0);
        net_guest_address(frame, 0xff, 1);
        memcpy(frame + 12, headers, sizeof(headers));
        frame[16] = (uint8_t) ((n - 14) >> 8);
        frame[17] = (uint8_t) (n - 14);
        frame[46] = 0x50;
        assert_int_equal(net_guest_send(&guest, 0, h, frame, n), 0);
        while (n_arrived < 30000)
                n_arrived += host_receive(host) - 54;
        assert_int_equal(n_arrived, 30000);
        assert_int_equal(harness_stop(&harness), 0);
}

/* Frames wait in the interface while the guest has no buffers, and come in order when it has. */
static void guest_without_buffers_is_waited_for(void **state)
{
        auto_cleanup(closep) int host = -1;
        uint32_t next = 0;

        start_named("");
        assert_int_equal(net_guest_connect(&guest, harness_path(&harness, "s"), 1, RINGS, 1), 0);
        host = open_host("busbar0");
        for (uint32_t i = 0; i < NET_QUEUE_SIZE + 200; i++) {
                net_guest_address(frame, 1, 9);
                memcpy(frame + 14, &i, sizeof(i));
                assert_int_equal(send(host, frame, 200, 0), 200);
        }
        while (next < NET_QUEUE_SIZE + 200) {
                uint32_t number;

                assert_true(net_guest_receive(&guest, 0, WAIT_MS, &header, got, sizeof(got)) > 0);
                if (got[12] != TYPE >> 8 || got[13] != (TYPE & 0xff))
                        continue;
                memcpy(&number, got + 14, sizeof(number));
                assert_int_equal(number, next);
                next++;
        }
        assert_int_equal(harness_stop(&harness), 0);
}

static void open_tap_with_two_queues_is_taken_over(void **state)
{
        char text[300];
        const char *words[] = { "net", "--backend=tap", "--guest", text, NULL };
        struct process_fd fds[2] = { { .as = GIVEN_FD }, { .as = GIVEN_FD + 1 } };
        auto_cleanup(closep) int host = -1;

        for (int i = 0; i < 2; i++) {
                struct ifreq ifr = { .ifr_name = "given0" };

                ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
                fds[i].fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
                assert_true(fds[i].fd >= 0);
                assert_int_equal(ioctl(fds[i].fd, TUNSETIFF, &ifr), 0);
        }
        (void) snprintf(text, sizeof(text), "socket-path=%s,queues=2,tap-fd=%d,tap-fd=%d", harness_path(&harness, "s"),
                        GIVEN_FD, GIVEN_FD + 1);
        assert_int_equal(harness_start_with(&harness, words, fds, 2), 0);
        assert_int_equal(net_guest_connect(&guest, harness_path(&harness, "s"), 1,
                                           RINGS | MERGE | FEATURE(VIRTIO_NET_F_MQ), 2), 0);
        host = open_host("given0");
        for (unsigned i = 0; i < 20; i++) {
                net_guest_address(frame, 0xff, 1);
                assert_int_equal(net_guest_send(&guest, (uint16_t) (i % 2), plain, frame, 500), 0);
                assert_int_equal(host_receive(host), 500);
                assert_memory_equal(got, frame, 500);
        }
        assert_int_equal(harness_stop(&harness), 0);
        (void) close(fds[0].fd);
        (void) close(fds[1].fd);
}

static void tap_is_the_uplink_of_a_switch(void **state)
{
        const char *words[] = { "net", "--uplink=tap=busbar1", "--socket-path", harness_path(&harness, "s"), NULL };
        auto_cleanup(closep) int host = -1;

        assert_int_equal(harness_start(&harness, words), 0);
        assert_int_equal(net_guest_connect(&guest, harness_path(&harness, "s"), 1, RINGS | MERGE, 1), 0);
        host = open_host("busbar1");
        exchange(host, 300, 1514);
        assert_int_equal(harness_stop(&harness), 0);
        assert_int_equal(if_nametoindex("busbar1"), 0);
}

/* Root in user and network namespaces of our own. Return: false if that is not allowed here. */
static bool enter_namespaces(void)
{
        char map[64];
        uid_t uid = getuid();
        gid_t gid = getgid();
        int fd;

        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
                return uid == 0 && unshare(CLONE_NEWNET) == 0;
        (void) snprintf(map, sizeof(map), "0 %u 1", uid);
        fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
                (void) fd_write_full(fd, "deny", 4);
        closep(&fd);
        fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || fd_write_full(fd, map, strlen(map)) < 0)
                return false;
        (void) close(fd);
        (void) snprintf(map, sizeof(map), "0 %u 1", gid);
        fd = open("/proc/self/gid_map", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || fd_write_full(fd, map, strlen(map)) < 0)
                return false;
        (void) close(fd);
        return true;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(frames_pass_and_nothing_is_left_behind),
                CASE(killed_server_leaves_no_interface),
                CASE(large_frame_is_the_kernels_to_cut),
                CASE(guest_without_buffers_is_waited_for),
                CASE(open_tap_with_two_queues_is_taken_over),
                CASE(tap_is_the_uplink_of_a_switch),
        };

        if (!enter_namespaces()) {
                printf("1..0 # SKIP user and network namespaces are not allowed here\n");
                return 0; /* of TAP: the plan says that it was skipped */
        }
        if (access("/dev/net/tun", R_OK | W_OK) < 0) {
                printf("1..0 # SKIP no /dev/net/tun: %s\n", strerror(errno));
                return 0; /* of TAP: the plan says that it was skipped */
        }
        return cmocka_run_group_tests_name("driver-net-tap", tests, NULL, NULL);
}
