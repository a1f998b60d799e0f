/* SPDX-License-Identifier: MPL-2.0 */
/* What a well-behaved guest's driver does with the GPU device, on one thread and on a worker's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/worker.h"
#include "device/gpu/gpu-private.h"
#include "device/gpu/test-gpu-guest.h"
#include "display/picture.h"
#include "virtio/features.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define RECT(...) ((struct virtio_gpu_rect) { __VA_ARGS__ })
#define W 64u
#define H 48u

static struct gpu_guest g;

static int setup_with(const struct gpu_guest_config *config)
{
        gpu_guest_init(&g, config);
        return 0;
}

static int setup(void **state) { return setup_with(&(struct gpu_guest_config) { 0 }); }
static int setup_packed(void **state) { return setup_with(&(struct gpu_guest_config) { .packed = true }); }
static int setup_worker(void **state) { return setup_with(&(struct gpu_guest_config) { .worker = true }); }

static int setup_urgent(void **state)
{
        gpu_guest_init(&g, &(struct gpu_guest_config) { .worker = true, .urgent = true });
        return 0;
}

static int teardown(void **state)
{
        gpu_guest_deinit(&g);
        return 0;
}

/* A rectangle of the shown source is what @seed painted, in rows of @stride pixels from pixel @first. */
static void assert_shown(struct view *v, uint32_t width, uint32_t height, uint32_t seed, uint32_t stride,
                         uint32_t first)
{
        for (uint32_t y = 0; y < height; y++)
                for (uint32_t x = 0; x < width; x++)
                        assert_int_equal(test_view_pixel(v, x, y), gpu_guest_colour(seed, first + y * stride + x));
}

/* ---- configuration and displays ---- */

static void config_space_tells_scanouts_and_no_capability_set(void **state)
{
        struct virtio_gpu_config c;
        uint8_t bytes[20];

        assert_int_equal(device_config_size(g.dev), sizeof(bytes));
        assert_int_equal(device_config_read(g.dev, 0, &c, sizeof(c)), 0);
        assert_int_equal(le32toh(c.num_scanouts), GUEST_SCANOUTS);
        assert_int_equal(le32toh(c.num_capsets), 0);
        assert_int_equal(c.events_read, 0);
        assert_int_equal(device_config_read(g.dev, 8, bytes, 4), 0);
        assert_int_equal(bytes[0], GUEST_SCANOUTS);
}

