/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: commands of a GPU device, the answers of the process that renders its 3D, and the file that a killed server
 * left to its successor. The ring is sound; what is in it is not. Input:
 *
 *      byte 0        bit 0 packed ring, 1 without the features, 2 small quotas, 3 a successor follows, 4 3D, 5 the
 *                    latter in a thread of its own
 *      byte 1        with 3D: bytes that follow, which are the render process's script (render/test-peer.h)
 *      each command  type (1 byte: below 0xf0 one of the known), bit 7 of the next: cursor queue, the rest: bytes that
 *                    follow; each of those is a word of the request after the header, see word()
 *      successor     the rest of the input is what its file holds: scanouts, then commands with their lengths
 *
 * Checked: guest memory changes in answers only, every answer is a known one, nothing is shown that lies outside of its
 * picture, the render process is asked what its protocol has, and a reset gives everything back.
 */
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_gpu.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "device/gpu/gpu-private.h"
#include "device/gpu/gpu.h"
#include "device/gpu/test-view.h"
#include "display/picture.h"
#include "render/client.h"
#include "render/test-peer.h"
#include "virtio/device.h"
#include "virtio/driver.h"
#include "virtio/features.h"

#define MEMORY_BYTES 0x60000
#define QUEUE_SIZE 16
#define REQUEST UINT64_C(0x30000)
#define REQUEST_BYTES 512
#define RESPONSE UINT64_C(0x31000)
#define RESPONSE_BYTES 8192
#define PIXELS UINT64_C(0x40000) /* to the end: nobody writes there */
#define COMMANDS_MAX 100
#define WORD_AT 16         /* in the state file: how much there is; then 5 words, then */
#define SCANOUTS_AT 64

static struct loop *loop;
static struct space *space;
static char *memory;
static struct view views[2];
static int state_fd;
static struct render_host *host;

struct input {
        const uint8_t *data;
        size_t size;
};

