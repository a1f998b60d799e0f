/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A touch panel, keyboard, mouse or knob of this host (/dev/input/event*) as a source of one screen. It is grabbed:
 * nobody else on the host sees what is done with it. A panel's range is taken to be the screen's.
 *
 * A device that is not there, or goes away, is tried again every second; what it held is let go.
 *
 * All on one loop.
 */
#pragma once

#include <stddef.h>

struct loop;
struct seat_evdev;
struct seat_router;

/**
 * seat_evdev_new() - begin to read a device
 * @router: borrowed; not used any more when the source is freed
 * @screen: index
 *
 * Return: 0, also if the device is not there yet; -ENOTTY: the path is no input device; -EOPNOTSUPP: this build lacks
 * libevdev; a negative errno.
 */
int seat_evdev_new(struct loop *loop, struct seat_router *router, size_t screen, const char *path,
                   struct seat_evdev **ret);

/* What it holds is left as it is. NULL ok; returns NULL. */
struct seat_evdev *seat_evdev_free(struct seat_evdev *e);
