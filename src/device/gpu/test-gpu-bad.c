/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a broken or hostile driver does with the GPU device; the numbers are the lines of the table of bad input. After
 * each case the device still does what it is for, if need be after a reset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "device/gpu/test-gpu-guest.h"
#include "display/picture.h"
#include "virtio/features.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define BAD_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BAD_SCANOUT VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID
#define NO_MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define BGRX VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define RECT(...) ((struct virtio_gpu_rect) { __VA_ARGS__ })
#define ALL ((struct virtio_gpu_rect) { 0, 0, 32, 32 })

static struct gpu_guest g;

static int setup_with(const struct gpu_guest_config *config)
{
        gpu_guest_init(&g, config);
        return 0;
}

static int setup(void **state) { return setup_with(&(struct gpu_guest_config) { 0 }); }
static int setup_worker(void **state) { return setup_with(&(struct gpu_guest_config) { .worker = true }); }

static int setup_small(void **state)
{
        return setup_with(&(struct gpu_guest_config) { .max_resources = 10, .max_bytes = 1 << 20 });
}

static int setup_plain(void **state)
{
        return setup_with(&(struct gpu_guest_config) {
                .features_off = FEATURE(VIRTIO_GPU_F_EDID) | FEATURE(VIRTIO_GPU_F_RESOURCE_UUID) |
                                FEATURE(VIRTIO_GPU_F_RESOURCE_BLOB),
        });
}

/* A picture goes all the way, with ids that no test uses. */
static void assert_alive(void)
{
        gpu_guest_make(&g, 0xfffffff0, 32, 32, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, 32 * 32, 77);
        assert_int_equal(gpu_guest_transfer(&g, 0xfffffff0, ALL, 0), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, 0xfffffff0, ALL), OK);
        assert_int_equal(gpu_guest_flush(&g, 0xfffffff0, ALL), OK);
        assert_int_equal(test_view_pixel(&g.views[0], 31, 31), gpu_guest_colour(77, 1023));
        assert_int_equal(gpu_guest_unref(&g, 0xfffffff0), OK);
}

static int teardown(void **state)
{
        assert_alive();
        gpu_guest_deinit(&g);
        return 0;
}

/* ---- 12: gpu ---- */

static void bad_input_12_resource_ids_that_are_none_or_in_use(void **state)
{
        struct virtio_gpu_mem_entry entry = { GUEST_PIXELS, 4096, 0 };

        assert_int_equal(gpu_guest_create(&g, 0, BGRX, 32, 32), BAD_RESOURCE);
        assert_int_equal(gpu_guest_create_blob(&g, 0, 4096, &entry, 1), BAD_RESOURCE);
        gpu_guest_make(&g, 1, 32, 32, GUEST_PIXELS);
        assert_int_equal(gpu_guest_create(&g, 1, BGRX, 64, 64), BAD_RESOURCE);
        assert_int_equal(gpu_guest_create_blob(&g, 1, 4096, &entry, 1), BAD_RESOURCE);
        assert_int_equal(gpu_guest_transfer(&g, 1, ALL, 0), OK); /* it is still the first one */
        for (uint32_t id = 0; id <= 1025; id += 1025) { /* 1025: the same bucket as 1 */
                assert_int_equal(gpu_guest_attach(&g, id, &entry, 1), BAD_RESOURCE);
                assert_int_equal(gpu_guest_detach(&g, id), BAD_RESOURCE);
                assert_int_equal(gpu_guest_transfer(&g, id, ALL, 0), BAD_RESOURCE);
                assert_int_equal(gpu_guest_flush(&g, id, ALL), BAD_RESOURCE);
                assert_int_equal(gpu_guest_unref(&g, id), BAD_RESOURCE);
        }
        assert_int_equal(gpu_guest_scanout(&g, 0, 1025, ALL), BAD_RESOURCE);
        assert_int_equal(gpu_guest_scanout_blob(&g, 0, 1025, ALL, 32, 32, 128, 0), BAD_RESOURCE);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1025, 0, 0), BAD_RESOURCE);
        assert_int_equal(gpu_guest_unref(&g, 1), OK);
        assert_int_equal(gpu_guest_unref(&g, 1), BAD_RESOURCE);
        gpu_guest_make(&g, 1, 16, 16, GUEST_PIXELS); /* the id is free again */
}

static void bad_input_12_resource_unreferenced_while_it_is_shown(void **state)
{
        gpu_guest_make(&g, 1, 64, 64, GUEST_PIXELS);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
        assert_int_equal(gpu_guest_scanout(&g, 1, 1, ALL), OK);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 0, 0), OK);
        assert_int_equal(gpu_guest_unref(&g, 1), OK);
        assert_null(g.views[0].shown);
        assert_null(g.views[1].shown);
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), BAD_RESOURCE);
        /* Another one of that id is not shown by itself. */
        gpu_guest_make(&g, 1, 64, 64, GUEST_PIXELS);
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), OK);
        assert_null(g.views[0].shown);
        assert_int_equal(g.views[0].n_flushes, 0);
}

