/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "device/console-pipe.h"
#include "device/test-console-guest.h"
#include "virtio/features.h"

#define MULTIPORT FEATURE(CONSOLE_FEATURE_MULTIPORT)
#define PACKED FEATURE(VIRTIO_FEATURE_RING_PACKED)

enum { IN0, OUT0, CONTROL_IN, CONTROL_OUT, IN1, OUT1 };

static int set_up_with(void **state, uint64_t features)
{
        struct console_guest *g = malloc(sizeof(*g));

        log_set_level(LOG_LEVEL_ERROR);
        assert_int_equal(console_guest_init(g, features | FEATURE(CONSOLE_FEATURE_SIZE)), 0);
        *state = g;
        return 0;
}

static int set_up(void **state) { return set_up_with(state, MULTIPORT); }
static int set_up_packed(void **state) { return set_up_with(state, MULTIPORT | PACKED); }
static int set_up_plain(void **state) { return set_up_with(state, 0); }

static int tear_down(void **state)
{
        test_guest_deinit(&((struct console_guest *) *state)->vm);
        free(*state);
        return 0;
}

static void control(struct console_guest *g, uint32_t id, uint16_t event, uint16_t value)
{
        struct console_control message = { htole32(id), htole16(event), htole16(value) };
        struct driver_buffer buffer = { GUEST_DATA, sizeof(message), false };
        uint32_t len;
        void *cookie;

        memcpy(g->vm.memory + GUEST_DATA, &message, sizeof(message));
        assert_int_equal(test_guest_send(&g->vm, CONTROL_OUT, &buffer, 1, NULL), 0);
        assert_int_equal(driver_queue_get(&g->vm.queues[CONTROL_OUT], &cookie, &len), 1);
}

static void give_buffer(struct console_guest *g, unsigned queue, gpa_t at, uint32_t n)
{
        struct driver_buffer buffer = { at, n, true };

        assert_int_equal(test_guest_send(&g->vm, queue, &buffer, 1, NULL), 0);
}

/* Gives a buffer and expects this message in it. */
static void expect_control(struct console_guest *g, uint32_t id, uint16_t event, uint16_t value, const char *more)
{
        struct console_control message;
        uint32_t len = 0;
        void *cookie;

        give_buffer(g, CONTROL_IN, GUEST_DATA + 0x1000, 128);
        assert_int_equal(driver_queue_get(&g->vm.queues[CONTROL_IN], &cookie, &len), 1);
        assert_int_equal(len, sizeof(message) + strlen(more));
        memcpy(&message, g->vm.memory + GUEST_DATA + 0x1000, sizeof(message));
        assert_int_equal(le32toh(message.id), id);
        assert_int_equal(le16toh(message.event), event);
        assert_int_equal(le16toh(message.value), value);
        assert_memory_equal(g->vm.memory + GUEST_DATA + 0x1000 + sizeof(message), more, strlen(more));
}

static void expect_nothing(struct console_guest *g, unsigned queue)
{
        uint32_t len;
        void *cookie;

        test_guest_settle(&g->vm);
        assert_int_equal(driver_queue_get(&g->vm.queues[queue], &cookie, &len), 0);
}

static void input(struct console_guest *g, size_t port, const char *text)
{
        struct spy *spy = g->spies[port];

        spy->input = text;
        spy->n_input = strlen(text);
        if (spy->wanted)
                spy->stream.owner.readable(spy->stream.owner.data);
        test_guest_settle(&g->vm);
}

