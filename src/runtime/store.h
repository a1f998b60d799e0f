/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The machines and systems below one root, as a command sees them. A folder that nobody looks after any more although
 * its state says otherwise is stale: supervisor and janitor were killed at once, or the host stopped. It is cleaned up
 * here before anything is said about it, so a command never shows a machine that is not there.
 */
#pragma once

#include <stddef.h>

#include "runtime/run-dir.h"
#include "runtime/state.h"

struct store_list {
        struct machine_state *machines; /* by id */
        size_t n_machines;
        char **systems; /* names, sorted */
        size_t n_systems;
};

/**
 * store_load() - what is known of a machine
 * @ret: to be deinitialised by the caller
 *
 * Return: 0; -ENOENT: there is no such machine; -EAGAIN: it is being made or removed this moment;
 * -ENOTUNIQ: the folder is none of ours; -EINVAL: its state is damaged; another negative errno.
 */
int store_load(const char *root, const char *id, struct machine_state *ret);

/* All of them. Return: 0 or a negative errno. */
int store_list(const char *root, struct store_list *ret);
void store_list_deinit(struct store_list *list);

/**
 * store_create() - make and lock the folder of a new machine ("ID") or system ("@NAME")
 *
 * Makes the root too. A stale folder of that name makes way.
 *
 * Return: 0; -EEXIST; a negative errno.
 */
int store_create(const char *root, const char *name, struct run_dir *ret);

/* Removes what is left of a machine, also of one whose state is damaged.
   Return: 0; -EBUSY: it is not stopped; -ENOENT; a negative errno. */
int store_delete(const char *root, const char *id);
