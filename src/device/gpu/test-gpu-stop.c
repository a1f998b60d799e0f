/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Who stops a guest's queues waits for a part of a command, not for its end. Nothing here is a matter of time: the
 * queues' thread is held up amid its work until the stop has been asked for (test-trap.h), and what it did then shows
 * in what was answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/macros.h"
#include "base/worker.h"
#include "device/gpu/test-gpu-guest.h"
#include "device/gpu/test-trap.h"
#include "display/picture.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define W 2048u
#define H 2048u /* 16 MiB */
#define ALL ((struct virtio_gpu_rect) { .width = W, .height = H })
#define SMALL ((struct virtio_gpu_rect) { .width = 64, .height = 64 })
#define MIDDLE (W * H / 2 * 4) /* bytes */
#define SEED 7
#define N_ENTRIES 4096
#define OTHER_REQUEST (GUEST_RESPONSE + 0x10000)

static struct gpu_guest g;

static int setup_with(const struct gpu_guest_config *config)
{
        gpu_guest_init(&g, config);
        return 0;
}

static int setup(void **state) { return setup_with(&(struct gpu_guest_config) { .worker = true }); }

static int setup_packed(void **state)
{
        return setup_with(&(struct gpu_guest_config) { .worker = true, .packed = true });
}

static int setup_state(void **state)
{
        return setup_with(&(struct gpu_guest_config) { .worker = true, .state = true });
}

static int setup_state_packed(void **state)
{
        return setup_with(&(struct gpu_guest_config) { .worker = true, .state = true, .packed = true });
}

static int teardown(void **state)
{
        gpu_guest_deinit(&g);
        return 0;
}

static bool is_called(void *data) { return loop_is_called(worker_loop(g.worker)); }

static void hold_up_at(void *memory) { trap_set(&(struct trap) { .goes_on = is_called }, memory); }

#define HEADER(command) .hdr = { .type = htole32(VIRTIO_GPU_CMD_##command) }
#define LITTLE(r) { htole32((r).x), htole32((r).y), htole32((r).width), htole32((r).height) }

/* What is there, so many times. */
static void begin_at(uint64_t at, size_t n_bytes, unsigned n_times)
{
        struct driver_buffer buffers[2] = {
                { at, (uint32_t) n_bytes, false },
                { GUEST_RESPONSE, sizeof(struct virtio_gpu_ctrl_hdr), true },
        };

        for (unsigned i = 0; i < n_times; i++)
                assert_int_equal(driver_queue_add(&g.queues[0], buffers, 2, NULL), 0);
        (void) driver_queue_kick(&g.queues[0]);
}

static void begin(const void *request, size_t n)
{
        memcpy(g.memory + GUEST_REQUEST, request, n);
        begin_at(GUEST_REQUEST, n, 1);
}

/* Sends a command, which will touch the trap. */
#define BEGIN(...) begin(&(__VA_ARGS__), sizeof(__VA_ARGS__))

static unsigned n_answered(void)
{
        unsigned n = 0;
        uint32_t length;
        void *cookie;

        while (driver_queue_get(&g.queues[0], &cookie, &length) == 1)
                n++;
        return n;
}

static void wait_for_answer(void)
{
        while (n_answered() == 0)
                cpu_relax();
}

/* Stops the queues while a command is held up. */
static void stop_amid(void)
{
        trap_wait();
        gpu_guest_pause(&g);
        trap_clear();
}

/* Sends one more command: those before it have been answered with it. */
static void assert_all_answered_after(unsigned n)
{
        struct virtio_gpu_ctrl_hdr request = { .type = htole32(VIRTIO_GPU_CMD_GET_DISPLAY_INFO) };
        unsigned n_now = 0;

        memcpy(g.memory + OTHER_REQUEST, &request, sizeof(request));
        gpu_guest_resume(&g);
        begin_at(OTHER_REQUEST, sizeof(request), 1); /* without room for the displays: refused, but answered */
        while (n_now < n + 1)
                n_now += n_answered();
        assert_int_equal(n_now, n + 1);
}

static void assert_shown(uint32_t seed)
{
        assert_int_equal(test_view_pixel(&g.views[0], 0, 0), gpu_guest_colour(seed, 0));
        assert_int_equal(test_view_pixel(&g.views[0], 5, H / 2), gpu_guest_colour(seed, H / 2 * W + 5));
        assert_int_equal(test_view_pixel(&g.views[0], W - 1, H - 1), gpu_guest_colour(seed, W * H - 1));
}

