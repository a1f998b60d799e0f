/* SPDX-License-Identifier: MPL-2.0 */
/* The input device alone: a sink that a test fills, and a guest that gives buffers or does not. Spec: VIRTIO 1.4,
   5.8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <endian.h>
#include <linux/input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/macros.h"
#include "device/input-private.h"
#include "device/test-input-guest.h"
#include "virtio/features.h"

#define QUEUE_SIZE 64

static struct input_guest g;
static struct sink *sink;
static char heard[65536]; /* what the guest got: "type:code=value ..." and "|" for SYN_REPORT */

static void begin(enum sink_kind kind, uint64_t features, uint16_t queue_size)
{
        const struct input_options options = { .kind = kind, .width = 800, .height = 600 };

        log_set_level(LOG_LEVEL_ERROR);
        assert_int_equal(input_guest_init(&g, &options, features, queue_size), 0);
        sink = input_sink(g.vm.dev);
}

static int open_touch(void **state)
{
        begin(SINK_TOUCH, 0, QUEUE_SIZE);
        return 0;
}

static int open_small(void **state)
{
        begin(SINK_TOUCH, 0, 4);
        return 0;
}

static int open_packed(void **state)
{
        begin(SINK_TOUCH, FEATURE(VIRTIO_FEATURE_RING_PACKED) | FEATURE(VIRTIO_FEATURE_IN_ORDER), QUEUE_SIZE);
        return 0;
}

static int open_keyboard(void **state)
{
        begin(SINK_KEYBOARD, FEATURE(VIRTIO_FEATURE_EVENT_IDX), QUEUE_SIZE);
        return 0;
}

static int open_pointer(void **state)
{
        begin(SINK_POINTER, 0, QUEUE_SIZE);
        return 0;
}

static int open_rotary(void **state)
{
        begin(SINK_ROTARY, 0, QUEUE_SIZE);
        return 0;
}

static int close_guest(void **state)
{
        test_guest_deinit(&g.vm);
        return 0;
}

/* All that the guest got since the last time. */
static const char *listen(void)
{
        struct virtio_input_event e;
        size_t at = 0;

        *heard = 0;
        while (input_guest_take(&g, &e)) {
                if (le16toh(e.type) == EV_SYN)
                        at += (size_t) snprintf(heard + at, sizeof(heard) - at, "|");
                else
                        at += (size_t) snprintf(heard + at, sizeof(heard) - at, "%u:%u=%d ", le16toh(e.type),
                                                le16toh(e.code), (int32_t) le32toh(e.value));
        }
        return heard;
}

static void key(uint16_t code, bool down)
{
        sink_key(sink, code, down);
        sink_commit(sink);
}

static int finger_down(uint32_t x, uint32_t y)
{
        int slot = sink_touch_down(sink, x, y);

        sink_commit(sink);
        return slot;
}

static void finger_move(int slot, uint32_t x, uint32_t y)
{
        sink_touch_move(sink, slot, x, y);
        sink_commit(sink);
}

static void finger_up(int slot)
{
        sink_touch_up(sink, slot);
        sink_commit(sink);
}

/* ---- configuration ---- */

static struct virtio_input_config ask(uint8_t select, uint8_t subsel)
{
        const uint8_t words[2] = { select, subsel };
        struct virtio_input_config c;

        assert_int_equal(device_config_write(g.vm.dev, 0, &words[0], 1), 0);
        assert_int_equal(device_config_write(g.vm.dev, 1, &words[1], 1), 0);
        assert_int_equal(device_config_read(g.vm.dev, 0, &c, sizeof(c)), 0);
        assert_int_equal(c.select, select);
        assert_int_equal(c.subsel, subsel);
        return c;
}

static bool says(uint8_t type, uint16_t code)
{
        struct virtio_input_config c = ask(VIRTIO_INPUT_CFG_EV_BITS, type);

        return code / 8 < c.size && (c.u.bitmap[code / 8] >> (code % 8) & 1);
}

