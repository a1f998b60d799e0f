/* SPDX-License-Identifier: MPL-2.0 */
/* The user-mode network as a port: what it answers, and what it must leave to others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/port.h"
#include "backend/user.h"
#include "base/loop.h"
#include "base/macros.h"

#define HOST_MAC 0x52, 0x55, 10, 0, 2, 2
#define OTHER_MAC 0x02, 0, 0, 0, 0, 2
#define GUEST_MAC 0x02, 0, 0, 0, 0, 1

struct fixture {
        struct loop *loop;
        struct port *port;
        struct port_owner owner;
        unsigned n_delivered;
        uint8_t last[128];
};

static int on_deliver(void *data, const struct frame *f)
{
        struct fixture *t = data;

        t->n_delivered++;
        memcpy(t->last, f->head, MIN(f->n_head, sizeof(t->last)));
        return 0;
}

static void on_flush(void *data) {}

static int set_up(void **state)
{
        static struct fixture t;
        static const struct frame_offloads none;
        struct user_options options = { .no_ipv6 = true };

        t = (struct fixture) { .owner = { .deliver = on_deliver, .flush = on_flush, .data = &t } };
        assert_int_equal(loop_new(&t.loop), 0);
        assert_int_equal(user_open(t.loop, &options, &t.port, NULL), 0);
        t.port->owner = &t.owner;
        t.port->ops->start(t.port, &none);
        *state = &t;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *t = *state;

        t->port->ops->stop(t->port);
        t->port = port_free(t->port);
        t->loop = loop_free(t->loop);
        return 0;
}

static void send_bytes(struct fixture *t, const uint8_t *bytes, size_t n)
{
        struct iovec rest;
        struct frame f = frame_of_buffer(bytes, n, (struct frame_header) { 0 }, &rest);

        assert_int_equal(t->port->ops->send(t->port, &f), 0);
}

/* "Who has 10.0.2.@last?", asked by 10.0.2.101. */
static void ask_for(struct fixture *t, uint8_t last)
{
        const uint8_t arp[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, GUEST_MAC, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1,
                                  GUEST_MAC, 10, 0, 2, 101, 0, 0, 0, 0, 0, 0, 10, 0, 2, last };

        send_bytes(t, arp, sizeof(arp));
}

/* A ping of 10.0.2.101 to 10.0.2.2, in a frame to @mac. */
static void ping_host(struct fixture *t, const uint8_t mac[6])
{
        uint8_t ping[42] = { 0, 0, 0, 0, 0, 0, GUEST_MAC, 0x08, 0x00,
                             0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0x62, 0x7a, 10, 0, 2, 101, 10, 0, 2, 2,
                             8, 0, 0xf7, 0xff, 0, 0, 0, 0 };

        memcpy(ping, mac, 6);
        send_bytes(t, ping, sizeof(ping));
}

static void answers_for_its_own_addresses_only(void **state)
{
        struct fixture *t = *state;
        const uint8_t host[6] = { HOST_MAC };

        ask_for(t, 102);
        assert_int_equal(t->n_delivered, 0);
        ask_for(t, 2);
        assert_int_equal(t->n_delivered, 1);
        assert_memory_equal(t->last + 6, host, 6);
}

/* A switch that does not know yet where a guest is sends its frames everywhere; libslirp looks at IP addresses only. */
static void leaves_frames_for_other_guests_alone(void **state)
{
        struct fixture *t = *state;

        ask_for(t, 2);
        t->n_delivered = 0;
        ping_host(t, (const uint8_t[6]) { OTHER_MAC });
        assert_int_equal(t->n_delivered, 0);
        ping_host(t, (const uint8_t[6]) { HOST_MAC });
        assert_int_equal(t->n_delivered, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(answers_for_its_own_addresses_only, set_up, tear_down),
                cmocka_unit_test_setup_teardown(leaves_frames_for_other_guests_alone, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