/* Of resource 1, made and painted here; it is whole in the end, and shown. */
static void stop_amid_transfer(struct virtio_gpu_rect part)
{
        struct virtio_gpu_transfer_to_host_2d transfer = { HEADER(TRANSFER_TO_HOST_2D), .r = LITTLE(part),
                                                           .resource_id = htole32(1) };

        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, SEED);
        hold_up_at(g.memory + GUEST_PIXELS + MIDDLE);
        BEGIN(transfer);
        stop_amid();
        assert_int_equal(n_answered(), 0);
        assert_all_answered_after(1);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), OK);
}

static void a_stop_amid_a_transfer_is_served_before_its_end(void **state)
{
        stop_amid_transfer(ALL);
        assert_shown(SEED);
}

/* Few bytes, but each in a page of its own. */
static void a_stop_amid_a_column_of_pixels_is_served_before_its_end(void **state)
{
        stop_amid_transfer((struct virtio_gpu_rect) { .width = 1, .height = H });
        assert_int_equal(test_view_pixel(&g.views[0], 0, H - 1), gpu_guest_colour(SEED, (H - 1) * W));
        assert_int_equal(test_view_pixel(&g.views[0], 1, H - 1), 0);
}

static void a_stop_amid_the_flush_of_a_blob_is_served_before_its_end(void **state)
{
        struct virtio_gpu_mem_entry entry = { GUEST_PIXELS, W * H * 4, 0 };
        struct virtio_gpu_resource_flush flush = { HEADER(RESOURCE_FLUSH), .r = LITTLE(ALL),
                                                   .resource_id = htole32(1) };

        assert_int_equal(gpu_guest_create_blob(&g, 1, W * H * 4, &entry, 1), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 0, 1, ALL, W, H, W * 4, 0), OK);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, SEED);
        hold_up_at(g.memory + GUEST_PIXELS + MIDDLE);
        BEGIN(flush);
        stop_amid();
        assert_int_equal(n_answered(), 0);
        assert_null(g.views[0].shown);
        assert_all_answered_after(1);
        assert_shown(SEED);
}

/* A surface that is shown, and holds another picture with one new pixel. Return: the one that is shown; a reference. */
static struct picture *show_and_write_a_pixel(void)
{
        struct picture *shown;

        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, SEED);
        assert_int_equal(gpu_guest_transfer(&g, 1, ALL, 0), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), OK);
        shown = test_view_picture(&g.views[0]);
        assert_int_equal(gpu_guest_transfer(&g, 1, (struct virtio_gpu_rect) { 0, 0, 1, 1 }, 0), OK);
        return shown;
}

static void a_stop_amid_what_a_flush_completes_is_served_before_its_end(void **state)
{
        struct virtio_gpu_resource_flush flush = { HEADER(RESOURCE_FLUSH), .r = LITTLE(SMALL),
                                                   .resource_id = htole32(1) };
        struct picture *shown = show_and_write_a_pixel();
        unsigned n_flushes = g.views[0].n_flushes;

        hold_up_at(shown->pixels + MIDDLE);
        BEGIN(flush);
        stop_amid();
        assert_int_equal(n_answered(), 0);
        assert_int_equal(g.views[0].n_flushes, n_flushes);
        assert_all_answered_after(1);
        assert_int_equal(g.views[0].n_flushes, n_flushes + 1);
        assert_shown(SEED);
        picture_unref(shown);
}

/* All but its first column is new. */
static void a_stop_amid_a_column_that_a_flush_completes_is_served_before_its_end(void **state)
{
        struct virtio_gpu_resource_flush flush = { HEADER(RESOURCE_FLUSH), .r = LITTLE(SMALL),
                                                   .resource_id = htole32(1) };
        struct picture *shown = show_and_write_a_pixel();

        gpu_guest_paint(&g, GUEST_PIXELS, W * H, SEED + 1);
        assert_int_equal(gpu_guest_transfer(&g, 1, (struct virtio_gpu_rect) { 1, 0, W - 1, H }, 4), OK);
        hold_up_at(shown->pixels + MIDDLE);
        BEGIN(flush);
        stop_amid();
        assert_int_equal(n_answered(), 0);
        assert_all_answered_after(1);
        assert_int_equal(test_view_pixel(&g.views[0], 0, H - 1), gpu_guest_colour(SEED, (H - 1) * W));
        assert_int_equal(test_view_pixel(&g.views[0], 1, H - 1), gpu_guest_colour(SEED + 1, (H - 1) * W + 1));
        picture_unref(shown);
}

