/* SPDX-License-Identifier: MPL-2.0 */
#include "device/gpu/test-gpu-guest.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/worker.h"
#include "virtio/features.h"

#define QUEUE_SIZE 64
#define RING_BYTES UINT64_C(0x80000)

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void needs_reset(struct device *dev, struct queue *q, void *data)
{
        __atomic_fetch_add(&((struct gpu_guest *) data)->n_needs_reset, 1, __ATOMIC_SEQ_CST);
}

static void config_changed(struct device *dev, void *data)
{
        ((struct gpu_guest *) data)->n_config_changed++;
}

static const struct transport_ops transport = { .config_changed = config_changed, .needs_reset = needs_reset };

struct start {
        struct gpu_guest *guest;
        uint16_t index;
        uint32_t base;
};

static void start_queue(void *data)
{
        struct start *s = data;
        struct gpu_guest *g = s->guest;
        struct driver_queue *dq = &g->queues[s->index];
        struct queue_setup setup = {
                .space = g->space, .features = g->features, .size = QUEUE_SIZE, .descriptors = dq->descriptors,
                .driver = dq->driver, .device = dq->device, .base = s->base, .kick_fd = g->kick_fd[s->index],
                .call_fd = g->call_fd[s->index],
        };

        check(queue_start(&g->dev->queues[s->index], &setup) == 0);
}

static void stop_queue(void *data)
{
        queue_stop(data, NULL);
}

static void start_device(struct gpu_guest *g)
{
        check(device_start(g->dev, g->features) == 0);
        for (uint16_t i = 0; i < 2; i++)
                g->base[i] = driver_queue_base(&g->queues[i]);
        g->n_needs_reset = 0;
}

static void pause_queue(void *data)
{
        struct start *s = data;

        queue_stop(&s->guest->dev->queues[s->index], &s->guest->base[s->index]);
}

void gpu_guest_pause_queue(struct gpu_guest *g, uint16_t index)
{
        loop_call(g->dev->queues[index].loop, pause_queue, &(struct start) { g, index, 0 });
}

void gpu_guest_pause(struct gpu_guest *g)
{
        for (uint16_t i = 0; i < 2; i++)
                gpu_guest_pause_queue(g, i);
}

void gpu_guest_resume_queue(struct gpu_guest *g, uint16_t index)
{
        loop_call(g->dev->queues[index].loop, start_queue, &(struct start) { g, index, g->base[index] });
}

void gpu_guest_resume(struct gpu_guest *g)
{
        for (uint16_t i = 0; i < 2; i++)
                gpu_guest_resume_queue(g, i);
}

void gpu_guest_start(struct gpu_guest *g)
{
        for (uint16_t i = 0; i < 2; i++) {
                check(driver_queue_init(&g->queues[i], g->space, 0x1000 + i * RING_BYTES, g->features, QUEUE_SIZE,
                                        0) == 0);
                g->queues[i].kick_fd = g->kick_fd[i];
                g->queues[i].call_fd = g->call_fd[i];
        }
        start_device(g);
        gpu_guest_resume(g);
}

static void stop_queues(struct gpu_guest *g)
{
        for (uint16_t i = 0; i < 2; i++)
                loop_call(g->dev->queues[i].loop, stop_queue, &g->dev->queues[i]);
}

void gpu_guest_stop(struct gpu_guest *g)
{
        stop_queues(g);
        for (uint16_t i = 0; i < 2; i++)
                driver_queue_deinit(&g->queues[i]);
}

static void make_device(struct gpu_guest *g)
{
        g->options.state_fd = g->state_fd;
        check(gpu_new(g->loop, "gpu", &g->options, &g->dev) == 0);
        g->dev->transport = &transport;
        g->dev->transport_data = g;
        check(!g->worker || gpu_start_thread(g->dev) == 0);
        for (uint16_t i = 0; i < 2 && g->worker; i++)
                device_set_queue_loop(g->dev, i, worker_loop(g->worker));
}