static void ports_are_announced_named_and_opened(void **state)
{
        struct console_guest *g = *state;
        struct console_control message;
        uint16_t size[2];
        uint32_t len;
        void *cookie;

        control(g, UINT32_MAX, CONSOLE_DEVICE_READY, 1);
        expect_control(g, 0, CONSOLE_DEVICE_ADD, 0, "");
        expect_control(g, 1, CONSOLE_DEVICE_ADD, 0, "");
        control(g, 1, CONSOLE_PORT_READY, 1);
        expect_control(g, 1, CONSOLE_PORT_NAME, 0, "channel");
        expect_control(g, 1, CONSOLE_PORT_OPEN, 1, "");
        control(g, 0, CONSOLE_PORT_READY, 1);
        expect_control(g, 0, CONSOLE_CONSOLE_PORT, 1, "");
        expect_control(g, 0, CONSOLE_PORT_NAME, 0, "org.busbar.console");
        give_buffer(g, CONTROL_IN, GUEST_DATA + 0x1000, 12);
        assert_int_equal(driver_queue_get(&g->vm.queues[CONTROL_IN], &cookie, &len), 1);
        assert_int_equal(len, sizeof(message) + sizeof(size));
        memcpy(&message, g->vm.memory + GUEST_DATA + 0x1000, sizeof(message));
        memcpy(size, g->vm.memory + GUEST_DATA + 0x1000 + sizeof(message), sizeof(size));
        assert_int_equal(le16toh(message.event), CONSOLE_RESIZE);
        assert_int_equal(le16toh(size[0]), 80);
        assert_int_equal(le16toh(size[1]), 25);
        expect_control(g, 0, CONSOLE_PORT_OPEN, 1, "");
        give_buffer(g, CONTROL_IN, GUEST_DATA + 0x1000, 64);
        expect_nothing(g, CONTROL_IN);
}

static void read_all_control(struct console_guest *g)
{
        uint32_t len;
        void *cookie;

        for (int i = 0; i < 16; i++) {
                give_buffer(g, CONTROL_IN, GUEST_DATA + 0x1000, 64);
                (void) driver_queue_get(&g->vm.queues[CONTROL_IN], &cookie, &len);
        }
}

static void get_ready(struct console_guest *g)
{
        control(g, UINT32_MAX, CONSOLE_DEVICE_READY, 1);
        for (uint32_t i = 0; i < GUEST_PORTS; i++) {
                control(g, i, CONSOLE_PORT_READY, 1);
                control(g, i, CONSOLE_PORT_OPEN, 1);
        }
        read_all_control(g);
}

static void output_of_many_pieces_arrives_in_order(void **state)
{
        struct console_guest *g = *state;
        struct driver_buffer pieces[] = { { GUEST_DATA, 1, false }, { GUEST_DATA + 100, 5, false },
                                          { GUEST_DATA + 200, 2, false } };
        uint32_t len;
        void *cookie;

        memcpy(g->vm.memory + GUEST_DATA, "a", 1);
        memcpy(g->vm.memory + GUEST_DATA + 100, "bcdef", 5);
        memcpy(g->vm.memory + GUEST_DATA + 200, "gh", 2);
        assert_int_equal(test_guest_send(&g->vm, OUT1, pieces, 3, NULL), 0);
        assert_int_equal(driver_queue_get(&g->vm.queues[OUT1], &cookie, &len), 1);
        assert_int_equal(len, 0);
        assert_int_equal(g->spies[1]->n_output, 8);
        assert_memory_equal(g->spies[1]->output, "abcdefgh", 8);
        assert_int_equal(g->spies[0]->n_output, 0);
}

static void output_beyond_the_budget_is_written_in_several_rounds(void **state)
{
        struct console_guest *g = *state;
        struct driver_buffer pieces[] = { { GUEST_DATA, 3U << 20, false },
                                          { GUEST_DATA + (4U << 20), 5U << 20, false } };
        uint32_t len;
        void *cookie;

        for (size_t i = GUEST_DATA; i < GUEST_MEMORY_BYTES; i++)
                g->vm.memory[i] = (char) (i * 2654435761U >> 13);
        assert_int_equal(driver_queue_add(&g->vm.queues[OUT0], pieces, 2, NULL), 0);
        (void) driver_queue_kick(&g->vm.queues[OUT0]);
        assert_int_equal(loop_step(g->vm.loop, 0), 0);
        assert_true(g->spies[0]->n_output < 3U << 20);
        assert_int_equal(driver_queue_get(&g->vm.queues[OUT0], &cookie, &len), 0);
        for (int i = 0; i < 8; i++)
                test_guest_settle(&g->vm);
        assert_int_equal(driver_queue_get(&g->vm.queues[OUT0], &cookie, &len), 1);
        assert_int_equal(g->spies[0]->n_output, 8U << 20);
        assert_memory_equal(g->spies[0]->output, g->vm.memory + GUEST_DATA, 3U << 20);
        assert_memory_equal(g->spies[0]->output + (3U << 20), g->vm.memory + GUEST_DATA + (4U << 20), 5U << 20);
}