static void displays_are_told_side_by_side(void **state)
{
        const struct virtio_gpu_resp_display_info *info = (const void *) (g.memory + GUEST_RESPONSE);

        assert_int_equal(gpu_guest_bare(&g, VIRTIO_GPU_CMD_GET_DISPLAY_INFO, sizeof(*info)),
                         VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
        assert_int_equal(g.last_len, sizeof(*info));
        assert_int_equal(le32toh(info->pmodes[0].r.width), 1920);
        assert_int_equal(le32toh(info->pmodes[0].r.height), 720);
        assert_int_equal(le32toh(info->pmodes[0].enabled), 1);
        assert_int_equal(le32toh(info->pmodes[1].r.x), 1920);
        assert_int_equal(le32toh(info->pmodes[1].r.width), 800);
        for (size_t i = GUEST_SCANOUTS; i < VIRTIO_GPU_MAX_SCANOUTS; i++)
                assert_int_equal(info->pmodes[i].enabled, 0);
}

static void edid_of_each_display_has_its_size(void **state)
{
        struct virtio_gpu_cmd_get_edid request = { .hdr.type = htole32(VIRTIO_GPU_CMD_GET_EDID),
                                                   .scanout = htole32(1) };
        const struct virtio_gpu_resp_edid *edid = (const void *) (g.memory + GUEST_RESPONSE);

        assert_int_equal(gpu_guest_run(&g, 0, &request, sizeof(request), sizeof(*edid)), VIRTIO_GPU_RESP_OK_EDID);
        assert_int_equal(le32toh(edid->size), 128);
        assert_int_equal(edid->edid[54 + 2] | (edid->edid[54 + 4] & 0xf0) << 4, 800);
        assert_memory_equal(edid->edid + 72 + 5, "the second di", 13);
}

static void new_mode_raises_the_event_until_it_is_cleared(void **state)
{
        const struct virtio_gpu_resp_display_info *info = (const void *) (g.memory + GUEST_RESPONSE);
        uint32_t events = 0, clear = htole32(VIRTIO_GPU_EVENT_DISPLAY);
        struct virtio_gpu_config whole;

        test_view_set_mode(&g.views[0], 1280, 480);
        assert_int_equal(g.n_config_changed, 1);
        assert_int_equal(device_config_read(g.dev, 0, &events, sizeof(events)), 0);
        assert_int_equal(le32toh(events), VIRTIO_GPU_EVENT_DISPLAY);
        assert_int_equal(gpu_guest_bare(&g, VIRTIO_GPU_CMD_GET_DISPLAY_INFO, sizeof(*info)),
                         VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
        assert_int_equal(le32toh(info->pmodes[0].r.width), 1280);
        assert_int_equal(le32toh(info->pmodes[1].r.x), 1280);

        assert_int_equal(device_config_write(g.dev, 4, &clear, sizeof(clear)), 0);
        assert_int_equal(device_config_read(g.dev, 0, &events, sizeof(events)), 0);
        assert_int_equal(events, 0);

        /* As QEMU passes it on: all fields at once. */
        test_view_set_mode(&g.views[1], 640, 480);
        assert_int_equal(device_config_read(g.dev, 0, &whole, sizeof(whole)), 0);
        whole.events_clear = clear;
        assert_int_equal(device_config_write(g.dev, 0, &whole, sizeof(whole)), 0);
        assert_int_equal(device_config_read(g.dev, 0, &events, sizeof(events)), 0);
        assert_int_equal(events, 0);
}

/* ---- 2D resources ---- */

static void transferred_pixels_are_shown_exactly(void **state)
{
        struct virtio_gpu_rect all = { 0, 0, W, H };

        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, 3);
        assert_int_equal(gpu_guest_transfer(&g, 1, all, 0), OK);
        assert_null(g.views[0].shown);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, all), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, all), OK);
        assert_int_equal(g.views[0].n_flushes, 1);
        assert_int_equal(test_view_format(&g.views[0]), PIXMAN_x8r8g8b8);
        assert_int_equal(g.views[0].source.width, W);
        assert_shown(&g.views[0], W, H, 3, W, 0);
        assert_null(g.views[1].shown);
}

static void transfer_changes_its_rectangle_only(void **state)
{
        struct virtio_gpu_rect all = { 0, 0, W, H };

        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, 1);
        assert_int_equal(gpu_guest_transfer(&g, 1, all, 0), OK);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, 2);
        assert_int_equal(gpu_guest_transfer(&g, 1, RECT(10, 20, 7, 5), (20 * W + 10) * 4), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, all), OK);
        for (uint32_t y = 0; y < H; y++)
                for (uint32_t x = 0; x < W; x++) {
                        bool in = x >= 10 && x < 17 && y >= 20 && y < 25;

                        assert_int_equal(test_view_pixel(&g.views[0], x, y), gpu_guest_colour(in ? 2 : 1, y * W + x));
                }
        /* From another place in the backing: 5.7.6.2 leaves the choice to the driver. */
        assert_int_equal(gpu_guest_transfer(&g, 1, RECT(0, 0, 2, 2), 40 * W * 4), OK);
        assert_shown(&g.views[0], 2, 2, 1, W, 0); /* not flushed */
        assert_int_equal(gpu_guest_flush(&g, 1, RECT(0, 0, 2, 2)), OK);
        assert_shown(&g.views[0], 2, 2, 2, W, 40 * W);
}

