/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The socket to the supervisor: SOCK_SEQPACKET, one JSON object a packet, at most CONTROL_PACKET_MAX bytes.
 *
 * To the monitor:   {"do": "resume" | "pause" | "power-down" | "reset" | "stop"}
 * From the monitor: {"event": "ready"}                      brought up, vCPUs stopped
 *                   {"event": "running"}, {"event": "paused"}
 *                   {"event": "ended", "how": "powered-off" | "failed" | "reset" | "panicked" | "crashed" |
 *                                             "watchdog" | "stopped", "text": "..."}
 *                   {"event": "error", "text": "..."}       a request that could not be done
 *
 * The peer is the process that started us and is trusted to stop us, not to be well-formed: what is not one of these
 * is answered by an error and changes nothing. When it closes its end, the machine stops.
 */
#pragma once

#define CONTROL_PACKET_MAX 4096

#include "monitor/monitor.h"

struct control;

/* Takes @fd, in any case. Watches it on the machine's loop. */
int control_new(struct monitor *m, int fd, struct control **ret);
struct control *control_free(struct control *c);

/* Both: @c NULL: nobody is told. */
void control_send_event(struct control *c, const char *event);
void control_send_ended(struct control *c, enum monitor_end how, const char *text);
