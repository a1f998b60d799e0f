/* SPDX-License-Identifier: MPL-2.0 */
#include "virtio/test-rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"

static uint64_t rig_features(const struct device *dev)
{
        return 0;
}

static int rig_device_start(struct device *dev, uint64_t negotiated)
{
        return 0;
}

static int rig_handle_queue(struct device *dev, struct queue *q)
{
        struct rig *rig = container_of(dev, struct rig, dev);

        rig->n_handled++;
        return rig->handle(rig, q);
}

static void rig_queue_stop(struct device *dev, struct queue *q)
{
        struct rig *rig = container_of(dev, struct rig, dev);

        if (rig->stop)
                rig->stop(rig, q);
}

static void rig_reset(struct device *dev)
{
}

static struct device *rig_device_free(struct device *dev)
{
        device_deinit(dev);
        return NULL;
}

static const struct device_ops rig_ops = {
        .name = "rig",
        .virtio_id = VIRTIO_ID_RNG_DEVICE,
        .features = rig_features,
        .start = rig_device_start,
        .handle_queue = rig_handle_queue,
        .reset = rig_reset,
        .free = rig_device_free,
        .queue_stop = rig_queue_stop,
};

static void rig_needs_reset(struct device *dev, struct queue *q, void *data)
{
        ((struct rig *) data)->n_needs_reset++;
}

static const struct transport_ops rig_transport = {
        .needs_reset = rig_needs_reset,
};

int rig_echo(struct rig *rig, struct queue *q)
{
        uint8_t buf[4096];
        struct chain c;
        int r;

        while ((r = queue_pop(q, &c)) > 0) {
                size_t n = chain_read(&c, 0, buf, sizeof(buf));

                queue_push(q, &c, (uint32_t) chain_write(&c, 0, buf, n));
        }
        return r < 0 ? r : queue_notify(q);
}

int rig_setup(void **state)
{
        const struct rig_config *config = *state;
        struct region_spec low = { 0, RIG_MEMORY_BYTES, 0x7f0000000000, 0 };
        struct region_spec high = { RIG_MEMORY_BYTES, RIG_REGION_BYTES, 0x7e0000000000, RIG_MEMORY_BYTES };
        struct rig *rig = calloc(1, sizeof(*rig));

        log_set_level(LOG_LEVEL_ERROR);
        assert_non_null(rig);
        rig->memory_fd = fd_memfd_sealed("guest", RIG_MEMORY_BYTES + RIG_REGION_BYTES);
        assert_true(rig->memory_fd >= 0);
        assert_int_equal(space_new(&rig->space), 0);
        assert_int_equal(space_add(rig->space, &low, rig->memory_fd), 0);
        assert_int_equal(space_add(rig->space, &high, rig->memory_fd), 0);
        rig->memory = space_pointer(rig->space, 0, RIG_MEMORY_BYTES, 1);
        assert_int_equal(loop_new(&rig->loop), 0);
        assert_int_equal(device_init(&rig->dev, &rig_ops, "rig", rig->loop, 1), 0);
        rig->dev.transport = &rig_transport;
        rig->dev.transport_data = rig;
        rig->q = &rig->dev.queues[0];
        rig->handle = rig_echo;
        rig->kick_fd = fd_event();
        rig->call_fd = fd_event();

        assert_int_equal(device_start(&rig->dev, config->features), 0);
        assert_int_equal(driver_queue_init(&rig->dq, rig->space, RIG_RING, config->features, config->size,
                                           config->indirect_max), 0);
        assert_true(RIG_RING + driver_queue_bytes(config->features, config->size, config->indirect_max) <= RIG_BUFFERS);
        rig->dq.kick_fd = rig->kick_fd;
        rig->setup = (struct queue_setup) {
                .space = rig->space,
                .features = config->features,
                .size = config->size,
                .descriptors = rig->dq.descriptors,
                .driver = rig->dq.driver,
                .device = rig->dq.device,
                .base = config->features & FEATURE(VIRTIO_FEATURE_RING_PACKED) ? 0x80008000 : 0,
                .kick_fd = rig->kick_fd,
                .call_fd = rig->call_fd,
        };
        *state = rig;
        return 0;
}

int rig_teardown(void **state)
{
        struct rig *rig = *state;

        device_free(&rig->dev);
        driver_queue_deinit(&rig->dq);
        loop_free(rig->loop);
        space_free(rig->space);
        closep(&rig->memory_fd);
        closep(&rig->kick_fd);
        closep(&rig->call_fd);
        free(rig);
        return 0;
}

void rig_start(struct rig *rig)
{
        assert_int_equal(queue_start(rig->q, &rig->setup), 0);
}

void rig_run(struct rig *rig)
{
        unsigned n_before;

        do {
                n_before = rig->n_handled;
                assert_int_equal(loop_step(rig->loop, 0), 0);
        } while (rig->n_handled != n_before);
}

void rig_restart(struct rig *rig)
{
        queue_stop(rig->q, &rig->setup.base);
        rig_start(rig);
}

int rig_add(struct rig *rig, unsigned i, uint32_t n_bytes, uintptr_t cookie)
{
        gpa_t at = RIG_BUFFERS + (gpa_t) i * 2 * n_bytes;
        struct driver_buffer buffers[] = { { at, n_bytes, false }, { at + n_bytes, n_bytes, true } };
        int r;

        r = driver_queue_add(&rig->dq, buffers, 2, (void *) cookie);
        if (r < 0)
                return r;
        memset(rig->memory + at, (int) (cookie & 0xff), n_bytes);
        memset(rig->memory + at + n_bytes, 0xee, n_bytes);
        return 0;
}

int rig_run_cases(const struct CMUnitTest *cases, size_t n_cases, const struct rig_config *configs, size_t n_configs)
{
        struct CMUnitTest *all = calloc(n_cases * n_configs, sizeof(*all));
        char (*names)[160] = calloc(n_cases * n_configs, sizeof(*names));
        int n_failed;

        if (!all || !names)
                return 1;
        for (size_t i = 0; i < n_configs * n_cases; i++) {
                const struct rig_config *c = &configs[i / n_cases];

                all[i] = cases[i % n_cases];
                (void) snprintf(names[i], sizeof(names[i]), "%s (%s %u%s%s%s)", all[i].name,
                                c->features & FEATURE(VIRTIO_FEATURE_RING_PACKED) ? "packed" : "split", c->size,
                                c->features & RIG_INDIRECT ? " indirect" : "",
                                c->features & RIG_EVENT ? " event_idx" : "",
                                c->features & RIG_ORDER ? " in_order" : "");
                all[i].name = names[i];
                all[i].initial_state = (void *) c;
        }
        n_failed = _cmocka_run_group_tests("queue", all, n_cases * n_configs, NULL, NULL);
        free(names);
        free(all);
        return n_failed;
}
