/* SPDX-License-Identifier: MPL-2.0 */
/* The GPU device in its server process, driven as a guest's driver does it. Spec: VIRTIO 1.4, 5.7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_gpu.h>

#include "base/loop.h"
#include "base/macros.h"
#include "harness.h"
#include "vhost/driver.h"
#include "virtio/features.h"

#define WAIT_MS 20000
#define QUEUE_SIZE 64
#define WIDTH 320u
#define HEIGHT 200u
#define OK VIRTIO_GPU_RESP_OK_NODATA

/* A guest and the two places that its commands use. */
struct guest {
        struct vhost_driver d;
        gpa_t request, response, pixels;
};

static struct harness harness;
static struct guest alpha, beta;

static int setup(void **state)
{
        alpha.d = beta.d = (struct vhost_driver) { .memory_fd = -1, .inflight.fd = -1 };
        return harness_init(&harness);
}

static int teardown(void **state)
{
        vhost_driver_stop(&alpha.d);
        vhost_driver_stop(&beta.d);
        harness_deinit(&harness);
        return 0;
}

static void connect_guest(struct guest *g, const char *socket_name, bool packed)
{
        struct vhost_driver_options options = {
                .features_wanted = (RING_FEATURES & ~(packed ? 0 : FEATURE(VIRTIO_FEATURE_RING_PACKED))) |
                                   FEATURE(VIRTIO_GPU_F_EDID) | FEATURE(VIRTIO_GPU_F_RESOURCE_UUID) |
                                   FEATURE(VIRTIO_GPU_F_RESOURCE_BLOB),
                .memory_bytes = 16 << 20,
                .n_queues = 2,
                .queue_size = QUEUE_SIZE,
                .indirect_max = 8,
                .inflight = true,
        };

        assert_int_equal(vhost_driver_start(&g->d, harness_path(&harness, socket_name), &options), 0);
        g->request = vhost_driver_alloc(&g->d, 65536, 4096);
        g->response = vhost_driver_alloc(&g->d, 4096, 4096);
        g->pixels = vhost_driver_alloc(&g->d, 4 << 20, 4096);
}

static void start_two(const char *option)
{
        char first[256], second[256];
        const char *words[] = { "gpu", "--guest", first, "--guest", second, "--screen-size=320x200", option, NULL };

        (void) snprintf(first, sizeof(first), "id=alpha,max-bytes=1M,socket-path=%s", harness_path(&harness, "a"));
        (void) snprintf(second, sizeof(second), "id=beta,socket-path=%s", harness_path(&harness, "b"));
        assert_int_equal(harness_start(&harness, words), 0);
}

/* Return: the response's type. */
static uint32_t run(struct guest *g, const void *request, size_t n, uint32_t n_response)
{
        struct driver_buffer buffers[] = { { g->request, (uint32_t) n, false }, { g->response, n_response, true } };
        uint32_t len, type;
        void *cookie;

        memcpy(vhost_driver_pointer(&g->d, g->request), request, n);
        assert_int_equal(driver_queue_add(&g->d.queues[0], buffers, 2, NULL), 0);
        (void) driver_queue_kick(&g->d.queues[0]);
        assert_int_equal(vhost_driver_wait(&g->d, 0, WAIT_MS, &cookie, &len), 1);
        assert_true(len >= sizeof(struct virtio_gpu_ctrl_hdr));
        memcpy(&type, vhost_driver_pointer(&g->d, g->response), sizeof(type));
        return type;
}

#define RUN(g, request) run(g, &(request), sizeof(request), sizeof(struct virtio_gpu_ctrl_hdr))

static uint32_t create(struct guest *g, uint32_t id, uint32_t width, uint32_t height)
{
        struct virtio_gpu_resource_create_2d request = { { .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D }, id,
                                                         VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, width, height };

        return RUN(g, request);
}

static uint32_t attach(struct guest *g, uint32_t id, gpa_t at, uint32_t n_bytes)
{
        struct {
                struct virtio_gpu_resource_attach_backing attach;
                struct virtio_gpu_mem_entry entry;
        } request = { { { .type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING }, id, 1 }, { at, n_bytes, 0 } };

        return RUN(g, request);
}

static uint32_t transfer(struct guest *g, uint32_t id, uint32_t width, uint32_t height)
{
        struct virtio_gpu_transfer_to_host_2d request = { { .type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D },
                                                          { 0, 0, width, height }, 0, id, 0 };

        return RUN(g, request);
}

static uint32_t set_scanout(struct guest *g, uint32_t id, uint32_t width, uint32_t height)
{
        struct virtio_gpu_set_scanout request = { { .type = VIRTIO_GPU_CMD_SET_SCANOUT }, { 0, 0, width, height }, 0, id };

        return RUN(g, request);
}

static uint32_t flush(struct guest *g, uint32_t id, uint32_t width, uint32_t height)
{
        struct virtio_gpu_resource_flush request = { { .type = VIRTIO_GPU_CMD_RESOURCE_FLUSH }, { 0, 0, width, height }, id, 0 };

        return RUN(g, request);
}

static uint32_t colour(uint32_t seed, uint32_t pixel)
{
        return (seed * 0x010307u + pixel * 2654435761u) & 0xffffff;
}

static void paint(struct guest *g, uint32_t seed)
{
        uint32_t *pixels = vhost_driver_pointer(&g->d, g->pixels);

        for (uint32_t i = 0; i < WIDTH * HEIGHT; i++)
                pixels[i] = colour(seed, i);
}