static void touch_screen_says_what_it_is(void **state)
{
        struct virtio_input_config c = ask(VIRTIO_INPUT_CFG_ID_NAME, 0);

        assert_int_equal(c.size, strlen("Busbar touch screen"));
        assert_memory_equal(c.u.string, "Busbar touch screen", c.size);
        c = ask(VIRTIO_INPUT_CFG_ID_SERIAL, 0);
        assert_memory_equal(c.u.string, "test", 5);
        assert_int_equal(c.size, 4);
        c = ask(VIRTIO_INPUT_CFG_ID_DEVIDS, 0);
        assert_int_equal(c.size, 8);
        assert_int_equal(le16toh(c.u.ids.bustype), BUS_VIRTUAL);
        c = ask(VIRTIO_INPUT_CFG_PROP_BITS, 0);
        assert_int_equal(c.size, 1);
        assert_int_equal(c.u.bitmap[0], 1 << INPUT_PROP_DIRECT);
        assert_true(says(EV_KEY, BTN_TOUCH));
        assert_false(says(EV_KEY, KEY_A));
        assert_true(says(EV_ABS, ABS_MT_TRACKING_ID));
        assert_int_equal(ask(VIRTIO_INPUT_CFG_EV_BITS, EV_REL).size, 0);
        c = ask(VIRTIO_INPUT_CFG_ABS_INFO, ABS_MT_POSITION_Y);
        assert_int_equal(c.size, sizeof(c.u.abs));
        assert_int_equal(le32toh(c.u.abs.max), 599);
        assert_int_equal(le32toh(ask(VIRTIO_INPUT_CFG_ABS_INFO, ABS_X).u.abs.max), 799);
        assert_int_equal(le32toh(ask(VIRTIO_INPUT_CFG_ABS_INFO, ABS_MT_SLOT).u.abs.max), 9);
}

static void keyboard_says_what_it_is(void **state)
{
        assert_true(says(EV_KEY, KEY_ESC));
        assert_true(says(EV_KEY, KEY_MENU));
        assert_true(says(EV_KEY, KEY_OK));
        assert_false(says(EV_KEY, BTN_LEFT));
        assert_false(says(EV_KEY, BTN_DPAD_UP));
        assert_false(says(EV_KEY, BTN_TRIGGER_HAPPY));
        assert_true(says(EV_LED, LED_CAPSL));
        assert_true(ask(VIRTIO_INPUT_CFG_EV_BITS, EV_REP).size > 0);
        assert_int_equal(ask(VIRTIO_INPUT_CFG_EV_BITS, EV_ABS).size, 0);
        assert_int_equal(ask(VIRTIO_INPUT_CFG_PROP_BITS, 0).size, 0);
}

static void pointer_and_knob_say_what_they_are(void **state)
{
        assert_true(says(EV_KEY, BTN_LEFT));
        assert_true(says(EV_ABS, ABS_Y));
        assert_false(says(EV_ABS, ABS_MT_SLOT));
        assert_true(says(EV_REL, REL_WHEEL));
        close_guest(state);
        open_rotary(state);
        assert_true(says(EV_REL, REL_DIAL));
        assert_int_equal(ask(VIRTIO_INPUT_CFG_EV_BITS, EV_KEY).size, 0);
        assert_int_equal(ask(VIRTIO_INPUT_CFG_EV_BITS, EV_ABS).size, 0);
}

/* Every select and subsel: what there is not has size 0 and nothing in it. */
static void selectors_out_of_range_have_nothing(void **state)
{
        for (unsigned select = 0; select < 256; select++) {
                for (unsigned subsel = 0; subsel < 256; subsel++) {
                        struct virtio_input_config c = ask((uint8_t) select, (uint8_t) subsel);

                        assert_true(c.size <= sizeof(c.u));
                        for (size_t i = c.size; i < sizeof(c.u); i++)
                                assert_int_equal(c.u.bitmap[i], 0);
                        if (select > VIRTIO_INPUT_CFG_ABS_INFO ||
                            (select > VIRTIO_INPUT_CFG_EV_BITS && subsel > ABS_MAX))
                                assert_int_equal(c.size, 0);
                }
        }
}

