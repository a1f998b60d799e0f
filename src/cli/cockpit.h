/* SPDX-License-Identifier: MPL-2.0 */
/* The screens of a system that is up, or of a machine that runs by itself,
   for verbs that look at them and touch them. */
#pragma once

#include "cli/command.h"
#include "scene/scene.h"

struct cockpit {
        char *name;   /* owned: of system or machine, for messages */
        char *folder; /* owned: where the sockets of its servers lie */
        struct scene scene;
};

/**
 * cockpit_open() - find them
 * @operand: a system's name or file, or a machine's id
 * @ret:     zeroed; to be deinitialised in any case
 *
 * Return: STATUS_OK; STATUS_FAILED after an error was logged.
 */
int cockpit_open(const struct invocation *inv, const char *operand, struct cockpit *ret);
void cockpit_deinit(struct cockpit *c);

/* @name: NULL means the first. Return: NULL after an error was logged. */
const struct scene_screen *cockpit_find_screen(const struct cockpit *c, const char *name);

/* Candidates for the operand of cockpit_open(). */
void complete_cockpit(const struct globals *globals, unsigned index, FILE *out);
