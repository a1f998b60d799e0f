/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backlog.h"
#include "backend/fdb.h"
#include "backend/port.h"
#include "backend/switch.h"
#include "base/cleanup.h"
#include "base/macros.h"

static const struct frame_offloads all = { .checksum = true, .tso4 = true, .tso6 = true, .ecn = true };
static const struct frame_offloads none;

/* In place of a network device: keeps what it is given. */
struct station {
        struct port *port;
        struct port_owner owner;
        uint8_t mac[6];
        unsigned n_room;      /* frames that it still takes */
        unsigned n_got, n_flushes;
        uint8_t last[70000];
        uint32_t n_last;
        struct frame_header last_header;
        uint32_t sum_sizes;
};

static int station_deliver(void *data, const struct frame *f)
{
        struct station *st = data;

        if (f->n_bytes > 10000)
                return -EMSGSIZE;
        if (st->n_room == 0)
                return -EAGAIN;
        st->n_room--;
        st->n_got++;
        frame_copy(f, st->last);
        st->n_last = f->n_bytes;
        st->last_header = f->header;
        st->sum_sizes += f->n_bytes;
        return 0;
}

static void station_flush(void *data) { ((struct station *) data)->n_flushes++; }

static void station_writable(void *data) { fail(); }

static void station_attach(struct station *st, struct port *port, uint8_t n)
{
        *st = (struct station) { .port = port, .n_room = UINT32_MAX, .mac = { 0x52, 0x54, 0, 0, 0, n } };
        st->owner = (struct port_owner) { .deliver = station_deliver, .flush = station_flush,
                                          .writable = station_writable, .data = st };
        port->owner = &st->owner;
}

struct fixture {
        struct switch_fabric *s;
        struct station st[4];
};

static void set_up(struct fixture *x, const struct switch_options *options, const uint16_t vlans[4],
                   const uint8_t *fixed)
{
        assert_int_equal(switch_new(options, &x->s), 0);
        for (uint8_t i = 0; i < 4; i++) {
                const struct switch_port_options po = { .name = "guest", .vlan = vlans ? vlans[i] : 0,
                                                        .mac = i == 0 ? fixed : NULL };
                struct port *port;

                assert_int_equal(switch_add_port(x->s, &po, &port), 0);
                station_attach(&x->st[i], port, i);
                port->ops->start(port, &all);
        }
}

static void tear_down(struct fixture *x)
{
        for (int i = 0; i < 4; i++) {
                x->st[i].port->ops->stop(x->st[i].port);
                port_free(x->st[i].port);
        }
        switch_free(x->s);
}

static void send_bytes(struct station *from, const uint8_t *bytes, uint32_t n, struct frame_header h)
{
        struct iovec rest;
        struct frame f = frame_of_buffer(bytes, n, h, &rest);

        assert_int_equal(frame_check(&f, &all), 0);
        assert_int_equal(from->port->ops->send(from->port, &f), 0);
}

static void send_to(struct station *from, const uint8_t *to, uint32_t n)
{
        uint8_t bytes[2000] = { 0 };

        memcpy(bytes, to, 6);
        memcpy(bytes + 6, from->mac, 6);
        bytes[12] = 0x88;
        bytes[13] = 0xb5;
        for (uint32_t i = 14; i < n; i++)
                bytes[i] = (uint8_t) i;
        send_bytes(from, bytes, n, (struct frame_header) { 0 });
}

static void send_tagged(struct station *from, const uint8_t *to, uint16_t tci)
{
        uint8_t bytes[64] = { 0 };

        memcpy(bytes, to, 6);
        memcpy(bytes + 6, from->mac, 6);
        bytes[12] = 0x81;
        bytes[14] = (uint8_t) (tci >> 8);
        bytes[15] = (uint8_t) tci;
        bytes[16] = 0x88;
        bytes[17] = 0xb5;
        send_bytes(from, bytes, sizeof(bytes), (struct frame_header) { 0 });
}

static void end_burst(struct station *from) { from->port->ops->send_flush(from->port); }