static void bad_input_12_rectangles_that_overflow_or_leave_the_resource(void **state)
{
        static const struct virtio_gpu_rect bad[] = {
                { 0, 0, 33, 1 }, { 0, 0, 1, 33 }, { 32, 0, 1, 1 }, { 0, 32, 1, 1 }, { 33, 0, 0, 0 }, { 0, 33, 0, 0 },
                { 0xffffffff, 0, 2, 1 }, { 0, 0xffffffff, 1, 2 }, { 1, 1, 0xffffffff, 0xffffffff },
                { 0, 0, 0xffffffff, 1 }, { 0x80000000, 0x80000000, 0x80000000, 0x80000000 }, { 31, 31, 2, 2 },
        };

        gpu_guest_make(&g, 1, 32, 32, GUEST_PIXELS);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                assert_int_equal(gpu_guest_transfer(&g, 1, bad[i], 0), BAD_PARAMETER);
                assert_int_equal(gpu_guest_scanout(&g, 0, 1, bad[i]), BAD_PARAMETER);
                assert_int_equal(gpu_guest_flush(&g, 1, bad[i]), BAD_PARAMETER);
                assert_null(g.views[0].shown);
        }
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, RECT(0, 0, 0, 32)), BAD_PARAMETER);
        /* Nothing to do is no fault. */
        assert_int_equal(gpu_guest_transfer(&g, 1, RECT(32, 32, 0, 0), 0), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, RECT(0, 0, 0, 0)), OK);
}

static void bad_input_12_transfers_from_beyond_the_backing(void **state)
{
        static const uint64_t bad[] = {
                1, 4, 4096, UINT64_MAX, UINT64_MAX - 4095, UINT64_MAX - 4096, UINT64_C(1) << 63
        };
        struct virtio_gpu_mem_entry part = { GUEST_PIXELS, 4095, 0 };

        gpu_guest_make(&g, 1, 32, 32, GUEST_PIXELS);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(gpu_guest_transfer(&g, 1, ALL, bad[i]), BAD_PARAMETER);
        assert_int_equal(gpu_guest_transfer(&g, 1, RECT(31, 31, 1, 1), 4092), OK);
        assert_int_equal(gpu_guest_transfer(&g, 1, RECT(31, 31, 1, 1), 4093), BAD_PARAMETER);
        assert_int_equal(gpu_guest_detach(&g, 1), OK);
        assert_int_equal(gpu_guest_transfer(&g, 1, ALL, 0), BAD_PARAMETER);
        assert_int_equal(gpu_guest_detach(&g, 1), BAD_PARAMETER);
        assert_int_equal(gpu_guest_attach(&g, 1, &part, 1), OK);
        assert_int_equal(gpu_guest_transfer(&g, 1, ALL, 0), BAD_PARAMETER);
        assert_int_equal(gpu_guest_attach(&g, 1, &part, 1), BAD_PARAMETER);
}

static void bad_input_12_backing_that_is_no_memory(void **state)
{
        struct virtio_gpu_mem_entry bad[][2] = {
                { { GUEST_PIXELS, 0, 0 }, { GUEST_PIXELS, 4096, 0 } },     /* empty */
                { { UINT64_MAX - 15, 32, 0 }, { GUEST_PIXELS, 4096, 0 } }, /* wraps */
                { { UINT64_MAX, 1, 0 }, { GUEST_PIXELS, 4096, 0 } },       /* ends at 2^64: no address of ours does */
        };
        struct virtio_gpu_mem_entry outside[][2] = {
                { { GUEST_MEMORY_BYTES, 4096, 0 }, { GUEST_PIXELS, 4096, 0 } },
                { { GUEST_MEMORY_BYTES - 100, 4096, 0 }, { GUEST_PIXELS, 4096, 0 } },
                { { GUEST_PIXELS, 100, 0 }, { UINT64_C(1) << 62, 4096, 0 } },
        };

        assert_int_equal(gpu_guest_create(&g, 1, BGRX, 32, 32), OK);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(gpu_guest_attach(&g, 1, bad[i], 2), BAD_PARAMETER);
        for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
                assert_int_equal(gpu_guest_attach(&g, 1, outside[i], 2), OK);
                assert_int_equal(gpu_guest_transfer(&g, 1, ALL, 0), BAD_PARAMETER);
                assert_int_equal(gpu_guest_detach(&g, 1), OK);
        }
}

