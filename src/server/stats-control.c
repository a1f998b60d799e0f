/* SPDX-License-Identifier: MPL-2.0 */
#include "server/stats-control.h"

#include <unistd.h>

#include "base/macros.h"
#include "sandbox/sandbox.h"

static void on_request(struct control_client *client, const json_t *request)
{
        const struct stats_control *c = container_of(client->control, struct stats_control, control);
        json_t *stats;

        if (json_object_size(request) != 1 || !json_is_true(json_object_get(request, "stats"))) {
                control_fail(client, "expected {\"stats\": true}");
                return;
        }
        stats = c->make(c);
        if (stats)
                control_answer(client, stats);
        else
                control_fail(client, "out of memory");
}

static const struct control_ops ops = { .request = on_request };

int stats_control_open(struct stats_control *c, struct loop *loop, const char *path,
                       json_t *(*make)(const struct stats_control *c))
{
        c->path = path;
        c->make = make;
        return control_open(&c->control, loop, path, &ops);
}

void stats_control_close(struct stats_control *c)
{
        (void) unlink(c->path);
        control_close(&c->control);
}

int stats_control_sandbox(const struct stats_control *c, struct sandbox *sandbox)
{
        return sandbox_allow_removal(sandbox, c->path);
}
