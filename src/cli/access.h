/* SPDX-License-Identifier: MPL-2.0 */
/* How verbs find machines and talk to their supervisors. All of them log what went wrong, the machine as subject. */
#pragma once

#include <jansson.h>

#include "cli/command.h"
#include "runtime/state.h"

/* For each step of a request; a guest's own pace does not come into it. */
#define REQUEST_TIMEOUT_MS 30000

/* The folder of all machines as an absolute path, owned by the caller; NULL after an error was logged. */
char *access_root(const struct invocation *inv);

/* Return: true with *ret to be deinitialised by the caller; false after an error was logged. */
bool access_load(const char *root, const char *id, struct machine_state *ret);

/**
 * access_request() - send a request to a machine's supervisor
 * @request_take: the reference is taken
 *
 * Return: STATUS_OK, or STATUS_FAILED after an error was logged.
 */
int access_request(const struct invocation *inv, const char *id, json_t *request_take);

/**
 * access_system_name() - "pair", "pair.json", "examples/pair/pair.json", or a folder with a system.json → its name
 *
 * A system that is called like a folder here comes first. Return: owned by the caller; NULL without memory.
 */
char *access_system_name(const char *root, const char *operand);

/* Prints JSON and a newline to stdout; takes the reference. Return: an exit status. */
int print_json(json_t *json_take);

/* Candidates for an operand that is a machine's id. */
void complete_machine(const struct globals *globals, unsigned index, FILE *out);
/* The same for a system's name. */
void complete_system(const struct globals *globals, unsigned index, FILE *out);
