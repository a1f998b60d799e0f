/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A plan: what has to run so that a system (or one bundle alone) runs. Pure: nothing is created or opened. The
 * supervisor carries it out.
 *
 *      bundle ─┐                 machines   what a platform brings up
 *              ├─► plan_new_* ─► servers    `busbar device ...` with the sockets that they serve
 *      system ─┘                 consoles   where a person finds each console
 *
 * The supervisor creates a listening stream socket at each path of a server's `sockets` (or two fifos, PATH.out and
 * PATH.in, for a byte stream) and gives them to the server as fd 3, 4, 5 ... in that order. A console is a vhost-user
 * socket like every other device, until plan_stream_consoles() says that the platform brings a console of its own. It
 * keeps them open, so that a server that is restarted gets the same ones and a guest that reconnects meanwhile waits in
 * the queue of the socket instead of being refused.
 *
 * Every socket lies in the folder of the one machine that uses it, also those of a shared server.
 *
 * Ownership: everything is the plan's own; plan_free() frees all. Immutable but for plan_stream_consoles().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "platform/machine.h"
#include "runtime/system.h"

struct bundle;

/* The first fd that a server gets; the rest follow without a gap. */
#define PLAN_FIRST_FD 3

/* Names of the shared servers of displays and input, and of what they make in the system's folder. */
#define PLAN_DISPLAYS "displays" /* the display server */
#define PLAN_SEAT "seat.sock"
#define PLAN_DISPLAYS_CONTROL "displays.control"
#define PLAN_DISPLAYS_STATE "displays.state"
#define PLAN_SOUND_CONTROL "sound.control"
#define PLAN_SOUND_STATE "sound.state"

struct planned_socket {
        char *path; /* shorter than 108 bytes */
        bool fifos; /* two of them, so two descriptors: what comes from the guest, what goes to it */
};

struct planned_server {
        char *name;    /* "alpha.root", or "network.backbone", "displays" ... for a shared one */
        char *machine; /* whose it is; NULL: shared by several */
        bool is_console; /* the machine's platform decides whether its last socket is one or two fifos */
        char **argv;   /* what follows "busbar": "device", "blk", "--guest", ..., NULL */
        struct planned_socket *sockets;
        size_t n_sockets;
};

struct planned_console {
        char *device;      /* id in the bundle */
        char *socket_path; /* where `busbar console` connects: plain bytes both ways */
        char *log_path;    /* NULL: no log */
        char *pty_path;    /* symlink to the terminal; NULL: none */
};

struct planned_machine {
        struct machine machine;
        char *bundle_path;
        char *annotations; /* of the bundle; NULL where absent */
        enum system_restart restart;
        size_t *depends_on; /* indices of machines of this plan, each smaller than its own */
        size_t n_depends_on;
        struct planned_console *consoles; /* the first is the one that is meant when none is named */
        size_t n_consoles;
};

struct plan {
        struct planned_machine *machines; /* in an order in which they can be started */
        size_t n_machines;
        struct planned_server *servers;
        size_t n_servers;
        char *dir; /* what is no machine's own lies here: the system's folder, or that of the only machine */
        char *scene_path; /* where device servers read the scene; NULL: there is none */
        bool has_guards;  /* in that scene */
        char *scene_text; /* is to be written there before they start; NULL: it is a system file */
};

struct plan_options {
        const char *run_dir;    /* absolute; the folder of machine X is run_dir/X */
        const char *id;         /* plan_new_single(): the machine's id; NULL: the bundle's name */
        const char *platform;   /* plan_new_single(): NULL means "auto" */
        const char *parameters; /* plan_new_single(): appended to the kernel's command line; NULL: none */
};

/**
 * plan_new_single() - a bundle alone
 *
 * Each network that it names is a switch of its own with a user-mode uplink, each display a screen of its own that only
 * `busbar screenshot` sees, and each audio has loudspeakers that nobody hears.
 *
 * @ret_error: on failure what is wrong; owned by the caller
 *
 * Return: 0; -EINVAL; -ENAMETOOLONG if a socket would not fit into a sockaddr_un; -ENOMEM.
 */
int plan_new_single(const struct bundle *b, const struct plan_options *options, struct plan **ret, char **ret_error);

/* The same for all machines of a system, which was loaded with its bundles. */
int plan_new_system(const struct system *s, const struct plan_options *options, struct plan **ret, char **ret_error);

struct plan *plan_free(struct plan *p);

static inline void plan_freep(struct plan **p)
{
        *p = plan_free(*p);
}

/**
 * plan_stream_consoles() - the consoles of a machine are served over fifos
 * @m: of this plan; its platform cannot attach a vhost-user console
 *
 * Once at most, and before their servers start: those are two descriptors instead of one then. Return: 0 or -ENOMEM.
 */
int plan_stream_consoles(struct plan *p, struct planned_machine *m);

/* Descriptors that a server gets for its sockets. */
size_t planned_server_n_fds(const struct planned_server *s);

/* The server behind a socket path (machine_device.socket_path), or NULL. */
const struct planned_server *plan_find_server(const struct plan *p, const char *socket_path);
