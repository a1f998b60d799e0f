/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What is known of a machine from outside: the state of the OCI runtime specification, with ours beside it. Kept in
 * state.json of the machine's run folder, replaced in one step by the process that looks after the machine.
 *
 *      creating ─► created ─► running ⇄ paused
 *          └──────────┴──────────┴────────┴──► stopped
 *
 * In JSON: what OCI defines at the top level, our strings as annotations "io.busbar.*", our structures below "busbar".
 *
 * Ownership: every string is the state's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#define STATE_FILE "state.json"
#define STATE_MAX_BYTES (1U << 20)
#define OCI_VERSION "1.3.0"

enum machine_status { MACHINE_CREATING, MACHINE_CREATED, MACHINE_RUNNING, MACHINE_PAUSED, MACHINE_STOPPED };

struct state_device {
        char *id, *type, *server; /* server: its name in the plan */
        pid_t server_pid;         /* 0: it does not run at present */
        unsigned n_restarts;
};

struct state_console {
        char *device, *socket_path, *log_path; /* log_path may be NULL */
};

struct machine_state {
        char *id, *bundle;
        enum machine_status status;
        pid_t pid;            /* lives as long as the machine; its exit status says how the machine ended */
        pid_t supervisor_pid; /* its child, which does the work */
        char *platform;       /* NULL until it is known */
        char *system;         /* NULL: not started by `up` */
        bool is_transient;    /* of `run` or `up`: nothing of it stays when they end */
        char created[32];     /* RFC 3339 */
        char *end;            /* "powered-off", ... once stopped, otherwise NULL */
        char *reason;         /* text, or NULL */
        char *annotations;    /* of the bundle, a JSON object; NULL where absent */

        int64_t servers_ready_ms, created_ms, running_ms; /* since `create`; -1: not yet */
        struct state_device *devices;
        size_t n_devices;
        struct state_console *consoles;
        size_t n_consoles;
};

const char *machine_status_name(enum machine_status status);

/* A state with all times unset. */
void machine_state_init(struct machine_state *s);
void machine_state_deinit(struct machine_state *s);

/* Replaces a string field. Return: 0 or -ENOMEM, then it is unchanged. */
int state_set_text(char **field, const char *text);

/* Return: a new reference, NULL without memory. */
json_t *machine_state_to_json(const struct machine_state *s);

/* Return: 0 and *ret to be deinitialised by the caller; -EINVAL if it is not one that we wrote; -ENOMEM. */
int machine_state_from_json(const json_t *json, struct machine_state *ret);

/* Writes @folder/state.json. Return: 0 or a negative errno (-ENOSPC). */
int machine_state_save(const struct machine_state *s, const char *folder);

/* Return: 0; -ENOENT; -EINVAL; another negative errno. */
int machine_state_load(const char *folder, struct machine_state *ret);