static void a_stop_amid_what_leaving_a_scanout_completes_is_served_before_its_end(void **state)
{
        struct virtio_gpu_set_scanout set = { HEADER(SET_SCANOUT), .r = LITTLE(SMALL) };
        struct picture *shown = show_and_write_a_pixel();

        hold_up_at(shown->pixels + MIDDLE);
        BEGIN(set);
        stop_amid();
        assert_int_equal(n_answered(), 0);
        assert_non_null(g.views[0].shown);
        assert_all_answered_after(1);
        assert_null(g.views[0].shown);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
        assert_shown(SEED);
        picture_unref(shown);
}

/* What somebody still holds of a resource that is not shown any more is not written to. */
static void a_stop_amid_what_a_transfer_completes_is_served_before_its_end(void **state)
{
        struct virtio_gpu_transfer_to_host_2d transfer = { HEADER(TRANSFER_TO_HOST_2D), .r = LITTLE(SMALL),
                                                           .resource_id = htole32(1) };
        struct picture *held = show_and_write_a_pixel(), *idle;

        picture_unref(held);
        assert_int_equal(gpu_guest_flush(&g, 1, SMALL), OK);
        idle = test_view_picture(&g.views[0]);
        assert_int_equal(gpu_guest_scanout(&g, 0, 0, SMALL), OK);
        hold_up_at(idle->pixels + MIDDLE);
        BEGIN(transfer);
        stop_amid();
        assert_int_equal(n_answered(), 0);
        assert_all_answered_after(1);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
        assert_int_equal(test_view_pixel(&g.views[0], W - 1, H - 1), gpu_guest_colour(SEED, W * H - 1));
        picture_unref(idle);
}

static bool note(void *data)
{
        *(atomic_bool *) data = true;
        return true;
}

static void what_is_freed_is_not_completed_first(void **state)
{
        struct picture *shown = show_and_write_a_pixel();
        atomic_bool is_touched = false;

        trap_set(&(struct trap) { note, &is_touched }, shown->pixels + MIDDLE);
        assert_int_equal(gpu_guest_unref(&g, 1), OK);
        trap_clear();
        assert_false(is_touched);
        picture_unref(shown);
}

/* A request to attach N_ENTRIES of so many bytes, each in the next page. Return: its size. */
static size_t put_attach(uint32_t n_entry_bytes)
{
        static struct {
                struct virtio_gpu_resource_attach_backing attach;
                struct virtio_gpu_mem_entry entries[N_ENTRIES];
        } request;

        request.attach = (struct virtio_gpu_resource_attach_backing) { HEADER(RESOURCE_ATTACH_BACKING),
                                                                       .resource_id = htole32(1),
                                                                       .nr_entries = htole32(N_ENTRIES) };
        for (uint32_t i = 0; i < N_ENTRIES; i++)
                request.entries[i] = (struct virtio_gpu_mem_entry) { htole64(GUEST_PIXELS + i * 4096),
                                                                     htole32(n_entry_bytes), 0 };
        memcpy(g.memory + GUEST_REQUEST, &request, sizeof(request));
        return sizeof(request);
}

static void a_stop_amid_the_entries_of_a_backing_is_served_before_their_end(void **state)
{
        size_t n;

        assert_int_equal(gpu_guest_create(&g, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, W, H), OK);
        n = put_attach(4096);
        hold_up_at(g.memory + GUEST_REQUEST + n / 2);
        begin_at(GUEST_REQUEST, n, 1);
        stop_amid();
        assert_int_equal(n_answered(), 0);
        assert_all_answered_after(1);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, SEED);
        assert_int_equal(gpu_guest_transfer(&g, 1, ALL, 0), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), OK);
        assert_shown(SEED);
}

/* One row, of bytes each of which has a page of its own. */
static void a_stop_amid_a_backing_in_single_bytes_is_served_before_its_end(void **state)
{
        struct virtio_gpu_rect row = { .width = N_ENTRIES / 4, .height = 1 };
        struct virtio_gpu_transfer_to_host_2d transfer = { HEADER(TRANSFER_TO_HOST_2D), .r = LITTLE(row),
                                                           .resource_id = htole32(1) };

        assert_int_equal(gpu_guest_create(&g, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, row.width, row.height), OK);
        begin_at(GUEST_REQUEST, put_attach(1), 1);
        wait_for_answer();
        for (uint32_t i = 0; i < N_ENTRIES; i++)
                g.memory[GUEST_PIXELS + i * 4096] = (char) (i + i / 256);
        hold_up_at(g.memory + GUEST_PIXELS + N_ENTRIES / 2 * 4096);
        BEGIN(transfer);
        stop_amid();
        assert_int_equal(n_answered(), 0);
        assert_all_answered_after(1);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, row), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, row), OK);
        assert_int_equal(test_view_pixel(&g.views[0], 1, 0), 0x07060504);
        assert_int_equal(test_view_pixel(&g.views[0], 64 * 3 + 1, 0), 0x0a090807);
        assert_int_equal(test_view_pixel(&g.views[0], row.width - 1, 0), 0x0e0d0c0b);
}

