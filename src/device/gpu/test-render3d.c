/* SPDX-License-Identifier: MPL-2.0 */
/* 3D by the real busbar-render, as a guest sees it: with resources, with scanouts, and at the end of that process. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/worker.h"
#include "device/gpu/gpu-private.h"
#include "device/gpu/test-gpu-guest.h"
#include "device/gpu/test-trap.h"
#include "display/picture.h"
#include "render/client.h"
#include "virtio/features.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define W 64u
#define H 48u
#define ALL ((struct virtio_gpu_rect) { .width = htole32(W), .height = htole32(H) })
#define CONTEXT 1
#define TARGET_2D 2
#define BIND_RENDER_SCANOUT 0x40002
#define LARGE_SIDE 2048u /* 16 MiB */
#define LARGE ((struct virtio_gpu_rect) { .width = htole32(LARGE_SIDE), .height = htole32(LARGE_SIDE) })

static struct gpu_guest g;
static struct loop *loop;
static struct render_host *host;

static int setup(void **state)
{
        struct gpu_guest_config config = { 0 };

        if (render_new(host, &config.render) < 0)
                return -1;
        gpu_guest_init(&g, &config);
        return 0;
}

/* With the threads that a server has. */
static int setup_threads(void **state)
{
        struct gpu_guest_config config = { .worker = true };

        if (render_new(host, &config.render) < 0)
                return -1;
        gpu_guest_init(&g, &config);
        return 0;
}

/* Its server may be killed. */
static int setup_state(void **state)
{
        struct gpu_guest_config config = { .worker = true, .state = true };

        if (render_new(host, &config.render) < 0)
                return -1;
        gpu_guest_init(&g, &config);
        return 0;
}

static int teardown(void **state)
{
        gpu_guest_deinit(&g);
        return 0;
}

static uint32_t run(const void *request, size_t n)
{
        return gpu_guest_run(&g, 0, request, n, sizeof(struct virtio_gpu_ctrl_hdr));
}

#define RUN(...) run(&(__VA_ARGS__), sizeof(__VA_ARGS__))
#define HEADER(command) .hdr = { .type = htole32(VIRTIO_GPU_CMD_##command), .ctx_id = htole32(CONTEXT) }

static uint32_t context(void)
{
        return RUN((struct virtio_gpu_ctx_create) { HEADER(CTX_CREATE) });
}

static uint32_t create(uint32_t id, uint32_t width, uint32_t height, uint32_t flags)
{
        return RUN((struct virtio_gpu_resource_create_3d) {
                HEADER(RESOURCE_CREATE_3D), .resource_id = htole32(id), .target = htole32(TARGET_2D),
                .format = htole32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM), .bind = htole32(BIND_RENDER_SCANOUT),
                .width = htole32(width), .height = htole32(height), .depth = htole32(1), .array_size = htole32(1),
                .flags = htole32(flags) });
}

static uint32_t transfer(uint32_t type, uint32_t id)
{
        return RUN((struct virtio_gpu_transfer_host_3d) {
                .hdr = { .type = htole32(type), .flags = htole32(VIRTIO_GPU_FLAG_FENCE), .ctx_id = htole32(CONTEXT) },
                .resource_id = htole32(id), .box = { .w = htole32(W), .h = htole32(H), .d = htole32(1) },
                .stride = htole32(W * 4) });
}

static uint32_t attach(uint32_t id)
{
        struct virtio_gpu_mem_entry entry = { .addr = htole64(GUEST_PIXELS), .length = htole32(W * H * 4) };

        return gpu_guest_attach(&g, id, &entry, 1);
}

/* A resource with what @seed paints, on the first scanout. */
static void show_flagged(uint32_t id, uint32_t seed, uint32_t flags)
{
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, seed);
        assert_int_equal(create(id, W, H, flags), OK);
        assert_int_equal(attach(id), OK);
        assert_int_equal(RUN((struct virtio_gpu_ctx_resource) { HEADER(CTX_ATTACH_RESOURCE),
                                                                .resource_id = htole32(id) }), OK);
        assert_int_equal(transfer(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, id), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, id, ALL), OK);
        assert_int_equal(gpu_guest_flush(&g, id, ALL), OK);
}