/* Without the holes, of which there are many. */
static int copy_file(int from)
{
        off_t size = lseek(from, 0, SEEK_END), at = 0, end;
        int to = memfd_create("state", MFD_CLOEXEC);
        static char block[65536];

        check(to >= 0 && size >= 0 && ftruncate(to, size) == 0);
        while ((at = lseek(from, at, SEEK_DATA)) >= 0 && (end = lseek(from, at, SEEK_HOLE)) > at)
                while (at < end) {
                        ssize_t n = pread(from, block, MIN(sizeof(block), (size_t) (end - at)), at);

                        check(n > 0 && pwrite(to, block, (size_t) n, at) == n);
                        at += n;
                }
        return to;
}

void gpu_guest_kill(struct gpu_guest *g, void (*wreck)(int state_fd, void *data), void *data)
{
        int copy = copy_file(g->state_fd);

        stop_queues(g);
        device_free(g->dev);
        fd_close(&g->state_fd);
        if (wreck)
                wreck(copy, data);
        g->state_fd = copy;
        make_device(g);
        start_device(g);
}

void gpu_guest_succeed(struct gpu_guest *g, void (*wreck)(int state_fd, void *data), void *data)
{
        gpu_guest_kill(g, wreck, data);
        gpu_guest_resume(g);
        (void) gpu_guest_bare(g, VIRTIO_GPU_CMD_GET_DISPLAY_INFO, sizeof(struct virtio_gpu_ctrl_hdr));
}

void gpu_guest_init(struct gpu_guest *g, const struct gpu_guest_config *config)
{
        struct region_spec region = { 0, GUEST_MEMORY_BYTES, 0, 0 };

        log_set_level(LOG_LEVEL_ERROR);
        *g = (struct gpu_guest) { .state_fd = -1 };
        test_view_init(&g->views[0], "cluster", 1920, 720);
        test_view_init(&g->views[1], "the second display", 800, 480);
        for (size_t i = 0; i < GUEST_SCANOUTS; i++)
                g->view_list[i] = &g->views[i];
        g->options = (struct gpu_options) {
                .views = g->view_list, .n_views = GUEST_SCANOUTS,
                .max_resources = config->max_resources ? config->max_resources : GPU_RESOURCES_DEFAULT,
                .max_bytes = config->max_bytes ? config->max_bytes : GPU_BYTES_DEFAULT,
                .render = config->render, .urgent = config->urgent,
        };
        check(loop_new(&g->loop) == 0);
        g->memory_fd = fd_memfd_sealed("guest", GUEST_MEMORY_BYTES);
        check(space_new(&g->space) == 0 && space_add(g->space, &region, g->memory_fd) == 0);
        g->memory = space_pointer(g->space, 0, GUEST_MEMORY_BYTES, 1);
        check(!config->worker || worker_new("gpu", &g->worker) == 0);
        if (config->state)
                g->state_fd = memfd_create("state", MFD_CLOEXEC);
        make_device(g);
        for (uint16_t i = 0; i < 2; i++) {
                g->kick_fd[i] = fd_event();
                g->call_fd[i] = fd_event();
        }
        g->features = device_features(g->dev) & ~RING_FEATURES & ~config->features_off;
        g->features |= FEATURE(VIRTIO_FEATURE_VERSION_1);
        g->features |= config->packed ? FEATURE(VIRTIO_FEATURE_RING_PACKED) : 0;
        gpu_guest_start(g);
}

void gpu_guest_deinit(struct gpu_guest *g)
{
        gpu_guest_stop(g);
        device_free(g->dev);
        worker_free(g->worker);
        for (size_t i = 0; i < GUEST_SCANOUTS; i++)
                test_view_deinit(&g->views[i]);
        for (size_t i = 0; i < 2; i++) {
                fd_close(&g->kick_fd[i]);
                fd_close(&g->call_fd[i]);
        }
        space_free(g->space);
        fd_close(&g->state_fd);
        fd_close(&g->memory_fd);
        loop_free(g->loop);
}

