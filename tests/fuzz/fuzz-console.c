/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: what a console's driver puts into its queues, also in-flight buffers and a device that is reset amid them.
 *
 * The input is a list of steps of 8 bytes: what, queue, lengths, offset; its start chooses the features. Guest memory
 * is filled with the input, so that control messages and chains come from it too. The rings are well-formed: they have
 * a fuzzer of their own.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "device/test-console-guest.h"
#include "virtio/features.h"

#define STEPS_MAX 64

/* Checked in release builds too. */
#define expect(condition)        \
        do {                     \
                if (!(condition)) \
                        abort(); \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char typed[4096];

static void send(struct console_guest *g, const uint8_t step[8])
{
        unsigned queue = step[1] % GUEST_QUEUES, n = 1 + step[2] % 4;
        struct driver_buffer buffers[4];

        for (unsigned i = 0; i < n; i++) {
                bool writes = step[3] >> i & 1;

                /* Readable pieces come first, or the ring would not carry them. */
                if (i > 0 && buffers[i - 1].device_writes)
                        writes = true;
                buffers[i] = (struct driver_buffer) {
                        .address = GUEST_DATA + 8U * (step[4] + 256U * i),
                        .len_bytes = step[5] < 250 ? (uint32_t) (step[5] >> i) + (i == 0) : (uint32_t) step[5] << 12,
                        .device_writes = writes,
                };
        }
        (void) console_guest_send(g, queue, buffers, n);
}

static void take_used(struct console_guest *g, unsigned queue)
{
        uint32_t len;
        void *cookie;
        int r;

        while ((r = driver_queue_get(&g->queues[queue], &cookie, &len)) > 0)
                ;
        expect(r == 0);
}

static void type(struct console_guest *g, const uint8_t step[8])
{
        struct spy *spy = g->spies[step[1] % GUEST_PORTS];

        spy->input = typed;
        spy->n_input = MIN(16U * step[2], sizeof(typed));
        if (spy->wanted && spy->stream.owner.readable)
                spy->stream.owner.readable(spy->stream.owner.data);
        expect(spy->n_input == 0 || !spy->wanted || !g->dev->started);
}

static void play(struct console_guest *g, const uint8_t step[8])
{
        uint8_t config[16] = { 0 };

        for (size_t i = 0; i < GUEST_PORTS; i++)
                g->spies[i]->n_output = 0;
        switch (step[0] % 8) {
        case 0:
        case 1:
        case 2:
        case 3:
                send(g, step);
                break;
        case 4:
                take_used(g, step[1] % GUEST_QUEUES);
                break;
        case 5:
                type(g, step);
                break;
        case 6:
                console_resize(g->dev, step[1] % GUEST_PORTS, step[2], step[3]);
                break;
        case 7:
                if (step[1] == 0)
                        device_reset(g->dev);
                (void) device_config_read(g->dev, step[2], config, step[3] % sizeof(config));
                (void) device_config_write(g->dev, step[2], config, step[3] % sizeof(config));
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct console_guest g;
        uint64_t features;

        log_set_level(LOG_LEVEL_ERROR);
        if (size < 8)
                return 0;
        features = (data[0] & 1 ? FEATURE(CONSOLE_FEATURE_MULTIPORT) : 0) |
                   (data[0] & 2 ? FEATURE(VIRTIO_FEATURE_RING_PACKED) : 0) |
                   (data[0] & 4 ? FEATURE(VIRTIO_FEATURE_INDIRECT_DESC) : 0) |
                   (data[0] & 8 ? FEATURE(VIRTIO_FEATURE_EVENT_IDX) : 0) |
                   (data[0] & 16 ? FEATURE(VIRTIO_FEATURE_IN_ORDER) : 0) | FEATURE(CONSOLE_FEATURE_SIZE);
        expect(console_guest_init(&g, features) == 0);
        memcpy(g.memory + GUEST_DATA, data, MIN(size, 65536U));
        for (size_t i = 8; i + 8 <= size && i < 8 * STEPS_MAX; i += 8)
                play(&g, data + i);
        console_guest_deinit(&g);
        return 0;
}
