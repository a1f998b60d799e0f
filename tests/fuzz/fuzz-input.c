/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: what an input device's driver puts into its queues and asks of its configuration, while people do things,
 * the driver gives buffers or does not, and starts anew.
 *
 * The input is a list of steps of 8 bytes: what, and its arguments; its start chooses the kind of device, the features
 * and the size of the queues. The rings are well-formed: they have a fuzzer of their own. What a driver hears must be
 * whole reports of what the device offers, and in the end, with buffers enough, nothing is held that people do not
 * hold.
 */
#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "device/input-private.h"
#include "device/test-input-guest.h"
#include "virtio/features.h"

#define STEPS_MAX 64

/* Checked in release builds too. */
#define expect(condition)         \
        do {                      \
                if (!(condition)) \
                        abort();  \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
        struct input_guest g;
        struct input_options options;
        struct sink *sink;
        struct input_state told; /* by what the driver heard */
        struct input_state done; /* by what people did */
        int slots[SINK_FINGERS_MAX];
        size_t n_slots;
        bool broke; /* the driver broke the rules since it began */
};

static void commit(struct run *run)
{
        for (size_t i = 0; i < run->sink->n_events; i++)
                if (input_offers(&run->options, run->sink->events[i].type, run->sink->events[i].code))
                        input_state_apply(&run->done, &run->sink->events[i]);
        sink_commit(run->sink);
}

/* Return: events heard. */
static size_t listen(struct run *run)
{
        struct virtio_input_event e;
        size_t n = 0;

        while (input_guest_take(&run->g, &e)) {
                const struct sink_event event = { le16toh(e.type), le16toh(e.code), (int32_t) le32toh(e.value) };

                n++;
                if (event.type == EV_SYN)
                        continue;
                expect(input_offers(&run->options, event.type, event.code));
                input_state_apply(&run->told, &event);
        }
        return n;
}

static void touch(struct run *run, const uint8_t step[8])
{
        uint32_t x = step[3] * 7U % run->options.width, y = step[4] * 5U % run->options.height;
        size_t i = run->n_slots > 0 ? step[2] % run->n_slots : 0;

        if (step[1] % 3 == 0 && run->n_slots < SINK_FINGERS_MAX) {
                run->slots[run->n_slots++] = sink_touch_down(run->sink, x, y);
                expect(run->slots[run->n_slots - 1] >= 0);
        } else if (step[1] % 3 == 1 && run->n_slots > 0)
                sink_touch_move(run->sink, run->slots[i], x, y);
        else if (run->n_slots > 0) {
                sink_touch_up(run->sink, run->slots[i]);
                run->slots[i] = run->slots[--run->n_slots];
        }
        commit(run);
}

static void act(struct run *run, const uint8_t step[8])
{
        for (unsigned i = 0; i < 1U + step[7] % 128; i++) {
                switch (run->options.kind) {
                case SINK_TOUCH:
                        touch(run, step);
                        break;
                case SINK_KEYBOARD:
                        sink_key(run->sink, (uint16_t) ((step[2] | step[3] << 8) % KEY_CNT), (step[1] ^ i) & 1);
                        break;
                case SINK_POINTER:
                        sink_position(run->sink, step[2], step[3]);
                        sink_key(run->sink, (uint16_t) (BTN_LEFT + step[4] % 8), (step[1] ^ i) & 1);
                        sink_turn(run->sink, step[5] & 1 ? REL_WHEEL : REL_HWHEEL, (int8_t) step[6]);
                        break;
                default:
                        sink_turn(run->sink, REL_DIAL, (int8_t) step[2]);
                        break;
                }
                commit(run);
        }
}

/* Any request in any queue. */
static void send(struct run *run, const uint8_t step[8])
{
        (void) test_guest_send_any(&run->g.vm, step, GUEST_DATA + 0x10000, 512);
        run->broke |= step[1] % GUEST_QUEUES == INPUT_QUEUE_EVENTS;
}

static void take_used(struct run *run)
{
        uint32_t len;
        void *cookie;

        while (driver_queue_get(&run->g.vm.queues[INPUT_QUEUE_STATUS], &cookie, &len) > 0)
                ;
}

static void ask(struct run *run, const uint8_t step[8])
{
        uint8_t config[256];

        (void) device_config_write(run->g.vm.dev, step[1], step + 2, step[5] % 6);
        memcpy(config, step, 8);
        (void) device_config_read(run->g.vm.dev, step[6], config, step[7]);
}

static void restart(struct run *run, bool anew)
{
        if (!run->broke)
                (void) listen(run);
        test_guest_pause(&run->g.vm);
        if (anew) {
                input_state_clear(&run->told);
                run->broke = false;
        }
        expect(test_guest_resume(&run->g.vm, anew) == 0);
}

static void play(struct run *run, const uint8_t step[8])
{
        switch (step[0] % 8) {
        case 0:
        case 1:
        case 2:
                act(run, step);
                break;
        case 3:
                (void) input_guest_give(&run->g, step[1]);
                break;
        case 4:
                if (!run->broke)
                        (void) listen(run);
                take_used(run);
                break;
        case 5:
                send(run, step);
                break;
        case 6:
                ask(run, step);
                break;
        case 7:
                restart(run, run->broke || step[1] & 1);
                break;
        }
}

/* The driver behaves from now on: what it hears must lead it to the present. */
static void end(struct run *run)
{
        if (run->broke)
                restart(run, true);
        do
                (void) input_guest_give(&run->g, run->g.vm.queue_size);
        while (listen(run) > 0);
        expect(memcmp(run->told.keys, run->done.keys, sizeof(run->told.keys)) == 0);
        for (size_t i = 0; i < INPUT_SLOTS; i++) {
                expect(run->told.slots[i].tracking == run->done.slots[i].tracking);
                expect(run->done.slots[i].tracking < 0 || (run->told.slots[i].x == run->done.slots[i].x &&
                                                           run->told.slots[i].y == run->done.slots[i].y));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const uint16_t sizes[] = { 4, 8, 64, 256 };
        struct run *run;
        uint64_t features;

        log_set_level(LOG_LEVEL_ERROR);
        if (size < 8)
                return 0;
        features = test_guest_ring_features(data[0]);
        run = calloc(1, sizeof(*run));
        expect(run);
        run->options = (struct input_options){ .kind = (enum sink_kind)(data[1] % SINK_KINDS),
                                               .width = 1U + data[2] * 8U,
                                               .height = 1U + data[3] * 8U };
        expect(input_guest_init(&run->g, &run->options, features, sizes[data[4] % ARRAY_SIZE(sizes)]) == 0);
        run->sink = input_sink(run->g.vm.dev);
        input_state_clear(&run->told);
        input_state_clear(&run->done);
        memcpy(run->g.vm.memory + GUEST_DATA + 0x10000, data, MIN(size, 16384U));
        for (size_t i = 8; i + 8 <= size && i < 8 * STEPS_MAX; i += 8)
                play(run, data + i);
        end(run);
        test_guest_deinit(&run->g.vm);
        free(run);
        return 0;
}
