/* SPDX-License-Identifier: MPL-2.0 */
/* Looks at the pixels of a region: what the rules of guards are made of. */
#pragma once

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

struct picture;

/* CRC-32 (zlib's) of a box of an x8r8g8b8 picture: rows of 0x00rrggbb, little endian, top to bottom. */
uint32_t guard_crc(const struct picture *p, const struct pixman_box32 *box);

/* Two of its pixels differ. */
bool guard_is_lit(const struct picture *p, const struct pixman_box32 *box);