static uint64_t stat(const struct fixture *x, int port, const char *group, const char *name)
{
        json_t *stats = switch_stats(x->s);
        uint64_t v;

        assert_non_null(stats);
        v = (uint64_t) json_integer_value(
                json_object_get(json_object_get(json_array_get(stats, (size_t) port), group), name));
        json_decref(stats);
        return v;
}

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static void learns_where_stations_are(void **state)
{
        const struct switch_options options = { 0 };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));

        set_up(x, &options, NULL, NULL);
        send_to(&x->st[0], x->st[1].mac, 100); /* not known: all others */
        assert_int_equal(x->st[1].n_got + x->st[2].n_got + x->st[3].n_got, 3);
        send_to(&x->st[1], x->st[0].mac, 100); /* known by now */
        assert_int_equal(x->st[0].n_got, 1);
        assert_int_equal(x->st[2].n_got, 1);
        send_to(&x->st[0], x->st[1].mac, 1400);
        assert_int_equal(x->st[1].n_got, 2);
        assert_int_equal(x->st[2].n_got, 1);
        assert_int_equal(x->st[1].n_last, 1400);
        assert_memory_equal(x->st[1].last + 6, x->st[0].mac, 6);
        assert_int_equal(x->st[1].n_flushes, 0);
        end_burst(&x->st[0]);
        assert_int_equal(x->st[1].n_flushes, 1);
        assert_int_equal(stat(x, 0, "in", "frames"), 2);
        assert_int_equal(stat(x, 1, "out", "bytes"), 1500);

        send_to(&x->st[0], x->st[0].mac, 100); /* to itself */
        assert_int_equal(x->st[0].n_got, 1);
        assert_int_equal(stat(x, 0, "dropped", "local"), 1);
        tear_down(x);
}

static void station_that_moves_is_found_again(void **state)
{
        const struct switch_options options = { 0 };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));

        set_up(x, &options, NULL, NULL);
        send_to(&x->st[1], broadcast, 60);
        send_to(&x->st[0], x->st[1].mac, 60);
        assert_int_equal(x->st[1].n_got, 1);
        memcpy(x->st[2].mac, x->st[1].mac, 6);
        send_to(&x->st[2], broadcast, 60);
        x->st[1].n_got = x->st[2].n_got = 0;
        send_to(&x->st[0], x->st[1].mac, 60);
        assert_int_equal(x->st[1].n_got, 0);
        assert_int_equal(x->st[2].n_got, 1);
        tear_down(x);
}

static void fixed_address_cannot_be_taken(void **state)
{
        const struct switch_options options = { 0 };
        const uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 0 };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));

        set_up(x, &options, NULL, mac);
        memcpy(x->st[1].mac, mac, 6);
        send_to(&x->st[1], broadcast, 60);
        assert_int_equal(x->st[2].n_got, 0);
        assert_int_equal(stat(x, 1, "dropped", "source"), 1);
        send_to(&x->st[2], mac, 60);
        assert_int_equal(x->st[0].n_got, 1);
        assert_int_equal(x->st[1].n_got, 0);
        tear_down(x);
}

static void frame_from_a_group_address_is_dropped(void **state)
{
        const struct switch_options options = { 0 };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));
        static const uint8_t bridge[6] = { 0x01, 0x80, 0xc2, 0, 0, 0x0e };

        set_up(x, &options, NULL, NULL);
        send_to(&x->st[1], bridge, 60); /* link-local: not forwarded */
        x->st[0].mac[0] = 0x53;
        send_to(&x->st[0], broadcast, 60);
        for (int i = 0; i < 4; i++)
                assert_int_equal(x->st[i].n_got, 0);
        tear_down(x);
}

static void vlans_keep_ports_apart(void **state)
{
        const struct switch_options options = { 0 };
        const uint16_t vlans[4] = { 7, 7, 8, SWITCH_VLAN_TRUNK };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));

        set_up(x, &options, vlans, NULL);
        send_to(&x->st[0], broadcast, 60);
        assert_int_equal(x->st[1].n_got, 1);
        assert_int_equal(x->st[1].n_last, 60);
        assert_int_equal(x->st[2].n_got, 0);
        assert_int_equal(x->st[3].n_got, 1);
        assert_int_equal(x->st[3].n_last, 64);
        assert_memory_equal(x->st[3].last + 12, "\x81\x00\x00\x07\x88\xb5", 6);

        send_tagged(&x->st[3], broadcast, 0x6008); /* with a priority */
        assert_int_equal(x->st[2].n_got, 1);
        assert_int_equal(x->st[2].n_last, 60);
        assert_memory_equal(x->st[2].last + 12, "\x88\xb5", 2);
        assert_int_equal(x->st[0].n_got + x->st[1].n_got, 1);

        send_tagged(&x->st[0], broadcast, 8); /* hops nowhere */
        assert_int_equal(x->st[2].n_got, 1);
        assert_int_equal(x->st[3].n_got, 1);
        assert_int_equal(stat(x, 0, "dropped", "vlan"), 1);

        send_to(&x->st[2], broadcast, 60);
        send_to(&x->st[0], x->st[2].mac, 60); /* known, but in another VLAN: unknown in this one */
        assert_int_equal(x->st[2].n_got, 1);
        tear_down(x);
}