static void bad_input_12_entries_that_the_request_does_not_hold(void **state)
{
        static const uint32_t counts[] = { 0, 3, 0x0fffffff, 0x10000000, 0x10000001, 0xffffffff };
        struct virtio_gpu_resource_attach_backing attach = {
                .hdr.type = htole32(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING), .resource_id = htole32(1),
        };
        struct virtio_gpu_resource_create_blob blob = { .hdr.type = htole32(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
                                                        .resource_id = htole32(2), .blob_mem = htole32(1),
                                                        .size = htole64(64) };
        uint8_t request[128] = { 0 };

        assert_int_equal(gpu_guest_create(&g, 1, BGRX, 32, 32), OK);
        for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
                attach.nr_entries = htole32(counts[i]);
                memcpy(request, &attach, sizeof(attach));
                assert_int_equal(gpu_guest_run(&g, 0, request, sizeof(attach) + 2 * 16 + 15, 24), BAD_PARAMETER);
                blob.nr_entries = htole32(counts[i]);
                memcpy(request, &blob, sizeof(blob));
                if (counts[i] > 0)
                        assert_int_equal(gpu_guest_run(&g, 0, request, sizeof(blob) + 2 * 16 + 15, 24), BAD_PARAMETER);
        }
        assert_int_equal(gpu_guest_unref(&g, 2), BAD_RESOURCE);
}

static void bad_input_12_backing_freed_while_scanned_out(void **state)
{
        struct virtio_gpu_mem_entry entry = { GUEST_PIXELS, 4096, 0 };

        gpu_guest_make(&g, 1, 32, 32, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, 1024, 1);
        assert_int_equal(gpu_guest_transfer(&g, 1, ALL, 0), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
        assert_int_equal(gpu_guest_detach(&g, 1), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), OK);
        assert_int_equal(test_view_pixel(&g.views[0], 1, 0), gpu_guest_colour(1, 1));

        assert_int_equal(gpu_guest_create_blob(&g, 2, 4096, &entry, 1), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 1, 2, ALL, 32, 32, 128, 0), OK);
        assert_int_equal(gpu_guest_flush(&g, 2, ALL), OK);
        assert_int_equal(gpu_guest_detach(&g, 2), OK);
        assert_int_equal(gpu_guest_flush(&g, 2, ALL), BAD_PARAMETER);
        assert_int_equal(test_view_pixel(&g.views[1], 1, 0), gpu_guest_colour(1, 1)); /* the last that was right */
        assert_int_equal(gpu_guest_unref(&g, 2), OK);
        assert_null(g.views[1].shown);
}

static void bad_input_12_scanouts_that_there_are_not(void **state)
{
        struct virtio_gpu_cmd_get_edid edid = { .hdr.type = htole32(VIRTIO_GPU_CMD_GET_EDID) };
        static const uint32_t bad[] = { GUEST_SCANOUTS, 15, 16, 0x7fffffff, 0xffffffff };

        gpu_guest_make(&g, 1, 64, 64, GUEST_PIXELS);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                assert_int_equal(gpu_guest_scanout(&g, bad[i], 1, ALL), BAD_SCANOUT);
                assert_int_equal(gpu_guest_scanout(&g, bad[i], 0, ALL), BAD_SCANOUT);
                assert_int_equal(gpu_guest_scanout_blob(&g, bad[i], 1, ALL, 32, 32, 128, 0), BAD_SCANOUT);
                assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, bad[i], 1, 0, 0), BAD_SCANOUT);
                assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_MOVE_CURSOR, bad[i], 1, 0, 0), BAD_SCANOUT);
                edid.scanout = htole32(bad[i]);
                assert_int_equal(gpu_guest_run(&g, 0, &edid, sizeof(edid), sizeof(struct virtio_gpu_resp_edid)),
                                 BAD_SCANOUT);
        }
}

static void bad_input_12_capability_sets_that_there_are_not(void **state)
{
        static const uint32_t bad[] = { 0, 1, 2, 0xffffffff };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct virtio_gpu_get_capset_info info = { .hdr.type = htole32(VIRTIO_GPU_CMD_GET_CAPSET_INFO),
                                                           .capset_index = htole32(bad[i]) };
                struct virtio_gpu_get_capset get = { .hdr.type = htole32(VIRTIO_GPU_CMD_GET_CAPSET),
                                                     .capset_id = htole32(bad[i]),
                                                     .capset_version = htole32(bad[3 - i]) };

                assert_int_equal(gpu_guest_run(&g, 0, &info, sizeof(info), 40), VIRTIO_GPU_RESP_ERR_UNSPEC);
                assert_int_equal(gpu_guest_run(&g, 0, &get, sizeof(get), 4096), VIRTIO_GPU_RESP_ERR_UNSPEC);
                assert_int_equal(g.last_len, 24);
        }
}

