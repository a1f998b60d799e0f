/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A platform: how a machine is brought up under one hypervisor. One file (qemu.c ...) and one entry in the
 * table of platforms.c each.
 *
 * Life of an instance: bring_up() (vCPUs stopped) → resume ⇄ pause → power_down or kill → `ended` event →
 * free. All on the loop of the machine's supervisor; no function waits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "platform/machine.h"

struct loop;
struct platform_instance;

enum machine_end {
        END_POWERED_OFF, /* by the guest or by power_down */
        END_RESET,       /* the guest asked for a reset that the platform does not do itself */
        END_PANICKED,    /* the guest reported a panic */
        END_CRASHED,     /* the guest's CPU cannot go on (x86-64: a triple fault) */
        END_KILLED,      /* by kill */
        END_FAILED,      /* the monitor died or never came up; text says why */
};

struct platform_events {
        void (*ready)(void *data);                                         /* brought up, vCPUs stopped */
        void (*running)(void *data, bool running);                         /* state changed, whoever asked for it */
        void (*ended)(void *data, enum machine_end how, const char *text); /* once; every process is reaped */
};

struct platform_probe {
        bool usable;
        bool accelerated;
        char version[64];
        char why[256]; /* not usable, or not accelerated: why, and what would help */
};

struct platform_ops {
        const char *name;
        bool console_streams; /* cannot attach a vhost-user console: machine_device.stream */
        bool waits_for_servers; /* bring_up() may come before device servers serve, as long as their sockets listen */

        /* Return: 0 with *ret filled, or a negative errno if even that could not be found out. */
        int (*probe)(enum machine_arch arch, struct platform_probe *ret);

        /* A line for each thing of @m that this platform cannot do, before anything is started; NULL: all fine.
           Owned by the caller. */
        char *(*check)(const struct machine *m, const struct platform_probe *probe);

        /* @m is borrowed until free; @probe is what platform_select() found. Return: 0, or a negative errno with
           *ret_error (owned by the caller) set. */
        int (*bring_up)(struct loop *loop, const struct machine *m, const struct platform_probe *probe,
                        const struct platform_events *events, void *data, struct platform_instance **ret,
                        char **ret_error);
        int (*resume)(struct platform_instance *i);
        int (*pause)(struct platform_instance *i);
        int (*power_down)(struct platform_instance *i);                 /* asks the guest */
        int (*kill)(struct platform_instance *i);                       /* at once */
        struct platform_instance *(*free)(struct platform_instance *i); /* kills and reaps what still runs */
};

struct platform_instance {
        const struct platform_ops *ops;
};

/* All platforms in the order in which `auto` prefers them, NULL-terminated. */
extern const struct platform_ops *const platforms[];

const struct platform_ops *platform_find(const char *name);

/**
 * platform_select() - the platform for a machine
 * @m: names it, or "auto": the first one that can do all that @m needs and is usable and accelerated, else the first
 *     that is usable at all
 * @ret_probe: what was found out about it, for bring_up()
 * @ret_why: on failure, text that says why not; on success NULL, or which one that "auto" prefers cannot do what @m
 *           needs; owned by the caller
 *
 * Return: 0, -ENOENT (no such platform), -ENODEV (none usable), -ENOTSUP (it cannot do what @m needs).
 */
int platform_select(const struct machine *m, const struct platform_ops **ret, struct platform_probe *ret_probe,
                    char **ret_why);