static void a_stop_is_served_before_the_commands_that_wait(void **state)
{
        struct virtio_gpu_transfer_to_host_2d transfer = { HEADER(TRANSFER_TO_HOST_2D), .r = LITTLE(SMALL),
                                                           .resource_id = htole32(1) };

        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        memcpy(g.memory + GUEST_REQUEST, &transfer, sizeof(transfer));
        hold_up_at(g.memory + GUEST_PIXELS);
        begin_at(GUEST_REQUEST, sizeof(transfer), 10);
        stop_amid();
        assert_int_equal(n_answered(), 1);
        assert_all_answered_after(9);
}

static void nothing(void *data) { }

static void a_command_that_was_cut_for_another_call_is_done_all_the_same(void **state)
{
        struct virtio_gpu_transfer_to_host_2d transfer = { HEADER(TRANSFER_TO_HOST_2D), .r = LITTLE(ALL),
                                                           .resource_id = htole32(1) };

        gpu_guest_make(&g, 1, W, H, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, SEED);
        hold_up_at(g.memory + GUEST_PIXELS + MIDDLE);
        BEGIN(transfer);
        trap_wait();
        loop_call(worker_loop(g.worker), nothing, NULL);
        trap_clear();
        while (n_answered() == 0)
                cpu_relax();
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), OK);
        assert_shown(SEED);
}

/* The server is killed, and its successor's queues are stopped while it brings back pixels. */
static void succeed_and_stop_amid(void)
{
        gpu_guest_kill(&g, NULL, NULL);
        hold_up_at(g.memory + GUEST_PIXELS + MIDDLE);
        gpu_guest_resume_queue(&g, 0); /* waits for none of it */
        stop_amid();
        assert_null(g.views[0].shown);
        assert_int_equal(n_answered(), 0);
}

static void assert_all_is_back_after_stops(uint32_t n_commands)
{
        succeed_and_stop_amid();
        /* What was begun goes on; killed once more, it begins anew. */
        assert_all_answered_after(n_commands);
        assert_shown(SEED);
        succeed_and_stop_amid();
        succeed_and_stop_amid();
        assert_all_answered_after(0);
        assert_shown(SEED);
        assert_int_equal(gpu_guest_create(&g, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, W, H),
                         VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

static void a_stop_amid_what_a_successor_brings_back_is_served_before_its_end(void **state)
{
        struct virtio_gpu_resource_flush flush = { HEADER(RESOURCE_FLUSH), .r = LITTLE(ALL),
                                                   .resource_id = htole32(1) };

        picture_unref(show_and_write_a_pixel());
        /* Of the time between the two servers. */
        gpu_guest_pause(&g);
        BEGIN(flush);
        assert_all_is_back_after_stops(1);
}

static void a_stop_amid_a_blob_that_a_successor_brings_back_is_served_before_its_end(void **state)
{
        struct virtio_gpu_mem_entry entry = { GUEST_PIXELS, W * H * 4, 0 };

        gpu_guest_paint(&g, GUEST_PIXELS, W * H, SEED);
        assert_int_equal(gpu_guest_create_blob(&g, 1, W * H * 4, &entry, 1), OK);
        assert_int_equal(gpu_guest_scanout_blob(&g, 0, 1, ALL, W, H, W * 4, 0), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), OK);
        assert_all_is_back_after_stops(0);
}

/* Many of them, some in one bucket of the table; wherever the stops come. */
static void stops_while_a_successor_begins_lose_nothing(void **state)
{
        const struct virtio_gpu_rect all = { .width = 256, .height = 256 };
        const uint32_t n = 100, stride = 256 * 256 * 4;

        for (uint32_t i = 0; i < n; i++) {
                gpu_guest_make(&g, 1 + i / 4 + i % 4 * 1024, 256, 256, GUEST_PIXELS + i * stride);
                gpu_guest_paint(&g, GUEST_PIXELS + i * stride, 256 * 256, i);
        }
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, all), OK);
        srandom(1);
        for (unsigned round = 0; round < 10; round++) {
                gpu_guest_kill(&g, NULL, NULL);
                for (long stops = random() % 20; stops > 0; stops--) {
                        gpu_guest_resume(&g);
                        for (long wait = random() % 100000; wait > 0; wait--)
                                cpu_relax();
                        gpu_guest_pause(&g);
                }
                assert_all_answered_after(0);
                for (uint32_t i = 0; i < n; i++) {
                        uint32_t id = 1 + i / 4 + i % 4 * 1024;

                        if (i > 0)
                                assert_int_equal(gpu_guest_scanout(&g, 1, id, all), OK);
                        assert_int_equal(test_view_pixel(&g.views[i > 0], 0, 0), gpu_guest_colour(i, 0));
                        assert_int_equal(test_view_pixel(&g.views[i > 0], 255, 255), gpu_guest_colour(i, 65535));
                }
        }
}