/* Pieces of odd lengths, in any order, some of the same page. */
static void scattered_backing_is_put_together(void **state)
{
        struct virtio_gpu_mem_entry entries[200];
        uint32_t n = 0, total = W * H * 4, at = 0;

        while (at < total) {
                uint32_t length = MIN(1 + (at * 7 + n * 13) % 300, total - at);

                entries[n] = (struct virtio_gpu_mem_entry) { GUEST_PIXELS + (199 - n) * 4096, length, 0 };
                for (uint32_t i = 0; i < length; i++)
                        g.memory[entries[n].addr + i] =
                                (char) (gpu_guest_colour(9, (at + i) / 4) >> 8 * ((at + i) % 4));
                at += length;
                n++;
        }
        assert_true(n > 50);
        assert_int_equal(gpu_guest_create(&g, 7, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, W, H), OK);
        assert_int_equal(gpu_guest_attach(&g, 7, entries, n), OK);
        assert_int_equal(gpu_guest_transfer(&g, 7, RECT(0, 0, W, H), 0), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, 7, RECT(0, 0, W, H)), OK);
        assert_shown(&g.views[0], W, H, 9, W, 0);
}

static void all_formats_are_known_by_their_bytes(void **state)
{
        static const struct {
                uint32_t virtio;
                pixman_format_code_t pixman;
        } formats[] = { { 1, PIXMAN_a8r8g8b8 }, { 2, PIXMAN_x8r8g8b8 }, { 3, PIXMAN_b8g8r8a8 }, { 4, PIXMAN_b8g8r8x8 },
                        { 67, PIXMAN_a8b8g8r8 }, { 68, PIXMAN_r8g8b8x8 }, { 121, PIXMAN_r8g8b8a8 },
                        { 134, PIXMAN_x8b8g8r8 } };

        for (uint32_t i = 0; i < ARRAY_SIZE(formats); i++) {
                assert_int_equal(gpu_guest_create(&g, i + 1, formats[i].virtio, 8, 8), OK);
                assert_int_equal(gpu_guest_scanout(&g, 0, i + 1, RECT(0, 0, 8, 8)), OK);
                assert_int_equal(test_view_format(&g.views[0]), formats[i].pixman);
        }
}

static void page_flips_show_one_picture_after_the_other(void **state)
{
        struct virtio_gpu_rect all = { 0, 0, W, H };

        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        gpu_guest_make(&g, 2, W, H, GUEST_PIXELS + 0x100000);
        for (uint32_t i = 0; i < 20; i++) {
                uint32_t id = 1 + i % 2;

                gpu_guest_paint(&g, GUEST_PIXELS + i % 2 * 0x100000, W * H, i);
                assert_int_equal(gpu_guest_transfer(&g, id, all, 0), OK);
                assert_int_equal(gpu_guest_scanout(&g, 0, id, all), OK);
                assert_int_equal(gpu_guest_flush(&g, id, all), OK);
                assert_shown(&g.views[0], W, H, i, W, 0);
        }
        assert_int_equal(g.views[0].n_shows, 20);
}

static void two_scanouts_show_parts_of_one_resource(void **state)
{
        gpu_guest_make(&g, 1, 2 * W, H, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, 2 * W * H, 5);
        assert_int_equal(gpu_guest_transfer(&g, 1, RECT(0, 0, 2 * W, H), 0), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, RECT(0, 0, W, H)), OK);
        assert_int_equal(gpu_guest_scanout(&g, 1, 1, RECT(W, 0, W, H)), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, RECT(3, 4, 5, 6)), OK);
        assert_shown(&g.views[0], W, H, 5, 2 * W, 0);
        assert_shown(&g.views[1], W, H, 5, 2 * W, W);
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(g.views[i].n_flushes, 1);
                assert_int_equal(g.views[i].flushes[0].x, 3);
                assert_int_equal(g.views[i].flushes[0].height, 6);
        }
        assert_int_equal(gpu_guest_scanout(&g, 0, 0, RECT(0, 0, 0, 0)), OK);
        assert_null(g.views[0].shown);
        assert_non_null(g.views[1].shown);
}

static void uuid_is_assigned_once(void **state)
{
        struct virtio_gpu_resource_assign_uuid request = {
                .hdr.type = htole32(VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID), .resource_id = htole32(1),
        };
        const struct virtio_gpu_resp_resource_uuid *response = (const void *) (g.memory + GUEST_RESPONSE);
        uint8_t uuid[16];

        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(gpu_guest_run(&g, 0, &request, sizeof(request), sizeof(*response)),
                                 VIRTIO_GPU_RESP_OK_RESOURCE_UUID);
                if (i == 1)
                        assert_memory_equal(uuid, response->uuid, 16);
                memcpy(uuid, response->uuid, 16);
        }
        assert_int_equal(uuid[6] >> 4, 4);
        assert_int_equal(uuid[8] >> 6, 2);
}