static void only_the_selectors_can_be_written(void **state)
{
        struct virtio_input_config c = ask(VIRTIO_INPUT_CFG_ID_NAME, 0);
        uint8_t byte = 1;

        /* All of it at once, as QEMU's front end does it. */
        memset(&c, 0xff, sizeof(c));
        c.select = VIRTIO_INPUT_CFG_ID_SERIAL;
        c.subsel = 0;
        assert_int_equal(device_config_write(g.vm.dev, 0, &c, sizeof(c)), 0);
        assert_int_equal(device_config_read(g.vm.dev, 0, &c, sizeof(c)), 0);
        assert_memory_equal(c.u.string, "test", 5);
        assert_int_equal(device_config_write(g.vm.dev, 2, &byte, 1), -EINVAL);
        assert_int_equal(device_config_write(g.vm.dev, sizeof(c) - 1, &byte, 1), -EINVAL);
        assert_int_equal(device_config_write(g.vm.dev, sizeof(c), &byte, 1), -EINVAL);
        assert_int_equal(device_config_write(g.vm.dev, 0, &c, sizeof(c) + 1), -EINVAL);
}

/* ---- delivery ---- */

static void report_is_delivered_with_its_end(void **state)
{
        int slot;

        assert_int_equal(input_guest_give(&g, 32), 32);
        slot = finger_down(10, 20);
        assert_string_equal(listen(), "3:47=0 3:57=0 3:53=10 3:54=20 1:330=1 3:0=10 3:1=20 |");
        finger_move(slot, 11, 21);
        finger_up(slot);
        assert_string_equal(listen(), "3:47=0 3:53=11 3:54=21 3:0=11 3:1=21 |3:47=0 3:57=-1 1:330=0 |");
}

static void report_waits_until_there_are_buffers_for_all_of_it(void **state)
{
        (void) finger_down(10, 20);
        (void) input_guest_give(&g, 7);
        assert_string_equal(listen(), "");
        (void) input_guest_give(&g, 1);
        assert_string_equal(listen(), "3:47=0 3:57=0 3:53=10 3:54=20 1:330=1 3:0=10 3:1=20 |");
        assert_int_equal(g.vm.n_needs_reset, 0);
}

static void report_larger_than_the_queue_goes_out_in_pieces(void **state)
{
        (void) finger_down(10, 20);
        assert_int_equal(input_guest_give(&g, 4), 4);
        assert_string_equal(listen(), "3:47=0 3:57=0 3:53=10 3:54=20 ");
        finger_up(0);
        (void) input_guest_give(&g, 4);
        assert_string_equal(listen(), "1:330=1 3:0=10 3:1=20 |");
        (void) input_guest_give(&g, 4);
        assert_string_equal(listen(), "3:47=0 3:57=-1 1:330=0 |");
}

static void events_that_the_device_does_not_offer_are_left_out(void **state)
{
        (void) input_guest_give(&g, 32);
        key(BTN_LEFT, true);
        key(BTN_DPAD_UP, true);
        sink_key(sink, KEY_A, true);
        sink_key(sink, BTN_LEFT, false);
        sink_commit(sink);
        assert_string_equal(listen(), "1:30=1 |");
}

static void more_than_a_wake_ups_worth_arrives(void **state)
{
        unsigned n_ends = 0;

        for (int i = 0; i < 200; i++) {
                (void) input_guest_give(&g, 16);
                key(KEY_A, i % 2 == 0);
                test_guest_settle(&g.vm);
                (void) listen();
                for (const char *p = heard; *p; p++)
                        n_ends += *p == '|';
        }
        assert_int_equal(n_ends, 200);
}

/* ---- a guest that falls behind ---- */

