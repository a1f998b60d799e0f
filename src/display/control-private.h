/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The control socket from inside: control.c has its life, control-requests.c what callers ask, dump.c the raw frames.
 *
 * Of a caller (base/control.h), data is the screen of the screenshot that waits or is being written, NULL: none;
 * stays_for is of enum display_stay.
 */
#pragma once

#include <stddef.h>

#include "base/control.h"
#include "display/control.h"

struct dump;
struct writer;

enum display_stay {
        STAYS_FOR_GUARDS = 1 << 0, /* is told of them */
        STAYS_FOR_DUMP = 1 << 1,
};

struct display_control {
        struct control control;
        struct screen **screens; /* owned array of borrowed ones */
        size_t n_screens;

        struct writer *writer;             /* owned: of screenshots */
        int writing_fd;                    /* owned; -1: no screenshot is being written */
        struct control_client *writes_for; /* NULL: the caller has left */
        struct dump *dump;                 /* owned */
        struct control_client *dumps_for;  /* NULL: no dump */
};

extern const struct control_ops display_control_ops;

/* Done functions of the writers. */
void display_control_on_written(void *data, int result);
void display_control_on_dump_ended(void *data, int result);