/* The other thread answers by the call fd. */
static void wait_a_while(struct gpu_guest *g, uint16_t queue)
{
        struct pollfd pfd = { .fd = g->call_fd[queue], .events = POLLIN };
        uint64_t value;

        if (!g->worker) {
                check(loop_step(g->loop, 1000) == 0);
                return;
        }
        if (poll(&pfd, 1, 10) == 1)
                check(read(pfd.fd, &value, sizeof(value)) == sizeof(value));
}

uint32_t gpu_guest_send(struct gpu_guest *g, uint16_t queue, const struct driver_buffer *buffers, unsigned n)
{
        void *cookie;
        int r;

        memset(g->memory + GUEST_RESPONSE, 0, sizeof(g->last_header));
        check(driver_queue_add(&g->queues[queue], buffers, n, NULL) == 0);
        (void) driver_queue_kick(&g->queues[queue]);
        while ((r = driver_queue_get(&g->queues[queue], &cookie, &g->last_len)) == 0) {
                if (__atomic_load_n(&g->n_needs_reset, __ATOMIC_SEQ_CST) > 0)
                        return QUEUE_BROKE;
                wait_a_while(g, queue);
        }
        check(r == 1);
        if (g->last_len < sizeof(g->last_header))
                return NO_ANSWER;
        memcpy(&g->last_header, g->memory + GUEST_RESPONSE, sizeof(g->last_header));
        return le32toh(g->last_header.type);
}

uint32_t gpu_guest_run(struct gpu_guest *g, uint16_t queue, const void *request, size_t n, uint32_t n_response)
{
        struct driver_buffer buffers[2] = { { GUEST_REQUEST, (uint32_t) n, false },
                                            { GUEST_RESPONSE, n_response, true } };

        memcpy(g->memory + GUEST_REQUEST, request, n);
        return gpu_guest_send(g, queue, buffers, n_response > 0 ? 2 : 1);
}

#define RUN(g, queue, request) gpu_guest_run(g, queue, &(request), sizeof(request), sizeof(struct virtio_gpu_ctrl_hdr))
#define HEADER(command) { .type = htole32(VIRTIO_GPU_CMD_##command) }

static struct virtio_gpu_rect little(struct virtio_gpu_rect r)
{
        return (struct virtio_gpu_rect) { htole32(r.x), htole32(r.y), htole32(r.width), htole32(r.height) };
}

uint32_t gpu_guest_bare(struct gpu_guest *g, uint32_t type, uint32_t n_response)
{
        struct virtio_gpu_ctrl_hdr request = { .type = htole32(type) };

        return gpu_guest_run(g, 0, &request, sizeof(request), n_response);
}

uint32_t gpu_guest_create(struct gpu_guest *g, uint32_t id, uint32_t format, uint32_t width, uint32_t height)
{
        struct virtio_gpu_resource_create_2d request = { HEADER(RESOURCE_CREATE_2D), htole32(id), htole32(format),
                                                         htole32(width), htole32(height) };

        return RUN(g, 0, request);
}

uint32_t gpu_guest_unref(struct gpu_guest *g, uint32_t id)
{
        struct virtio_gpu_resource_unref request = { HEADER(RESOURCE_UNREF), htole32(id), 0 };

        return RUN(g, 0, request);
}

/* Request and entries in one buffer. */
static uint32_t run_with_entries(struct gpu_guest *g, const void *request, size_t n_request,
                                 const struct virtio_gpu_mem_entry *entries, uint32_t n)
{
        struct driver_buffer buffers[2] = {
                { GUEST_REQUEST, (uint32_t) (n_request + n * sizeof(*entries)), false },
                { GUEST_RESPONSE, sizeof(struct virtio_gpu_ctrl_hdr), true },
        };
        char *at = g->memory + GUEST_REQUEST;

        memcpy(at, request, n_request);
        for (uint32_t i = 0; i < n; i++) {
                struct virtio_gpu_mem_entry e = { htole64(entries[i].addr), htole32(entries[i].length), 0 };

                memcpy(at + n_request + i * sizeof(e), &e, sizeof(e));
        }
        return gpu_guest_send(g, 0, buffers, 2);
}