static void motion_is_coalesced_when_much_waits(void **state)
{
        const char *end = "3:47=0 3:53=799 3:54=300 3:0=799 3:1=300 |";
        int slot = finger_down(0, 0);
        size_t n = 0;

        for (uint32_t i = 0; i < 4000; i++)
                finger_move(slot, i % 800, 300);
        for (int i = 0; i < 100; i++) {
                (void) input_guest_give(&g, 60);
                n += strlen(listen()) > 0;
                if (strstr(heard, end))
                        break;
        }
        assert_in_range(n, 2, 20);
        assert_true(strlen(heard) >= strlen(end));
        assert_string_equal(heard + strlen(heard) - strlen(end), end);
        finger_up(slot);
        (void) input_guest_give(&g, 60);
        assert_string_equal(listen(), "3:47=0 3:57=-1 1:330=0 |");
}

static void coalesced_clicks_add_up(void **state)
{
        int sum = 0;

        for (int i = 0; i < 1000; i++) {
                sink_turn(sink, REL_DIAL, 1);
                sink_commit(sink);
        }
        for (int i = 0; i < 20; i++) {
                struct virtio_input_event e;

                (void) input_guest_give(&g, 60);
                while (input_guest_take(&g, &e))
                        sum += e.type == EV_REL ? (int) e.value : 0;
        }
        assert_int_equal(sum, 1000);
}

static void nothing_sticks_after_an_overflow(void **state)
{
        key(KEY_A, true);
        (void) input_guest_give(&g, 2);
        assert_string_equal(listen(), "1:30=1 |");
        for (int i = 0; i < 600; i++) {
                key(KEY_B, true);
                key(KEY_B, false);
        }
        key(KEY_A, false);
        key(KEY_C, true);
        for (int i = 0; i < 60; i++)
                (void) input_guest_give(&g, 64);
        assert_string_equal(listen(), "1:30=0 |1:46=1 |");
        key(KEY_C, false);
        assert_string_equal(listen(), "1:46=0 |");
}

static void fingers_are_lifted_after_an_overflow(void **state)
{
        int first = finger_down(1, 2), second;

        (void) input_guest_give(&g, 8);
        (void) listen();
        second = finger_down(3, 4);
        for (int i = 0; i < 200; i++) {
                finger_up(second);
                second = finger_down(5, 6);
        }
        finger_up(first);
        (void) input_guest_give(&g, 64);
        /* The first is gone; the second comes, and is what single-touch readers follow now. */
        assert_string_equal(listen(), "3:47=0 3:57=-1 |3:47=1 3:57=201 3:53=5 3:54=6 3:0=5 3:1=6 |");
        finger_up(second);
        assert_string_equal(listen(), "3:47=1 3:57=-1 1:330=0 |");
}

static void torn_report_is_finished_before_the_difference(void **state)
{
        (void) finger_down(10, 20);
        (void) input_guest_give(&g, 4);
        assert_string_equal(listen(), "3:47=0 3:57=0 3:53=10 3:54=20 ");
        for (int i = 0; i < 400; i++) {
                finger_up(0);
                (void) finger_down(30, 40);
        }
        finger_up(0);
        (void) input_guest_give(&g, 4);
        assert_string_equal(listen(), "1:330=1 3:0=10 3:1=20 |");
        (void) input_guest_give(&g, 4);
        assert_string_equal(listen(), "3:47=0 3:57=-1 1:330=0 |");
}

/* ---- drivers come and go ---- */

static unsigned count(const char *needle)
{
        unsigned n = 0;

        for (const char *p = heard; (p = strstr(p, needle)); p++)
                n++;
        return n;
}

static void new_driver_is_told_what_is_held(void **state)
{
        (void) input_guest_give(&g, 64);
        (void) finger_down(10, 20);
        (void) listen();
        test_guest_pause(&g.vm);
        finger_move(0, 12, 22);
        assert_int_equal(test_guest_resume(&g.vm, true), 0);
        (void) input_guest_give(&g, 64);
        assert_string_equal(listen(), "3:47=0 3:57=0 3:53=12 3:54=22 3:0=12 3:1=22 1:330=1 |");
        finger_up(0);
        assert_string_equal(listen(), "3:47=0 3:57=-1 1:330=0 |");
}

