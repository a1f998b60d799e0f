/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A page of memory whose first touch is told to another thread, and held up until that one has done what it is to do:
 * so a test comes in the middle of a copy, however fast that is. One at a time.
 */
#pragma once

#include <stdbool.h>

struct trap {
        bool (*goes_on)(void *data); /* asked again and again by the thread that touched the page */
        void *data;
};

void trap_set(const struct trap *t, void *in_page);
/* Waits until the page has been touched. */
void trap_wait(void);
/* Gives the page back, touched or not. */
void trap_clear(void);