static void reset_amid_long_output_ends_it(void **state)
{
        struct console_guest *g = *state;
        struct driver_buffer piece = { GUEST_DATA, 8U << 20, false };
        size_t n;

        assert_int_equal(driver_queue_add(&g->vm.queues[OUT0], &piece, 1, NULL), 0);
        (void) driver_queue_kick(&g->vm.queues[OUT0]);
        assert_int_equal(loop_step(g->vm.loop, 0), 0);
        device_reset(g->vm.dev);
        n = g->spies[0]->n_output;
        test_guest_settle(&g->vm);
        assert_int_equal(g->spies[0]->n_output, n);
}

static void input_waits_for_the_port_to_open_and_for_buffers(void **state)
{
        struct console_guest *g = *state;
        uint32_t len;
        void *cookie;

        control(g, UINT32_MAX, CONSOLE_DEVICE_READY, 1);
        give_buffer(g, IN1, GUEST_DATA + 0x2000, 4);
        input(g, 1, "hello");
        assert_false(g->spies[1]->wanted);
        expect_nothing(g, IN1);
        control(g, 1, CONSOLE_PORT_READY, 1);
        control(g, 1, CONSOLE_PORT_OPEN, 1);
        assert_int_equal(driver_queue_get(&g->vm.queues[IN1], &cookie, &len), 1);
        assert_int_equal(len, 4);
        assert_memory_equal(g->vm.memory + GUEST_DATA + 0x2000, "hell", 4);
        assert_false(g->spies[1]->wanted);
        give_buffer(g, IN1, GUEST_DATA + 0x2000, 4);
        assert_int_equal(driver_queue_get(&g->vm.queues[IN1], &cookie, &len), 1);
        assert_int_equal(len, 1);
        give_buffer(g, IN1, GUEST_DATA + 0x2000, 4);
        assert_true(g->spies[1]->wanted);
        control(g, 1, CONSOLE_PORT_OPEN, 0);
        assert_false(g->spies[1]->wanted);
}

static void input_reaches_a_driver_that_was_there_before(void **state)
{
        struct console_guest *g = *state;
        uint32_t len;
        void *cookie;

        give_buffer(g, IN0, GUEST_DATA + 0x2000, 64);
        input(g, 0, "again");
        assert_int_equal(driver_queue_get(&g->vm.queues[IN0], &cookie, &len), 1);
        assert_int_equal(len, 5);
}

static void a_driver_without_multiport_has_one_port(void **state)
{
        struct console_guest *g = *state;
        struct driver_buffer piece = { GUEST_DATA, 8, false };
        uint32_t len;
        void *cookie;

        give_buffer(g, IN0, GUEST_DATA + 0x2000, 64);
        input(g, 0, "x");
        assert_int_equal(driver_queue_get(&g->vm.queues[IN0], &cookie, &len), 1);
        assert_int_equal(test_guest_send(&g->vm, OUT0, &piece, 1, NULL), 0);
        assert_int_equal(g->spies[0]->n_output, 8);
        assert_int_equal(test_guest_send(&g->vm, CONTROL_OUT, &piece, 1, NULL), 0);
        assert_int_equal(test_guest_send(&g->vm, OUT1, &piece, 1, NULL), 0);
        expect_nothing(g, CONTROL_OUT);
        assert_int_equal(g->spies[1]->n_output, 0);
}

static void a_new_size_is_told_in_both_ways(void **state)
{
        struct console_guest *g = *state;
        struct console_config config;
        uint32_t len;
        void *cookie;

        get_ready(g);
        console_resize(g->vm.dev, 0, 132, 43);
        test_guest_settle(&g->vm);
        assert_int_equal(driver_queue_get(&g->vm.queues[CONTROL_IN], &cookie, &len), 1);
        assert_int_equal(len, sizeof(struct console_control) + 4);
        assert_int_equal(g->vm.n_config_changed, 1);
        assert_int_equal(device_config_read(g->vm.dev, 0, &config, sizeof(config)), 0);
        assert_int_equal(le16toh(config.columns), 132);
        assert_int_equal(le16toh(config.rows), 43);
        assert_int_equal(le32toh(config.max_nr_ports), GUEST_PORTS);
        console_resize(g->vm.dev, 0, 132, 43);
        assert_int_equal(g->vm.n_config_changed, 1);
}

