/* SPDX-License-Identifier: MPL-2.0 */
/* The relay (`busbar relay`) between QEMU and those device servers whose end it could not bear. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/process.h"
#include "platform/machine.h"

#define QEMU_RELAYED_MAX 32

struct qemu_relay {
        struct process process;
        int fds[QEMU_RELAYED_MAX]; /* owned: QEMU's ends, in the order of the devices, until QEMU has them */
        size_t n;
        atomic_uint *paused; /* owned: a page that the process maps, too; NULL: there is none */
};

/**
 * qemu_relay_start() - if any device needs it
 * @message_fd: its stderr, borrowed
 * @ended:      of its process
 *
 * Return: 0, @relay->n tells how many connections there are; -E2BIG; a negative errno.
 */
int qemu_relay_start(struct qemu_relay *relay, struct loop *loop, const struct machine *m, int message_fd,
                     process_fn ended);

/* QEMU is about to be told so. What it then says of a reset is not a driver's (vhost/relay.h). */
void qemu_relay_set_paused(struct qemu_relay *relay, bool on);

/* QEMU has its ends now. */
void qemu_relay_close_fds(struct qemu_relay *relay);

/* Zero-initialised is fine. */
void qemu_relay_deinit(struct qemu_relay *relay);
