/* SPDX-License-Identifier: MPL-2.0 */
#include "audio/backend.h"

#include "scene/scene.h"

int sound_backend_open(const struct scene_speakers *scene, struct sound_backend **ret)
{
        static int (*const opens[])(const struct scene_speakers *, struct sound_backend **) = {
                [SOUND_NULL] = sound_null_open,
                [SOUND_WAV] = sound_wav_open,
                [SOUND_ALSA] = sound_alsa_open,
                [SOUND_PIPEWIRE] = sound_pipewire_open,
                [SOUND_LOOPBACK] = sound_loopback_open,
        };

        return opens[scene->backend](scene, ret);
}