static void bad_input_12_sizes_and_formats_that_are_none(void **state)
{
        static const uint32_t formats[] = { 0, 5, 66, 69, 120, 122, 133, 135, 0xffffffff };
        static const uint32_t sizes[][2] = { { 0, 1 }, { 1, 0 }, { 16385, 1 }, { 1, 16385 }, { 0xffffffff, 0xffffffff },
                                             { 0x10000, 0x10000 }, { 0x40000001, 1 } };

        for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
                assert_int_equal(gpu_guest_create(&g, 1, formats[i], 32, 32), BAD_PARAMETER);
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
                assert_int_equal(gpu_guest_create(&g, 1, BGRX, sizes[i][0], sizes[i][1]), BAD_PARAMETER);
        assert_int_equal(gpu_guest_unref(&g, 1), BAD_RESOURCE);
}

static void bad_input_12_blobs_that_cannot_be(void **state)
{
        struct virtio_gpu_resource_create_blob r = { .hdr.type = htole32(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
                                                     .resource_id = htole32(1), .size = htole64(4096) };

        for (uint32_t mem = 0; mem <= 5; mem++) {
                r.blob_mem = htole32(mem);
                assert_int_equal(gpu_guest_run(&g, 0, &r, sizeof(r), 24), mem == 1 ? OK : BAD_PARAMETER);
        }
        r.blob_mem = htole32(1);
        r.resource_id = htole32(2);
        r.size = 0;
        assert_int_equal(gpu_guest_run(&g, 0, &r, sizeof(r), 24), BAD_PARAMETER);
}

static void bad_input_12_blob_layouts_that_leave_the_blob(void **state)
{
        struct virtio_gpu_mem_entry entry = { GUEST_PIXELS, 4096, 0 };
        static const uint32_t bad[][4] = { /* width, height, stride, offset */
                { 32, 32, 127, 0 }, { 32, 32, 129, 0 }, { 32, 32, 128, 1 }, { 32, 33, 128, 0 }, { 0, 32, 128, 0 },
                { 32, 0, 128, 0 }, { 32, 32, 0, 0 }, { 32, 2, 0xffffffff, 0 }, { 32, 1, 128, 0xffffffff },
                { 16385, 1, 0xffffffff, 0 }, { 1, 16385, 4, 0 }, { 0x40000001, 1, 4, 0 },
        };

        assert_int_equal(gpu_guest_create_blob(&g, 1, 4096, &entry, 1), OK);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(
                        gpu_guest_scanout_blob(&g, 0, 1, RECT(0, 0, 1, 1), bad[i][0], bad[i][1], bad[i][2], bad[i][3]),
                        BAD_PARAMETER);
        assert_int_equal(gpu_guest_scanout_blob(&g, 0, 1, RECT(0, 0, 33, 1), 32, 32, 128, 0), BAD_PARAMETER);
        assert_int_equal(gpu_guest_scanout_blob(&g, 0, 1, RECT(0, 0, 0, 1), 32, 32, 128, 0), BAD_PARAMETER);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), BAD_PARAMETER);
        /* On no scanout: nothing to check it by. */
        assert_int_equal(gpu_guest_flush(&g, 1, RECT(0, 0, 9999, 9999)), OK);
        assert_null(g.views[0].shown);

        /* One layout at a time: the other scanout would show what it does not expect. */
        assert_int_equal(gpu_guest_scanout_blob(&g, 0, 1, ALL, 32, 32, 128, 0), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 1, 1, RECT(0, 0, 1, 1), 16, 16, 64, 0), BAD_PARAMETER);
        assert_int_equal(gpu_guest_scanout_blob(&g, 1, 1, RECT(0, 0, 1, 1), 32, 32, 128, 0), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 1, 0, RECT(0, 0, 1, 1), 0, 0, 0, 0), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 0, 1, RECT(0, 0, 16, 16), 16, 16, 64, 0), OK);

        /* A blob may say more than its backing holds. */
        assert_int_equal(gpu_guest_create_blob(&g, 2, UINT64_MAX, &entry, 1), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 1, 2, RECT(0, 0, 64, 64), 64, 64, 256, 0xfffffff0), OK);
        assert_int_equal(gpu_guest_flush(&g, 2, RECT(0, 0, 64, 64)), BAD_PARAMETER);
        assert_null(g.views[1].shown);
}

