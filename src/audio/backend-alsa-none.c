/* SPDX-License-Identifier: MPL-2.0 */
/* In place of backend-alsa.c in a build without libasound. */
#include <errno.h>

#include "audio/backend.h"

int sound_alsa_open(const struct scene_speakers *scene, struct sound_backend **ret) { return -EOPNOTSUPP; }