static void an_emergency_write_needs_no_driver(void **state)
{
        struct console_guest *g = *state;
        uint32_t word = htole32('!');

        device_reset(g->vm.dev);
        assert_int_equal(device_config_write(g->vm.dev, 8, &word, 4), 0);
        assert_int_equal(g->spies[0]->n_output, 1);
        assert_int_equal(g->spies[0]->output[0], '!');
        assert_int_equal(device_config_write(g->vm.dev, 0, &word, 4), -EINVAL);
        assert_int_equal(device_config_write(g->vm.dev, 9, &word, 4), -EINVAL);
}

/* bad-input 15: control queue garbage. */
static void short_or_writable_control_messages_break_their_queue_only(void **state)
{
        static const struct driver_buffer bad[][2] = {
                { { GUEST_DATA, 7, false } },
                { { GUEST_DATA, 8, false }, { GUEST_DATA + 64, 8, true } },
                { { GUEST_DATA, 8, true } },
        };
        struct driver_buffer piece = { GUEST_DATA, 3, false };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct console_guest g;

                assert_int_equal(console_guest_init(&g, MULTIPORT), 0);
                assert_int_equal(test_guest_send(&g.vm, CONTROL_OUT, bad[i], bad[i][1].len_bytes > 0 ? 2 : 1, NULL), 0);
                assert_int_equal(g.vm.n_needs_reset, 1);
                assert_int_equal(test_guest_send(&g.vm, OUT0, &piece, 1, NULL), 0);
                assert_int_equal(g.spies[0]->n_output, 3);
                test_guest_deinit(&g.vm);
        }
        (void) state;
}

static void unknown_ports_and_events_are_ignored(void **state)
{
        struct console_guest *g = *state;

        get_ready(g);
        for (uint32_t id = GUEST_PORTS; id < GUEST_PORTS + 40; id++)
                control(g, id, CONSOLE_PORT_OPEN, 1);
        control(g, UINT32_MAX, CONSOLE_PORT_READY, 1);
        control(g, INT32_MAX, CONSOLE_PORT_NAME, 1);
        for (uint16_t event = 8; event < 40; event++)
                control(g, 0, event, 1);
        control(g, 0, CONSOLE_DEVICE_REMOVE, 1);
        control(g, 0, CONSOLE_DEVICE_READY, 0);
        assert_int_equal(g->vm.n_needs_reset, 0);
        expect_nothing(g, CONTROL_IN);
}

static void a_port_is_never_added_twice(void **state)
{
        struct console_guest *g = *state;

        get_ready(g);
        for (int i = 0; i < 100; i++)
                control(g, 0, CONSOLE_DEVICE_READY, 1);
        expect_nothing(g, CONTROL_IN);
}

static void buffers_of_the_wrong_direction_break_their_queue_only(void **state)
{
        static const struct {
                unsigned queue;
                struct driver_buffer buffers[2];
                unsigned n;
        } bad[] = {
                { IN0, { { GUEST_DATA, 8, false } }, 1 },
                { IN0, { { GUEST_DATA, 8, false }, { GUEST_DATA, 8, true } }, 2 },
                { OUT0, { { GUEST_DATA, 8, true } }, 1 },
                { OUT1, { { GUEST_DATA, 8, false }, { GUEST_DATA, 8, true } }, 2 },
                { CONTROL_IN, { { GUEST_DATA, 8, false } }, 1 },
                { CONTROL_IN, { { GUEST_DATA, 7, true } }, 1 },
        };
        struct console_control ready = { 0, htole16(CONSOLE_DEVICE_READY), htole16(1) };
        struct driver_buffer message = { GUEST_DATA + 256, sizeof(ready), false };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct console_guest g;

                assert_int_equal(console_guest_init(&g, MULTIPORT), 0);
                memcpy(g.vm.memory + GUEST_DATA + 256, &ready, sizeof(ready));
                if (bad[i].queue == CONTROL_IN)
                        assert_int_equal(test_guest_send(&g.vm, CONTROL_OUT, &message, 1, NULL), 0);
                assert_int_equal(test_guest_send(&g.vm, bad[i].queue, bad[i].buffers, bad[i].n, NULL), 0);
                assert_int_equal(g.vm.n_needs_reset, 1);
                test_guest_deinit(&g.vm);
        }
        (void) state;
}

struct end {
        unsigned n;
        int reason;
};

static void on_closed(struct console_pipe *p, int reason, void *data)
{
        struct end *end = data;

        end->n++;
        end->reason = reason;
}