static void show(uint32_t id, uint32_t seed) { show_flagged(id, seed, VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP); }

static void assert_shown(uint32_t seed)
{
        for (uint32_t i = 0; i < W * H; i++)
                assert_int_equal(test_view_pixel(&g.views[0], i % W, i / W) & 0xffffff,
                                 gpu_guest_colour(seed, i) & 0xffffff);
}

/* Of the guest that came last. Return: a pidfd of the caller's. */
static int render_process(void)
{
        char text[96];
        FILE *pipe;
        int fd;

        (void) snprintf(text, sizeof(text), "pgrep -n -P $(pgrep -P %d busbar-render)", (int) getpid());
        pipe = popen(text, "r");
        assert_non_null(pipe);
        assert_non_null(fgets(text, sizeof(text), pipe));
        assert_int_equal(pclose(pipe), 0);
        fd = pidfd_open((pid_t) strtol(text, NULL, 10), 0);
        assert_true(fd >= 0);
        return fd;
}

static void end_of_render_process(void)
{
        auto_cleanup(closep) int process = render_process();

        assert_int_equal(pidfd_send_signal(process, SIGKILL, NULL, 0), 0);
}

static void it_is_offered_with_two_capability_sets(void **state)
{
        struct virtio_gpu_get_capset_info info = { HEADER(GET_CAPSET_INFO), .capset_index = htole32(1) };
        struct virtio_gpu_get_capset get = { HEADER(GET_CAPSET), .capset_id = htole32(VIRTIO_GPU_CAPSET_VIRGL2) };
        const struct virtio_gpu_resp_capset_info *out = (const void *) (g.memory + GUEST_RESPONSE);
        uint32_t config[5], n;

        assert_true(g.features & FEATURE(VIRTIO_GPU_F_VIRGL));
        assert_int_equal(device_config_read(g.dev, 0, config, sizeof(config)), 0);
        assert_int_equal(le32toh(config[3]), 2);
        assert_int_equal(gpu_guest_run(&g, 0, &info, sizeof(info), sizeof(*out)), VIRTIO_GPU_RESP_OK_CAPSET_INFO);
        assert_int_equal(le32toh(out->capset_id), VIRTIO_GPU_CAPSET_VIRGL2);
        n = le32toh(out->capset_max_size);
        get.capset_version = out->capset_max_version;
        assert_int_equal(gpu_guest_run(&g, 0, &get, sizeof(get), sizeof(struct virtio_gpu_ctrl_hdr) + n),
                         VIRTIO_GPU_RESP_OK_CAPSET);
        assert_int_equal(g.last_len, sizeof(struct virtio_gpu_ctrl_hdr) + n);

        info.capset_index = htole32(2);
        assert_int_equal(RUN(info), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        get.capset_id = htole32(77);
        assert_int_equal(RUN(get), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

static void a_rendered_resource_is_shown_when_flushed(void **state)
{
        assert_int_equal(context(), OK);
        show(1, 3);
        assert_shown(3);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, 4);
        assert_int_equal(transfer(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 1), OK);
        assert_shown(3);
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), OK);
        assert_shown(4);
}

/* What Mesa's driver makes: its GL object has the lowest row first. */
static void a_resource_without_flags_is_shown_upright(void **state)
{
        assert_int_equal(context(), OK);
        show_flagged(1, 3, 0);
        assert_shown(3);
}

static void pixels_come_back_to_the_guest(void **state)
{
        assert_int_equal(context(), OK);
        show(1, 3);
        memset(g.memory + GUEST_PIXELS, 0, W * H * 4);
        assert_int_equal(transfer(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, 1), OK);
        for (uint32_t i = 0; i < W * H; i++) {
                uint32_t pixel;

                memcpy(&pixel, g.memory + GUEST_PIXELS + i * 4, 4);
                assert_int_equal(pixel & 0xffffff, gpu_guest_colour(3, i) & 0xffffff);
        }
}

