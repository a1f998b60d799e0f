/* SPDX-License-Identifier: MPL-2.0 */
/* What `busbar doctor` looks at on a host besides its platforms: what servers and supervisors need of the kernel. */
#pragma once

#include <stdbool.h>

struct doctor_check {
        const char *name; /* stable: also a member of the JSON */
        const char *why;  /* what it is for */
        bool required;    /* without it nothing runs; otherwise something is slower, weaker or missing */
        const char *fix;
        /* Fills in a detail (version, error). Return: true if it is there. */
        bool (*run)(char *detail, unsigned n);
};

/* Ends with a NULL name. */
extern const struct doctor_check doctor_checks[];
