/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Device types with large libraries are programs of their own, busbar-device-TYPE, so that neither the monitor nor the
 * other servers carry them. A build that lacks such a library has no such program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct device_program {
        const char *type, *summary;
        const char *needs; /* libraries: what they are called when they are installed */
};

/* Ends with a NULL type. */
extern const struct device_program device_programs[];

/* NULL if there is none of that type. */
const struct device_program *device_program_find(const char *type);

/**
 * device_program_path() - where a type's program is
 * @program: path of this one: it is looked for beside it (as built), and where it is installed
 *
 * Return: false if it is in neither place.
 */
bool device_program_path(const char *program, const char *type, char *ret, size_t n);
