/* SPDX-License-Identifier: MPL-2.0 */
#include "device/sound/test-sound-guest.h"

int sound_guest_init_on(struct sound_guest *g, uint64_t features, const struct sound_options *options,
                        struct speakers *speakers)
{
        static const struct sound_options usual = { .n_outputs = 2, .capture = true, .controls = true };
        struct device *dev;
        int r;

        *g = (struct sound_guest){ .speakers = speakers };
        r = test_guest_init(&g->vm, features, GUEST_MEMORY_BYTES, GUEST_QUEUES, GUEST_QUEUE_SIZE);
        if (r == 0)
                r = sound_new(g->vm.loop, "test", speakers, options ? options : &usual, &dev);
        return r < 0 ? r : test_guest_start(&g->vm, dev);
}

int sound_guest_init(struct sound_guest *g, uint64_t features, const struct sound_options *options)
{
        struct scene_speakers scene = { .name = (char *) "test", .backend = SOUND_NULL, .rate_hz = 48000,
                                        .n_channels = 2, .period_us = 5000 };
        struct speakers *speakers;
        int r;

        *g = (struct sound_guest){ 0 };
        r = speakers_new(&scene, &speakers);
        if (r < 0)
                return r;
        r = sound_guest_init_on(g, features, options, speakers);
        g->own_speakers = true;
        return r;
}

void sound_guest_deinit(struct sound_guest *g)
{
        test_guest_deinit(&g->vm);
        if (g->own_speakers)
                speakers_free(g->speakers);
}

void sound_guest_mix(struct sound_guest *g)
{
        speakers_mix(g->speakers, g->out, GUEST_PERIOD, 0);
        speakers_record(g->speakers, g->out, GUEST_PERIOD);
        test_guest_settle(&g->vm);
}
