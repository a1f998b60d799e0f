/* SPDX-License-Identifier: MPL-2.0 */
/* The block device, driven as a guest's driver does it, well and badly. Spec: VIRTIO 1.4, 5.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "blk-load.h"
#include "harness-expect.h"
#include "two-guests.h"
#include "virtio/features.h"

#define IMAGE_BYTES (32 << 20)
#define KILLS 20

static struct blk_load load, other_load;

static const char *make_image(const char *name)
{
        const char *path = harness_path(&harness, name);
        auto_cleanup(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
        return path;
}

static void connect_guest(struct vhost_driver *d, const char *socket, bool packed, uint16_t n_queues)
{
        struct vhost_driver_options options = {
                .features_wanted = ~(packed ? 0 : FEATURE(VIRTIO_FEATURE_RING_PACKED)) &
                                   ~FEATURE(VIRTIO_FEATURE_IN_ORDER) & ~FEATURE(VIRTIO_FEATURE_RING_RESET),
                .memory_bytes = 8 << 20,
                .n_queues = n_queues,
                .queue_size = 64,
                .indirect_max = 8,
                .inflight = true,
        };

        assert_int_equal(vhost_driver_start(d, harness_path(&harness, socket), &options), 0);
        assert_int_equal(!!(d->features & FEATURE(VIRTIO_FEATURE_RING_PACKED)), packed);
}

/* `busbar device blk --image=PATH` and up to three more options. */
static void start_one(const char *image, const char *a, const char *b, const char *c)
{
        const char *words[] = { "blk", "--socket-path", harness_path(&harness, "a"), "--image", image, a, b, c, NULL };

        assert_int_equal(harness_start(&harness, words), 0);
}

static void random_io_is_verified_on_both_ring_kinds(void **state)
{
        static const char *const options[] = { NULL, "--direct", "--poll-us=0", "--delay-us=100" };

        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
                for (int packed = 0; packed < 2; packed++) {
                        char name[32];

                        (void) snprintf(name, sizeof(name), "image-%zu-%d", i, packed);
                        start_one(make_image(name), options[i], NULL, NULL);
                        connect_guest(&alpha, "a", packed, 1);
                        blk_load_init(&load, &alpha, 0);
                        blk_load_run(&load, 3000);
                        blk_load_finish(&load);
                        vhost_driver_stop(&alpha);
                        assert_int_equal(harness_stop(&harness), 0);
                }
        }
}

/* Everything that the device does on a file system on disk passes the sandbox. */
static void every_kind_of_request_passes_the_sandbox(void **state)
{
        struct virtio_blk_discard_write_zeroes *segment;
        uint64_t capacity = 0;
        gpa_t data;

        start_one(make_image("image"), "--serial=1234", "--log-level=debug", NULL);
        connect_guest(&alpha, "a", false, 1);
        data = vhost_driver_alloc(&alpha, 65536, 4096);
        segment = vhost_driver_pointer(&alpha, data);
        for (int writeback = 1; writeback >= 0; writeback--) {
                uint8_t value = (uint8_t) writeback;

                assert_int_equal(
                        frontend_set_config(alpha.frontend, offsetof(struct virtio_blk_config, wce), &value, 1), 0);
                assert_int_equal(blk_run(&alpha, 0, VIRTIO_BLK_T_OUT, 8, data, 65536, false), VIRTIO_BLK_S_OK);
                assert_int_equal(blk_run(&alpha, 0, VIRTIO_BLK_T_IN, 8, data, 65536, true), VIRTIO_BLK_S_OK);
                assert_int_equal(blk_run(&alpha, 0, VIRTIO_BLK_T_IN, 16384, data, 65536, true), VIRTIO_BLK_S_OK);
                assert_int_equal(blk_run(&alpha, 0, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false), VIRTIO_BLK_S_OK);
                for (uint32_t unmap = 0; unmap < 2; unmap++) {
                        *segment = (struct virtio_blk_discard_write_zeroes) { htole64(8), htole32(9), htole32(unmap) };
                        assert_int_equal(blk_run(&alpha, 0, VIRTIO_BLK_T_WRITE_ZEROES, 0, data, 16, false),
                                         VIRTIO_BLK_S_OK);
                        assert_int_equal(blk_run(&alpha, 0, VIRTIO_BLK_T_DISCARD, 0, data, 16, false),
                                         unmap ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_OK);
                }
        }
        assert_int_equal(blk_run(&alpha, 0, VIRTIO_BLK_T_GET_ID, 0, data, 20, true), VIRTIO_BLK_S_OK);
        assert_string_equal(vhost_driver_pointer(&alpha, data), "1234");

        /* The size is looked at again, twice: the watch is one-shot and has to be put back. */
        for (uint64_t n = 2; n <= 3; n++) {
                assert_int_equal(truncate(harness_path(&harness, "image"), (off_t) (n * IMAGE_BYTES)), 0);
                do
                        assert_int_equal(frontend_get_config(alpha.frontend, 0, &capacity, sizeof(capacity)), 0);
                while (le64toh(capacity) != n * IMAGE_BYTES / 512);
        }
        assert_int_equal(harness_stop(&harness), 0);
}