static void a_pipe_carries_a_plain_stream_and_its_last_words(void **state)
{
        struct console_guest *g = *state;
        struct console_pipe *pipe = NULL;
        struct end end = { 0 };
        char buf[16];
        int fds[2];

        device_reset(g->vm.dev);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        assert_int_equal(console_pipe_new(g->vm.loop, fds[0], dup(fds[0]), g->vm.dev, on_closed, &end, &pipe), 0);
        input(g, 0, "typed");
        assert_int_equal(read(fds[1], buf, sizeof(buf)), 5);
        assert_int_equal(write(fds[1], "last words", 10), 10);
        closep(&fds[1]);
        test_guest_settle(&g->vm);
        assert_int_equal(g->spies[0]->n_output, 10);
        assert_int_equal(end.n, 1);
        assert_int_equal(end.reason, 0);
        assert_null(console_pipe_free(pipe));
        assert_false(g->spies[0]->wanted);
}

static void two_fifos_carry_each_direction(void **state)
{
        struct console_guest *g = *state;
        struct console_pipe *pipe = NULL;
        struct end end = { 0 };
        int from_guest[2], to_guest[2];
        char buf[16];

        device_reset(g->vm.dev);
        assert_int_equal(pipe2(from_guest, O_CLOEXEC), 0);
        assert_int_equal(pipe2(to_guest, O_CLOEXEC), 0);
        assert_int_equal(console_pipe_new(g->vm.loop, from_guest[0], to_guest[1], g->vm.dev, on_closed, &end, &pipe),
                         0);
        input(g, 0, "typed");
        assert_int_equal(read(to_guest[0], buf, sizeof(buf)), 5);
        assert_int_equal(write(from_guest[1], "said", 4), 4);
        test_guest_settle(&g->vm);
        assert_int_equal(g->spies[0]->n_output, 4);
        assert_int_equal(end.n, 0);
        assert_null(console_pipe_free(pipe));
        closep(&from_guest[1]);
        closep(&to_guest[0]);
}

static void a_pipe_that_is_not_read_makes_input_wait(void **state)
{
        struct console_guest *g = *state;
        struct console_pipe *pipe = NULL;
        static char text[4 << 20];
        auto_cleanup(closep) int peer = -1;
        struct end end = { 0 };
        size_t total = 0;
        int fds[2];

        memset(text, 'x', sizeof(text) - 1);
        device_reset(g->vm.dev);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        peer = fds[1];
        assert_int_equal(console_pipe_new(g->vm.loop, fds[0], dup(fds[0]), g->vm.dev, on_closed, &end, &pipe), 0);
        input(g, 0, text);
        assert_false(g->spies[0]->wanted);
        assert_true(g->spies[0]->n_input > 0);
        while (total < sizeof(text) - 1) {
                char buf[65536];
                ssize_t n = read(peer, buf, sizeof(buf));

                assert_true(n > 0);
                total += (size_t) n;
                test_guest_settle(&g->vm);
        }
        assert_true(g->spies[0]->wanted);
        assert_null(console_pipe_free(pipe));
        assert_int_equal(end.n, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define CASE_PACKED(name) cmocka_unit_test_setup_teardown(name, set_up_packed, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(ports_are_announced_named_and_opened),
                CASE_PACKED(ports_are_announced_named_and_opened),
                CASE(output_of_many_pieces_arrives_in_order),
                CASE_PACKED(output_of_many_pieces_arrives_in_order),
                CASE(output_beyond_the_budget_is_written_in_several_rounds),
                CASE_PACKED(output_beyond_the_budget_is_written_in_several_rounds),
                CASE(reset_amid_long_output_ends_it),
                CASE(input_waits_for_the_port_to_open_and_for_buffers),
                CASE_PACKED(input_waits_for_the_port_to_open_and_for_buffers),
                CASE(input_reaches_a_driver_that_was_there_before),
                cmocka_unit_test_setup_teardown(a_driver_without_multiport_has_one_port, set_up_plain, tear_down),
                CASE(a_new_size_is_told_in_both_ways),
                CASE(an_emergency_write_needs_no_driver),
                CASE(short_or_writable_control_messages_break_their_queue_only),
                CASE(unknown_ports_and_events_are_ignored),
                CASE(a_port_is_never_added_twice),
                CASE(buffers_of_the_wrong_direction_break_their_queue_only),
                CASE(a_pipe_carries_a_plain_stream_and_its_last_words),
                CASE(two_fifos_carry_each_direction),
                CASE(a_pipe_that_is_not_read_makes_input_wait),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
