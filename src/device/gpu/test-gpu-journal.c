/* SPDX-License-Identifier: MPL-2.0 */
/* What a guest has after its server was killed and another one took over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "device/gpu/test-gpu-guest.h"
#include "display/picture.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define BAD_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BGRX VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define W 64u
#define H 48u
#define ALL ((struct virtio_gpu_rect) { 0, 0, W, H })

static struct gpu_guest g;

static int setup_with(const struct gpu_guest_config *config)
{
        gpu_guest_init(&g, config);
        return 0;
}

static int setup(void **state)
{
        return setup_with(&(struct gpu_guest_config) { .state = true, .max_resources = 100, .max_bytes = 4 << 20 });
}

static int setup_packed(void **state)
{
        return setup_with(&(struct gpu_guest_config) { .state = true, .packed = true, .worker = true });
}

static int teardown(void **state)
{
        gpu_guest_deinit(&g);
        return 0;
}

static void assert_shown(struct view *v, uint32_t seed)
{
        assert_non_null(v->shown);
        for (uint32_t i = 0; i < W * H; i++)
                assert_int_equal(test_view_pixel(v, i % W, i / W), gpu_guest_colour(seed, i));
}

static void show(uint32_t id, uint32_t seed)
{
        gpu_guest_make(&g, id, W, H, GUEST_PIXELS + id * 0x10000);
        gpu_guest_paint(&g, GUEST_PIXELS + id * 0x10000, W * H, seed);
        assert_int_equal(gpu_guest_transfer(&g, id, ALL, 0), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, id, ALL), OK);
}

static void assign_uuid(uint32_t id, uint8_t ret[static 16])
{
        struct virtio_gpu_resource_assign_uuid request = {
                .hdr.type = htole32(VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID), .resource_id = htole32(id),
        };
        const struct virtio_gpu_resp_resource_uuid *response = (const void *) (g.memory + GUEST_RESPONSE);

        assert_int_equal(gpu_guest_run(&g, 0, &request, sizeof(request), sizeof(*response)),
                         VIRTIO_GPU_RESP_OK_RESOURCE_UUID);
        memcpy(ret, response->uuid, 16);
}

static void picture_returns_and_the_driver_goes_on(void **state)
{
        uint8_t before[16], after[16];

        show(1, 5);
        assign_uuid(1, before);
        for (int round = 0; round < 3; round++) {
                gpu_guest_succeed(&g, NULL, NULL);
                assert_shown(&g.views[0], 5);
                assert_null(g.views[1].shown);
                assert_int_equal(test_view_format(&g.views[0]), PIXMAN_x8r8g8b8);
        }
        assign_uuid(1, after);
        assert_memory_equal(before, after, 16);
        gpu_guest_paint(&g, GUEST_PIXELS + 0x10000, W * H, 6);
        assert_int_equal(gpu_guest_transfer(&g, 1, ALL, 0), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), OK);
        assert_shown(&g.views[0], 6);
        assert_int_equal(gpu_guest_create(&g, 1, BGRX, W, H), BAD_RESOURCE);
}

static void flips_and_the_cursor_are_as_they_were_last(void **state)
{
        struct virtio_gpu_mem_entry entry = { GUEST_PIXELS + 0x100000, W * H * 4, 0 };

        for (uint32_t id = 1; id <= 3; id++)
                show(id, id);
        assert_int_equal(gpu_guest_scanout(&g, 0, 2, ALL), OK);
        assert_int_equal(gpu_guest_scanout(&g, 1, 3, ALL), OK);
        assert_int_equal(gpu_guest_create_blob(&g, 4, W * H * 4, &entry, 1), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 1, 4, ALL, W, H, W * 4, 0), OK);
        gpu_guest_paint(&g, GUEST_PIXELS + 0x100000, W * H, 44);
        gpu_guest_make(&g, 9, 64, 64, GUEST_PIXELS + 0x200000);
        gpu_guest_paint(&g, GUEST_PIXELS + 0x200000, 4096, 99);
        assert_int_equal(gpu_guest_transfer(&g, 9, (struct virtio_gpu_rect) { 0, 0, 64, 64 }, 0), OK);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 1, 9, 30, 40), OK);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_MOVE_CURSOR, 1, 0, 31, 41), OK);
        gpu_guest_succeed(&g, NULL, NULL);
        assert_shown(&g.views[0], 2);
        assert_shown(&g.views[1], 44);
        assert_null(g.views[0].cursor);
        assert_non_null(g.views[1].cursor);
        assert_int_equal(g.views[1].x, 36);
        assert_int_equal(g.views[1].y, 48);
        assert_memory_equal(g.views[1].cursor->pixels, g.memory + GUEST_PIXELS + 0x200000, 256);
}

static void what_was_taken_away_stays_away(void **state)
{
        show(1, 1);
        show(2, 2);
        assert_int_equal(gpu_guest_detach(&g, 1), OK);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 0, 0, 0), OK);
        assert_int_equal(gpu_guest_unref(&g, 2), OK);
        gpu_guest_make(&g, 2, W, H, GUEST_PIXELS); /* of the same id, but not shown */
        gpu_guest_succeed(&g, NULL, NULL);
        assert_null(g.views[0].shown);
        assert_null(g.views[0].cursor);
        assert_int_equal(gpu_guest_transfer(&g, 1, ALL, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        assert_int_equal(gpu_guest_unref(&g, 1), OK);
        assert_int_equal(gpu_guest_unref(&g, 2), OK);
        assert_int_equal(gpu_guest_unref(&g, 2), BAD_RESOURCE);
}

/* It is a copy, and stays until the guest says otherwise. A successor has nothing to make it of, and does not try. */
static void a_cursor_whose_resource_is_freed_stays_until_the_server_ends(void **state)
{
        const struct virtio_gpu_rect all = { 0, 0, 64, 64 };

        for (uint32_t i = 0; i < 2; i++) {
                gpu_guest_make(&g, 9, 64, 64, GUEST_PIXELS);
                assert_int_equal(gpu_guest_transfer(&g, 9, all, 0), OK);
                assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, i, 9, 30, 40), OK);
                assert_int_equal(gpu_guest_unref(&g, 9), OK);
                assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_MOVE_CURSOR, i, 0, 31, 41), OK);
                assert_non_null(g.views[i].cursor);
                assert_int_equal(g.views[i].x, 36);
        }
        gpu_guest_succeed(&g, NULL, NULL);
        assert_null(g.views[0].cursor);
        assert_null(g.views[1].cursor);
        assert_int_equal(g.dev->log_limit.tokens, g.dev->log_limit.burst); /* no line was taken from it */
}

