/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the files that make a plan share: plan.c has the machines, plan-device.c the servers of their devices,
 * plan-scene.c those servers that share screens, input and loudspeakers.
 */
#pragma once

#include <stdarg.h>

#include "runtime/bundle.h"
#include "runtime/plan.h"
#include "runtime/plan-words.h"

/* What `busbar device` serves at most from one process. */
#define PLAN_PORTS_MAX 64

/* A network of this plan, and the server that is its switch. */
struct network {
        const char *name;
        enum system_uplink uplink;
        const char *tap;
        uint16_t vlan;
        struct planned_server *server; /* NULL until a device needs it */
};

/* Servers that a whole system (or a bundle alone) has one of. */
enum shared_server { SHARED_DISPLAYS, SHARED_SEAT, SHARED_SOUND, SHARED_SERVERS };

struct planner {
        struct plan *plan;
        const struct plan_options *options;
        const char *system; /* name, "" for a bundle alone */
        struct network *networks;
        size_t n_networks;
        struct planned_server *shared[SHARED_SERVERS]; /* NULL until a device needs it */
        char **ret_error;
};

/* What one machine is made of. */
struct part {
        const struct bundle *bundle;
        const char *id, *platform, *parameters;
        const struct system_console *consoles;
        size_t n_consoles;
        struct planned_machine *to;
};

/* plan.c */

/* Sets the error. Return: @error, or -ENOMEM. */
int plan_fail(const struct planner *p, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Return: 0 or -ENOMEM; *ret is NULL then. */
int plan_format(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* NULL stays NULL. Return: 0 or -ENOMEM. */
int plan_copy(char **to, const char *from);

/* plan-device.c */

/**
 * plan_add_server() - the next server of the plan
 * @name_take: NULL: there was no memory for it
 * @machine:   whose it is; NULL: shared
 * @argv:      NULL-terminated
 *
 * Return: the server; NULL without memory.
 */
struct planned_server *plan_add_server(struct planner *p, char *name_take, const char *machine,
                                       const char *const *argv);

/* Is @path short enough for a socket? Return: 0 or -ENAMETOOLONG with the error set. */
int plan_check_socket_path(const struct planner *p, const char *path);

/* Plans the server of a bundle's device number @index and fills in the machine's. @w is open. */
int plan_put_device(struct planner *p, const struct part *part, size_t index, struct guest_words *w);

/* plan-scene.c */

/* The shared server of a gpu, input or sound device, made with the first of them. Return: 0 or a negative errno. */
int plan_find_shared(struct planner *p, const struct part *part, const struct bundle_device *d,
                     struct planned_server **ret);
void plan_put_shared(struct guest_words *w, const struct bundle_device *d);

/* A bundle alone has no system file: what scene its devices find. Return: 0 or a negative errno. */
int plan_make_scene(struct planner *p, const struct part *part);