static void fence_comes_back_with_its_command(void **state)
{
        struct virtio_gpu_transfer_to_host_2d request = {
                .hdr = { .type = htole32(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D), .flags = htole32(VIRTIO_GPU_FLAG_FENCE),
                         .fence_id = htole64(0x123456789abcdef0), .ctx_id = htole32(77) },
                .r = { 0, 0, htole32(W), htole32(H) }, .resource_id = htole32(1),
        };

        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        assert_int_equal(gpu_guest_run(&g, 0, &request, sizeof(request), 24), OK);
        assert_int_equal(le32toh(g.last_header.flags), VIRTIO_GPU_FLAG_FENCE);
        assert_int_equal(le64toh(g.last_header.fence_id), 0x123456789abcdef0);
        assert_int_equal(le32toh(g.last_header.ctx_id), 77);
        /* Also when it fails. */
        request.resource_id = htole32(2);
        assert_int_equal(gpu_guest_run(&g, 0, &request, sizeof(request), 24), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
        assert_int_equal(le64toh(g.last_header.fence_id), 0x123456789abcdef0);
        request.hdr.flags = 0;
        request.resource_id = htole32(1);
        assert_int_equal(gpu_guest_run(&g, 0, &request, sizeof(request), 24), OK);
        assert_int_equal(g.last_header.fence_id, 0);
}

/* More bytes than one wake-up copies: they come in order all the same, and the queue goes on by itself. */
static void commands_beyond_a_wakeup_are_answered_in_order(void **state)
{
        struct virtio_gpu_transfer_to_host_2d *requests = (void *) (g.memory + GUEST_REQUEST);
        struct virtio_gpu_mem_entry entry = { GUEST_PIXELS, 2048 * 1024 * 4, 0 };
        void *cookie;
        uint32_t len;

        assert_int_equal(gpu_guest_create(&g, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 2048, 1024), OK);
        assert_int_equal(gpu_guest_attach(&g, 1, &entry, 1), OK);
        for (uint32_t i = 0; i < 20; i++) {
                struct driver_buffer buffers[2] = { { GUEST_REQUEST + i * sizeof(*requests), sizeof(*requests), false },
                                                    { GUEST_RESPONSE + i * 24, 24, true } };

                requests[i] = (struct virtio_gpu_transfer_to_host_2d) {
                        .hdr = { .type = htole32(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D),
                                 .flags = htole32(VIRTIO_GPU_FLAG_FENCE),
                                 .fence_id = htole64(100 + i) },
                        .r = { 0, 0, htole32(2048), htole32(1024) },
                        .resource_id = htole32(1),
                };
                assert_int_equal(driver_queue_add(&g.queues[0], buffers, 2, (void *) (uintptr_t) (i + 1)), 0);
        }
        (void) driver_queue_kick(&g.queues[0]);
        for (uint32_t i = 0; i < 20; i++) {
                const struct virtio_gpu_ctrl_hdr *h = (const void *) (g.memory + GUEST_RESPONSE + i * 24);

                while (driver_queue_get(&g.queues[0], &cookie, &len) == 0)
                        assert_int_equal(loop_step(g.loop, 1000), 0);
                assert_int_equal((uintptr_t) cookie, i + 1);
                assert_int_equal(le64toh(h->fence_id), 100 + i);
        }
        assert_true(g.dev->queues[0].n_calls >= 20 * 8 / 16);
}

/* ---- blobs ---- */

static void blob_is_copied_when_it_is_flushed_and_shown_then(void **state)
{
        struct virtio_gpu_mem_entry entry = { GUEST_PIXELS, 0x10000, 0 };
        uint32_t stride = (W + 3) * 4;

        gpu_guest_paint(&g, GUEST_PIXELS, 0x4000, 6);
        assert_int_equal(gpu_guest_create_blob(&g, 5, 0x10000, &entry, 1), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 0, 5, RECT(2, 1, W - 2, H - 1), W, H, stride, 8), OK);
        assert_int_equal(g.views[0].n_shows, 0);
        /* The first flush brings all of it, whatever its rectangle. */
        assert_int_equal(gpu_guest_flush(&g, 5, RECT(4, 4, 1, 1)), OK);
        assert_int_equal(g.views[0].n_shows, 1);
        assert_shown(&g.views[0], W - 2, H - 1, 6, W + 3, 2 + (W + 3) + 2);
        /* Guest memory changes nothing before the next one. */
        gpu_guest_paint(&g, GUEST_PIXELS, 0x4000, 7);
        assert_shown(&g.views[0], W - 2, H - 1, 6, W + 3, 2 + (W + 3) + 2);
        assert_int_equal(gpu_guest_flush(&g, 5, RECT(2, 1, 3, 1)), OK);
        assert_int_equal(g.views[0].n_flushes, 1);
        assert_shown(&g.views[0], 3, 1, 7, W + 3, 2 + (W + 3) + 2);
        assert_int_equal(test_view_pixel(&g.views[0], 3, 0), gpu_guest_colour(6, 2 + (W + 3) + 5));
}