static void tag_of_a_port_without_vlan_is_no_way_into_a_trunk(void **state)
{
        const struct switch_options options = { 0 };
        const uint16_t vlans[4] = { 0, 0, 5, SWITCH_VLAN_TRUNK };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));

        set_up(x, &options, vlans, NULL);
        send_tagged(&x->st[0], broadcast, 5);
        assert_int_equal(x->st[1].n_got, 1); /* among themselves tags are contents */
        assert_int_equal(x->st[1].n_last, 64);
        assert_int_equal(x->st[2].n_got, 0);
        assert_int_equal(x->st[3].n_got, 0);
        send_to(&x->st[0], broadcast, 60);
        assert_int_equal(x->st[3].n_got, 1);
        assert_int_equal(x->st[3].n_last, 60);
        tear_down(x);
}

static void floods_are_limited_and_known_traffic_is_not(void **state)
{
        const struct switch_options options = { .flood_per_second = 8 };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));

        set_up(x, &options, NULL, NULL);
        send_to(&x->st[1], broadcast, 60);
        x->st[1].n_got = 0;
        for (int i = 0; i < 1000; i++)
                send_to(&x->st[0], broadcast, 60);
        assert_in_range(x->st[1].n_got, 256, 300);
        assert_true(stat(x, 0, "dropped", "flood") > 600);
        x->st[1].n_got = 0;
        for (int i = 0; i < 1000; i++)
                send_to(&x->st[0], x->st[1].mac, 60);
        assert_int_equal(x->st[1].n_got, 1000);
        send_to(&x->st[2], broadcast, 60); /* another port has a bucket of its own */
        assert_int_equal(x->st[1].n_got, 1001);
        tear_down(x);
}

static void frames_wait_in_order_while_there_are_no_buffers(void **state)
{
        const struct switch_options options = { .queue_frames = 20 };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));

        set_up(x, &options, NULL, NULL);
        send_to(&x->st[1], broadcast, 60);
        x->st[1].n_room = 0;
        for (uint32_t i = 0; i < 15; i++)
                send_to(&x->st[0], x->st[1].mac, 100 + i);
        end_burst(&x->st[0]);
        assert_int_equal(stat(x, 1, "queue", "frames"), 10);
        assert_int_equal(stat(x, 1, "dropped", "full"), 5);

        x->st[1].n_room = 1;
        send_to(&x->st[0], x->st[1].mac, 200); /* does not overtake */
        assert_int_equal(x->st[1].n_got, 0);
        x->st[1].port->ops->ready(x->st[1].port);
        assert_int_equal(x->st[1].n_last, 100);
        x->st[1].n_room = 100;
        x->st[1].port->ops->ready(x->st[1].port);
        assert_int_equal(x->st[1].n_got, 10);
        assert_int_equal(x->st[1].n_last, 109);
        assert_int_equal(x->st[1].n_flushes, 2);
        assert_int_equal(stat(x, 1, "queue", "bytes"), 0);
        tear_down(x);
}

static void one_sender_cannot_fill_a_queue_for_others(void **state)
{
        const struct switch_options options = { 0 };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));

        set_up(x, &options, NULL, NULL);
        send_to(&x->st[1], broadcast, 60);
        x->st[1].n_room = 0;
        for (int i = 0; i < 5000; i++)
                send_to(&x->st[0], x->st[1].mac, 60);
        assert_int_equal(stat(x, 1, "queue", "frames"), 512);
        for (int i = 0; i < 5000; i++)
                send_to(&x->st[2], x->st[1].mac, 60);
        assert_int_equal(stat(x, 1, "queue", "frames"), 512 + 256);
        tear_down(x);
}

