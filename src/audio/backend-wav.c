/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sound into a WAV file of 32-bit samples: those of 8 to 32 bits are in it exactly (a 16-bit one as its upper half),
 * floats rounded to 2^-31.
 *
 * Time passes in the file as it does outside, also while nobody plays. Its header is brought up to date ten times a
 * second, so that the file is right up to there whenever the process ends, also by SIGKILL. A WAV file ends at 4 GiB:
 * there the rest is left out, with one line in the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sndfile.h>

#include "audio/backend.h"
#include "audio/format.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/macros.h"
#include "scene/scene.h"

#define HEADERS_A_SECOND 10
#define DATA_BYTES_MAX (UINT64_C(0xffffffff) - 65536)

struct wav_backend {
        struct sound_backend backend;
        SNDFILE *file;      /* owned */
        int32_t *period;    /* owned */
        uint64_t n_bytes;   /* of samples in the file */
        size_t n_behind;    /* frames since the last header */
        bool full;
};

static struct sound_backend *wav_free(struct sound_backend *b)
{
        struct wav_backend *w = b ? container_of(b, struct wav_backend, backend) : NULL;

        if (!w)
                return NULL;
        if (w->file)
                (void) sf_close(w->file);
        free(w->period);
        free(w);
        return NULL;
}

static void end_file(struct wav_backend *w, const char *why)
{
        w->full = true;
        sf_command(w->file, SFC_UPDATE_HEADER_NOW, NULL, 0);
        log_warning("sound", "the WAV file ends here: %s", why);
}

static void wav_write(struct sound_backend *b, const double *frames, size_t n)
{
        struct wav_backend *w = container_of(b, struct wav_backend, backend);
        size_t n_samples = n * b->n_channels;

        if (w->full)
                return;
        if (w->n_bytes + n_samples * sizeof(int32_t) > DATA_BYTES_MAX) {
                end_file(w, "4 GiB are the most that there may be");
                return;
        }
        samples_encode(SAMPLE_S32, frames, w->period, n_samples);
        if (sf_writef_int(w->file, w->period, (sf_count_t) n) != (sf_count_t) n) {
                end_file(w, sf_strerror(w->file));
                return;
        }
        w->n_bytes += n_samples * sizeof(int32_t);
        w->n_behind += n;
        if (w->n_behind >= b->rate_hz / HEADERS_A_SECOND) {
                sf_command(w->file, SFC_UPDATE_HEADER_NOW, NULL, 0);
                w->n_behind = 0;
        }
}

static const struct sound_backend_ops wav_ops = {
        .name = "wav",
        .free = wav_free,
        .write = wav_write,
};

static int open_file(const char *path, int *ret)
{
        auto_cleanup(closep) int fd = -1;
        struct stat st;

        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (ftruncate(fd, 0) < 0)
                return -errno;
        *ret = take_fd(&fd);
        return 0;
}

int sound_wav_open(const struct scene_speakers *scene, struct sound_backend **ret)
{
        SF_INFO info = {
                .samplerate = (int) scene->rate_hz,
                .channels = (int) scene->n_channels,
                .format = SF_FORMAT_WAV | SF_FORMAT_PCM_32,
        };
        struct wav_backend *w;
        int fd = -1, r;

        r = open_file(scene->file, &fd);
        if (r < 0)
                return r;
        w = calloc(1, sizeof(*w));
        if (!w) {
                (void) close(fd);
                return -ENOMEM;
        }
        w->backend = (struct sound_backend) {
                .ops = &wav_ops,
                .rate_hz = scene->rate_hz,
                .n_channels = scene->n_channels,
                .n_period = scene_period_frames(scene),
        };
        w->file = sf_open_fd(fd, SFM_WRITE, &info, SF_TRUE); /* takes fd, also if it fails */
        w->period = calloc(w->backend.n_period, scene->n_channels * sizeof(*w->period));
        if (!w->file || !w->period) {
                r = w->file ? -ENOMEM : -EINVAL;
                wav_free(&w->backend);
                return r;
        }
        sf_command(w->file, SFC_UPDATE_HEADER_NOW, NULL, 0);
        *ret = &w->backend;
        return 0;
}