uint32_t gpu_guest_attach(struct gpu_guest *g, uint32_t id, const struct virtio_gpu_mem_entry *entries, uint32_t n)
{
        struct virtio_gpu_resource_attach_backing request = { HEADER(RESOURCE_ATTACH_BACKING), htole32(id),
                                                              htole32(n) };

        return run_with_entries(g, &request, sizeof(request), entries, n);
}

uint32_t gpu_guest_detach(struct gpu_guest *g, uint32_t id)
{
        struct virtio_gpu_resource_detach_backing request = { HEADER(RESOURCE_DETACH_BACKING), htole32(id), 0 };

        return RUN(g, 0, request);
}

uint32_t gpu_guest_transfer(struct gpu_guest *g, uint32_t id, struct virtio_gpu_rect r, uint64_t offset)
{
        struct virtio_gpu_transfer_to_host_2d request = { HEADER(TRANSFER_TO_HOST_2D), little(r), htole64(offset),
                                                          htole32(id), 0 };

        return RUN(g, 0, request);
}

uint32_t gpu_guest_scanout(struct gpu_guest *g, uint32_t scanout, uint32_t id, struct virtio_gpu_rect r)
{
        struct virtio_gpu_set_scanout request = { HEADER(SET_SCANOUT), little(r), htole32(scanout), htole32(id) };

        return RUN(g, 0, request);
}

uint32_t gpu_guest_flush(struct gpu_guest *g, uint32_t id, struct virtio_gpu_rect r)
{
        struct virtio_gpu_resource_flush request = { HEADER(RESOURCE_FLUSH), little(r), htole32(id), 0 };

        return RUN(g, 0, request);
}

uint32_t gpu_guest_create_blob(struct gpu_guest *g, uint32_t id, uint64_t size,
                               const struct virtio_gpu_mem_entry *entries, uint32_t n)
{
        struct virtio_gpu_resource_create_blob request = {
                .hdr = HEADER(RESOURCE_CREATE_BLOB), .resource_id = htole32(id),
                .blob_mem = htole32(VIRTIO_GPU_BLOB_MEM_GUEST),
                .blob_flags = htole32(VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE),
                .nr_entries = htole32(n), .size = htole64(size),
        };

        return run_with_entries(g, &request, sizeof(request), entries, n);
}

uint32_t gpu_guest_scanout_blob(struct gpu_guest *g, uint32_t scanout, uint32_t id, struct virtio_gpu_rect r,
                                uint32_t width, uint32_t height, uint32_t stride, uint32_t offset)
{
        struct virtio_gpu_set_scanout_blob request = {
                .hdr = HEADER(SET_SCANOUT_BLOB), .r = little(r), .scanout_id = htole32(scanout),
                .resource_id = htole32(id), .width = htole32(width), .height = htole32(height),
                .format = htole32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM), .strides = { htole32(stride) },
                .offsets = { htole32(offset) },
        };

        return RUN(g, 0, request);
}

uint32_t gpu_guest_cursor(struct gpu_guest *g, uint32_t type, uint32_t scanout, uint32_t id, uint32_t x, uint32_t y)
{
        struct virtio_gpu_update_cursor request = {
                .hdr = { .type = htole32(type) }, .pos = { htole32(scanout), htole32(x), htole32(y), 0 },
                .resource_id = htole32(id), .hot_x = htole32(5), .hot_y = htole32(7),
        };

        return RUN(g, 1, request);
}

void gpu_guest_make(struct gpu_guest *g, uint32_t id, uint32_t width, uint32_t height, uint64_t at)
{
        struct virtio_gpu_mem_entry entry = { at, width * height * 4, 0 };

        check(gpu_guest_create(g, id, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, width, height) == VIRTIO_GPU_RESP_OK_NODATA);
        check(gpu_guest_attach(g, id, &entry, 1) == VIRTIO_GPU_RESP_OK_NODATA);
}

void gpu_guest_paint(struct gpu_guest *g, uint64_t at, uint32_t n_pixels, uint32_t seed)
{
        for (uint32_t i = 0; i < n_pixels; i++) {
                uint32_t pixel = gpu_guest_colour(seed, i);

                memcpy(g->memory + at + (uint64_t) i * 4, &pixel, sizeof(pixel));
        }
}
