/* SPDX-License-Identifier: MPL-2.0 */
/* The keys that keysyms of the X Window System (as VNC sends them) are on, on a keyboard with a US layout. */
#pragma once

#include <stdint.h>

/* Return: KEY_* of linux/input-event-codes.h; 0: no key has it. */
uint16_t keysym_to_key(uint32_t keysym);
