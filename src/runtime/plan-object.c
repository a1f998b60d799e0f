/* SPDX-License-Identifier: MPL-2.0 */
/* A plan once it is made: looked up, told how its platform attaches consoles, freed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/plan-words.h"
#include "runtime/plan.h"

static void planned_machine_deinit(struct planned_machine *m)
{
        for (size_t i = 0; i < m->n_consoles; i++) {
                free(m->consoles[i].device);
                free(m->consoles[i].socket_path);
                free(m->consoles[i].log_path);
                free(m->consoles[i].pty_path);
        }
        free(m->consoles);
        free(m->depends_on);
        free(m->bundle_path);
        free(m->annotations);
        machine_deinit(&m->machine);
}

static void planned_server_deinit(struct planned_server *s)
{
        for (size_t i = 0; i < s->n_sockets; i++)
                free(s->sockets[i].path);
        free(s->sockets);
        free(s->name);
        free(s->machine);
        s->argv = words_free(s->argv);
}

struct plan *plan_free(struct plan *p)
{
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n_machines; i++)
                planned_machine_deinit(&p->machines[i]);
        for (size_t i = 0; i < p->n_servers; i++)
                planned_server_deinit(&p->servers[i]);
        free(p->dir);
        free(p->scene_path);
        free(p->scene_text);
        free(p->machines);
        free(p->servers);
        free(p);
        return NULL;
}

/* The guest's words are the server's last, and its descriptors too: the second fifo is the one after. */
static int stream_console(struct planned_server *s)
{
        size_t n = 0;
        char *text;

        while (s->argv[n])
                n++;
        s->sockets[s->n_sockets - 1].fifos = true;
        if (asprintf(&text, "%s,input-fd=%zu,stream=on", s->argv[n - 1], PLAN_FIRST_FD + planned_server_n_fds(s) - 1) <
            0)
                return -ENOMEM;
        free(s->argv[n - 1]);
        s->argv[n - 1] = text;
        return 0;
}

int plan_stream_consoles(struct plan *p, struct planned_machine *m)
{
        int r = 0;

        for (size_t i = 0; i < p->n_servers && r == 0; i++) {
                struct planned_server *s = &p->servers[i];

                if (s->is_console && strcmp(s->machine, m->machine.id) == 0)
                        r = stream_console(s);
        }
        for (size_t i = 0; i < m->machine.n_devices; i++)
                m->machine.devices[i].stream = m->machine.devices[i].type == DEVICE_CONSOLE;
        return r;
}

size_t planned_server_n_fds(const struct planned_server *s)
{
        size_t n = 0;

        for (size_t i = 0; i < s->n_sockets; i++)
                n += s->sockets[i].fifos ? 2 : 1;
        return n;
}

const struct planned_server *plan_find_server(const struct plan *p, const char *socket_path)
{
        for (size_t i = 0; i < p->n_servers; i++)
                for (size_t k = 0; k < p->servers[i].n_sockets; k++)
                        if (strcmp(p->servers[i].sockets[k].path, socket_path) == 0)
                                return &p->servers[i];
        return NULL;
}