struct notice {
        unsigned n_changes;
};

static void on_config_changed(struct frontend *f, void *data)
{
        ((struct notice *) data)->n_changes++;
}

static void resized_image_is_announced(void **state)
{
        static const struct frontend_events events = { .config_changed = on_config_changed };
        auto_cleanup(loop_freep) struct loop *loop = NULL;
        struct notice notice = { 0 };

        assert_int_equal(loop_new(&loop), 0);
        start_one(make_image("image"), NULL, NULL, NULL);
        connect_guest(&alpha, "a", true, 1);
        assert_int_equal(frontend_watch(alpha.frontend, loop, &events, &notice), 0);
        assert_int_equal(truncate(harness_path(&harness, "image"), 2 * IMAGE_BYTES), 0);
        while (notice.n_changes == 0)
                assert_int_equal(loop_step(loop, 1000), 0);
        vhost_driver_stop(&alpha);
        assert_int_equal(harness_stop(&harness), 0);
}

/* Acknowledged writes survive, what was in flight is done by the successor, nothing is done twice. */
static void kill_under_load(bool packed, const char *option)
{
        uint64_t longest_ns = 0, n_before;

        start_one(make_image(packed ? "packed" : "split"), option, NULL, NULL);
        connect_guest(&alpha, "a", packed, 1);
        blk_load_init(&load, &alpha, 0);
        for (unsigned i = 0; i < KILLS; i++) {
                uint64_t begin;

                blk_load_run(&load, 200 + i * 7);
                blk_load_fill(&load);
                begin = clock_now_ns();
                harness_kill(&harness);
                start_one(harness_path(&harness, packed ? "packed" : "split"), option, NULL, NULL);
                assert_int_equal(vhost_driver_reconnect(&alpha, harness_path(&harness, "a")), 0);
                n_before = load.n_done;
                blk_load_run(&load, 1);
                longest_ns = MAX(longest_ns, clock_now_ns() - begin);
                assert_true(load.n_done > n_before);
        }
        blk_load_finish(&load);
        print_message("# %u kills, %s, %s: %" PRIu64 " requests verified, longest stall %.1f ms\n", KILLS,
                      packed ? "packed" : "split", option, load.n_done, (double) longest_ns / NSEC_PER_MSEC);
        vhost_driver_stop(&alpha);
        assert_int_equal(harness_stop(&harness), 0);
}

static void nothing_is_lost_when_the_server_is_killed_20_times(void **state)
{
        kill_under_load(false, "--poll-us=50");
        kill_under_load(true, "--poll-us=50");
}

static void nothing_is_lost_when_killed_with_all_requests_in_flight(void **state)
{
        kill_under_load(false, "--delay-us=2000");
        kill_under_load(true, "--direct");
}

static void start_two(void)
{
        char first[512], second[512];
        const char *words[] = { "blk", "--guest", first, "--guest", second, NULL };

        (void) snprintf(first, sizeof(first), "id=alpha,image=%s,socket-path=%s", make_image("alpha"),
                        harness_path(&harness, "a"));
        (void) snprintf(second, sizeof(second), "id=beta,image=%s,socket-path=%s", make_image("beta"),
                        harness_path(&harness, "b"));
        assert_int_equal(harness_start(&harness, words), 0);
}

static bool needs_reset(struct vhost_driver *d)
{
        uint8_t status = 0;

        assert_int_equal(frontend_get_status(d->frontend, &status), 0);
        return status & VIRTIO_STATUS_NEEDS_RESET;
}

/* One guest breaks its rings in many ways while another works on; a reset revives the first. */
static void hostile_guest_does_not_disturb_another(void **state)
{
        struct driver_buffer bad[][3] = {
                { { 4096, 15, false }, { 8192, 1, true } },                  /* short header */
                { { 4096, 16, false }, { 8192, 512, false } },               /* no status byte */
                { { 8 << 20, 16, false }, { 8192, 1, true } },               /* outside of memory */
                { { 4096, 16, false }, { UINT64_MAX - 8, 512, true } },      /* wraps */
                { { 4096, 16, false }, { 8192, 0xffffffff, true } },
                { { 4096, 16, true }, { 8192, 1, false } },                  /* readable after writable */
        };

        start_two();
        connect_guest(&beta, "b", true, 1);
        blk_load_init(&other_load, &beta, 0);
        for (size_t i = 0; i < 2 * ARRAY_SIZE(bad); i++) {
                connect_guest(&alpha, "a", i % 2, 1);
                assert_int_equal(driver_queue_add(&alpha.queues[0], bad[i / 2], 2, NULL), 0);
                (void) driver_queue_kick(&alpha.queues[0]);
                blk_load_run(&other_load, 100);
                while (!needs_reset(&alpha))
                        blk_load_run(&other_load, 1);
                vhost_driver_stop(&alpha);

                connect_guest(&alpha, "a", i % 2, 1);
                blk_load_init(&load, &alpha, 0);
                assert_int_equal(blk_run(&alpha, 0, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false), VIRTIO_BLK_S_OK);
                vhost_driver_stop(&alpha);
        }
        blk_load_finish(&other_load);
        assert_true(strstr(harness_log(&harness), "alpha") != NULL);
        assert_int_equal(harness_stop(&harness), 0);
}

