/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The user-mode network, by a guest that is a few frames: DHCP, ARP, a TCP connection to a server on the host's
 * loopback, with the checksums left to the device; name server, IPv6, and a forward from the host.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/virtio_net.h>

#include "backend/gso.h"
#include "base/loop.h"
#include "base/macros.h"
#include "harness.h"
#include "net-guest.h"
#include "virtio/features.h"

#define WAIT_MS 20000
#define FEATURES                                                                                           \
        ((RING_FEATURES & ~FEATURE(VIRTIO_FEATURE_IN_ORDER)) | FEATURE(VIRTIO_NET_F_CSUM) |                \
         FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_MRG_RXBUF))
#define GUEST_PORT 40000

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static struct harness harness;
static struct net_guest guest;
static uint8_t got[70000];
static uint32_t n_got;
static struct frame_header header;
static uint8_t gateway[6];
static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t address[4] = { 10, 0, 2, 15 }, host[4] = { 10, 0, 2, 2 };

static int setup(void **state)
{
        guest = (struct net_guest) { .d = { .memory_fd = -1, .inflight.fd = -1 } };
        return harness_init(&harness);
}

static int teardown(void **state)
{
        net_guest_disconnect(&guest);
        harness_deinit(&harness);
        return 0;
}

static void start(const char *backend, const char *option)
{
        const char *words[] = { "net", backend, "--socket-path", harness_path(&harness, "s"), "--mac=52:54:00:00:00:01",
                                strncmp(backend, "--uplink", 8) == 0 ? "--backend=switch" : "--mtu=1500", option,
                                NULL };

        assert_int_equal(harness_start(&harness, words), 0);
        assert_int_equal(net_guest_connect(&guest, harness_path(&harness, "s"), 1, FEATURES, 1), 0);
}

static void put16(uint8_t *p, uint32_t v)
{
        p[0] = (uint8_t) (v >> 8);
        p[1] = (uint8_t) v;
}

static void put32(uint8_t *p, uint32_t v)
{
        put16(p, v >> 16);
        put16(p + 2, v);
}

static uint32_t get16(const uint8_t *p) { return (uint32_t) p[0] << 8 | p[1]; }
static uint32_t get32(const uint8_t *p) { return get16(p) << 16 | get16(p + 2); }

static void transmit(struct frame_header h, uint8_t *p, const uint8_t *to, uint16_t type, uint32_t n)
{
        memcpy(p, to, 6);
        memcpy(p + 6, guest.mac, 6);
        put16(p + 12, type);
        assert_int_equal(net_guest_send(&guest, 0, h, p, n), 0);
        (void) net_guest_reclaim(&guest, 0);
}

/* An IPv4 frame around what is at p + 34; the transport's checksum is left to the device. */
static void transmit_ip(uint8_t *p, uint8_t protocol, const uint8_t *from, const uint8_t *to, uint32_t n_payload,
                        uint16_t csum_offset, uint16_t gso_size)
{
        struct frame_header h = { .flags = FRAME_NEEDS_CHECKSUM, .csum_start = 34, .csum_offset = csum_offset };
        uint8_t pseudo[12] = { 0 };

        memset(p + 14, 0, 20);
        p[14] = 0x45;
        put16(p + 16, 20 + n_payload);
        p[22] = 64;
        p[23] = protocol;
        memcpy(p + 26, from, 4);
        memcpy(p + 30, to, 4);
        put16(p + 24, (uint16_t) ~checksum_add(0, p + 14, 20));
        memcpy(pseudo, p + 26, 8);
        pseudo[9] = protocol;
        put16(pseudo + 10, n_payload);
        put16(p + 34 + csum_offset, checksum_add(0, pseudo, sizeof(pseudo)));
        if (gso_size > 0) {
                h.gso_type = FRAME_GSO_TCPV4;
                h.gso_size = gso_size;
        }
        transmit(h, p, memcmp(to, everybody, 4) == 0 ? everybody : gateway, 0x0800, 34 + n_payload);
}

