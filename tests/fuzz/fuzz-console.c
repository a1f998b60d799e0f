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

static void take_used(struct console_guest *g, unsigned queue)
{
        uint32_t len;
        void *cookie;
        int r;

        while ((r = driver_queue_get(&g->vm.queues[queue], &cookie, &len)) > 0)
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
        expect(spy->n_input == 0 || !spy->wanted || !g->vm.dev->started);
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
                (void) test_guest_send_any(&g->vm, step, GUEST_DATA, 4096);
                break;
        case 4:
                take_used(g, step[1] % GUEST_QUEUES);
                break;
        case 5:
                type(g, step);
                break;
        case 6:
                console_resize(g->vm.dev, step[1] % GUEST_PORTS, step[2], step[3]);
                break;
        case 7:
                if (step[1] == 0)
                        device_reset(g->vm.dev);
                (void) device_config_read(g->vm.dev, step[2], config, step[3] % sizeof(config));
                (void) device_config_write(g->vm.dev, step[2], config, step[3] % sizeof(config));
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
        features = (data[0] & 1 ? FEATURE(CONSOLE_FEATURE_MULTIPORT) : 0) | FEATURE(CONSOLE_FEATURE_SIZE) |
                   test_guest_ring_features(data[0] >> 1);
        expect(console_guest_init(&g, features) == 0);
        memcpy(g.vm.memory + GUEST_DATA, data, MIN(size, 65536U));
        for (size_t i = 8; i + 8 <= size && i < 8 * STEPS_MAX; i += 8)
                play(&g, data + i);
        test_guest_deinit(&g.vm);
        return 0;
}