/* A packed ring that went round twice cannot be told from a new one. */
static void ambiguous_ring_is_let_go_of_first(void **state)
{
        for (int i = 0; i < 11; i++) { /* 11 times 8 events and 10 times 4: 128 */
                (void) input_guest_give(&g, 64);
                (void) finger_down(10, 20);
                if (i < 10)
                        finger_up(0);
                (void) listen();
        }
        test_guest_pause(&g.vm);
        assert_int_equal(test_guest_resume(&g.vm, true), 0);
        (void) input_guest_give(&g, 64);
        (void) listen();
        assert_int_equal(count(":57=-1 "), SINK_FINGERS_MAX);
        assert_non_null(strstr(heard, "|3:47=0 3:57=10 3:53=10 3:54=20 3:0=10 3:1=20 1:330=1 |"));
        finger_up(0);
        assert_string_equal(listen(), "3:47=0 3:57=-1 1:330=0 |");
}

static void new_driver_hears_nothing_of_what_was_let_go_meanwhile(void **state)
{
        (void) input_guest_give(&g, 64);
        key(KEY_A, true);
        (void) listen();
        test_guest_pause(&g.vm);
        key(KEY_A, false);
        key(KEY_B, true);
        key(KEY_B, false);
        assert_int_equal(test_guest_resume(&g.vm, true), 0);
        (void) input_guest_give(&g, 64);
        assert_string_equal(listen(), "");
}

/* As a monitor that pauses its machine. */
static void stopped_ring_goes_on_with_what_changed(void **state)
{
        for (int i = 0; i < 3; i++)
                (void) input_guest_give(&g, 16);
        (void) finger_down(10, 20);
        (void) listen();
        test_guest_pause(&g.vm);
        finger_up(0);
        assert_int_equal(test_guest_resume(&g.vm, false), 0);
        (void) input_guest_give(&g, 16);
        assert_string_equal(listen(), "3:47=0 3:57=-1 1:330=0 |");
}

/* By another device, that of a server which was started again, say. */
static void be_replaced(const struct input_options *options)
{
        struct device *dev;

        assert_int_equal(input_new(g.vm.loop, "test", options, &dev), 0);
        dev->transport = g.vm.dev->transport;
        dev->transport_data = g.vm.dev->transport_data;
        device_free(g.vm.dev);
        g.vm.dev = dev;
        sink = input_sink(dev);
        assert_int_equal(device_start(dev, g.vm.features), 0);
}

/* The driver is the same: it may hold anything. */
static void ring_of_a_predecessor_is_let_go_of(void **state)
{
        const struct input_options options = { .kind = SINK_TOUCH, .width = 800, .height = 600 };

        (void) input_guest_give(&g, 64);
        (void) finger_down(10, 20);
        (void) listen();
        test_guest_pause(&g.vm);
        be_replaced(&options);
        assert_int_equal(test_guest_resume(&g.vm, false), 0);
        (void) listen();
        assert_int_equal(count(":57=-1 "), SINK_FINGERS_MAX);
        assert_int_equal(count("1:330=0 |"), 1);
        assert_int_equal(count("|"), 1);
        (void) finger_down(1, 2);
        assert_string_equal(listen(), "3:47=0 3:57=0 3:53=1 3:54=2 1:330=1 3:0=1 3:1=2 |");
}

static void keyboard_of_a_predecessor_is_let_go_of_even_after_an_overflow(void **state)
{
        const struct input_options options = { .kind = SINK_KEYBOARD };
        unsigned n_up = 0, n_down = 0;

        (void) input_guest_give(&g, 2);
        key(KEY_A, true);
        (void) listen();
        test_guest_pause(&g.vm);
        be_replaced(&options);
        assert_int_equal(test_guest_resume(&g.vm, false), 0);
        (void) input_guest_give(&g, 2);
        for (int i = 0; i < 1000; i++)
                key(KEY_B, i % 2 == 0);
        for (int i = 0; i < 80; i++) {
                (void) input_guest_give(&g, 64);
                (void) listen();
                n_up += count("=0 ");
                n_down += count("=1 ");
        }
        /* All once, and the key that went down as often again. */
        assert_in_range(n_up - n_down, 400, KEY_CNT);
}

