/* SPDX-License-Identifier: MPL-2.0 */
/* The GPU device in its server process, driven as a guest's driver does it. Spec: VIRTIO 1.4, 5.7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/virtio_gpu.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/macros.h"
#include "display/image.h"
#include "display/picture.h"
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

/* Two displays side by side on one screen, one for each guest; what outlives the server is in the folder. */
static void start_scene(const char *guards_of_left)
{
        static const char scene[] =
                "{\"screens\": {\"main\": {\"size\": [660, 220], \"background\": \"#102030\"}},"
                " \"displays\": {"
                "  \"left\": {\"screen\": \"main\", \"region\": [10, 10, 320, 200], "
                "\"fallback\": {\"colour\": \"#ff0000\"},"
                "           \"guards\": [%s]},"
                "  \"right\": {\"screen\": \"main\", \"region\": [330, 10, 320, 200], "
                "\"fallback\": {\"colour\": \"#00ff00\"}}}}";
        char first[256], second[256];
        const char *words[] = { "gpu", "--scene", harness_path(&harness, "scene.json"), "--control",
                                harness_path(&harness, "control"), "--state", harness_path(&harness, "state"),
                                "--guest", first, "--guest", second, NULL };
        FILE *f = fopen(words[2], "w");

        assert_non_null(f);
        assert_true(fprintf(f, scene, guards_of_left) >= 0);
        assert_int_equal(fclose(f), 0);
        (void) snprintf(first, sizeof(first), "id=alpha,display=left,socket-path=%s", harness_path(&harness, "a"));
        (void) snprintf(second, sizeof(second), "id=beta,display=right,socket-path=%s", harness_path(&harness, "b"));
        (void) harness_path(&harness, "state.alpha"); /* removed with the folder */
        (void) harness_path(&harness, "state.beta");
        assert_int_equal(harness_start(&harness, words), 0);
}

/* Sends a line to the control socket, with a descriptor unless it is -1, and expects success. */
static void control(const char *line, int fd)
{
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int))];
        } buffer = { .bytes = { 0 } };
        struct iovec iov = { (void *) line, strlen(line) };
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &buffer, .msg_controllen = sizeof(buffer)
        };
        struct cmsghdr *h = CMSG_FIRSTHDR(&message);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        auto_cleanup(closep) int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char answer[256] = "";
        size_t n = 0;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", harness_path(&harness, "control"));
        assert_int_equal(connect(s, (struct sockaddr *) &address, sizeof(address)), 0);
        *h = (struct cmsghdr) { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(h), &fd, sizeof(fd));
        if (fd < 0)
                message.msg_controllen = 0;
        assert_int_equal(sendmsg(s, &message, MSG_NOSIGNAL), strlen(line));
        while (!memchr(answer, '\n', n)) {
                ssize_t k = recv(s, answer + n, sizeof(answer) - 1 - n, 0);

                assert_true(k > 0);
                n += (size_t) k;
        }
        assert_non_null(strstr(answer, "\"ok\""));
}

