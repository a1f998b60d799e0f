/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A guest's input driver on a vhost-user device, as much of one as tests and benchmarks need, and what people do on its
 * screen. Failures end the process, or the case (need.h).
 */
#pragma once

#include <linux/virtio_input.h>
#include <stdbool.h>
#include <stdint.h>

#include "seat/sender.h"
#include "vhost/driver.h"

#define INPUT_QUEUE_SIZE 64
#define INPUT_WAIT_MS 20000

enum { INPUT_EVENTS, INPUT_STATUS };

void input_driver_start(struct vhost_driver *d, const char *socket_path, bool packed);

/* Adds @n buffers of an event each, and kicks. */
void input_give(struct vhost_driver *d, unsigned n);

/* Waits for the next report, up to SYN_REPORT, and gives its buffers again. Return: a static text, "TYPE:CODE=VALUE "
   of each event, decimal; NULL if none begins within @ms. */
const char *input_report(struct vhost_driver *d, unsigned ms);

/* Sends one message; waits while the server is behind, as only tests may. */
void input_say(struct seat_sender *s, const struct seat_message *m);