/* More than anybody has fingers, but senders can say so. */
static void all_keys_held_are_let_go_and_pressed_again(void **state)
{
        const struct input_options options = { .kind = SINK_KEYBOARD };
        unsigned n_up = 0, n_down = 0;

        (void) input_guest_give(&g, 2);
        key(KEY_A, true);
        (void) listen();
        test_guest_pause(&g.vm);
        be_replaced(&options);
        for (uint16_t code = 1; code < KEY_CNT; code++)
                key(code, true);
        assert_int_equal(test_guest_resume(&g.vm, false), 0);
        for (int i = 0; i < 60; i++) {
                (void) input_guest_give(&g, 64);
                (void) listen();
                n_up += count("=0 ");
                n_down += count("=1 ");
        }
        assert_in_range(n_up, 400, KEY_CNT);
        assert_int_equal(n_up, n_down);
}

/* ---- what the guest says ---- */

static int status(uint16_t type, uint16_t code, uint32_t value, uint32_t n_bytes, bool device_writes)
{
        struct virtio_input_event e = { htole16(type), htole16(code), htole32(value) };
        struct driver_buffer buffer = { GUEST_DATA + 0x10000, n_bytes, device_writes };
        void *cookie;
        uint32_t len;

        memcpy(g.vm.memory + buffer.address, &e, sizeof(e));
        assert_int_equal(test_guest_send(&g.vm, 1, &buffer, 1, NULL), 0);
        return driver_queue_get(&g.vm.queues[1], &cookie, &len);
}

static void lamps_are_taken(void **state)
{
        assert_int_equal(status(EV_LED, LED_CAPSL, 1, 8, false), 1);
        assert_int_equal(status(EV_LED, LED_CAPSL, 0, 8, false), 1);
        assert_int_equal(status(EV_LED, 4000, UINT32_MAX, 8, false), 1);
        assert_int_equal(g.vm.n_needs_reset, 0);
}

static void force_feedback_and_garbage_are_completed_and_do_nothing(void **state)
{
        assert_int_equal(status(EV_FF, FF_RUMBLE, 1, 8, false), 1);
        assert_int_equal(status(0xffff, 0xffff, UINT32_MAX, 8, false), 1);
        assert_int_equal(status(EV_SND, SND_BELL, 1, 4096, false), 1);
        assert_int_equal(g.vm.n_needs_reset, 0);
}

static void short_status_breaks_its_queue(void **state)
{
        assert_int_equal(status(EV_LED, LED_CAPSL, 1, 7, false), 0);
        assert_int_equal(g.vm.n_needs_reset, 1);
        assert_true(g.vm.dev->queues[1].broken);
        (void) input_guest_give(&g, 8);
        key(KEY_A, true);
        assert_string_equal(listen(), "1:30=1 |");
}

static void writable_status_breaks_its_queue(void **state)
{
        assert_int_equal(status(EV_LED, LED_CAPSL, 1, 8, true), 0);
        assert_true(g.vm.dev->queues[1].broken);
}

static void expect_broken(uint32_t n_bytes, bool device_writes)
{
        struct driver_buffer buffer = { GUEST_DATA, n_bytes, device_writes };

        assert_int_equal(test_guest_send(&g.vm, 0, &buffer, 1, NULL), 0);
        key(BTN_TOUCH, true);
        assert_true(g.vm.dev->queues[0].broken);
        assert_string_equal(listen(), "");
        key(BTN_TOUCH, false);
        /* Reset revives it, and it knows what is held. */
        (void) finger_down(1, 1);
        test_guest_pause(&g.vm);
        assert_int_equal(test_guest_resume(&g.vm, true), 0);
        (void) input_guest_give(&g, 32);
        assert_string_equal(listen(), "3:47=0 3:57=0 3:53=1 3:54=1 3:0=1 3:1=1 1:330=1 |");
}