struct rig {
        struct device *dev;
        struct driver_queue queues[2];
        uint64_t features;
        uint32_t max_resources;
        bool has_3d, has_thread;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void setup(void)
{
        const struct region_spec region = { 0, MEMORY_BYTES, 0, 0 };
        int fd = fd_memfd_sealed("guest", MEMORY_BYTES);

        log_set_level(LOG_LEVEL_ERROR);
        state_fd = memfd_create("state", MFD_CLOEXEC);
        check(fd >= 0 && state_fd >= 0);
        check(loop_new(&loop) == 0 && space_new(&space) == 0 && space_add(space, &region, fd) == 0);
        (void) close(fd);
        memory = space_pointer(space, 0, MEMORY_BYTES, 1);
        memset(memory + PIXELS, 0x5a, MEMORY_BYTES - PIXELS);
        host = test_peer_start();
        test_view_init(&views[0], "one", 640, 480);
        test_view_init(&views[1], "two", 5000, 100);
}

static uint8_t take(struct input *in)
{
        if (in->size == 0)
                return 0;
        in->size--;
        return *in->data++;
}

static void take_script(struct input *in)
{
        size_t n = take(in);

        n = MIN(n, in->size);
        test_peer_script(in->data, n);
        in->data += n;
        in->size -= n;
}

/* Small numbers, sizes, powers of two, and what is almost too large. */
static uint32_t word(uint8_t byte)
{
        if (byte < 128)
                return byte;
        if (byte < 192)
                return (byte - 128u) * 1024;
        return byte < 240 ? UINT32_C(1) << (byte - 192) % 32 : UINT32_MAX - (byte - 240u);
}

static uint32_t type_of(uint8_t byte, bool has_3d)
{
        static const uint16_t types[] = { 0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107,
                                          0x108, 0x109, 0x10a, 0x10b, 0x10c, 0x10d, 0x300, 0x301,
                                          0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207 };

        return byte < 0xf0 ? types[byte % (has_3d ? 24 : 16)] : word(byte);
}

static size_t make_request(struct input *in, bool has_3d, uint16_t *ret_queue)
{
        struct virtio_gpu_ctrl_hdr header = { .type = htole32(type_of(take(in), has_3d)),
                                              .flags = htole32(VIRTIO_GPU_FLAG_FENCE) };
        uint8_t how = take(in);
        char *at = memory + REQUEST;
        size_t n = sizeof(header);

        *ret_queue = how >> 7;
        memset(at, 0, REQUEST_BYTES);
        memcpy(at, &header, sizeof(header));
        for (unsigned i = 0; i < (how & 0x7fu) && n + 4 <= REQUEST_BYTES; i++, n += 4) {
                uint32_t value = htole32(word(take(in)));

                memcpy(at + n, &value, sizeof(value));
        }
        return n;
}

static void check_answer(uint32_t len)
{
        static const char nothing[RESPONSE_BYTES];
        struct virtio_gpu_ctrl_hdr answer;
        uint32_t type;

        check(len >= sizeof(answer) && len <= sizeof(answer) + GPU_CAPSET_BYTES_MAX);
        memcpy(&answer, memory + RESPONSE, sizeof(answer));
        type = le32toh(answer.type);
        check((type >= VIRTIO_GPU_RESP_OK_NODATA && type <= VIRTIO_GPU_RESP_OK_RESOURCE_UUID) ||
              (type >= VIRTIO_GPU_RESP_ERR_UNSPEC && type <= VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER));
        check(le32toh(answer.flags) == VIRTIO_GPU_FLAG_FENCE);
        check(memcmp(memory + RESPONSE + len, nothing, RESPONSE_BYTES - len) == 0);
}

static void check_views(void)
{
        for (size_t i = 0; i < 2; i++) {
                auto_cleanup(picture_unrefp) struct picture *p = views[i].shown ? test_view_picture(&views[i]) : NULL;

                check(!p ||
                      (!rectangle_is_empty(&views[i].source) && rectangle_fits(&views[i].source, p->width, p->height)));
                check(!views[i].cursor || (views[i].cursor->width == 64 && views[i].cursor->height == 64));
        }
}

static void run_one(struct rig *r, struct input *in)
{
        uint16_t queue;
        size_t n = make_request(in, r->has_3d, &queue);
        struct driver_buffer buffers[] = { { REQUEST, (uint32_t) n, false }, { RESPONSE, RESPONSE_BYTES, true } };
        uint32_t len = 0;
        void *cookie;

        memset(memory + RESPONSE, 0, RESPONSE_BYTES);
        check(driver_queue_add(&r->queues[queue], buffers, 2, NULL) == 0);
        (void) driver_queue_kick(&r->queues[queue]);
        queue_kick(&r->dev->queues[queue]);
        while (driver_queue_get(&r->queues[queue], &cookie, &len) == 0)
                check(r->has_thread && loop_step(loop, 10000) == 0);
        check_answer(len);
        check_views();
}

static void make_device(struct rig *r, bool small)
{
        struct view *list[] = { &views[0], &views[1] };
        struct gpu_options options = { .views = list, .n_views = 2, .max_resources = small ? 3 : 64,
                                       .max_bytes = small ? 65536 : 4 << 20, .state_fd = state_fd };

        r->max_resources = options.max_resources;
        check(!r->has_3d || render_new(host, &options.render) == 0);
        check(gpu_new(loop, "gpu", &options, &r->dev) == 0);
        check(!r->has_thread || gpu_start_thread(r->dev) == 0);
}

static void start(struct rig *r)
{
        check(device_start(r->dev, r->features) == 0);
        for (uint16_t i = 0; i < 2; i++)
                check(queue_start(&r->dev->queues[i], &(struct queue_setup) {
                        .space = space, .features = r->features, .size = QUEUE_SIZE,
                        .descriptors = r->queues[i].descriptors, .driver = r->queues[i].driver,
                        .device = r->queues[i].device,
                        .base = driver_queue_base(&r->queues[i]), .kick_fd = -1, .call_fd = -1 }) == 0);
}

static void stop(struct rig *r)
{
        struct gpu *gpu = container_of(r->dev, struct gpu, dev);

        check(gpu->n_resources <= r->max_resources && gpu->n_bytes <= gpu->max_bytes &&
              gpu->n_extents <= gpu->max_extents);
        for (uint16_t i = 0; i < 2; i++)
                queue_stop(&r->dev->queues[i], NULL);
        device_reset(r->dev);
        check(gpu->n_resources == 0 && gpu->n_bytes == 0 && gpu->n_extents == 0);
        for (size_t i = 0; i < 2; i++)
                check(!views[i].shown && !views[i].cursor);
}

/* Another server finds the input in the file, and rings that go on. */
static void succeed(struct rig *r, struct input *in, bool small)
{
        const uint64_t scanouts_bytes = 2 * GPU_SCANOUTS_MAX * sizeof(struct gpu_saved);
        uint64_t used = in->size > scanouts_bytes ? in->size - scanouts_bytes : 0;

        check(pwrite(state_fd, in->data, in->size, SCANOUTS_AT) == (ssize_t) in->size);
        check(pwrite(state_fd, &used, sizeof(used), WORD_AT) == sizeof(used));
        device_free(r->dev);
        make_device(r, small);
        start(r);
        check_views();
        stop(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct input in = { data, size };
        struct rig r = { 0 };
        uint8_t choice;
        bool small;

        if (!loop)
                setup();
        choice = take(&in);
        small = choice & 4;
        r.has_3d = choice & 16;
        r.has_thread = r.has_3d && (choice & 32);
        if (r.has_3d)
                take_script(&in);
        check(ftruncate(state_fd, 0) == 0);
        memset(memory, 0, REQUEST);
        make_device(&r, small);
        r.features = FEATURE(VIRTIO_FEATURE_VERSION_1) | (choice & 1 ? FEATURE(VIRTIO_FEATURE_RING_PACKED) : 0);
        if (!(choice & 2))
                r.features |= device_features(r.dev) & ~RING_FEATURES;
        for (uint16_t i = 0; i < 2; i++)
                check(driver_queue_init(&r.queues[i], space, 0x1000 + i * 0x10000, r.features, QUEUE_SIZE, 0) == 0);
        start(&r);
        run_one(&r, &(struct input) { 0 });
        for (unsigned i = 0; in.size > 0 && i < (choice & 8 ? 1 : COMMANDS_MAX); i++)
                run_one(&r, &in);
        stop(&r);
        if (choice & 8)
                succeed(&r, &in, small);
        device_free(r.dev);
        check(memory[PIXELS] == 0x5a && memcmp(memory + PIXELS, memory + PIXELS + 1, MEMORY_BYTES - PIXELS - 1) == 0);
        for (uint16_t i = 0; i < 2; i++)
                driver_queue_deinit(&r.queues[i]);
        return 0;
}
