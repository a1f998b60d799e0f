/* SPDX-License-Identifier: MPL-2.0 */
#include "device/test-blk-guest.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/file.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "virtio/features.h"

static void spy_info(struct disk *d, struct disk_info *ret)
{
        *ret = container_of(d, struct spy, disk)->info;
}

static int spy_channel_open(struct disk *d, struct loop *loop, struct disk_channel **ret)
{
        struct spy *spy = container_of(d, struct spy, disk);

        assert_false(spy->open);
        spy->open = true;
        spy->channel.ops = d->ops;
        *ret = &spy->channel;
        return 0;
}

static struct disk_channel *spy_channel_close(struct disk_channel *c)
{
        struct spy *spy = container_of(c, struct spy, channel);

        assert_null(spy->queued.head);
        assert_null(spy->held.head);
        spy->open = false;
        return NULL;
}

static void spy_submit(struct disk_channel *c, struct disk_request *rq)
{
        struct spy *spy = container_of(c, struct spy, channel);

        assert_true(spy->n_log < SPY_LOG_MAX);
        spy->log[spy->n_log++] = *rq;
        disk_list_push(spy->hold ? &spy->held : &spy->queued, rq);
}

static void spy_kick(struct disk_channel *c)
{
        struct spy *spy = container_of(c, struct spy, channel);
        struct disk_request *rq;

        while ((rq = disk_list_pop(&spy->queued)) != NULL)
                rq->done(rq, spy->result);
}

void spy_release(struct spy *spy, int result)
{
        struct disk_request *rq = disk_list_pop(&spy->held);

        assert_non_null(rq);
        rq->done(rq, result);
}

static void spy_drain(struct disk_channel *c)
{
        struct spy *spy = container_of(c, struct spy, channel);

        spy_kick(c);
        while (spy->held.head)
                spy_release(spy, spy->result);
}

static struct disk *spy_free(struct disk *d)
{
        struct spy *spy = container_of(d, struct spy, disk);

        assert_false(spy->open);
        free(spy);
        return NULL;
}

static const struct disk_ops spy_ops = {
        .name = "spy",
        .info = spy_info,
        .channel_open = spy_channel_open,
        .channel_close = spy_channel_close,
        .submit = spy_submit,
        .kick = spy_kick,
        .drain = spy_drain,
        .free = spy_free,
};

static void needs_reset(struct device *dev, struct queue *q, void *data)
{
        ((struct guest *) data)->n_needs_reset++;
}

static void config_changed(struct device *dev, void *data)
{
        ((struct guest *) data)->n_config_changed++;
}

static const struct transport_ops transport = {
        .config_changed = config_changed,
        .needs_reset = needs_reset,
};

static struct disk *new_spy(struct guest *g, bool read_only)
{
        g->spy = calloc(1, sizeof(*g->spy));
        assert_non_null(g->spy);
        g->spy->disk.ops = &spy_ops;
        g->spy->info = (struct disk_info) {
                .size_bytes = DISK_BYTES, .block_bytes = 512, .physical_block_bytes = 4096,
                .discard_granularity_bytes = 4096, .read_only = read_only, .can_discard = true,
                .can_write_zeroes = true,
        };
        return &g->spy->disk;
}

static struct disk *new_image(struct guest *g, bool read_only)
{
        struct file_options options = { .read_only = read_only, .n_rings = 1 };
        struct disk *disk;

        g->image_fd = memfd_create("test-blk", MFD_CLOEXEC);
        assert_int_equal(ftruncate(g->image_fd, DISK_BYTES), 0);
        assert_int_equal(disk_file_new(g->loop, dup(g->image_fd), &options, &disk), 0);
        return disk;
}

