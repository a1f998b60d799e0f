/* SPDX-License-Identifier: MPL-2.0 */
/* Sound that goes nowhere, or straight back: the clock of both is the speakers' own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audio/backend.h"
#include "base/macros.h"
#include "scene/scene.h"

struct null_backend {
        struct sound_backend backend;
        double *period; /* owned: what was played last; NULL: not kept */
};

static struct sound_backend *null_free(struct sound_backend *b)
{
        struct null_backend *nb = b ? container_of(b, struct null_backend, backend) : NULL;

        if (!nb)
                return NULL;
        free(nb->period);
        free(nb);
        return NULL;
}

static void loopback_write(struct sound_backend *b, const double *frames, size_t n)
{
        memcpy(container_of(b, struct null_backend, backend)->period, frames, n * b->n_channels * sizeof(*frames));
}

static void loopback_read(struct sound_backend *b, double *frames, size_t n)
{
        memcpy(frames, container_of(b, struct null_backend, backend)->period, n * b->n_channels * sizeof(*frames));
}

static const struct sound_backend_ops null_ops = {
        .name = "null",
        .free = null_free,
};

static const struct sound_backend_ops loopback_ops = {
        .name = "loopback",
        .free = null_free,
        .write = loopback_write,
        .read = loopback_read,
};

static int open_backend(const struct scene_speakers *scene, const struct sound_backend_ops *ops,
                        struct sound_backend **ret)
{
        struct null_backend *nb = calloc(1, sizeof(*nb));

        if (!nb)
                return -ENOMEM;
        nb->backend = (struct sound_backend) {
                .ops = ops,
                .rate_hz = scene->rate_hz,
                .n_channels = scene->n_channels,
                .n_period = scene_period_frames(scene),
                .idles = true,
        };
        if (ops->read) {
                nb->period = calloc(nb->backend.n_period, scene->n_channels * sizeof(*nb->period));
                if (!nb->period) {
                        free(nb);
                        return -ENOMEM;
                }
        }
        *ret = &nb->backend;
        return 0;
}

int sound_null_open(const struct scene_speakers *scene, struct sound_backend **ret)
{
        return open_backend(scene, &null_ops, ret);
}

int sound_loopback_open(const struct scene_speakers *scene, struct sound_backend **ret)
{
        return open_backend(scene, &loopback_ops, ret);
}