static void blob_flips_show_whole_frames(void **state)
{
        struct virtio_gpu_rect all = { 0, 0, W, H };

        for (uint32_t id = 1; id <= 2; id++) {
                struct virtio_gpu_mem_entry entry = { GUEST_PIXELS + id * 0x100000, W * H * 4, 0 };

                assert_int_equal(gpu_guest_create_blob(&g, id, W * H * 4, NULL, 0), OK);
                assert_int_equal(gpu_guest_attach(&g, id, &entry, 1), OK);
        }
        for (uint32_t i = 0; i < 10; i++) {
                uint32_t id = 1 + i % 2;

                gpu_guest_paint(&g, GUEST_PIXELS + id * 0x100000, W * H, i);
                assert_int_equal(gpu_guest_scanout_blob(&g, 0, id, all, W, H, W * 4, 0), OK);
                assert_int_equal(gpu_guest_transfer(&g, id, all, 0), OK);
                assert_int_equal(gpu_guest_flush(&g, id, i % 3 ? all : RECT(0, 0, 1, 1)), OK);
                assert_shown(&g.views[0], W, H, i, W, 0);
        }
        assert_int_equal(gpu_guest_unref(&g, 2), OK);
        assert_null(g.views[0].shown);
}

/* ---- cursor ---- */

static void cursor_is_a_copy_at_its_top_left_corner(void **state)
{
        gpu_guest_make(&g, 3, 64, 64, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, 64 * 64, 8);
        assert_int_equal(gpu_guest_transfer(&g, 3, RECT(0, 0, 64, 64), 0), OK);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 1, 3, 100, 50), OK);
        assert_int_equal(g.views[1].hot_x, 5);
        assert_int_equal(g.views[1].hot_y, 7);
        assert_int_equal(g.views[1].x, 105);
        assert_int_equal(g.views[1].y, 57);
        for (uint32_t i = 0; i < 64 * 64; i++) {
                uint32_t pixel;

                memcpy(&pixel, g.views[1].cursor->pixels + i / 64 * g.views[1].cursor->stride_bytes + i % 64 * 4, 4);
                assert_int_equal(pixel, gpu_guest_colour(8, i));
        }
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_MOVE_CURSOR, 1, 0, (uint32_t) -20, 0), OK);
        assert_int_equal((int32_t) g.views[1].x, -15);
        assert_int_equal(gpu_guest_unref(&g, 3), OK);
        assert_non_null(g.views[1].cursor);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 1, 0, 0, 0), OK);
        assert_null(g.views[1].cursor);
        assert_null(g.views[0].cursor);
}

