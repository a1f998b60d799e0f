/* SPDX-License-Identifier: MPL-2.0 */
/* A sound card whose CPU is emulated: on a busy host it may stand still for longer than its buffer lasts. */
#pragma once

#include <alsa/asoundlib.h>

/* Makes the card ready again after a write has failed. Return: 0, or what is beyond help. */
static inline int card_go_on(snd_pcm_t *pcm, int error)
{
        /* Linux waits for little more than the buffer's length before it says so; the stream itself still runs. */
        if (error == -EIO) {
                (void) snd_pcm_drop(pcm);
                return snd_pcm_prepare(pcm);
        }
        return snd_pcm_recover(pcm, error, 1);
}
