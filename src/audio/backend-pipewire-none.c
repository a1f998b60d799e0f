/* SPDX-License-Identifier: MPL-2.0 */
/* In place of backend-pipewire.c in a build without libpipewire. */
#include <errno.h>

#include "audio/backend.h"

int sound_pipewire_open(const struct scene_speakers *scene, struct sound_backend **ret) { return -EOPNOTSUPP; }