/* Waits for a frame of this type, and protocol where it is IPv4; others (router advertisements ...) are passed over. */
static void expect_frame(uint16_t type, uint8_t protocol)
{
        uint64_t end = clock_now_ns() + WAIT_MS * NSEC_PER_MSEC;

        while (clock_now_ns() < end) {
                n_got = net_guest_receive(&guest, 0, WAIT_MS, &header, got, sizeof(got));
                if (n_got >= 34 && get16(got + 12) == type && (type != 0x0800 || got[23] == protocol))
                        return;
        }
        fail_msg("no frame of type %x, protocol %u", type, protocol);
}

static void ask_for_an_address(void)
{
        uint8_t p[34 + 8 + 300] = { 0 }, *dhcp = p + 42;
        static const uint8_t nowhere[4];
        static const uint8_t tail[] = { 0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255 }; /* magic, DISCOVER */

        put16(p + 34, 68);
        put16(p + 36, 67);
        put16(p + 38, 8 + 300);
        dhcp[0] = 1;
        dhcp[1] = 1;
        dhcp[2] = 6;
        put32(dhcp + 4, 0x12345678);
        memcpy(dhcp + 28, guest.mac, 6);
        memcpy(dhcp + 236, tail, sizeof(tail));
        transmit_ip(p, 17, nowhere, everybody, 8 + 300, 6, 0);

        expect_frame(0x0800, 17);
        assert_int_equal(get16(got + 34), 67);
        assert_int_equal(get32(got + 46), 0x12345678);
        assert_memory_equal(got + 58, address, 4); /* what is offered */
}

static void answer_arp(void)
{
        uint8_t p[60] = { 0 };

        memcpy(p + 14, got + 14, 28);
        p[21] = 2;
        memcpy(p + 22, guest.mac, 6);
        memcpy(p + 28, address, 4);
        memcpy(p + 32, got + 22, 10);
        transmit((struct frame_header) { 0 }, p, got + 6, 0x0806, 60);
}

static void learn_gateway(void)
{
        uint8_t p[60] = { [14] = 0, 1, 8, 0, 6, 4, 0, 1 };

        memcpy(p + 22, guest.mac, 6);
        memcpy(p + 28, address, 4);
        memcpy(p + 38, host, 4);
        transmit((struct frame_header) { 0 }, p, everybody, 0x0806, 60);
        do
                expect_frame(0x0806, 0);
        while (got[21] != 2);
        memcpy(gateway, got + 22, 6);
}

struct connection {
        uint16_t port; /* theirs */
        uint16_t ours;
        uint32_t sequence, acknowledged;
};

static void tcp_send(struct connection *c, uint8_t flags, const void *data, uint32_t n, uint16_t gso_size)
{
        static uint8_t p[70000];

        memset(p + 34, 0, 20);
        put16(p + 34, c->ours);
        put16(p + 36, c->port);
        put32(p + 38, c->sequence);
        put32(p + 42, c->acknowledged);
        p[46] = 0x50;
        p[47] = flags;
        put16(p + 48, 65535);
        if (n > 0)
                memcpy(p + 54, data, n);
        transmit_ip(p, 6, address, host, 20 + n, 16, gso_size);
        c->sequence += n + ((flags & (SYN | FIN)) != 0);
}

/* Takes segments until one has these flags and at least a byte more than known where @data is; answers ARP. */
static uint8_t *tcp_receive(struct connection *c, uint8_t flags, uint32_t *ret_n)
{
        for (;;) {
                n_got = net_guest_receive(&guest, 0, WAIT_MS, &header, got, sizeof(got));
                assert_true(n_got > 0);
                if (get16(got + 12) == 0x0806 && got[21] == 1)
                        answer_arp();
                if (get16(got + 12) != 0x0800 || got[23] != 6 || get16(got + 36) != c->ours)
                        continue;
                assert_false(got[47] & RST);
                *ret_n = get16(got + 16) - 20 - 4 * (uint32_t) (got[46] >> 4);
                if ((got[47] & flags) == flags && (flags & SYN || *ret_n > 0)) {
                        c->acknowledged = get32(got + 38) + *ret_n + ((got[47] & (SYN | FIN)) != 0);
                        return got + 34 + 4 * (got[46] >> 4);
                }
        }
}