static struct picture *screenshot(void)
{
        const char *path = harness_path(&harness, "shot.png");
        auto_cleanup(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        auto_cleanup(freep) char *error = NULL;
        struct picture *p;

        assert_true(fd >= 0);
        control("{\"screenshot\": \"main\"}\n", fd);
        assert_int_equal(image_load(path, 0, &p, &error), 0);
        assert_int_equal(p->width, 660);
        assert_int_equal(p->height, 220);
        return p;
}

static uint32_t pixel_of(const struct picture *p, uint32_t x, uint32_t y)
{
        uint32_t pixel;

        memcpy(&pixel, p->pixels + (size_t) y * p->stride_bytes + (size_t) x * 4, sizeof(pixel));
        return pixel & 0xffffff;
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
        struct virtio_gpu_set_scanout request = {
                { .type = VIRTIO_GPU_CMD_SET_SCANOUT }, { 0, 0, width, height }, 0, id
        };

        return RUN(g, request);
}

static uint32_t flush(struct guest *g, uint32_t id, uint32_t width, uint32_t height)
{
        struct virtio_gpu_resource_flush request = {
                { .type = VIRTIO_GPU_CMD_RESOURCE_FLUSH }, { 0, 0, width, height }, id, 0
        };

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

/* A display shows what @seed painted, or @fallback if that is 0. */
static void assert_display(const struct picture *p, uint32_t left, uint32_t seed, uint32_t fallback)
{
        for (uint32_t i = 0; i < WIDTH * HEIGHT; i++)
                assert_int_equal(pixel_of(p, left + i % WIDTH, 10 + i / WIDTH), seed ? colour(seed, i) : fallback);
}

static void assert_screen(uint32_t left_seed, uint32_t right_seed)
{
        struct picture *p = screenshot();

        assert_display(p, 10, left_seed, 0xff0000);
        assert_display(p, 330, right_seed, 0x00ff00);
        for (uint32_t x = 0; x < 660; x++) {
                assert_int_equal(pixel_of(p, x, 9), 0x102030);
                assert_int_equal(pixel_of(p, x, 210), 0x102030);
        }
        picture_unref(p);
}

static void pictures_of_two_guests_are_on_one_screen_exactly(void **state)
{
        start_scene("");
        assert_screen(0, 0);
        connect_guest(&alpha, "a", true);
        connect_guest(&beta, "b", false);
        show(&alpha, 1, 3);
        assert_screen(3, 0);
        show(&beta, 1, 4);
        assert_screen(3, 4);
        for (uint32_t i = 5; i < 10; i++) { /* flips */
                show(&alpha, i, i);
                assert_screen(i, 4);
        }
        vhost_driver_stop(&alpha.d);
        assert_int_equal(harness_wait_log(&harness, "alpha: front end disconnected"), 0);
        assert_screen(0, 4);
        assert_int_equal(harness_stop(&harness), 0);
}

static void on_change(struct frontend *f, void *data) { ++*(unsigned *) data; }

static void on_end(struct frontend *f, void *data) { fail_msg("the server is gone"); }

static void new_mode_reaches_the_guest(void **state)
{
        static const struct frontend_events events = { .config_changed = on_change, .disconnected = on_end };
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        unsigned n_changes = 0;
        struct virtio_gpu_ctrl_hdr info = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
        const struct virtio_gpu_resp_display_info *displays;
        struct virtio_gpu_config config;

        start_scene("");
        connect_guest(&alpha, "a", true);
        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(frontend_watch(alpha.d.frontend, loop, &events, &n_changes), 0);
        control("{\"mode\": {\"display\": \"left\", \"size\": [160, 100]}}\n", -1);
        assert_int_equal(loop_step(loop, WAIT_MS), 0);
        assert_int_equal(n_changes, 1);
        assert_int_equal(frontend_get_config(alpha.d.frontend, 0, &config, sizeof(config)), 0);
        assert_int_equal(config.events_read, VIRTIO_GPU_EVENT_DISPLAY);
        assert_int_equal(run(&alpha, &info, sizeof(info), sizeof(*displays)), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
        displays = vhost_driver_pointer(&alpha.d, alpha.response);
        assert_int_equal(displays->pmodes[0].r.width, 160);
        assert_int_equal(displays->pmodes[0].r.height, 100);
        vhost_driver_stop(&alpha.d);
        assert_int_equal(harness_stop(&harness), 0);
}

/* What the server's predecessor had is back when the first command is answered. */
static void reconnect(struct guest *g, const char *socket)
{
        struct virtio_gpu_ctrl_hdr info = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };

        assert_int_equal(vhost_driver_reconnect(&g->d, harness_path(&harness, socket)), 0);
        assert_int_equal(run(g, &info, sizeof(info), sizeof(struct virtio_gpu_resp_display_info)),
                         VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
}

/* No guest notices but by a command that takes longer: neither loses a picture, both go on. */
static void pictures_return_after_the_server_was_killed(void **state)
{
        start_scene("");
        connect_guest(&alpha, "a", true);
        connect_guest(&beta, "b", false);
        show(&alpha, 7, 1);
        show(&beta, 8, 2);
        for (uint32_t round = 0; round < 3; round++) {
                harness_kill(&harness);
                start_scene("");
                assert_screen(0, 0);
                reconnect(&alpha, "a");
                reconnect(&beta, "b");
                assert_screen(1 + 10 * round, 2);
                paint(&alpha, 11 + 10 * round);
                assert_int_equal(transfer(&alpha, 7, WIDTH, HEIGHT), OK);
                assert_int_equal(flush(&alpha, 7, WIDTH, HEIGHT), OK);
                assert_screen(11 + 10 * round, 2);
        }
        assert_int_equal(create(&beta, 8, 8, 8), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
        assert_int_equal(vhost_driver_reset(&alpha.d), 0);
        assert_screen(0, 2);
        show(&alpha, 7, 5);
        assert_screen(5, 2);
        assert_int_equal(harness_stop(&harness), 0);
}

/* Return: the policy of the server's thread of that name; -1 if there is none. */
static int policy_of(const char *name)
{
        char path[320], text[32];
        struct dirent *entry;
        int policy = -1;
        DIR *tasks;

        (void) snprintf(path, sizeof(path), "/proc/%d/task", (int) harness.process.pid);
        tasks = opendir(path);
        assert_non_null(tasks);
        while ((entry = readdir(tasks))) {
                FILE *f;

                (void) snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int) harness.process.pid, entry->d_name);
                f = fopen(path, "r");
                if (!f)
                        continue;
                if (fgets(text, sizeof(text), f) && strncmp(text, name, strlen(name)) == 0)
                        policy = sched_getscheduler((pid_t) strtol(entry->d_name, NULL, 10)) & ~SCHED_RESET_ON_FORK;
                (void) fclose(f);
        }
        (void) closedir(tasks);
        return policy;
}

static void thread_of_a_guarded_guest_goes_before_others(void **state)
{
        const struct sched_param ordinary = { 0 }, realtime = { .sched_priority = 2 };
        bool may = sched_setscheduler(0, SCHED_RR, &realtime) == 0;

        if (may)
                assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &ordinary), 0);
        else
                print_message("# no right to real-time priority: the server has none, either\n");
        start_scene("{\"name\": \"lamp\", \"region\": [0, 0, 10, 10], \"rule\": \"fresh\", \"limitMs\": 200}");
        assert_int_equal(policy_of("busbar-device-g"), may ? SCHED_RR : SCHED_OTHER);
        assert_int_equal(policy_of("guest-0"), may ? SCHED_RR : SCHED_OTHER);
        assert_int_equal(policy_of("guest-1"), SCHED_OTHER);
        assert_int_equal(policy_of("display-writer"), SCHED_OTHER);
        connect_guest(&alpha, "a", true);
        connect_guest(&beta, "b", false);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(commands_are_answered_on_both_ring_kinds, setup, teardown),
                cmocka_unit_test_setup_teardown(quota_of_one_guest_is_no_other_guests, setup, teardown),
                cmocka_unit_test_setup_teardown(bad_input_2_request_outside_memory_breaks_one_queue, setup, teardown),
                cmocka_unit_test_setup_teardown(flood_of_one_guest_holds_up_no_other, setup, teardown),
                cmocka_unit_test_setup_teardown(pictures_of_two_guests_are_on_one_screen_exactly, setup, teardown),
                cmocka_unit_test_setup_teardown(new_mode_reaches_the_guest, setup, teardown),
                cmocka_unit_test_setup_teardown(thread_of_a_guarded_guest_goes_before_others, setup, teardown),
                cmocka_unit_test_setup_teardown(pictures_return_after_the_server_was_killed, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