static void show(struct guest *g, uint32_t id, uint32_t seed)
{
        paint(g, seed);
        assert_int_equal(create(g, id, WIDTH, HEIGHT), OK);
        assert_int_equal(attach(g, id, g->pixels, WIDTH * HEIGHT * 4), OK);
        assert_int_equal(transfer(g, id, WIDTH, HEIGHT), OK);
        assert_int_equal(set_scanout(g, id, WIDTH, HEIGHT), OK);
        assert_int_equal(flush(g, id, WIDTH, HEIGHT), OK);
}

static void commands_are_answered_on_both_ring_kinds(void **state)
{
        start_two(NULL);
        for (int packed = 0; packed < 2; packed++) {
                struct virtio_gpu_ctrl_hdr info = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
                const struct virtio_gpu_resp_display_info *displays;

                connect_guest(&alpha, "a", packed);
                assert_int_equal(run(&alpha, &info, sizeof(info), sizeof(*displays)), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
                displays = vhost_driver_pointer(&alpha.d, alpha.response);
                assert_int_equal(displays->pmodes[0].r.width, WIDTH);
                assert_int_equal(displays->pmodes[0].r.height, HEIGHT);
                for (uint32_t i = 1; i <= 100; i++) {
                        if (i > 1)
                                assert_int_equal(create(&alpha, i, 8, 8), OK);
                        else
                                show(&alpha, i, i);
                }
                vhost_driver_stop(&alpha.d);
        }
        assert_int_equal(harness_stop(&harness), 0);
}

static void quota_of_one_guest_is_no_other_guests(void **state)
{
        start_two(NULL);
        connect_guest(&alpha, "a", true);
        connect_guest(&beta, "b", true);
        assert_int_equal(create(&alpha, 1, 512, 512), OK);
        assert_int_equal(create(&alpha, 2, 1, 1), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
        assert_int_equal(create(&beta, 1, 2048, 2048), OK);
        vhost_driver_stop(&alpha.d);
        connect_guest(&alpha, "a", false);
        assert_int_equal(create(&alpha, 1, 512, 512), OK);
        assert_int_equal(harness_stop(&harness), 0);
}

static bool needs_reset(struct guest *g)
{
        uint8_t status = 0;

        assert_int_equal(frontend_get_status(g->d.frontend, &status), 0);
        return status & VIRTIO_STATUS_NEEDS_RESET;
}

static void bad_input_2_request_outside_memory_breaks_one_queue(void **state)
{
        const struct driver_buffer beyond[] = { { (16 << 20) - 8, 64, false }, { 0x1000, 24, true } };

        start_two(NULL);
        connect_guest(&beta, "b", true);
        for (int packed = 0; packed < 2; packed++) {
                uint32_t len;
                void *cookie;

                connect_guest(&alpha, "a", packed);
                show(&alpha, 1, 1);
                assert_int_equal(driver_queue_add(&alpha.d.queues[0], beyond, 2, NULL), 0);
                (void) driver_queue_kick(&alpha.d.queues[0]);
                assert_int_equal(vhost_driver_wait(&alpha.d, 0, 50, &cookie, &len), -ETIMEDOUT);
                assert_true(needs_reset(&alpha));
                show(&beta, 10 + (uint32_t) packed, 2);
                assert_int_equal(vhost_driver_reset(&alpha.d), 0);
                assert_false(needs_reset(&alpha));
                show(&alpha, 1, 3);
                vhost_driver_stop(&alpha.d);
        }
        assert_int_equal(harness_stop(&harness), 0);
}

/* Copies of one guest by the gigabyte, while the other one wants a few. */
static void flood_of_one_guest_holds_up_no_other(void **state)
{
        struct virtio_gpu_transfer_to_host_2d request = { { .type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D },
                                                          { 0, 0, 512, 512 }, 0, 1, 0 };
        struct driver_buffer buffers[2];
        uint64_t begin_ns;
        unsigned n = 0;

        start_two(NULL);
        connect_guest(&alpha, "a", false);
        connect_guest(&beta, "b", true);
        assert_int_equal(create(&alpha, 1, 512, 512), OK);
        assert_int_equal(attach(&alpha, 1, alpha.pixels, 1 << 20), OK);
        memcpy(vhost_driver_pointer(&alpha.d, alpha.request), &request, sizeof(request));
        buffers[0] = (struct driver_buffer) { alpha.request, sizeof(request), false };
        buffers[1] = (struct driver_buffer) { alpha.response, 24, true };
        begin_ns = clock_now_ns();
        for (uint32_t i = 1; i <= 20; i++) {
                uint32_t len;
                void *cookie;

                while (driver_queue_add(&alpha.d.queues[0], buffers, 2, NULL) == 0)
                        n++;
                (void) driver_queue_kick(&alpha.d.queues[0]);
                show(&beta, i, i);
                while (driver_queue_get(&alpha.d.queues[0], &cookie, &len) == 1)
                        ;
        }
        assert_true(n >= 64);
        assert_true(clock_now_ns() - begin_ns < 10 * NSEC_PER_SEC);
        assert_int_equal(harness_stop(&harness), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(commands_are_answered_on_both_ring_kinds, setup, teardown),
                cmocka_unit_test_setup_teardown(quota_of_one_guest_is_no_other_guests, setup, teardown),
                cmocka_unit_test_setup_teardown(bad_input_2_request_outside_memory_breaks_one_queue, setup, teardown),
                cmocka_unit_test_setup_teardown(flood_of_one_guest_holds_up_no_other, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
