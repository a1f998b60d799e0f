/* SPDX-License-Identifier: MPL-2.0 */
/* In place of evdev.c in a build without libevdev. */
#include "seat/evdev.h"

#include <errno.h>

int seat_evdev_new(struct loop *loop, struct seat_router *router, size_t screen, const char *path,
                   struct seat_evdev **ret)
{
        return -EOPNOTSUPP;
}

struct seat_evdev *seat_evdev_free(struct seat_evdev *e) { return NULL; }