static void short_event_buffer_breaks_the_queue(void **state) { expect_broken(7, true); }
static void readable_event_buffer_breaks_the_queue(void **state) { expect_broken(8, false); }

static void event_buffer_may_be_in_pieces(void **state)
{
        struct driver_buffer pieces[8];
        uint8_t *bytes = (uint8_t *) g.vm.memory + GUEST_DATA;

        for (int k = 0; k < 8; k++) {
                for (uint32_t i = 0; i < ARRAY_SIZE(pieces); i++)
                        pieces[i] = (struct driver_buffer) { GUEST_DATA + 0x100 * (uint32_t) k + 2 * i, 1, true };
                assert_int_equal(test_guest_send(&g.vm, 0, pieces, ARRAY_SIZE(pieces), NULL), 0);
        }
        (void) finger_down(0x102, 20);
        assert_int_equal(bytes[0], EV_ABS);
        assert_int_equal(bytes[4], ABS_MT_SLOT);
        assert_int_equal(bytes[0x200 + 4], ABS_MT_POSITION_X);
        assert_int_equal(bytes[0x200 + 8], 2);
        assert_int_equal(bytes[0x200 + 10], 1);
}

#define CASE(name, open) cmocka_unit_test_setup_teardown(name, open, close_guest)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(touch_screen_says_what_it_is, open_touch),
                CASE(keyboard_says_what_it_is, open_keyboard),
                CASE(pointer_and_knob_say_what_they_are, open_pointer),
                CASE(selectors_out_of_range_have_nothing, open_touch),
                CASE(selectors_out_of_range_have_nothing, open_keyboard),
                CASE(only_the_selectors_can_be_written, open_touch),
                CASE(report_is_delivered_with_its_end, open_touch),
                CASE(report_is_delivered_with_its_end, open_packed),
                CASE(report_waits_until_there_are_buffers_for_all_of_it, open_touch),
                CASE(report_waits_until_there_are_buffers_for_all_of_it, open_packed),
                CASE(report_larger_than_the_queue_goes_out_in_pieces, open_small),
                CASE(events_that_the_device_does_not_offer_are_left_out, open_keyboard),
                CASE(more_than_a_wake_ups_worth_arrives, open_keyboard),
                CASE(motion_is_coalesced_when_much_waits, open_touch),
                CASE(coalesced_clicks_add_up, open_rotary),
                CASE(nothing_sticks_after_an_overflow, open_keyboard),
                CASE(fingers_are_lifted_after_an_overflow, open_touch),
                CASE(torn_report_is_finished_before_the_difference, open_small),
                CASE(new_driver_is_told_what_is_held, open_touch),
                CASE(new_driver_is_told_what_is_held, open_packed),
                CASE(ambiguous_ring_is_let_go_of_first, open_packed),
                CASE(new_driver_hears_nothing_of_what_was_let_go_meanwhile, open_keyboard),
                CASE(stopped_ring_goes_on_with_what_changed, open_touch),
                CASE(ring_of_a_predecessor_is_let_go_of, open_touch),
                CASE(keyboard_of_a_predecessor_is_let_go_of_even_after_an_overflow, open_keyboard),
                CASE(all_keys_held_are_let_go_and_pressed_again, open_keyboard),
                CASE(lamps_are_taken, open_keyboard),
                CASE(force_feedback_and_garbage_are_completed_and_do_nothing, open_keyboard),
                CASE(short_status_breaks_its_queue, open_keyboard),
                CASE(writable_status_breaks_its_queue, open_keyboard),
                CASE(short_event_buffer_breaks_the_queue, open_touch),
                CASE(readable_event_buffer_breaks_the_queue, open_touch),
                CASE(event_buffer_may_be_in_pieces, open_touch),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
