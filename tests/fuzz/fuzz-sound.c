/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: what a sound card's driver puts into its queues, also while periods are mixed, rings stop and go on, and the
 * device is reset amid all that.
 *
 * The input is a list of steps of 8 bytes: what, and seven bytes for it; its start chooses the features. Guest memory
 * is filled with the input, so that requests and frames come from it too. The rings are well-formed: they have a fuzzer
 * of their own.
 */
#include <endian.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "device/sound/test-sound-guest.h"
#include "virtio/features.h"

#define STEPS_MAX 64

/* Checked in release builds too. */
#define expect(condition)        \
        do {                     \
                if (!(condition)) \
                        abort(); \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t codes[] = {
        VIRTIO_SND_R_JACK_INFO,      VIRTIO_SND_R_JACK_REMAP,  VIRTIO_SND_R_PCM_INFO,    VIRTIO_SND_R_PCM_SET_PARAMS,
        VIRTIO_SND_R_PCM_PREPARE,    VIRTIO_SND_R_PCM_RELEASE, VIRTIO_SND_R_PCM_START,   VIRTIO_SND_R_PCM_STOP,
        VIRTIO_SND_R_CHMAP_INFO,     SOUND_R_CTL_INFO,         SOUND_R_CTL_ENUM_ITEMS,   SOUND_R_CTL_READ,
        SOUND_R_CTL_WRITE,           SOUND_R_CTL_TLV_READ,     SOUND_R_CTL_TLV_WRITE,    SOUND_R_CTL_TLV_COMMAND,
};

/* A request that is nearly right. */
static void ask(struct sound_guest *g, const uint8_t step[8])
{
        struct virtio_snd_pcm_set_params request = {
                .hdr = { { htole32(codes[step[1] % ARRAY_SIZE(codes)]) }, htole32(step[2] % 8) },
                .features = htole32((uint32_t) step[7] & 0x10),
                .channels = step[5],
                .format = step[6] % 32,
                .rate = step[7] % 16,
        };
        struct driver_buffer buffers[] = { { GUEST_REQUEST, sizeof(request), false },
                                           { GUEST_ANSWER, 4U + 16U * step[4], true } };

        /* Also an item request's count and size, and an element's value. */
        request.buffer_bytes = htole32((uint32_t) step[3] * step[4]);
        request.period_bytes = htole32(step[4]);
        if (codes[step[1] % ARRAY_SIZE(codes)] == SOUND_R_CTL_WRITE)
                request.buffer_bytes = htole32(step[3]);
        memcpy(g->vm.memory + GUEST_REQUEST, &request, sizeof(request));
        (void) test_guest_send(&g->vm, 0, buffers, 2, NULL);
}

/* Frames for a stream, or room for some. */
static void transfer(struct sound_guest *g, const uint8_t step[8])
{
        bool rx = step[1] & 1;
        struct driver_buffer buffers[] = {
                { GUEST_REQUEST + 0x100U + 4U * (step[2] % 8), 4, false },
                { GUEST_FRAMES + 64U * step[3], 1U + step[4] * (1U + (uint32_t) step[5]), rx },
                { GUEST_ANSWER + 0x4000, 8, true },
        };
        uint32_t head = htole32(step[2] % 8);

        memcpy(g->vm.memory + buffers[0].address, &head, 4);
        (void) test_guest_send(&g->vm, rx ? 3 : 2, buffers, 3, NULL);
}

static void take_used(struct sound_guest *g)
{
        uint32_t len;
        void *cookie;
        int r;

        for (unsigned i = 0; i < GUEST_QUEUES; i++) {
                while ((r = driver_queue_get(&g->vm.queues[i], &cookie, &len)) > 0)
                        ;
                expect(r == 0);
        }
}

static void mix(struct sound_guest *g, const uint8_t step[8])
{
        for (unsigned i = 0; i < 1U + step[1] % 4; i++) {
                sound_guest_mix(g);
                for (size_t k = 0; k < ARRAY_SIZE(g->out); k++)
                        expect(isfinite(g->out[k]) && fabs(g->out[k]) <= 3.0);
        }
}

static void restart(struct sound_guest *g, const uint8_t step[8])
{
        uint16_t first = step[1] % GUEST_QUEUES, last = first;

        if (step[2] & 1) {
                device_reset(g->vm.dev);
                expect(device_start(g->vm.dev, g->vm.features) == 0);
                first = 0;
                last = GUEST_QUEUES - 1;
        }
        for (uint16_t i = first; i <= last; i++) {
                queue_stop(&g->vm.dev->queues[i], NULL);
                expect(test_guest_start_queue(&g->vm, i) == 0);
        }
        test_guest_settle(&g->vm);
}

static void play(struct sound_guest *g, const uint8_t step[8])
{
        uint8_t config[16] = { 0 };

        switch (step[0] % 8) {
        case 0:
        case 1:
                ask(g, step);
                break;
        case 2:
                (void) test_guest_send_any(&g->vm, step, GUEST_FRAMES, 512);
                break;
        case 3:
        case 4:
                transfer(g, step);
                break;
        case 5:
                mix(g, step);
                break;
        case 6:
                take_used(g);
                break;
        case 7:
                if (step[3] & 1)
                        restart(g, step);
                (void) device_config_read(g->vm.dev, step[4], config, step[5] % sizeof(config));
                (void) device_config_write(g->vm.dev, step[4], config, step[5] % sizeof(config));
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct sound_guest g;
        uint64_t features;

        log_set_level(LOG_LEVEL_ERROR);
        if (size < 8)
                return 0;
        features = (data[0] & 1 ? FEATURE(SOUND_FEATURE_CTLS) : 0) | test_guest_ring_features(data[0] >> 1);
        expect(sound_guest_init(&g, features, NULL) == 0);
        memcpy(g.vm.memory + GUEST_FRAMES, data, MIN(size, 65536U));
        for (size_t i = 8; i + 8 <= size && i < 8 * STEPS_MAX; i += 8)
                play(&g, data + i);
        take_used(&g);
        sound_guest_deinit(&g);
        return 0;
}