static void queue_is_bounded_in_bytes(void **state)
{
        const struct switch_options options = { .queue_bytes = 8000 };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));

        set_up(x, &options, NULL, NULL);
        send_to(&x->st[1], broadcast, 60);
        x->st[1].n_room = 0;
        for (int i = 0; i < 100; i++)
                send_to(&x->st[0], x->st[1].mac, 1000);
        assert_int_equal(stat(x, 1, "queue", "bytes"), 4000);
        x->st[1].port->ops->stop(x->st[1].port);
        assert_int_equal(stat(x, 1, "queue", "bytes"), 0);
        assert_int_equal(stat(x, 1, "dropped", "down"), 4);
        tear_down(x);
}

static void receiver_without_offloads_gets_finished_frames(void **state)
{
        const struct switch_options options = { 0 };
        const uint16_t vlans[4] = { 3, 3, SWITCH_VLAN_TRUNK, 4 };
        const struct frame_header h = { .flags = FRAME_NEEDS_CHECKSUM, .gso_type = FRAME_GSO_TCPV4, .gso_size = 500,
                                        .csum_start = 34, .csum_offset = 16 };
        static const uint8_t start[] = { 0x08, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));
        uint8_t bytes[1554] = { 0 };

        set_up(x, &options, vlans, NULL);
        x->st[1].port->ops->start(x->st[1].port, &none);
        x->st[2].port->ops->start(x->st[2].port, &none);
        memcpy(bytes, broadcast, 6);
        memcpy(bytes + 6, x->st[0].mac, 6);
        memcpy(bytes + 12, start, sizeof(start));
        bytes[46] = 0x50;
        send_bytes(&x->st[0], bytes, sizeof(bytes), h);
        assert_int_equal(x->st[1].n_got, 3);
        assert_int_equal(x->st[1].sum_sizes, 1500 + 3 * 54);
        assert_int_equal(x->st[2].n_got, 3);
        assert_int_equal(x->st[2].sum_sizes, 1500 + 3 * 58);

        x->st[1].port->ops->start(x->st[1].port, &all);
        send_bytes(&x->st[0], bytes, sizeof(bytes), h);
        assert_int_equal(x->st[1].n_got, 4);
        assert_int_equal(x->st[1].n_last, 1554);
        assert_int_equal(x->st[1].last_header.gso_size, 500);

        bytes[12] = 0x99; /* no IP: cannot be cut */
        x->st[1].port->ops->stop(x->st[1].port);
        send_bytes(&x->st[0], bytes, sizeof(bytes), h);
        assert_int_equal(x->st[2].n_got, 6);
        assert_int_equal(stat(x, 0, "dropped", "bad"), 1);
        tear_down(x);
}

static void frame_that_never_fits_is_dropped(void **state)
{
        const struct switch_options options = { 0 };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));
        auto_cleanup(freep) uint8_t *bytes = calloc(1, 20000);

        set_up(x, &options, NULL, NULL);
        memcpy(bytes, broadcast, 6);
        bytes[6] = 2;
        send_bytes(&x->st[0], bytes, 20000, (struct frame_header) { 0 });
        assert_int_equal(x->st[1].n_got, 0);
        assert_int_equal(stat(x, 1, "dropped", "size"), 1);
        tear_down(x);
}

/* A port below an uplink that can be full. */
struct cable {
        struct port port;
        bool full, freed;
        unsigned n_sent;
};

static int cable_send(struct port *p, const struct frame *f)
{
        struct cable *c = container_of(p, struct cable, port);

        if (c->full)
                return -EAGAIN;
        c->n_sent++;
        return 0;
}

static void cable_start(struct port *p, const struct frame_offloads *guest) {}
static void cable_stop(struct port *p) {}
static struct port *cable_free(struct port *p)
{
        container_of(p, struct cable, port)->freed = true;
        return NULL;
}

static void uplink_is_one_more_port_and_may_be_full(void **state)
{
        static const struct port_ops ops = { .name = "cable", .send = cable_send, .start = cable_start,
                                             .stop = cable_stop, .free = cable_free };
        const struct switch_options options = { 0 };
        const struct switch_port_options po = { .name = "uplink" };
        auto_cleanup(freep) struct fixture *x = calloc(1, sizeof(*x));
        struct cable c = { .port = { .ops = &ops } };
        uint8_t bytes[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9 };
        struct iovec rest;
        struct frame f = frame_of_buffer(bytes, sizeof(bytes), (struct frame_header) { 0 }, &rest);

        set_up(x, &options, NULL, NULL);
        assert_int_equal(switch_add_uplink(x->s, &po, &c.port), 0);
        assert_int_equal(c.port.owner->deliver(c.port.owner->data, &f), 0);
        c.port.owner->flush(c.port.owner->data);
        assert_int_equal(x->st[2].n_got, 1);
        assert_int_equal(x->st[2].n_flushes, 1);

        c.full = true;
        for (int i = 0; i < 3; i++)
                send_to(&x->st[0], bytes + 6, 60);
        assert_int_equal(c.n_sent, 0);
        assert_int_equal(stat(x, 4, "queue", "frames"), 3);
        c.full = false;
        c.port.owner->writable(c.port.owner->data);
        assert_int_equal(c.n_sent, 3);
        tear_down(x);
        assert_true(c.freed);
}