static int listen_on_loopback(uint16_t *ret_port)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(a);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &a, sizeof(a)), 0);
        assert_int_equal(listen(fd, 4), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &a, &n), 0);
        *ret_port = ntohs(a.sin_port);
        return fd;
}

static int accept_within(int fd)
{
        struct pollfd p = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
        return accept4(fd, NULL, NULL, SOCK_CLOEXEC);
}

static void read_within(int fd, uint8_t *buf, size_t n)
{
        while (n > 0) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                ssize_t k;

                assert_int_equal(poll(&p, 1, WAIT_MS), 1);
                k = read(fd, buf, n);
                assert_true(k > 0);
                buf += k;
                n -= (size_t) k;
        }
}

static void talk_to_loopback_server(void)
{
        struct connection c = { .ours = GUEST_PORT, .sequence = 1000 };
        static uint8_t big[20000], back[20000];
        uint32_t n;
        int listener = listen_on_loopback(&c.port), fd;

        tcp_send(&c, SYN, NULL, 0, 0);
        (void) tcp_receive(&c, SYN | ACK, &n);
        tcp_send(&c, ACK, NULL, 0, 0);
        fd = accept_within(listener);
        assert_true(fd >= 0);

        tcp_send(&c, PSH | ACK, "hello", 5, 0);
        read_within(fd, back, 5);
        assert_memory_equal(back, "hello", 5);
        /* One frame, to be cut by the device. */
        for (size_t i = 0; i < sizeof(big); i++)
                big[i] = (uint8_t) (i * 13);
        tcp_send(&c, PSH | ACK, big, sizeof(big), 1448);
        read_within(fd, back, sizeof(back));
        assert_memory_equal(back, big, sizeof(big));

        assert_int_equal(write(fd, "world", 5), 5);
        assert_memory_equal(tcp_receive(&c, ACK, &n), "world", 5);
        assert_int_equal(checksum_add(0, got + 14, 20), 0xffff);
        (void) close(fd);
        (void) close(listener);
}

static void whole_conversation(const char *backend)
{
        start(backend, NULL);
        ask_for_an_address();
        learn_gateway();
        talk_to_loopback_server();
        assert_true(harness_running(&harness));
        assert_int_equal(harness_stop(&harness), 0);
}

static void address_and_connection_to_the_hosts_loopback(void **state) { whole_conversation("--backend=user"); }

static void the_same_through_a_switch(void **state) { whole_conversation("--uplink=user"); }

static void forward_leads_to_the_guest(void **state)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct connection c = { .ours = 80, .sequence = 5 };
        char option[64];
        uint16_t port;
        uint8_t back[5];
        uint32_t n;
        int fd = listen_on_loopback(&port);

        (void) close(fd); /* free again, and nobody else takes it soon */
        (void) snprintf(option, sizeof(option), "--forward=tcp::%u-:80", port);
        start("--uplink=user", option);
        ask_for_an_address();
        learn_gateway();
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        a.sin_port = htons(port);
        assert_true(connect(fd, (struct sockaddr *) &a, sizeof(a)) == 0 || errno == EINPROGRESS);
        (void) tcp_receive(&c, SYN, &n);
        c.port = (uint16_t) get16(got + 34);
        tcp_send(&c, SYN | ACK, NULL, 0, 0);
        tcp_send(&c, PSH | ACK, "guest", 5, 0);
        read_within(fd, back, 5);
        assert_memory_equal(back, "guest", 5);
        (void) close(fd);
        assert_int_equal(harness_stop(&harness), 0);
}

