/* SPDX-License-Identifier: MPL-2.0 */
/* The display server's side of 3D against the real busbar-render, with virglrenderer on a software GL driver. */
#include <errno.h>
#include <linux/virtio_gpu.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/rectangle.h"
#include "mem/space.h"
#include "render/client.h"

#define MEMORY_BYTES (1U << 20)
#define MEMORY_START 0x40000000u
#define WIDTH 64u
#define HEIGHT 32u
#define CONTEXT 1
#define PICTURE 7
#define TARGET_2D 2             /* PIPE_TEXTURE_2D */
#define FORMAT_B8G8R8A8 1
#define BIND_RENDER_SCANOUT 0x40002

static struct {
        struct loop *loop;
        struct render_host *host;
        struct render *render;
        struct space *space;
        uint32_t *memory;
} f;

static int command(const void *bytes, size_t n)
{
        uint8_t payload[4096];
        size_t n_payload = 0;

        return render_command(f.render, bytes, n, payload, sizeof(payload), &n_payload);
}

static void expect_ok(const void *bytes, size_t n)
{
        assert_int_equal(command(bytes, n), VIRTIO_GPU_RESP_OK_NODATA);
}

static void start(void)
{
        struct virtio_gpu_ctx_create context = { .hdr = { .type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = CONTEXT } };

        assert_int_equal(render_restart(f.render), 0);
        assert_int_equal(render_set_memory(f.render, f.space), 0);
        expect_ok(&context, sizeof(context));
}

static void create_picture(uint32_t flags)
{
        struct virtio_gpu_resource_create_3d create = {
                .hdr = { .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D }, .resource_id = PICTURE, .target = TARGET_2D,
                .format = FORMAT_B8G8R8A8, .bind = BIND_RENDER_SCANOUT, .width = WIDTH, .height = HEIGHT, .depth = 1,
                .array_size = 1, .flags = flags,
        };
        /* Two pieces, so that it is not all in one row. */
        struct virtio_gpu_mem_entry entries[] = {
                { .addr = MEMORY_START, .length = 4096 },
                { .addr = MEMORY_START + 8192, .length = WIDTH * HEIGHT * 4 - 4096 },
        };

        expect_ok(&create, sizeof(create));
        assert_int_equal(render_set_backing(f.render, PICTURE, entries, 2), VIRTIO_GPU_RESP_OK_NODATA);
}

static uint32_t *pixel(uint32_t i)
{
        return &f.memory[i < 1024 ? i : i + 1024];
}

static void transfer(uint32_t type)
{
        struct virtio_gpu_transfer_host_3d transfer = {
                .hdr = { .type = type, .flags = VIRTIO_GPU_FLAG_FENCE, .fence_id = 5 }, .resource_id = PICTURE,
                .box = { .w = WIDTH, .h = HEIGHT, .d = 1 }, .stride = WIDTH * 4,
        };

        expect_ok(&transfer, sizeof(transfer));
}

static void read_back(uint32_t flags)
{
        const struct rectangle part = { .x = 3, .y = 5, .width = 20, .height = 10 };
        const uint8_t *pixels;

        start();
        create_picture(flags);
        for (uint32_t i = 0; i < WIDTH * HEIGHT; i++)
                *pixel(i) = 0xff000000u + i;
        transfer(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D);
        assert_int_equal(render_read(f.render, PICTURE, &part, &pixels), VIRTIO_GPU_RESP_OK_NODATA);
        for (uint32_t y = 0; y < part.height; y++)
                for (uint32_t x = 0; x < part.width; x++) {
                        uint32_t got;

                        memcpy(&got, pixels + (y * part.width + x) * 4, 4);
                        assert_int_equal(got, 0xff000000u + (y + part.y) * WIDTH + x + part.x);
                }
}

static void what_the_guest_wrote_is_read_back(void **state) { read_back(VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP); }
static void the_order_of_rows_in_storage_makes_no_difference(void **state) { read_back(0); }

