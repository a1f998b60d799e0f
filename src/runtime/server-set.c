/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/server-set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_owner(const char *owner, const char *machine)
{
        return owner && machine ? strcmp(owner, machine) == 0 : owner == machine;
}

int server_set_start(struct server_set *set, struct loop *loop, const struct plan *plan, const char *owner,
                     bool consoles, const char *program, struct log_collector *log, const struct server_events *events,
                     void *data, char **ret_error)
{
        size_t first = set->n_servers;

        if (!set->servers)
                set->servers = calloc(plan->n_servers + 1, sizeof(*set->servers));
        if (!set->servers)
                return -ENOMEM;
        for (size_t i = 0; i < plan->n_servers; i++) {
                int r;

                if (!is_owner(owner, plan->servers[i].machine) || plan->servers[i].is_console != consoles)
                        continue;
                r = server_process_init(&set->servers[set->n_servers], loop, &plan->servers[i], program, log, events,
                                        data, ret_error);
                if (r < 0)
                        return r;
                set->n_servers++;
        }
        for (size_t i = first; i < set->n_servers; i++)
                server_process_start(&set->servers[i]);
        return 0;
}

bool server_set_was_ready(const struct server_set *set)
{
        for (size_t i = 0; i < set->n_servers; i++)
                if (!set->servers[i].was_ready)
                        return false;
        return true;
}

void server_set_stop(struct server_set *set)
{
        for (size_t i = 0; i < set->n_servers; i++)
                if (set->servers[i].status != SERVER_ENDED)
                        server_process_stop(&set->servers[i]);
}

bool server_set_ended(const struct server_set *set)
{
        for (size_t i = 0; i < set->n_servers; i++)
                if (set->servers[i].status != SERVER_ENDED)
                        return false;
        return true;
}

void server_set_deinit(struct server_set *set)
{
        for (size_t i = 0; i < set->n_servers; i++)
                server_process_deinit(&set->servers[i]);
        free(set->servers);
        *set = (struct server_set){ 0 };
}
