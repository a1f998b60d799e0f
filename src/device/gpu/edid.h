/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a display says of itself to a guest: an EDID 1.4 block with one preferred mode, and a DisplayID 1.3 extension
 * where that mode is too large for EDID's own timings.
 *
 * Spec: VESA E-EDID Standard release A2 (EDID 1.4), VESA DisplayID 1.3, VESA CVT 1.2 (reduced blanking).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define EDID_BLOCK_BYTES 128
#define EDID_BYTES_MAX (2 * EDID_BLOCK_BYTES)
#define EDID_PIXELS_MAX 16384
#define EDID_NAME_MAX 13

struct edid_display {
        const char *name; /* the first EDID_NAME_MAX characters that can be printed are told */
        uint32_t serial;
        uint32_t width, height; /* pixels, 1 to EDID_PIXELS_MAX */
        uint32_t rate_hz;       /* 1 to 1000 */
};

/* Return: bytes filled: one or two blocks. */
size_t edid_make(const struct edid_display *d, uint8_t ret[static EDID_BYTES_MAX]);
