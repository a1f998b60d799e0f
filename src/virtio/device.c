/* SPDX-License-Identifier: MPL-2.0 */
#include "virtio/device.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "virtio/features.h"

/* Log lines that a guest can cause: this many at once, then one a second. */
#define LOG_BURST 5

int device_init(struct device *dev, const struct device_ops *ops, const char *name, struct loop *loop,
                uint16_t n_queues)
{
        struct queue *queues = calloc(MAX(n_queues, (uint16_t) 1), sizeof(*queues));

        if (!queues)
                return -ENOMEM;
        *dev = (struct device) { .ops = ops, .loop = loop, .n_queues = n_queues, .queues = queues };
        (void) snprintf(dev->name, sizeof(dev->name), "%s", name);
        ratelimit_init(&dev->log_limit, 1, LOG_BURST);
        pthread_mutex_init(&dev->log_lock, NULL);
        for (uint16_t i = 0; i < n_queues; i++)
                queues[i] = (struct queue) { .device = dev, .index = i, .loop = loop, .enabled = true };
        return 0;
}

void device_deinit(struct device *dev)
{
        if (!dev->queues)
                return;
        for (uint16_t i = 0; i < dev->n_queues; i++)
                assert(!queue_started(&dev->queues[i]));
        free(dev->queues);
        dev->queues = NULL;
        dev->n_queues = 0;
        pthread_mutex_destroy(&dev->log_lock);
}

void device_set_queue_loop(struct device *dev, uint16_t index, struct loop *loop)
{
        assert(index < dev->n_queues && !queue_started(&dev->queues[index]));
        dev->queues[index].loop = loop;
}

uint64_t device_features(const struct device *dev)
{
        return (dev->ops->features(dev) | RING_FEATURES) & ~dev->masked;
}

int device_start(struct device *dev, uint64_t negotiated)
{
        int r;

        if (dev->started)
                return negotiated == dev->negotiated ? 0 : -EBUSY;
        if ((negotiated & ~device_features(dev)) != 0 || !(negotiated & FEATURE(VIRTIO_FEATURE_VERSION_1)))
                return -EBADMSG;

        dev->negotiated = negotiated;
        r = dev->ops->start(dev, negotiated);
        if (r < 0) {
                dev->negotiated = 0;
                return r;
        }
        dev->started = true;
        return 0;
}

static void stop_queue(void *data)
{
        queue_stop(data, NULL);
}

void device_reset(struct device *dev)
{
        for (uint16_t i = 0; i < dev->n_queues; i++)
                loop_call(dev->queues[i].loop, stop_queue, &dev->queues[i]);
        dev->ops->reset(dev);
        dev->started = false;
        dev->negotiated = 0;
}

struct device *device_free(struct device *dev)
{
        if (!dev)
                return NULL;
        device_reset(dev);
        return dev->ops->free(dev);
}

size_t device_config_size(const struct device *dev)
{
        return dev->ops->config_size ? dev->ops->config_size(dev) : 0;
}

int device_config_read(const struct device *dev, size_t offset, void *buf, size_t n)
{
        if (!dev->ops->config_read || !range_fits(offset, n, device_config_size(dev)))
                return -EINVAL;
        dev->ops->config_read(dev, offset, buf, n);
        return 0;
}

int device_config_write(struct device *dev, size_t offset, const void *buf, size_t n)
{
        if (!dev->ops->config_write || !range_fits(offset, n, device_config_size(dev)))
                return -EINVAL;
        return dev->ops->config_write(dev, offset, buf, n);
}

void device_config_changed(struct device *dev)
{
        if (dev->transport && dev->transport->config_changed)
                dev->transport->config_changed(dev, dev->transport_data);
}

void device_handle_queue(struct queue *q)
{
        int r = q->device->ops->handle_queue(q->device, q);

        if (r < 0)
                queue_break(q, r);
}

void device_log_guest(struct device *dev, const char *format, ...)
{
        uint64_t n_suppressed;
        va_list ap;
        bool pass;

        pthread_mutex_lock(&dev->log_lock);
        pass = ratelimit_take(&dev->log_limit, 1, clock_now_ns());
        n_suppressed = dev->log_limit.n_suppressed;
        if (pass)
                dev->log_limit.n_suppressed = 0;
        pthread_mutex_unlock(&dev->log_lock);
        if (!pass)
                return;

        if (n_suppressed > 0)
                log_warning(dev->name, "%" PRIu64 " lines like the next were left out", n_suppressed);
        va_start(ap, format);
        log_linev(LOG_LEVEL_WARNING, dev->name, format, ap);
        va_end(ap);
}