static void the_capabilities_are_virgls(void **state)
{
        struct virtio_gpu_get_capset_info in = { .hdr = { .type = VIRTIO_GPU_CMD_GET_CAPSET_INFO }, .capset_index = 1 };
        uint32_t out[4];
        size_t n;

        start();
        assert_int_equal(render_command(f.render, &in, sizeof(in), out, sizeof(out), &n),
                         VIRTIO_GPU_RESP_OK_CAPSET_INFO);
        assert_int_equal(n, sizeof(out));
        assert_int_equal(out[0], VIRTIO_GPU_CAPSET_VIRGL2);
        in.capset_index = 2;
        assert_int_equal(command(&in, sizeof(in)), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

static void a_command_that_is_cut_or_unknown_is_refused(void **state)
{
        struct virtio_gpu_resource_create_3d create = { .hdr = { .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D } };
        struct virtio_gpu_cmd_submit submit = { .hdr = { .type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = CONTEXT },
                                                .size = 4096 };

        start();
        assert_int_equal(command(&create, sizeof(create) - 1), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        assert_int_equal(command(&create, 3), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        assert_int_equal(command(&submit, sizeof(submit)), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        create.hdr.type = 0x7777;
        assert_int_equal(command(&create, sizeof(create)), VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void memory_that_is_not_there_is_not_attached(void **state)
{
        struct virtio_gpu_mem_entry entries[] = { { .addr = MEMORY_START + MEMORY_BYTES - 4096, .length = 8192 } };

        start();
        create_picture(0);
        assert_int_equal(render_set_backing(f.render, PICTURE, entries, 1), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        assert_int_equal(render_set_backing(f.render, 4711, entries, 1), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

static void memory_may_change_while_resources_are_attached(void **state)
{
        start();
        create_picture(VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP);
        assert_int_equal(render_set_memory(f.render, f.space), 0);
        assert_int_equal(command(&(struct virtio_gpu_resource_unref){ .hdr = { .type = VIRTIO_GPU_CMD_RESOURCE_UNREF },
                                                                       .resource_id = PICTURE },
                                 sizeof(struct virtio_gpu_resource_unref)),
                         VIRTIO_GPU_RESP_OK_NODATA);
}

/* virglrenderer reports it, and the context takes no more commands. */
static void garbage_in_a_command_stream_costs_nothing_but_itself(void **state)
{
        struct {
                struct virtio_gpu_cmd_submit header;
                uint32_t words[64];
        } submit = { .header = { .hdr = { .type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = CONTEXT },
                                 .size = sizeof(submit.words) } };

        start();
        for (unsigned i = 0; i < 64; i++)
                submit.words[i] = 0xffff0000u + i * 7919;
        assert_true(command(&submit, sizeof(submit)) >= 0);
        create_picture(0);
}

static pid_t render_process(void)
{
        char text[96];
        FILE *pipe;
        pid_t pid;

        (void) snprintf(text, sizeof(text), "pgrep -P $(pgrep -P %d busbar-render)", (int) getpid());
        pipe = popen(text, "r");
        assert_non_null(pipe);
        assert_non_null(fgets(text, sizeof(text), pipe));
        pid = (pid_t) strtol(text, NULL, 10);
        pclose(pipe);
        return pid;
}

static void a_process_that_dies_is_replaced(void **state)
{
        struct virtio_gpu_ctx_destroy in = { .hdr = { .type = VIRTIO_GPU_CMD_CTX_DESTROY, .ctx_id = CONTEXT } };

        start();
        assert_int_equal(kill(render_process(), SIGKILL), 0);
        assert_int_equal(command(&in, sizeof(in)), -EPIPE);
        assert_int_equal(command(&in, sizeof(in)), -EPIPE);
        start();
        create_picture(0);
}

struct asked {
        pthread_t thread;
        int result;
};

static void *ask(void *data)
{
        struct virtio_gpu_ctx_destroy in = { .hdr = { .type = VIRTIO_GPU_CMD_CTX_DESTROY, .ctx_id = CONTEXT } };

        ((struct asked *) data)->result = command(&in, sizeof(in));
        return NULL;
}

static void a_process_that_hangs_is_killed_once_nobody_may_wait(void **state)
{
        struct asked asked = { .result = 1 };
        struct pollfd process;
        uint64_t begin_ns;

        start();
        process = (struct pollfd){ .fd = pidfd_open(render_process(), 0), .events = POLLIN };
        assert_true(process.fd >= 0);
        assert_int_equal(pidfd_send_signal(process.fd, SIGSTOP, NULL, 0), 0);
        begin_ns = clock_now_ns();
        assert_int_equal(pthread_create(&asked.thread, NULL, ask, &asked), 0);
        render_interrupt(f.render);
        assert_int_equal(pthread_join(asked.thread, NULL), 0);
        assert_int_equal(asked.result, -EPIPE);
        assert_in_range(clock_now_ns() - begin_ns, 0, UINT64_C(2000000000)); /* an answer may take 5 s */
        assert_int_equal(poll(&process, 1, 10000), 1);
        (void) close(process.fd);
        assert_int_equal(render_restart(f.render), -EPIPE);
        render_resume(f.render);
        start();
        create_picture(0);
}

static int set_up(void **state)
{
        auto_cleanup(closep) int fd = fd_memfd_sealed("guest", MEMORY_BYTES);
        struct region_spec region = { .start = MEMORY_START, .size_bytes = MEMORY_BYTES, .user_address = MEMORY_START };
        char program[4096];
        struct iovec iov;

        (void) snprintf(program, sizeof(program), "%s/src/cli/busbar-render", getenv("BUSBAR_BUILD"));
        if (loop_new(&f.loop) < 0 || space_new(&f.space) < 0 || space_add(f.space, &region, fd) < 0 ||
            space_iov(f.space, MEMORY_START, MEMORY_BYTES, &iov, 1) != 1 ||
            render_host_new(f.loop, program, &f.host) < 0 || render_new(f.host, &f.render) < 0)
                return -1;
        f.memory = iov.iov_base;
        return 0;
}

static int tear_down(void **state)
{
        render_free(f.render);
        render_host_free(f.host);
        space_free(f.space);
        loop_free(f.loop);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_the_guest_wrote_is_read_back),
                cmocka_unit_test(the_order_of_rows_in_storage_makes_no_difference),
                cmocka_unit_test(the_capabilities_are_virgls),
                cmocka_unit_test(a_command_that_is_cut_or_unknown_is_refused),
                cmocka_unit_test(memory_that_is_not_there_is_not_attached),
                cmocka_unit_test(memory_may_change_while_resources_are_attached),
                cmocka_unit_test(garbage_in_a_command_stream_costs_nothing_but_itself),
                cmocka_unit_test(a_process_that_dies_is_replaced),
                cmocka_unit_test(a_process_that_hangs_is_killed_once_nobody_may_wait),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
