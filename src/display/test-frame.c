/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "display/test-frame.h"

struct frame *layered_frame(const struct picture *p)
{
        const struct pixman_box32 box = { (int) p->width / 4, (int) p->height / 3, (int) p->width / 2,
                                          (int) p->height - 1 };
        struct frame *f = frame_new(p->width, p->height, 2);
        pixman_region32_t inner, outer;
        struct picture *back, *front;

        assert_non_null(f);
        pixman_region32_init_with_extents(&inner, (pixman_box32_t *) &box);
        pixman_region32_init_rect(&outer, 0, 0, p->width, p->height);
        assert_true(pixman_region32_subtract(&outer, &outer, &inner));
        assert_int_equal(picture_new(PIXMAN_x8r8g8b8, p->width, p->height, &back), 0);
        assert_int_equal(picture_new(PIXMAN_x8r8g8b8, p->width, p->height, &front), 0);
        memcpy(back->pixels, p->pixels, p->size_bytes);
        for (int y = box.y1; y < box.y2; y++) { /* it lies elsewhere in its picture */
                size_t at = (size_t) y * p->stride_bytes + (size_t) box.x1 * 4, n = (size_t) (box.x2 - box.x1) * 4;

                memcpy(front->pixels + (size_t) (y - box.y1) * p->stride_bytes + 8, p->pixels + at, n);
                memset(back->pixels + at, 0x77, n);
        }
        assert_true(frame_add(f, back, &outer, 0, 0) && frame_add(f, front, &inner, box.x1 - 2, box.y1));
        pixman_region32_fini(&inner);
        pixman_region32_fini(&outer);
        picture_unref(back);
        picture_unref(front);
        return f;
}