/* Wherever the stops come, which differs from run to run: what is shown in the end does not. */
static void stops_at_any_time_change_nothing(void **state)
{
        static uint32_t expected[W * 256];
        const uint32_t height = 256;
        struct virtio_gpu_rect all = { .width = W, .height = height };

        gpu_guest_make(&g, 1, W, height, GUEST_PIXELS);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, all), OK);
        memset(expected, 0, sizeof(expected));
        srandom(1);
        for (uint32_t seed = 1; seed <= 60; seed++) {
                struct virtio_gpu_rect r = { .x = (uint32_t) random() % W, .y = (uint32_t) random() % height };
                struct virtio_gpu_transfer_to_host_2d transfer = { HEADER(TRANSFER_TO_HOST_2D),
                                                                   .resource_id = htole32(1) };
                struct virtio_gpu_resource_flush flush = { HEADER(RESOURCE_FLUSH), .resource_id = htole32(1) };

                r.width = 1 + (uint32_t) random() % (W - r.x);
                r.height = 1 + (uint32_t) random() % (height - r.y);
                transfer.r = flush.r = (struct virtio_gpu_rect) LITTLE(r);
                transfer.offset = htole64((uint64_t) (r.y * W + r.x) * 4);
                gpu_guest_paint(&g, GUEST_PIXELS, W * height, seed);
                for (uint32_t i = 0; i < r.width * r.height; i++) {
                        uint32_t at = (r.y + i / r.width) * W + r.x + i % r.width;

                        expected[at] = gpu_guest_colour(seed, at);
                }
                BEGIN(transfer);
                for (long n = random() % 5; n > 0; n--) {
                        gpu_guest_pause(&g);
                        gpu_guest_resume(&g);
                }
                wait_for_answer();
                BEGIN(flush);
                gpu_guest_pause(&g);
                gpu_guest_resume(&g);
                wait_for_answer();
                for (unsigned i = 0; i < 5000; i++) {
                        uint32_t at = (uint32_t) random() % (W * height);

                        assert_int_equal(test_view_pixel(&g.views[0], at % W, at / W), expected[at]);
                }
        }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CASE_PACKED(name) cmocka_unit_test_setup_teardown(name, setup_packed, teardown)
#define CASE_STATE(name) cmocka_unit_test_setup_teardown(name, setup_state, teardown)
#define CASE_STATE_PACKED(name) cmocka_unit_test_setup_teardown(name, setup_state_packed, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_stop_amid_a_transfer_is_served_before_its_end),
                CASE_PACKED(a_stop_amid_a_transfer_is_served_before_its_end),
                CASE(a_stop_amid_a_column_of_pixels_is_served_before_its_end),
                CASE(a_stop_amid_the_flush_of_a_blob_is_served_before_its_end),
                CASE(a_stop_amid_what_a_flush_completes_is_served_before_its_end),
                CASE(a_stop_amid_a_column_that_a_flush_completes_is_served_before_its_end),
                CASE(a_stop_amid_what_leaving_a_scanout_completes_is_served_before_its_end),
                CASE(a_stop_amid_what_a_transfer_completes_is_served_before_its_end),
                CASE(what_is_freed_is_not_completed_first),
                CASE(a_stop_amid_the_entries_of_a_backing_is_served_before_their_end),
                CASE(a_stop_amid_a_backing_in_single_bytes_is_served_before_its_end),
                CASE(a_stop_is_served_before_the_commands_that_wait),
                CASE_PACKED(a_stop_is_served_before_the_commands_that_wait),
                CASE(a_command_that_was_cut_for_another_call_is_done_all_the_same),
                CASE_STATE(a_stop_amid_what_a_successor_brings_back_is_served_before_its_end),
                CASE_STATE_PACKED(a_stop_amid_what_a_successor_brings_back_is_served_before_its_end),
                CASE_STATE(a_stop_amid_a_blob_that_a_successor_brings_back_is_served_before_its_end),
                CASE_STATE(stops_while_a_successor_begins_lose_nothing),
                CASE(stops_at_any_time_change_nothing),
                CASE_PACKED(stops_at_any_time_change_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
