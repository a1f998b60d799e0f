/* SPDX-License-Identifier: MPL-2.0 */
/* All servers of one owner: a machine's own, or those that a system's machines share. */
#pragma once

#include "runtime/server-process.h"

struct server_set {
        struct server_process *servers; /* owned */
        size_t n_servers;
};

/**
 * server_set_start() - start servers of a plan that are @owner's, in parallel
 * @set: zero-initialised, or started with the other ones before
 * @owner: a machine's id; NULL: the shared ones
 * @consoles: only those of consoles, which wait for the choice of a platform; or only the others
 *
 * All sockets are made before the first of these servers starts.
 *
 * Return: 0; or a negative errno, with *ret_error set (owned by the caller) if there is more to say. @set is to be
 * deinitialised either way.
 */
int server_set_start(struct server_set *set, struct loop *loop, const struct plan *plan, const char *owner,
                     bool consoles, const char *program, struct log_collector *log, const struct server_events *events,
                     void *data, char **ret_error);

/* Was each of them ready at least once? */
bool server_set_was_ready(const struct server_set *set);

/* Stops all; each tells its end by its event. */
void server_set_stop(struct server_set *set);

/* Has each of them ended for good? */
bool server_set_ended(const struct server_set *set);

void server_set_deinit(struct server_set *set);