static void cursor_may_be_a_blob(void **state)
{
        struct virtio_gpu_mem_entry entry = { GUEST_PIXELS, 16384, 0 };
        uint32_t pixel;

        gpu_guest_paint(&g, GUEST_PIXELS, 64 * 64, 4);
        assert_int_equal(gpu_guest_create_blob(&g, 9, 16384, &entry, 1), OK);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 9, 0, 0), OK);
        memcpy(&pixel, g.views[0].cursor->pixels + 63 * g.views[0].cursor->stride_bytes + 63 * 4, 4);
        assert_int_equal(pixel, gpu_guest_colour(4, 4095));
}

/* Linux gives the device no room for an answer there. */
static void cursor_commands_need_no_answer(void **state)
{
        struct virtio_gpu_update_cursor request = { .hdr.type = htole32(VIRTIO_GPU_CMD_MOVE_CURSOR),
                                                    .pos.x = htole32(9) };

        assert_int_equal(gpu_guest_run(&g, 1, &request, sizeof(request), 0), NO_ANSWER);
        assert_int_equal(g.last_len, 0);
        assert_int_equal(g.views[0].x, 9);
}

/* ---- life ---- */

static void reset_frees_all_and_shows_nothing(void **state)
{
        struct virtio_gpu_rect all = { 0, 0, 64, 64 };

        for (int round = 0; round < 2; round++) {
                gpu_guest_make(&g, 1, 64, 64, GUEST_PIXELS);
                assert_int_equal(gpu_guest_scanout(&g, 0, 1, all), OK);
                assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 1, 1), OK);
                test_view_set_mode(&g.views[0], 1000, 700);
                gpu_guest_stop(&g);
                assert_non_null(g.views[0].shown);
                device_reset(g.dev);
                assert_null(g.views[0].shown);
                assert_null(g.views[0].cursor);
                gpu_guest_start(&g);
        }
}

/* The front end changes the memory table: what is behind an address is what is there when it is used. */
static void backing_follows_guest_memory(void **state)
{
        struct region_spec low = { 0, GUEST_PIXELS, 0, 0 }, whole = { 0, GUEST_MEMORY_BYTES, 0, 0 };
        struct virtio_gpu_rect all = { 0, 0, W, H };

        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, 2);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, all), OK);
        gpu_guest_stop(&g);
        space_clear(g.space);
        assert_int_equal(space_add(g.space, &low, g.memory_fd), 0);
        g.memory = space_pointer(g.space, 0, GUEST_PIXELS, 1);
        gpu_guest_start(&g);
        assert_int_equal(gpu_guest_transfer(&g, 1, all, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        gpu_guest_stop(&g);
        space_clear(g.space);
        assert_int_equal(space_add(g.space, &whole, g.memory_fd), 0);
        g.memory = space_pointer(g.space, 0, GUEST_MEMORY_BYTES, 1);
        gpu_guest_start(&g);
        assert_int_equal(gpu_guest_transfer(&g, 1, all, 0), OK);
        assert_shown(&g.views[0], W, H, 2, W, 0);
}

static void worker_serves_while_the_control_thread_looks(void **state)
{
        struct virtio_gpu_rect all = { 0, 0, W, H };

        assert_non_null(g.worker);
        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, all), OK);
        for (uint32_t i = 0; i < 50; i++) {
                gpu_guest_paint(&g, GUEST_PIXELS, W * H, i);
                assert_int_equal(gpu_guest_transfer(&g, 1, all, 0), OK);
                assert_int_equal(gpu_guest_flush(&g, 1, all), OK);
                test_view_set_mode(&g.views[0], 1000 + i, 700);
                assert_int_equal(test_view_pixel(&g.views[0], 1, 1), gpu_guest_colour(i, W + 1));
                assert_int_equal(gpu_guest_bare(&g, VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 408),
                                 VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
        }
        assert_int_equal(g.n_config_changed, 50);
}

