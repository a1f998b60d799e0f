/* SPDX-License-Identifier: MPL-2.0 */
/* See player.h. */
#include "player.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "card.h"

#define BLOCK_FRAMES 960
#define LATENCY_US 300000
#define RETRY_US 200000 /* after a failure of the sound card */

static struct {
        pthread_mutex_t mutex; /* of all below */
        pthread_cond_t changed;
        bool is_playing;
        struct tune *tune;
} player = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* The next block. Return: false if the music has been stopped, of which the device must be told. */
static bool next_block(int16_t (*frames)[2])
{
        bool is_playing;

        (void) pthread_mutex_lock(&player.mutex);
        is_playing = player.is_playing;
        if (is_playing)
                tune_play(player.tune, frames, BLOCK_FRAMES);
        (void) pthread_mutex_unlock(&player.mutex);
        return is_playing;
}

static void wait_for_play(void)
{
        (void) pthread_mutex_lock(&player.mutex);
        while (!player.is_playing)
                (void) pthread_cond_wait(&player.changed, &player.mutex);
        (void) pthread_mutex_unlock(&player.mutex);
}

static void play(snd_pcm_t *pcm)
{
        int16_t frames[BLOCK_FRAMES][2];

        (void) snd_pcm_prepare(pcm);
        while (next_block(frames)) {
                snd_pcm_sframes_t done = 0;

                while (done < BLOCK_FRAMES) {
                        snd_pcm_sframes_t n =
                                snd_pcm_writei(pcm, frames[done], (snd_pcm_uframes_t) (BLOCK_FRAMES - done));

                        if (n < 0)
                                n = card_go_on(pcm, (int) n);
                        if (n < 0) {
                                (void) fprintf(stderr, "music: %s\n", snd_strerror((int) n));
                                (void) usleep(RETRY_US);
                                return;
                        }
                        done += n;
                }
        }
        (void) snd_pcm_drop(pcm);
}

static void *run(void *arg)
{
        snd_pcm_t *pcm;
        int r = snd_pcm_open(&pcm, "hw:0,0", SND_PCM_STREAM_PLAYBACK, 0);

        if (r == 0)
                r = snd_pcm_set_params(pcm, SND_PCM_FORMAT_S16_LE, SND_PCM_ACCESS_RW_INTERLEAVED, 2, TUNE_RATE_HZ, 0,
                                       LATENCY_US);
        if (r < 0) {
                (void) fprintf(stderr, "the music is silent: %s\n", snd_strerror(r));
                return arg;
        }
        for (;;) {
                wait_for_play();
                play(pcm);
        }
}

void player_init(void)
{
        pthread_t thread;

        player.tune = tune_new();
        if (player.tune && pthread_create(&thread, NULL, run, NULL) == 0)
                (void) pthread_detach(thread);
}

void player_toggle(void)
{
        (void) pthread_mutex_lock(&player.mutex);
        player.is_playing = !player.is_playing;
        (void) pthread_cond_signal(&player.changed);
        (void) pthread_mutex_unlock(&player.mutex);
}

void player_skip(double seconds)
{
        (void) pthread_mutex_lock(&player.mutex);
        tune_seek(player.tune,
                  (uint32_t) (tune_position(player.tune) + tune_length() + (int64_t) (seconds * TUNE_RATE_HZ)));
        (void) pthread_mutex_unlock(&player.mutex);
}

void player_state(struct player_state *ret)
{
        (void) pthread_mutex_lock(&player.mutex);
        ret->is_playing = player.is_playing;
        ret->position_s = (double) tune_position(player.tune) / TUNE_RATE_HZ;
        ret->length_s = (double) tune_length() / TUNE_RATE_HZ;
        tune_bands(player.tune, ret->bands);
        (void) pthread_mutex_unlock(&player.mutex);
}