int guest_setup(void **state)
{
        const struct guest_config *config = *state;
        struct blk_options options = { .serial = "serial-of-twenty-byt", .n_queues = 1, .seg_max = 62 };
        struct region_spec region = { 0, GUEST_MEMORY_BYTES, 0, 0 };
        struct guest *g = calloc(1, sizeof(*g));
        struct disk *disk;

        log_set_level(LOG_LEVEL_ERROR);
        assert_non_null(g);
        g->size = 64;
        g->image_fd = -1;
        assert_int_equal(loop_new(&g->loop), 0);
        g->memory_fd = fd_memfd_sealed("guest", GUEST_MEMORY_BYTES);
        assert_int_equal(space_new(&g->space), 0);
        assert_int_equal(space_add(g->space, &region, g->memory_fd), 0);
        g->memory = space_pointer(g->space, 0, GUEST_MEMORY_BYTES, 1);
        disk = config->spy ? new_spy(g, config->read_only) : new_image(g, config->read_only);
        assert_int_equal(blk_new(g->loop, "test", disk, &options, &g->dev), 0);
        g->dev->transport = &transport;
        g->dev->transport_data = g;
        g->queue = &g->dev->queues[0];
        g->kick_fd = fd_event();
        g->call_fd = fd_event();

        g->features = config->features | (device_features(g->dev) & ~RING_FEATURES) | FEATURE(VIRTIO_FEATURE_VERSION_1);
        assert_int_equal(driver_queue_init(&g->dq, g->space, GUEST_RING, g->features, g->size, 64), 0);
        assert_int_equal(device_start(g->dev, g->features), 0);
        g->dq.kick_fd = g->kick_fd;
        g->dq.call_fd = g->call_fd;
        g->setup = (struct queue_setup) {
                .space = g->space,
                .features = g->features,
                .size = g->size,
                .descriptors = g->dq.descriptors,
                .driver = g->dq.driver,
                .device = g->dq.device,
                .base = driver_queue_base(&g->dq),
                .kick_fd = g->kick_fd,
                .call_fd = g->call_fd,
        };
        guest_start(g);
        *state = g;
        return 0;
}

void guest_start(struct guest *g)
{
        assert_int_equal(queue_start(g->queue, &g->setup), 0);
}

int guest_teardown(void **state)
{
        struct guest *g = *state;

        device_reset(g->dev);
        device_free(g->dev);
        driver_queue_deinit(&g->dq);
        space_free(g->space);
        closep(&g->memory_fd);
        closep(&g->kick_fd);
        closep(&g->call_fd);
        closep(&g->image_fd);
        loop_free(g->loop);
        free(g);
        return 0;
}

void guest_header(struct guest *g, uint32_t type, uint64_t sector)
{
        struct virtio_blk_outhdr *h = (void *) (g->memory + GUEST_HEADER);

        *h = (struct virtio_blk_outhdr) { .type = htole32(type), .sector = htole64(sector) };
        g->memory[GUEST_STATUS] = (char) STATUS_NONE;
}

void guest_post(struct guest *g, const struct driver_buffer *buffers, unsigned n, void *cookie)
{
        assert_int_equal(driver_queue_add(&g->dq, buffers, n, cookie), 0);
        (void) driver_queue_kick(&g->dq);
}

int guest_wait(struct guest *g, void **ret_cookie)
{
        void *cookie;
        int r;

        while ((r = driver_queue_get(&g->dq, &cookie, &g->last_len)) == 0) {
                if (g->n_needs_reset > 0)
                        return QUEUE_BROKE;
                assert_int_equal(loop_step(g->loop, 1000), 0);
        }
        assert_int_equal(r, 1);
        if (ret_cookie)
                *ret_cookie = cookie;
        return (uint8_t) g->memory[GUEST_STATUS];
}

int guest_send(struct guest *g, const struct driver_buffer *buffers, unsigned n)
{
        guest_post(g, buffers, n, NULL);
        return guest_wait(g, NULL);
}

int guest_run(struct guest *g, uint32_t type, uint64_t sector, uint32_t n_bytes, bool device_writes)
{
        struct driver_buffer buffers[3] = { { GUEST_HEADER, 16, false } };
        unsigned n = 1;

        guest_header(g, type, sector);
        if (n_bytes > 0)
                buffers[n++] = (struct driver_buffer) { GUEST_DATA, n_bytes, device_writes };
        buffers[n++] = (struct driver_buffer) { GUEST_STATUS, 1, true };
        return guest_send(g, buffers, n);
}

struct virtio_blk_discard_write_zeroes *guest_segments(struct guest *g)
{
        return (void *) (g->memory + GUEST_DATA);
}
