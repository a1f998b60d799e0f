/* SPDX-License-Identifier: MPL-2.0 */
#include "display/guard-look.h"

#include <endian.h>
#include <zlib.h>

#include "base/macros.h"
#include "display/picture.h"

#define RGB_MASK 0x00ffffffu
#define CHUNK_PIXELS 1024

static const uint32_t *row_of(const struct picture *p, int y)
{
        return (const uint32_t *) (const void *) (p->pixels + (size_t) y * p->stride_bytes);
}

uint32_t guard_crc(const struct picture *p, const struct pixman_box32 *box)
{
        uint32_t chunk[CHUNK_PIXELS];
        uLong crc = crc32(0, NULL, 0);

        for (int y = box->y1; y < box->y2; y++) {
                const uint32_t *row = row_of(p, y);

                for (int x = box->x1; x < box->x2;) {
                        int n = MIN(box->x2 - x, CHUNK_PIXELS);

                        for (int i = 0; i < n; i++)
                                chunk[i] = htole32(row[x + i] & RGB_MASK);
                        crc = crc32(crc, (const Bytef *) chunk, (uInt) n * 4);
                        x += n;
                }
        }
        return (uint32_t) crc;
}

bool guard_is_lit(const struct picture *p, const struct pixman_box32 *box)
{
        uint32_t first = row_of(p, box->y1)[box->x1] & RGB_MASK;

        for (int y = box->y1; y < box->y2; y++) {
                const uint32_t *row = row_of(p, y);
                uint32_t differences = 0;

                for (int x = box->x1; x < box->x2; x++)
                        differences |= (row[x] & RGB_MASK) ^ first;
                if (differences != 0)
                        return true;
        }
        return false;
}