static void bad_input_12_cursors_of_another_size(void **state)
{
        struct virtio_gpu_mem_entry entry = { GUEST_PIXELS, 16383, 0 };

        gpu_guest_make(&g, 1, 63, 64, GUEST_PIXELS);
        gpu_guest_make(&g, 2, 64, 65, GUEST_PIXELS);
        assert_int_equal(gpu_guest_create_blob(&g, 3, 16384, &entry, 1), OK);
        for (uint32_t id = 1; id <= 3; id++)
                assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, id, 0, 0), BAD_PARAMETER);
        assert_null(g.views[0].cursor);
        assert_int_equal(gpu_guest_unref(&g, 2), OK);
}

static void bad_input_12_quota_of_resources(void **state)
{
        for (uint32_t id = 1; id <= 10; id++)
                assert_int_equal(gpu_guest_create(&g, id * 1024, BGRX, 1, 1), OK);
        assert_int_equal(gpu_guest_create(&g, 11, BGRX, 1, 1), NO_MEMORY);
        assert_int_equal(gpu_guest_create_blob(&g, 11, 4096, NULL, 0), NO_MEMORY);
        assert_int_equal(gpu_guest_unref(&g, 5 * 1024), OK);
        assert_int_equal(gpu_guest_create(&g, 11, BGRX, 1, 1), OK);
        assert_int_equal(gpu_guest_unref(&g, 11), OK);
}

static void bad_input_12_quota_of_bytes(void **state)
{
        assert_int_equal(gpu_guest_create(&g, 1, BGRX, 512, 513), NO_MEMORY);
        assert_int_equal(gpu_guest_create(&g, 1, BGRX, 16384, 16384), NO_MEMORY);
        assert_int_equal(gpu_guest_create(&g, 1, BGRX, 512, 511), OK);
        /* A row takes 64 bytes at least. */
        assert_int_equal(gpu_guest_create(&g, 2, BGRX, 1, 33), NO_MEMORY);
        assert_int_equal(gpu_guest_create(&g, 2, BGRX, 1, 32), OK);
        assert_int_equal(gpu_guest_create(&g, 3, BGRX, 1, 1), NO_MEMORY);
        /* Blobs cost nothing before they are shown. */
        assert_int_equal(gpu_guest_create_blob(&g, 4, 1 << 22, NULL, 0), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 1, 4, ALL, 32, 32, 128, 0), NO_MEMORY);
        for (int i = 0; i < 1000; i++) {
                assert_int_equal(gpu_guest_unref(&g, 1), OK);
                assert_int_equal(gpu_guest_create(&g, 1, BGRX, 512, 511), OK);
        }
        assert_int_equal(gpu_guest_unref(&g, 1), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 1, 4, ALL, 32, 32, 128, 0), OK);
}

static uint64_t mapped_pages(void)
{
        unsigned long n = 0;
        FILE *f = fopen("/proc/self/statm", "re");

        assert_non_null(f);
        assert_int_equal(fscanf(f, "%lu", &n), 1);
        (void) fclose(f);
        return n;
}

/* Shown once each, and written to while that is still held, or right after. */
static void bad_input_12_pictures_that_no_quota_counts(void **state)
{
        uint64_t before = mapped_pages(), mib = (1 << 20) / (uint64_t) sysconf(_SC_PAGESIZE);
        const uint32_t n = 16; /* of 1 MiB */

        for (uint32_t id = 1; id <= n; id++) {
                struct picture *held;

                gpu_guest_make(&g, id, 512, 512, GUEST_PIXELS);
                assert_int_equal(gpu_guest_scanout(&g, 0, id, RECT(0, 0, 512, 512)), OK);
                held = test_view_picture(&g.views[0]);
                assert_int_equal(gpu_guest_transfer(&g, id, RECT(0, 0, 1, 1), 0), OK);
                assert_int_equal(gpu_guest_scanout(&g, 0, 0, RECT(0, 0, 0, 0)), OK);
                picture_unref(held);
                assert_int_equal(gpu_guest_transfer(&g, id, RECT(1, 1, 1, 1), 0), OK);
        }
        assert_in_range(mapped_pages() - before, n * mib, (n + n / 2) * mib);
}