static void resources_in_2d_go_on_beside_it(void **state)
{
        assert_int_equal(context(), OK);
        show(1, 3);
        gpu_guest_make(&g, 2, W, H, GUEST_PIXELS);
        assert_int_equal(RUN((struct virtio_gpu_ctx_resource) { HEADER(CTX_ATTACH_RESOURCE),
                                                                .resource_id = htole32(2) }), OK);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, 9);
        assert_int_equal(gpu_guest_transfer(&g, 2, ALL, 0), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, 2, ALL), OK);
        assert_int_equal(gpu_guest_flush(&g, 2, ALL), OK);
        assert_shown(9);
}

static void what_is_out_of_bounds_is_refused(void **state)
{
        struct virtio_gpu_cmd_submit submit = { HEADER(SUBMIT_3D), .size = htole32(64) };

        assert_int_equal(context(), OK);
        show(1, 3);
        assert_int_equal(create(1, W, H, 0), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
        assert_int_equal(create(0, W, H, 0), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
        assert_int_equal(create(5, 16385, 1, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        assert_int_equal(create(5, 16384, 16384, 0), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
        assert_int_equal(gpu_guest_transfer(&g, 1, ALL, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        assert_int_equal(transfer(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 7), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
        assert_int_equal(RUN(submit), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        submit.size = htole32(UINT32_MAX);
        assert_int_equal(RUN(submit), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        assert_shown(3);
}

static void the_quota_counts_rendered_resources_while_they_live(void **state)
{
        assert_int_equal(context(), OK);
        for (unsigned round = 0; round < 3; round++) {
                /* 256 MiB by default: three of 64 MiB, and no fifth of 128. */
                for (uint32_t id = 1; id <= 3; id++)
                        assert_int_equal(create(id, 4096, 4096, 0), OK);
                assert_int_equal(create(4, 8192, 4096, 0), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
                for (uint32_t id = 1; id <= 3; id++)
                        assert_int_equal(gpu_guest_unref(&g, id), OK);
        }
}

static void memory_may_be_given_anew(void **state)
{
        assert_int_equal(context(), OK);
        show(1, 3);
        gpu_guest_stop(&g);
        gpu_guest_start(&g);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, 5);
        assert_int_equal(transfer(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 1), OK);
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), OK);
        assert_shown(5);
}

static void end_of_the_process_costs_3d_and_no_more(void **state)
{
        assert_int_equal(context(), OK);
        show(1, 3);
        end_of_render_process();
        assert_int_equal(gpu_guest_flush(&g, 1, ALL), VIRTIO_GPU_RESP_ERR_UNSPEC);
        assert_shown(3);
        gpu_guest_make(&g, 2, W, H, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, W * H, 9);
        assert_int_equal(gpu_guest_transfer(&g, 2, ALL, 0), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, 2, ALL), OK);
        assert_int_equal(gpu_guest_flush(&g, 2, ALL), OK);
        assert_shown(9);
        assert_int_equal(gpu_guest_unref(&g, 1), OK);
        assert_int_equal(context(), OK);
        show(1, 7);
        assert_shown(7);
        assert_int_equal(g.n_needs_reset, 0);
}

static void nothing(void *data)
{
}

static void set_call(void *data)
{
        queue_set_call(&g.dev->queues[0], g.call_fd[0]);
}

/* Gives the device a command that its process does not answer, and returns once it was taken. */
static void ask_in_vain(int process)
{
        struct virtio_gpu_ctx_create request = { HEADER(CTX_CREATE) };
        struct driver_buffer buffers[] = { { GUEST_REQUEST, sizeof(request), false },
                                           { GUEST_RESPONSE, sizeof(struct virtio_gpu_ctrl_hdr), true } };

        request.hdr.ctx_id = htole32(CONTEXT + 1);
        assert_int_equal(pidfd_send_signal(process, SIGSTOP, NULL, 0), 0);
        memcpy(g.memory + GUEST_REQUEST, &request, sizeof(request));
        assert_int_equal(driver_queue_add(&g.queues[0], buffers, 2, NULL), 0);
        (void) driver_queue_kick(&g.queues[0]);
        loop_call(g.dev->queues[0].loop, nothing, NULL);
}

static uint32_t answer(void)
{
        struct pollfd call = { .fd = g.call_fd[0], .events = POLLIN };
        struct virtio_gpu_ctrl_hdr header;
        void *cookie;
        uint32_t len;

        while (driver_queue_get(&g.queues[0], &cookie, &len) == 0) {
                assert_int_equal(poll(&call, 1, 10000), 1);
                (void) fd_event_take(call.fd);
        }
        memcpy(&header, g.memory + GUEST_RESPONSE, sizeof(header));
        return le32toh(header.type);
}

/* An answer may take 5 s. */
#define SOON_NS UINT64_C(2000000000)

static void a_slow_command_holds_nobody_who_changes_its_queue(void **state)
{
        uint64_t begin_ns = clock_now_ns();
        auto_cleanup(closep) int process = -1;

        assert_int_equal(context(), OK);
        process = render_process();
        ask_in_vain(process);
        loop_call(g.dev->queues[0].loop, set_call, NULL);
        assert_in_range(clock_now_ns() - begin_ns, 0, SOON_NS);
        assert_int_equal(pidfd_send_signal(process, SIGCONT, NULL, 0), 0);
        assert_int_equal(answer(), OK);
}

static void a_slow_command_holds_nobody_who_resets_the_device(void **state)
{
        struct pollfd process = { .events = POLLIN };
        uint64_t begin_ns;

        assert_int_equal(context(), OK);
        show(1, 3);
        process.fd = render_process();
        ask_in_vain(process.fd);
        begin_ns = clock_now_ns();
        device_reset(g.dev);
        assert_in_range(clock_now_ns() - begin_ns, 0, SOON_NS);
        assert_int_equal(answer(), VIRTIO_GPU_RESP_ERR_UNSPEC);
        assert_int_equal(poll(&process, 1, 10000), 1);
        (void) close(process.fd);

        gpu_guest_stop(&g);
        gpu_guest_start(&g);
        assert_int_equal(context(), OK);
        show(1, 7);
        assert_shown(7);
}

static void a_guest_that_pauses_goes_on(void **state)
{
        assert_int_equal(context(), OK);
        show(1, 3);
        for (unsigned i = 0; i < 20; i++) {
                gpu_guest_stop(&g);
                gpu_guest_start(&g);
                assert_int_equal(gpu_guest_flush(&g, 1, ALL), OK);
        }
        assert_shown(3);
}

static bool is_awaited(void *data) { return atomic_load(&container_of(g.dev, struct gpu, dev)->render.is_awaited); }

/* Gives the device a command, which touches the trap, and pauses the guest amid it; the guest gets its answer later. */
static void pause_amid(const void *request, size_t n)
{
        struct driver_buffer buffers[2] = { { GUEST_REQUEST, (uint32_t) n, false },
                                            { GUEST_RESPONSE, sizeof(struct virtio_gpu_ctrl_hdr), true } };
        uint32_t length;
        void *cookie;

        memcpy(g.memory + GUEST_REQUEST, request, n);
        assert_int_equal(driver_queue_add(&g.queues[0], buffers, 2, NULL), 0);
        (void) driver_queue_kick(&g.queues[0]);
        trap_wait();
        gpu_guest_pause(&g);
        trap_clear();
        assert_int_equal(driver_queue_get(&g.queues[0], &cookie, &length), 0);
        gpu_guest_resume(&g);
        assert_int_equal(answer(), OK);
}

/* The guest's thread for commands may have a copy under way, too. */
static void a_pause_amid_a_copy_is_served_before_its_end(void **state)
{
        struct virtio_gpu_transfer_to_host_2d transfer = { HEADER(TRANSFER_TO_HOST_2D), .resource_id = htole32(1),
                                                           .r = LARGE };
        uint32_t last = LARGE_SIDE * LARGE_SIDE - 1;

        gpu_guest_make(&g, 1, LARGE_SIDE, LARGE_SIDE, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, last + 1, 3);
        trap_set(&(struct trap) { .goes_on = is_awaited }, g.memory + GUEST_PIXELS + last * 2);
        pause_amid(&transfer, sizeof(transfer));
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, LARGE), OK);
        assert_int_equal(test_view_pixel(&g.views[0], LARGE_SIDE - 1, LARGE_SIDE - 1), gpu_guest_colour(3, last));
}

static void paint_large(uint32_t seed)
{
        gpu_guest_paint(&g, GUEST_PIXELS, LARGE_SIDE * LARGE_SIDE, seed);
        assert_int_equal(RUN((struct virtio_gpu_transfer_host_3d) {
                HEADER(TRANSFER_TO_HOST_3D), .resource_id = htole32(1), .stride = htole32(LARGE_SIDE * 4),
                .box = { .w = htole32(LARGE_SIDE), .h = htole32(LARGE_SIDE), .d = htole32(1) } }), OK);
}

static void assert_large_shown(uint32_t seed)
{
        for (uint32_t i = 0; i < LARGE_SIDE; i++)
                assert_int_equal(test_view_pixel(&g.views[0], i, i) & 0xffffff,
                                 gpu_guest_colour(seed, i * LARGE_SIDE + i) & 0xffffff);
}

/* Pictures take turns: a flush writes to the one that was shown before the last one. */
static void a_pause_amid_reading_back_is_served_before_its_end(void **state)
{
        struct virtio_gpu_mem_entry entry = { GUEST_PIXELS, LARGE_SIDE * LARGE_SIDE * 4, 0 };
        struct virtio_gpu_resource_flush flush = { HEADER(RESOURCE_FLUSH), .resource_id = htole32(1), .r = LARGE };
        struct picture *next;
        unsigned n_flushes;

        assert_int_equal(context(), OK);
        assert_int_equal(create(1, LARGE_SIDE, LARGE_SIDE, VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP), OK);
        assert_int_equal(gpu_guest_attach(&g, 1, &entry, 1), OK);
        assert_int_equal(RUN((struct virtio_gpu_ctx_resource) { HEADER(CTX_ATTACH_RESOURCE),
                                                                .resource_id = htole32(1) }), OK);
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, LARGE), OK);
        paint_large(3);
        assert_int_equal(gpu_guest_flush(&g, 1, LARGE), OK);
        next = test_view_picture(&g.views[0]);
        assert_int_equal(gpu_guest_flush(&g, 1, LARGE), OK);
        n_flushes = g.views[0].n_flushes;
        picture_unref(next);

        paint_large(4);
        trap_set(&(struct trap) { .goes_on = is_awaited }, next->pixels + (size_t) LARGE_SIDE / 2 * next->stride_bytes);
        pause_amid(&flush, sizeof(flush));
        assert_int_equal(g.views[0].n_flushes, n_flushes + 1);
        assert_large_shown(4);
}

/* The killed server's render process, and all that it held, went with it. */
static void new_process(int state_fd, void *data) { assert_int_equal(render_new(host, &g.options.render), 0); }

static void a_successor_begins_without_what_3d_showed_and_says_nothing_of_it(void **state)
{
        assert_int_equal(context(), OK);
        show(1, 3);
        assert_int_equal(create(2, GPU_CURSOR_PIXELS, GPU_CURSOR_PIXELS, 0), OK);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 2, 5, 5), OK);
        assert_int_equal(gpu_guest_cursor(&g, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 0, 6, 6), OK);
        gpu_guest_make(&g, 3, W, H, GUEST_PIXELS);
        assert_int_equal(gpu_guest_transfer(&g, 3, ALL, 0), OK);
        assert_int_equal(gpu_guest_scanout(&g, 1, 3, ALL), OK);
        gpu_guest_succeed(&g, new_process, NULL);
        assert_null(g.views[0].shown);
        assert_null(g.views[0].cursor);
        assert_int_equal(test_view_pixel(&g.views[1], 5, 5), gpu_guest_colour(3, 5 * W + 5));
        assert_int_equal(g.dev->log_limit.tokens, g.dev->log_limit.burst); /* no line was taken from it */

        assert_int_equal(context(), OK);
        show(1, 7);
        assert_shown(7);
}

static bool is_called(void *data) { return loop_is_called(worker_loop(g.worker)); }

/* It is the queues' thread that does it, not the one for commands. */
static void a_stop_amid_what_a_successor_brings_back_is_served_before_its_end(void **state)
{
        uint32_t last = LARGE_SIDE * LARGE_SIDE - 1;

        gpu_guest_make(&g, 1, LARGE_SIDE, LARGE_SIDE, GUEST_PIXELS);
        gpu_guest_paint(&g, GUEST_PIXELS, last + 1, 3);
        assert_int_equal(gpu_guest_transfer(&g, 1, LARGE, 0), OK);
        assert_int_equal(gpu_guest_scanout(&g, 1, 1, LARGE), OK);
        gpu_guest_kill(&g, new_process, NULL);
        trap_set(&(struct trap) { .goes_on = is_called }, g.memory + GUEST_PIXELS + last * 2);
        gpu_guest_resume_queue(&g, 0);
        trap_wait();
        gpu_guest_pause(&g);
        trap_clear();
        assert_null(g.views[1].shown);
        gpu_guest_resume(&g);
        assert_int_equal(context(), OK);
        assert_int_equal(test_view_pixel(&g.views[1], LARGE_SIDE - 1, LARGE_SIDE - 1), gpu_guest_colour(3, last));
        show(2, 7);
        assert_shown(7);
}

static int start_host(void **state)
{
        char program[4096];

        (void) snprintf(program, sizeof(program), "%s/src/cli/busbar-render", getenv("BUSBAR_BUILD"));
        return loop_new(&loop) < 0 || render_host_new(loop, program, &host) < 0 ? -1 : 0;
}

static int end_host(void **state)
{
        render_host_free(host);
        loop_free(loop);
        return 0;
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
#define CASE_THREADS(function) cmocka_unit_test_setup_teardown(function, setup_threads, teardown)
#define CASE_STATE(function) cmocka_unit_test_setup_teardown(function, setup_state, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(it_is_offered_with_two_capability_sets),
                CASE(a_rendered_resource_is_shown_when_flushed),
                CASE(a_resource_without_flags_is_shown_upright),
                CASE(pixels_come_back_to_the_guest),
                CASE(resources_in_2d_go_on_beside_it),
                CASE(what_is_out_of_bounds_is_refused),
                CASE(the_quota_counts_rendered_resources_while_they_live),
                CASE(memory_may_be_given_anew),
                CASE(end_of_the_process_costs_3d_and_no_more),
                CASE_THREADS(a_rendered_resource_is_shown_when_flushed),
                CASE_THREADS(end_of_the_process_costs_3d_and_no_more),
                CASE_THREADS(a_slow_command_holds_nobody_who_changes_its_queue),
                CASE_THREADS(a_slow_command_holds_nobody_who_resets_the_device),
                CASE_THREADS(a_guest_that_pauses_goes_on),
                CASE_THREADS(a_pause_amid_a_copy_is_served_before_its_end),
                CASE_THREADS(a_pause_amid_reading_back_is_served_before_its_end),
                CASE_STATE(a_successor_begins_without_what_3d_showed_and_says_nothing_of_it),
                CASE_STATE(a_stop_amid_what_a_successor_brings_back_is_served_before_its_end),
        };

        return cmocka_run_group_tests(tests, start_host, end_host);
}