static void cpu_time(void *data)
{
        struct timespec ts;

        assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
        *(uint64_t *) data = (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

/* As if it had taken so much just now; on its thread. */
static void take_cpu(void *data)
{
        struct gpu *gpu = container_of(g.dev, struct gpu, dev);
        uint64_t now_ns;

        cpu_time(&now_ns);
        gpu->share.begin_ns = clock_now_ns();
        gpu->share.begin_cpu_ns = now_ns - *(const uint64_t *) data;
}

static void count_kicks(void *data) { *(uint64_t *) data = g.dev->queues[GPU_CONTROL_QUEUE].n_kicks; }

static void urgent_guest_that_has_had_its_share_does_not_wake_its_thread(void **state)
{
        uint64_t hour_ns = 3600 * NSEC_PER_SEC, before, after;

        loop_call(worker_loop(g.worker), take_cpu, &hour_ns);
        fd_event_signal(g.kick_fd[GPU_CONTROL_QUEUE]);
        loop_call(worker_loop(g.worker), count_kicks, &before);
        for (int i = 0; i < 100; i++) {
                fd_event_signal(g.kick_fd[GPU_CONTROL_QUEUE]);
                loop_call(worker_loop(g.worker), count_kicks, &after);
        }
        assert_in_range(after, before, before + 1); /* that one may have come after the first look */
        gpu_guest_stop(&g);
        gpu_guest_start(&g);
        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
}

static void urgent_guest_waits_for_twice_what_a_long_command_took(void **state)
{
        uint64_t long_ns = 200 * NSEC_PER_MSEC, begin_ns = clock_now_ns();

        loop_call(worker_loop(g.worker), take_cpu, &long_ns);
        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        assert_in_range(clock_now_ns() - begin_ns, 2 * long_ns, UINT64_MAX);
}

static void urgent_guests_thread_takes_half_of_a_cpu_at_most(void **state)
{
        struct virtio_gpu_rect all = { 0, 0, 1920, 1080 };
        uint64_t begin_ns = clock_now_ns(), taken_ns, elapsed_ns;

        gpu_guest_make(&g, 1, 1920, 1080, GUEST_PIXELS);
        while (clock_now_ns() - begin_ns < 600 * NSEC_PER_MSEC)
                assert_int_equal(gpu_guest_transfer(&g, 1, all, 0), OK);
        loop_call(worker_loop(g.worker), cpu_time, &taken_ns);
        elapsed_ns = clock_now_ns() - begin_ns;
        /* The last period has just begun; it may end with a wake-up of 20 ms. */
        assert_in_range(taken_ns, 0, elapsed_ns / 2 + 70 * NSEC_PER_MSEC);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CASE_URGENT(name) cmocka_unit_test_setup_teardown(name, setup_urgent, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(config_space_tells_scanouts_and_no_capability_set),
                CASE(displays_are_told_side_by_side),
                CASE(edid_of_each_display_has_its_size),
                CASE(new_mode_raises_the_event_until_it_is_cleared),
                CASE(transferred_pixels_are_shown_exactly),
                cmocka_unit_test_setup_teardown(transferred_pixels_are_shown_exactly, setup_packed, teardown),
                CASE(transfer_changes_its_rectangle_only),
                CASE(scattered_backing_is_put_together),
                CASE(all_formats_are_known_by_their_bytes),
                CASE(page_flips_show_one_picture_after_the_other),
                cmocka_unit_test_setup_teardown(page_flips_show_one_picture_after_the_other, setup_worker, teardown),
                CASE(two_scanouts_show_parts_of_one_resource),
                CASE(uuid_is_assigned_once),
                CASE(fence_comes_back_with_its_command),
                CASE(commands_beyond_a_wakeup_are_answered_in_order),
                CASE(blob_is_copied_when_it_is_flushed_and_shown_then),
                CASE(blob_flips_show_whole_frames),
                CASE(cursor_is_a_copy_at_its_top_left_corner),
                CASE(cursor_may_be_a_blob),
                CASE(cursor_commands_need_no_answer),
                CASE(reset_frees_all_and_shows_nothing),
                CASE(backing_follows_guest_memory),
                CASE_URGENT(urgent_guest_that_has_had_its_share_does_not_wake_its_thread),
                CASE_URGENT(urgent_guest_waits_for_twice_what_a_long_command_took),
                CASE_URGENT(urgent_guests_thread_takes_half_of_a_cpu_at_most),
                cmocka_unit_test_setup_teardown(worker_serves_while_the_control_thread_looks, setup_worker, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
