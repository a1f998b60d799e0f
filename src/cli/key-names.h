/* SPDX-License-Identifier: MPL-2.0 */
/* Names of keys as people type them: those of linux/input-event-codes.h in small letters and without "KEY_". */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* "enter", or "#28" for a key by its number; @n bytes of it. Return: KEY_*; 0: there is none of that name. */
uint16_t key_from_name(const char *name, size_t n);
