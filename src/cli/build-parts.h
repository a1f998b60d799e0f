/* SPDX-License-Identifier: MPL-2.0 */
/* Which optional parts this build has; build-parts.c is made by meson from what libraries it found. */
#pragma once

#include <stdbool.h>

struct build_part {
        const char *type; /* the device type that has it */
        const char *name, *needs;
        bool is_there;
};

/* Ends with a NULL type. */
extern const struct build_part build_parts[];
