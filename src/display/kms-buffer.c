/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <sys/mman.h>

#include <drm_fourcc.h>
#include <xf86drm.h>

#include "display/frame.h"
#include "display/kms-private.h"

static int map(struct kms_buffer *b)
{
        struct drm_mode_map_dumb request = { .handle = b->handle };
        void *p;

        if (drmIoctl(b->fd, DRM_IOCTL_MODE_MAP_DUMB, &request) < 0)
                return -errno;
        p = mmap(NULL, b->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, (off_t) request.offset);
        if (p == MAP_FAILED)
                return -errno;
        b->pixels = p;
        return 0;
}

int kms_buffer_init(struct kms_buffer *b, int fd, uint32_t width, uint32_t height)
{
        struct drm_mode_create_dumb request = { .width = width, .height = height, .bpp = 32 };
        int r;

        *b = (struct kms_buffer) { .fd = fd };
        pixman_region32_init_rect(&b->stale, 0, 0, width, height);
        if (drmIoctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &request) < 0)
                return -errno;
        b->handle = request.handle;
        b->stride_bytes = request.pitch;
        b->size_bytes = request.size;
        r = drmModeAddFB2(fd, width, height, DRM_FORMAT_XRGB8888, (uint32_t[4]) { b->handle },
                          (uint32_t[4]) { b->stride_bytes }, (uint32_t[4]) { 0 }, &b->fb, 0);
        return r < 0 ? r : map(b);
}

void kms_buffer_deinit(struct kms_buffer *b)
{
        struct drm_mode_destroy_dumb request = { .handle = b->handle };

        if (b->pixels)
                (void) munmap(b->pixels, b->size_bytes);
        if (b->fb)
                (void) drmModeRmFB(b->fd, b->fb);
        if (b->handle)
                (void) drmIoctl(b->fd, DRM_IOCTL_MODE_DESTROY_DUMB, &request);
        pixman_region32_fini(&b->stale);
        *b = (struct kms_buffer) { 0 };
        pixman_region32_init(&b->stale);
}

void kms_buffer_update(struct kms_buffer *b, const struct frame *frame)
{
        frame_copy(frame, &b->stale, b->pixels, b->stride_bytes);
        pixman_region32_clear(&b->stale);
}