/* Nor of another one of the same number. */
static void a_cursor_does_not_return_as_another_resource(void **state)
{
        gpu_guest_make(&g, 9, 64, 64, GUEST_PIXELS);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 9, 30, 40), OK);
        assert_int_equal(gpu_guest_unref(&g, 9), OK);
        gpu_guest_make(&g, 9, 64, 64, GUEST_PIXELS);
        gpu_guest_succeed(&g, NULL, NULL);
        assert_null(g.views[0].cursor);
}

/* Many times what a half holds before it is tidied. */
static void changes_without_end_leave_what_there_is(void **state)
{
        static struct virtio_gpu_mem_entry entries[300];

        for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
                entries[i] = (struct virtio_gpu_mem_entry) { GUEST_PIXELS + 0x100000 + i * 4096, 4096, 0 };
        show(1, 1);
        for (uint32_t i = 0; i < 2000; i++) {
                uint32_t id = 10 + i % 7;

                if (i >= 7)
                        assert_int_equal(gpu_guest_unref(&g, id), OK);
                assert_int_equal(gpu_guest_create(&g, id, BGRX, 1 + i % 50, 7), OK);
                assert_int_equal(gpu_guest_attach(&g, id, entries, 1 + i % 300), OK);
                if (i % 3 == 0)
                        assert_int_equal(gpu_guest_detach(&g, id), OK);
                if (i % 100 == 99)
                        gpu_guest_succeed(&g, NULL, NULL);
        }
        assert_shown(&g.views[0], 1);
        for (uint32_t i = 2000 - 7; i < 2000; i++)
                assert_int_equal(gpu_guest_detach(&g, 10 + i % 7), i % 3 ? OK : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        for (uint32_t id = 10; id < 17; id++)
                assert_int_equal(gpu_guest_unref(&g, id), OK);
}

static void fullest_table_returns(void **state)
{
        static struct virtio_gpu_mem_entry entries[655];

        for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
                entries[i] = (struct virtio_gpu_mem_entry) { GUEST_PIXELS + i, 1 + (uint32_t) i, 0 };
        for (uint32_t id = 1; id <= 100; id++) {
                uint8_t uuid[16];

                assert_int_equal(gpu_guest_create_blob(&g, id, 4096, entries, 655), OK);
                assign_uuid(id, uuid);
        }
        assert_int_equal(gpu_guest_create_blob(&g, 101, 4096, NULL, 0), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
        gpu_guest_succeed(&g, NULL, NULL);
        assert_int_equal(gpu_guest_create_blob(&g, 101, 4096, NULL, 0), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
        for (uint32_t id = 1; id <= 100; id++)
                assert_int_equal(gpu_guest_unref(&g, id), OK);
        gpu_guest_succeed(&g, NULL, NULL);
        assert_int_equal(gpu_guest_unref(&g, 1), BAD_RESOURCE);
}

static void new_driver_finds_nothing(void **state)
{
        show(1, 1);
        gpu_guest_succeed(&g, NULL, NULL);
        gpu_guest_stop(&g);
        device_reset(g.dev);
        gpu_guest_start(&g);
        assert_null(g.views[0].shown);
        assert_int_equal(gpu_guest_unref(&g, 1), BAD_RESOURCE);

        show(1, 1); /* rings begin anew while no server runs: the successor sees a guest that was started again */
        for (uint16_t i = 0; i < 2; i++)
                memset(g.queues[i].device_p, 0, 8);
        driver_queue_deinit(&g.queues[0]);
        driver_queue_deinit(&g.queues[1]);
        assert_int_equal(driver_queue_init(&g.queues[0], g.space, 0x1000, g.features, 64, 0), 0);
        assert_int_equal(driver_queue_init(&g.queues[1], g.space, 0x81000, g.features, 64, 0), 0);
        for (uint16_t i = 0; i < 2; i++) {
                g.queues[i].kick_fd = g.kick_fd[i];
                g.queues[i].call_fd = g.call_fd[i];
        }
        gpu_guest_succeed(&g, NULL, NULL);
        assert_null(g.views[0].shown);
        assert_int_equal(gpu_guest_unref(&g, 1), BAD_RESOURCE);
}

/* ---- files that nobody of ours left ---- */

struct wreck {
        off_t at;
        const void *bytes;
        size_t n;
        off_t size; /* 0: stays */
};

static void wreck(int fd, void *data)
{
        const struct wreck *w = data;

        assert_int_equal(pwrite(fd, w->bytes, w->n, w->at), w->n);
        if (w->size)
                assert_int_equal(ftruncate(fd, w->size), 0);
}

static void succeed_wrecked(off_t at, const void *bytes, size_t n, off_t size)
{
        gpu_guest_succeed(&g, wreck, &(struct wreck) { at, bytes, n, size });
}

static void bad_input_17_state_file_that_is_none(void **state)
{
        static const uint64_t words[] = { 0, UINT64_MAX, UINT64_MAX >> 2, (UINT64_C(1) << 62) - 1, UINT64_C(1) << 40 };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                show(1, 1);
                succeed_wrecked(i == 0 ? 0 : 16, &words[i], 8, 0); /* magic; how much there is */
                assert_null(g.views[0].shown);
                assert_int_equal(gpu_guest_unref(&g, 1), BAD_RESOURCE);
        }
        show(1, 1);
        succeed_wrecked(0, "", 0, 1);
        assert_null(g.views[0].shown);
        assert_int_equal(gpu_guest_create(&g, 1, BGRX, 8, 8), OK);
}

/* Lengths that lie, commands that are none, and all that a guest could say. */
static void bad_input_17_commands_that_nobody_sent(void **state)
{
        const off_t half = 64 + 2 * 16 * (off_t) sizeof(uint8_t[152]);
        uint8_t bytes[512];

        srand(1);
        for (int round = 0; round < 100; round++) {
                uint64_t length = round % 2 ? (uint64_t) rand() % 200 : UINT64_MAX - (uint64_t) rand() % 99;
                uint64_t word = sizeof(bytes);
                uint32_t type = 0x100 + (uint32_t) rand() % 16;

                for (size_t i = 0; i < sizeof(bytes); i++)
                        bytes[i] = (uint8_t) (rand() % 4 ? 0 : rand());
                memcpy(bytes, &length, 8);
                memcpy(bytes + 8, &type, 4);
                if (round == 0)
                        show(1, 1);
                gpu_guest_succeed(&g, wreck, &(struct wreck) { half, bytes, sizeof(bytes), 0 });
                succeed_wrecked(16, &word, 8, 0);
        }
        gpu_guest_stop(&g);
        device_reset(g.dev);
        gpu_guest_start(&g);
        show(1, 1);
        gpu_guest_succeed(&g, NULL, NULL);
        assert_shown(&g.views[0], 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(picture_returns_and_the_driver_goes_on),
                cmocka_unit_test_setup_teardown(picture_returns_and_the_driver_goes_on, setup_packed, teardown),
                CASE(flips_and_the_cursor_are_as_they_were_last),
                CASE(what_was_taken_away_stays_away),
                CASE(a_cursor_whose_resource_is_freed_stays_until_the_server_ends),
                CASE(a_cursor_does_not_return_as_another_resource),
                CASE(changes_without_end_leave_what_there_is),
                CASE(fullest_table_returns),
                CASE(new_driver_finds_nothing),
                CASE(bad_input_17_state_file_that_is_none),
                CASE(bad_input_17_commands_that_nobody_sent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