/* What somebody still holds of what is shown no more is not written to; a failure leaves one picture all the same. */
static void bad_input_12_a_picture_that_a_failure_leaves(void **state)
{
        struct virtio_gpu_mem_entry entries[] = { { GUEST_PIXELS, 64 * 48 * 4, 0 },
                                                  { UINT64_C(1) << 62, 64 * 16 * 4, 0 } };
        struct virtio_gpu_rect all = RECT(0, 0, 64, 64), upper = RECT(0, 0, 64, 32);
        struct picture *held;

        gpu_guest_paint(&g, GUEST_PIXELS, 64 * 64, 3);
        assert_int_equal(gpu_guest_create(&g, 1, BGRX, 64, 64), OK);
        assert_int_equal(gpu_guest_attach(&g, 1, entries, 2), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, all), OK);
        assert_int_equal(gpu_guest_transfer(&g, 1, upper, 0), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, all), OK);
        held = test_view_picture(&g.views[0]);
        assert_int_equal(gpu_guest_scanout(&g, 0, 0, RECT(0, 0, 0, 0)), OK);
        assert_true(picture_is_held(held)); /* by the surface */
        assert_int_equal(gpu_guest_transfer(&g, 1, all, 0), BAD_PARAMETER);
        assert_false(picture_is_held(held));
        picture_unref(held);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, all), OK);
        assert_int_equal(test_view_pixel(&g.views[0], 63, 31), gpu_guest_colour(3, 32 * 64 - 1));
}

static void bad_input_12_quota_of_backing_entries(void **state)
{
        static struct virtio_gpu_mem_entry entries[60000];

        for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
                entries[i] = (struct virtio_gpu_mem_entry) { GUEST_PIXELS + i, 1, 0 };
        gpu_guest_make(&g, 1, 8, 8, GUEST_PIXELS);
        assert_int_equal(gpu_guest_detach(&g, 1), OK);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(gpu_guest_attach(&g, 1, entries, 60000), OK);
                assert_int_equal(gpu_guest_create_blob(&g, 2, 4096, entries, 5537), NO_MEMORY);
                assert_int_equal(gpu_guest_create_blob(&g, 2, 4096, entries, 5536), OK);
                assert_int_equal(gpu_guest_unref(&g, 2), OK);
                assert_int_equal(gpu_guest_detach(&g, 1), OK);
        }
}

static void bad_input_12_no_memory_for_a_view(void **state)
{
        gpu_guest_make(&g, 1, 64, 64, GUEST_PIXELS);
        g.views[0].fails = true;
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), NO_MEMORY);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 0, 0), NO_MEMORY);
        g.views[0].fails = false;
        assert_null(g.views[0].shown);
        assert_null(g.views[0].cursor);
}

/* ---- requests that are none ---- */