static void queues_on_threads_do_not_mix(void **state)
{
        const char *words[] = { "blk", "--socket-path", harness_path(&harness, "a"), "--image", make_image("image"),
                                "--queues=3", "--queue-threads=2", NULL };
        static struct blk_load loads[3];
        uint16_t n_queues = 0;

        for (int packed = 0; packed < 2; packed++) {
                assert_int_equal(truncate(harness_path(&harness, "image"), 0), 0);
                assert_int_equal(truncate(harness_path(&harness, "image"), IMAGE_BYTES), 0);
                assert_int_equal(harness_start(&harness, words), 0);
                connect_guest(&alpha, "a", packed, 3);
                assert_int_equal(frontend_get_config(alpha.frontend, offsetof(struct virtio_blk_config, num_queues),
                                                     &n_queues, sizeof(n_queues)), 0);
                assert_int_equal(le16toh(n_queues), 3);
                for (uint16_t i = 0; i < 3; i++)
                        blk_load_init(&loads[i], &alpha, i);
                for (int round = 0; round < 500; round++) {
                        for (uint16_t i = 0; i < 3; i++)
                                blk_load_fill(&loads[i]);
                        for (uint16_t i = 0; i < 3; i++)
                                assert_int_equal(blk_load_take(&loads[i], 30000), 0);
                }
                for (uint16_t i = 0; i < 3; i++)
                        blk_load_finish(&loads[i]);
                vhost_driver_stop(&alpha);
                assert_int_equal(harness_stop(&harness), 0);
        }
}

static void wrong_settings_are_explained(void **state)
{
        static const struct { const char *option, *says; } cases[] = {
                { "--image=/nonexistent", "image /nonexistent: No such file or directory" },
                { "--image=/dev/null", "image /dev/null is neither a regular file nor a block device" },
                { "--fault=often", "fault=often: expected" },
                { "--serial=123456789012345678901", "longer than 20 characters" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const char *words[] = { "blk", "--socket-path", harness_path(&harness, "a"), cases[i].option,
                                        i >= 2 ? "--null=1M" : NULL, NULL };

                harness_expect_refused(&harness, words, cases[i].says);
        }
}

static void image_in_use_is_refused(void **state)
{
        struct harness second;

        start_one(make_image("image"), NULL, NULL, NULL);
        assert_int_equal(harness_init(&second), 0);
        for (int read_only = 0; read_only < 2; read_only++) {
                const char *words[] = { "blk", "--socket-path", harness_path(&second, "a"), "--image",
                                        harness_path(&harness, "image"), read_only ? "--read-only" : NULL, NULL };

                harness_expect_refused(&second, words, "is in use by another process");
        }
        harness_deinit(&second);
        assert_int_equal(harness_stop(&harness), 0);
}

static void idle_server_costs_nothing(void **state)
{
        long before;
        void *cookie;
        uint32_t len;

        start_one(make_image("image"), "--poll-us=1000", NULL, NULL);
        connect_guest(&alpha, "a", true, 1);
        blk_load_init(&load, &alpha, 0);
        blk_load_run(&load, 1000);
        while (load.n_busy > 0)
                assert_int_equal(blk_load_take(&load, 30000), 0);
        before = harness_cpu_ms(&harness);
        assert_int_equal(vhost_driver_wait(&alpha, 0, 500, &cookie, &len), -ETIMEDOUT);
        assert_in_range(harness_cpu_ms(&harness) - before, 0, 20);
        vhost_driver_stop(&alpha);
        assert_int_equal(harness_stop(&harness), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(random_io_is_verified_on_both_ring_kinds),
                CASE(every_kind_of_request_passes_the_sandbox),
                CASE(resized_image_is_announced),
                CASE(nothing_is_lost_when_the_server_is_killed_20_times),
                CASE(nothing_is_lost_when_killed_with_all_requests_in_flight),
                CASE(hostile_guest_does_not_disturb_another),
                CASE(queues_on_threads_do_not_mix),
                CASE(wrong_settings_are_explained),
                CASE(image_in_use_is_refused),
                CASE(idle_server_costs_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