static void table_is_bounded_by_port(void **state)
{
        struct fdb fdb;

        assert_int_equal(fdb_init(&fdb, 3, 16, 300, 12345), 0);
        assert_int_equal(fdb_fix(&fdb, 77, 1), 0);
        assert_int_equal(fdb_learn(&fdb, 1000, 0, 5), 0);
        for (uint64_t i = 0; i < 10000; i++)
                assert_int_equal(fdb_learn(&fdb, 2000 + i, 1, 5), 0);
        assert_int_equal(fdb_find(&fdb, 1000, 5), 0); /* another's */
        assert_int_equal(fdb_find(&fdb, 77, 5), 1);   /* fixed */
        assert_int_equal(fdb_find(&fdb, 2000 + 9999, 5), 1);
        assert_int_equal(fdb_find(&fdb, 2000 + 9985, 5), 1);
        assert_int_equal(fdb_find(&fdb, 2000 + 9984, 5), FDB_NONE);
        fdb_forget(&fdb, 1);
        assert_int_equal(fdb_find(&fdb, 2000 + 9999, 5), FDB_NONE);
        assert_int_equal(fdb_find(&fdb, 77, 5), 1);
        assert_int_equal(fdb_fix(&fdb, 77, 2), -EEXIST);
        fdb_release(&fdb, 1);
        assert_int_equal(fdb_fix(&fdb, 77, 2), 0);
        fdb_deinit(&fdb);
}

static void entries_age_unless_refreshed(void **state)
{
        struct fdb fdb;

        assert_int_equal(fdb_init(&fdb, 2, 4, 300, 1), 0);
        assert_int_equal(fdb_learn(&fdb, 1, 0, 10), 0);
        assert_int_equal(fdb_learn(&fdb, 2, 0, 10), 0);
        assert_int_equal(fdb_learn(&fdb, 2, 0, 200), 0);
        assert_int_equal(fdb_find(&fdb, 1, 310), 0);
        assert_int_equal(fdb_find(&fdb, 1, 311), FDB_NONE);
        assert_int_equal(fdb_find(&fdb, 2, 311), 0);
        /* The one not refreshed for longest makes room first. */
        for (uint64_t key = 3; key < 6; key++)
                assert_int_equal(fdb_learn(&fdb, key, 0, 201), 0);
        assert_int_equal(fdb_find(&fdb, 1, 201), FDB_NONE);
        assert_int_equal(fdb_find(&fdb, 2, 201), 0);
        fdb_deinit(&fdb);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(learns_where_stations_are),
                cmocka_unit_test(station_that_moves_is_found_again),
                cmocka_unit_test(fixed_address_cannot_be_taken),
                cmocka_unit_test(frame_from_a_group_address_is_dropped),
                cmocka_unit_test(vlans_keep_ports_apart),
                cmocka_unit_test(tag_of_a_port_without_vlan_is_no_way_into_a_trunk),
                cmocka_unit_test(floods_are_limited_and_known_traffic_is_not),
                cmocka_unit_test(frames_wait_in_order_while_there_are_no_buffers),
                cmocka_unit_test(one_sender_cannot_fill_a_queue_for_others),
                cmocka_unit_test(queue_is_bounded_in_bytes),
                cmocka_unit_test(receiver_without_offloads_gets_finished_frames),
                cmocka_unit_test(frame_that_never_fits_is_dropped),
                cmocka_unit_test(uplink_is_one_more_port_and_may_be_full),
                cmocka_unit_test(table_is_bounded_by_port),
                cmocka_unit_test(entries_age_unless_refreshed),
        };

        return cmocka_run_group_tests_name("switch", tests, NULL, NULL);
}