static void commands_that_are_not_offered_are_refused(void **state)
{
        struct virtio_gpu_cmd_get_edid edid = { .hdr.type = htole32(VIRTIO_GPU_CMD_GET_EDID) };
        struct virtio_gpu_resource_assign_uuid uuid = { .hdr.type = htole32(VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID),
                                                        .resource_id = htole32(1) };

        for (uint32_t type = 0x200; type <= 0x209; type++)
                assert_int_equal(gpu_guest_bare(&g, type, 24), VIRTIO_GPU_RESP_ERR_UNSPEC);
        assert_int_equal(gpu_guest_bare(&g, 0, 24), VIRTIO_GPU_RESP_ERR_UNSPEC);
        assert_int_equal(gpu_guest_bare(&g, 0x10e, 24), VIRTIO_GPU_RESP_ERR_UNSPEC);
        assert_int_equal(gpu_guest_bare(&g, 0xffffffff, 24), VIRTIO_GPU_RESP_ERR_UNSPEC);
        assert_int_equal(gpu_guest_bare(&g, VIRTIO_GPU_RESP_OK_NODATA, 24), VIRTIO_GPU_RESP_ERR_UNSPEC);

        gpu_guest_make(&g, 1, 32, 32, GUEST_PIXELS); /* features that the driver did not accept */
        assert_int_equal(gpu_guest_run(&g, 0, &edid, sizeof(edid), 1056), VIRTIO_GPU_RESP_ERR_UNSPEC);
        assert_int_equal(gpu_guest_run(&g, 0, &uuid, sizeof(uuid), 40), VIRTIO_GPU_RESP_ERR_UNSPEC);
        assert_int_equal(gpu_guest_create_blob(&g, 2, 4096, NULL, 0), VIRTIO_GPU_RESP_ERR_UNSPEC);
        assert_int_equal(gpu_guest_scanout_blob(&g, 0, 1, ALL, 32, 32, 128, 0), VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void requests_too_short_for_their_type_are_refused(void **state)
{
        static const struct {
                uint32_t type;
                size_t n;
        } commands[] = {
                { VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, sizeof(struct virtio_gpu_resource_create_2d) },
                { VIRTIO_GPU_CMD_RESOURCE_UNREF, sizeof(struct virtio_gpu_resource_unref) },
                { VIRTIO_GPU_CMD_SET_SCANOUT, sizeof(struct virtio_gpu_set_scanout) },
                { VIRTIO_GPU_CMD_RESOURCE_FLUSH, sizeof(struct virtio_gpu_resource_flush) },
                { VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, sizeof(struct virtio_gpu_transfer_to_host_2d) },
                { VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, sizeof(struct virtio_gpu_resource_attach_backing) },
                { VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, sizeof(struct virtio_gpu_resource_detach_backing) },
                { VIRTIO_GPU_CMD_GET_EDID, sizeof(struct virtio_gpu_cmd_get_edid) },
                { VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, sizeof(struct virtio_gpu_resource_assign_uuid) },
                { VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, sizeof(struct virtio_gpu_resource_create_blob) },
                { VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, sizeof(struct virtio_gpu_set_scanout_blob) },
                { VIRTIO_GPU_CMD_UPDATE_CURSOR, sizeof(struct virtio_gpu_update_cursor) },
        };
        uint8_t request[128] = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                for (size_t n = sizeof(struct virtio_gpu_ctrl_hdr); n < commands[i].n; n++) {
                        uint32_t type = htole32(commands[i].type);

                        memcpy(request, &type, sizeof(type));
                        assert_int_equal(gpu_guest_run(&g, 0, request, n, 24), BAD_PARAMETER);
                }
}

static void answer_that_does_not_fit_is_an_error(void **state)
{
        struct virtio_gpu_cmd_get_edid edid = { .hdr.type = htole32(VIRTIO_GPU_CMD_GET_EDID) };

        assert_int_equal(gpu_guest_bare(&g, VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 407), VIRTIO_GPU_RESP_ERR_UNSPEC);
        assert_int_equal(g.last_len, 24);
        assert_int_equal(gpu_guest_run(&g, 0, &edid, sizeof(edid), 1055), VIRTIO_GPU_RESP_ERR_UNSPEC);
        assert_int_equal(gpu_guest_run(&g, 0, &edid, sizeof(edid), 1056), VIRTIO_GPU_RESP_OK_EDID);
        assert_int_equal(gpu_guest_run(&g, 0, &edid, sizeof(edid), 4096), VIRTIO_GPU_RESP_OK_EDID);
        assert_int_equal(g.last_len, 1056);
}

/* The queue needs a reset, after which all is as at the beginning. */
static void assert_breaks(uint16_t queue, const struct driver_buffer *buffers, unsigned n)
{
        gpu_guest_make(&g, 5, 32, 32, GUEST_PIXELS);
        assert_int_equal(gpu_guest_send(&g, queue, buffers, n), QUEUE_BROKE);
        gpu_guest_stop(&g);
        device_reset(g.dev);
        gpu_guest_start(&g);
        assert_alive();
}

static void bad_input_3_chains_without_room_for_a_header_break_the_queue(void **state)
{
        const struct driver_buffer short_request[] = { { GUEST_REQUEST, 23, false }, { GUEST_RESPONSE, 24, true } };
        const struct driver_buffer no_request[] = { { GUEST_RESPONSE, 24, true } };
        const struct driver_buffer short_answer[] = { { GUEST_REQUEST, 64, false }, { GUEST_RESPONSE, 23, true } };
        const struct driver_buffer no_answer[] = { { GUEST_REQUEST, 64, false } };

        for (uint16_t queue = 0; queue < 2; queue++) {
                assert_breaks(queue, short_request, 2);
                assert_breaks(queue, no_request, 1);
                assert_breaks(queue, short_answer, 2);
        }
        assert_breaks(0, no_answer, 1);
}

static void bad_input_3_header_split_over_many_descriptors(void **state)
{
        struct virtio_gpu_resource_create_2d request = { { .type = htole32(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D) },
                                                         htole32(1), htole32(BGRX), htole32(32), htole32(32) };
        struct driver_buffer buffers[sizeof(request) + 24];

        memcpy(g.memory + GUEST_REQUEST, &request, sizeof(request));
        for (unsigned i = 0; i < sizeof(request); i++)
                buffers[i] = (struct driver_buffer) { GUEST_REQUEST + i, 1, false };
        for (unsigned i = 0; i < 24; i++)
                buffers[sizeof(request) + i] = (struct driver_buffer) { GUEST_RESPONSE + i, 1, true };
        assert_int_equal(gpu_guest_send(&g, 0, buffers, sizeof(request) + 24), OK);
}

static void bad_input_7_backing_and_answer_that_are_the_ring_itself(void **state)
{
        struct virtio_gpu_mem_entry ring = { 0x1000, 4096, 0 };

        assert_int_equal(gpu_guest_create(&g, 1, BGRX, 32, 32), OK);
        assert_int_equal(gpu_guest_attach(&g, 1, &ring, 1), OK);
        for (int i = 0; i < 10; i++)
                assert_int_equal(gpu_guest_transfer(&g, 1, ALL, 0), OK);
}

static void bad_input_8_reset_with_commands_waiting(void **state)
{
        struct virtio_gpu_transfer_to_host_2d request = {
                .hdr.type = htole32(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D), .r = { 0, 0, htole32(1024), htole32(1024) },
                .resource_id = htole32(1),
        };
        struct driver_buffer buffers[] = { { GUEST_REQUEST, sizeof(request), false }, { GUEST_RESPONSE, 24, true } };

        for (int round = 0; round < 5; round++) {
                gpu_guest_make(&g, 1, 1024, 1024, GUEST_PIXELS);
                assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
                memcpy(g.memory + GUEST_REQUEST, &request, sizeof(request));
                while (driver_queue_add(&g.queues[0], buffers, 2, NULL) == 0)
                        ;
                (void) driver_queue_kick(&g.queues[0]);
                gpu_guest_stop(&g);
                device_reset(g.dev);
                assert_null(g.views[0].shown);
                gpu_guest_start(&g);
        }
}

static void bad_input_6_only_events_clear_can_be_written(void **state)
{
        uint8_t bytes[20];

        memset(bytes, 0xff, sizeof(bytes));
        for (size_t offset = 0; offset <= 20; offset++)
                for (size_t n = 1; n <= 20; n++) {
                        bool covers = offset <= 4 && offset + n >= 8 && offset + n <= 20;

                        assert_int_equal(device_config_write(g.dev, offset, bytes, n), covers ? 0 : -EINVAL);
                }
        assert_int_equal(device_config_read(g.dev, 0, bytes, 20), 0);
        assert_int_equal(bytes[8], GUEST_SCANOUTS);
        assert_int_equal(device_config_read(g.dev, 17, bytes, 4), -EINVAL);
}

/* A scanout that waits for its next picture shows the last one: not any longer than its resource lives. */
static void bad_input_12_a_picture_beyond_its_quota_while_another_is_awaited(void **state)
{
        struct virtio_gpu_mem_entry entry = { .addr = htole64(GUEST_PIXELS), .length = htole32(4096) };

        gpu_guest_make(&g, 1, 64, 64, GUEST_PIXELS);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
        assert_non_null(g.views[0].shown);
        assert_int_equal(gpu_guest_create_blob(&g, 2, 4096, &entry, 1), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 0, 2, ALL, 32, 32, 128, 0), OK);
        assert_non_null(g.views[0].shown);
        assert_int_equal(gpu_guest_unref(&g, 1), OK);
        assert_null(g.views[0].shown);
        assert_int_equal(gpu_guest_flush(&g, 2, ALL), OK);
        assert_non_null(g.views[0].shown);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CASE_SMALL(name) cmocka_unit_test_setup_teardown(name, setup_small, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(bad_input_12_resource_ids_that_are_none_or_in_use),
                CASE(bad_input_12_resource_unreferenced_while_it_is_shown),
                CASE(bad_input_12_a_picture_beyond_its_quota_while_another_is_awaited),
                CASE(bad_input_12_rectangles_that_overflow_or_leave_the_resource),
                CASE(bad_input_12_transfers_from_beyond_the_backing),
                CASE(bad_input_12_backing_that_is_no_memory),
                CASE(bad_input_12_entries_that_the_request_does_not_hold),
                CASE(bad_input_12_backing_freed_while_scanned_out),
                CASE(bad_input_12_scanouts_that_there_are_not),
                CASE(bad_input_12_capability_sets_that_there_are_not),
                CASE(bad_input_12_sizes_and_formats_that_are_none),
                CASE(bad_input_12_blobs_that_cannot_be),
                CASE(bad_input_12_blob_layouts_that_leave_the_blob),
                CASE(bad_input_12_cursors_of_another_size),
                CASE(bad_input_12_pictures_that_no_quota_counts),
                CASE(bad_input_12_a_picture_that_a_failure_leaves),
                CASE_SMALL(bad_input_12_quota_of_resources),
                CASE_SMALL(bad_input_12_quota_of_bytes),
                CASE_SMALL(bad_input_12_quota_of_backing_entries),
                CASE(bad_input_12_no_memory_for_a_view),
                cmocka_unit_test_setup_teardown(commands_that_are_not_offered_are_refused, setup_plain, teardown),
                CASE(requests_too_short_for_their_type_are_refused),
                CASE(answer_that_does_not_fit_is_an_error),
                CASE(bad_input_3_chains_without_room_for_a_header_break_the_queue),
                CASE(bad_input_3_header_split_over_many_descriptors),
                CASE(bad_input_7_backing_and_answer_that_are_the_ring_itself),
                CASE(bad_input_8_reset_with_commands_waiting),
                cmocka_unit_test_setup_teardown(bad_input_8_reset_with_commands_waiting, setup_worker, teardown),
                CASE(bad_input_6_only_events_clear_can_be_written),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
