/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Input device: touch screen, keyboard, pointer or rotary knob of one guest. Spec: VIRTIO 1.4, 5.8; the meaning of
 * events is that of Linux' evdev.
 *
 * It is the sink of a router (seat/sink.h): what that reports is delivered in the event queue. All on one loop.
 */
#pragma once

#include <stdint.h>

#include "seat/sink.h"

struct device;
struct loop;

#define INPUT_QUEUE_EVENTS 0
#define INPUT_QUEUE_STATUS 1

/* Events of one device that wait for buffers of its guest, SYN_REPORT included. At least the way from all keys held to
   all keys held again by others: twice the 515 that a keyboard has, and an end for every 32. */
#define INPUT_BACKLOG 2048

struct input_options {
        enum sink_kind kind;
        uint32_t width, height; /* touch, pointer: pixels of the guest's picture, at least 1; the axes are these */
};

/* Return: 0; -EINVAL; -ENOMEM. */
int input_new(struct loop *loop, const char *name, const struct input_options *options, struct device **ret);

/* The device's side towards the router; lives as long as the device. */
struct sink *input_sink(struct device *dev);
