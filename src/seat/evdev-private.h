/* SPDX-License-Identifier: MPL-2.0 */
/* Of evdev.c, for its test. */
#pragma once

#include "seat/evdev-translate.h"

struct libevdev;

/* What a device is, by what it says that it sends. Return: 0; -ENOTSUP: nothing that is used here. */
int evdev_shape_of(const struct libevdev *dev, struct evdev_shape *ret);