static void restricted_network_leads_nowhere(void **state)
{
        struct connection c = { .ours = GUEST_PORT, .sequence = 1 };
        struct pollfd p;
        int listener;

        start("--backend=user", "--restrict");
        ask_for_an_address();
        learn_gateway();
        listener = listen_on_loopback(&c.port);
        tcp_send(&c, SYN, NULL, 0, 0);
        learn_gateway(); /* answered after the former was dealt with */
        p = (struct pollfd) { .fd = listener, .events = POLLIN };
        assert_int_equal(poll(&p, 1, 0), 0);
        (void) close(listener);
        assert_int_equal(harness_stop(&harness), 0);
}

static void datagrams_and_pings_pass(void **state)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(a);
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        uint8_t p[100] = { 0 }, back[4];

        assert_int_equal(bind(fd, (struct sockaddr *) &a, sizeof(a)), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &a, &n), 0);
        start("--backend=user", NULL);
        ask_for_an_address();
        learn_gateway();

        put16(p + 34, GUEST_PORT);
        put16(p + 36, ntohs(a.sin_port));
        put16(p + 38, 8 + 4);
        memcpy(p + 42, "ping", 4);
        transmit_ip(p, 17, address, host, 8 + 4, 6, 0);
        n = sizeof(a);
        assert_int_equal(recvfrom(fd, back, sizeof(back), 0, (struct sockaddr *) &a, &n), 4);
        assert_memory_equal(back, "ping", 4);
        assert_int_equal(sendto(fd, "pong", 4, 0, (struct sockaddr *) &a, n), 4);
        expect_frame(0x0800, 17);
        assert_memory_equal(got + 42, "pong", 4);
        (void) close(fd);

        /* An echo request. Whether the host may answer is its own affair; the server must live. */
        memset(p + 34, 0, 50);
        p[34] = 8;
        put16(p + 38, 7);
        put16(p + 36, (uint16_t) ~checksum_add(0, p + 34, 40));
        memset(p + 14, 0, 20);
        p[14] = 0x45;
        put16(p + 16, 60);
        p[22] = 64;
        p[23] = 1;
        memcpy(p + 26, address, 4);
        memcpy(p + 30, host, 4);
        put16(p + 24, (uint16_t) ~checksum_add(0, p + 14, 20));
        transmit((struct frame_header) { 0 }, p, gateway, 0x0800, 74);
        learn_gateway();
        assert_true(harness_running(&harness));
        assert_int_equal(harness_stop(&harness), 0);
}

static void bad_frames_are_survived(void **state)
{
        uint32_t seed = 99;

        start("--backend=user", NULL);
        ask_for_an_address();
        learn_gateway();
        for (unsigned i = 0; i < 20000; i++) {
                static const uint16_t types[] = { 0x0800, 0x0806, 0x86dd };
                uint8_t p[700];
                uint32_t n = 14 + i % 600;

                for (uint32_t j = 0; j < n; j++) {
                        seed = seed * 1103515245 + 12345;
                        p[j] = (uint8_t) (seed >> 16);
                }
                if (i % 2) {
                        p[14] = 0x45;
                        p[23] = (uint8_t) (i % 3 == 0 ? 6 : i % 3 == 1 ? 17 : 1);
                        memcpy(p + 26, address, 4);
                        memcpy(p + 30, host, 3);
                }
                memcpy(p, gateway, 6);
                memcpy(p + 6, guest.mac, 6);
                put16(p + 12, types[i % 3]);
                while (net_guest_send(&guest, 0, (struct frame_header) { 0 }, p, n) == -ENOSPC)
                        (void) net_guest_reclaim(&guest, 0);
                while (net_guest_poll(&guest, 0, &header, got, sizeof(got)) > 0)
                        continue;
        }
        while (guest.n_in_flight > 0)
                (void) net_guest_reclaim(&guest, 0);
        learn_gateway();
        assert_int_equal(harness_stop(&harness), 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(address_and_connection_to_the_hosts_loopback),
                CASE(the_same_through_a_switch),
                CASE(forward_leads_to_the_guest),
                CASE(restricted_network_leads_nowhere),
                CASE(datagrams_and_pings_pass),
                CASE(bad_frames_are_survived),
        };

        return cmocka_run_group_tests_name("driver-net-user", tests, NULL, NULL);
}
