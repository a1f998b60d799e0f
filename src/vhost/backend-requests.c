/* SPDX-License-Identifier: MPL-2.0 */
/* Which request does what: negotiation, config space, status, and the table of all. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "vhost/backend-internal.h"

#define PROTOCOL_FEATURES                                                                                    \
        (FEATURE(VHOST_PROTOCOL_MQ) | FEATURE(VHOST_PROTOCOL_LOG_SHMFD) | FEATURE(VHOST_PROTOCOL_REPLY_ACK) | \
         FEATURE(VHOST_PROTOCOL_BACKEND_REQ) | FEATURE(VHOST_PROTOCOL_CONFIG) |                              \
         FEATURE(VHOST_PROTOCOL_INFLIGHT_SHMFD) | FEATURE(VHOST_PROTOCOL_RESET_DEVICE) |                     \
         FEATURE(VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS) | FEATURE(VHOST_PROTOCOL_STATUS))

/* Bits that change nothing for the device: those of the transport and of legacy. */
#define TRANSPORT_FEATURES (FEATURE(VHOST_FEATURE_LOG_ALL) | FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES))

static int reply_u64(struct vhost_backend *b, const struct vhost_message *m, uint64_t value)
{
        return backend_reply(b, m, &value, sizeof(value), -1);
}

static int get_features(struct vhost_backend *b, struct vhost_message *m)
{
        return reply_u64(b, m, device_features(b->device) | TRANSPORT_FEATURES);
}

/*
 * Front ends set the features once before each start of the rings, once more for each further queue pair, and
 * to switch the dirty log while rings run. From one that does not keep the status a new start is the only sign
 * that the driver began anew, so the device does too.
 */
static int set_features(struct vhost_backend *b, struct vhost_message *m)
{
        uint64_t features = m->payload.u64;
        uint64_t unknown = features & ~(device_features(b->device) | TRANSPORT_FEATURES | BACKEND_LEGACY_FEATURES);
        bool differ = b->features_set && ((features ^ b->features) & ~TRANSPORT_FEATURES);
        int r;

        if (unknown)
                return backend_refuse(b, -EINVAL, "features 0x%" PRIx64 " were not offered", unknown);
        if (b->device->started && !backend_rings_running(b) && !(b->status & VIRTIO_STATUS_DRIVER_OK))
                backend_reset_device(b);
        if (b->device->started && differ)
                return backend_refuse(b, -EBUSY, "the device is in use with other features");

        r = backend_update_log(b, features);
        if (r < 0)
                return r;
        b->features_set = true;
        if (!(features & FEATURE(VHOST_FEATURE_PROTOCOL_FEATURES)))
                backend_rings_set_enabled(b, true);
        return backend_rings_start(b, NULL);
}

static uint64_t protocol_features(const struct vhost_backend *b)
{
        uint64_t features = PROTOCOL_FEATURES;

        if (b->device->ops->announce)
                features |= FEATURE(VHOST_PROTOCOL_RARP);
        if (b->device->ops->set_mtu)
                features |= FEATURE(VHOST_PROTOCOL_MTU);
        return features;
}

static int get_protocol_features(struct vhost_backend *b, struct vhost_message *m)
{
        return reply_u64(b, m, protocol_features(b));
}

static int set_protocol_features(struct vhost_backend *b, struct vhost_message *m)
{
        uint64_t unknown = m->payload.u64 & ~protocol_features(b);

        if (unknown)
                return backend_refuse(b, -EINVAL, "protocol features 0x%" PRIx64 " were not offered", unknown);
        if (backend_rings_running(b) && m->payload.u64 != b->protocol_features)
                return backend_refuse(b, -EBUSY, "a ring is running");
        b->protocol_features = m->payload.u64;
        return 0;
}

/* SET_OWNER, and RESET_OWNER ("It is recommended that back-ends either ignore this message ..."); SET_LOG_FD's
   eventfd is a courtesy that nobody needs. */
static int nothing(struct vhost_backend *b, struct vhost_message *m)
{
        return 0;
}

static int get_queue_num(struct vhost_backend *b, struct vhost_message *m)
{
        return reply_u64(b, m, b->n_rings);
}

static int get_max_mem_slots(struct vhost_backend *b, struct vhost_message *m)
{
        return reply_u64(b, m, SPACE_REGIONS_MAX);
}

/* Front ends know larger or smaller config spaces than the device has: what it has not reads as zeroes. */
static int get_config(struct vhost_backend *b, struct vhost_message *m)
{
        struct vhost_config out = m->payload.config;
        size_t size = device_config_size(b->device);

        memset(out.data, 0, sizeof(out.data));
        if (!range_fits(out.offset, out.size, VHOST_CONFIG_MAX))
                return backend_reply(b, m, NULL, 0, -1);
        if (out.offset < size &&
            device_config_read(b->device, out.offset, out.data, MIN(out.size, size - out.offset)) < 0)
                return backend_reply(b, m, NULL, 0, -1);
        return backend_reply(b, m, &out, VHOST_CONFIG_HEADER_BYTES + out.size, -1);
}

static int set_config(struct vhost_backend *b, struct vhost_message *m)
{
        const struct vhost_config *in = &m->payload.config;
        size_t size = device_config_size(b->device);
        int r;

        if (in->flags > VHOST_CONFIG_FLAG_MIGRATION)
                return backend_refuse(b, -EINVAL, "flags 0x%x", in->flags);
        if (in->offset >= size || !range_fits(in->offset, in->size, VHOST_CONFIG_MAX))
                return backend_refuse(b, -EINVAL, "%u bytes at %u lie outside of the config space", in->size,
                                      in->offset);
        r = device_config_write(b->device, in->offset, in->data, MIN(in->size, size - in->offset));
        /* What a driver cannot write is the host's to say: the device here has its own. */
        if (r == -EINVAL && in->flags == VHOST_CONFIG_FLAG_MIGRATION)
                r = 0;
        /* The driver wrote what it may not: no reason to give up the front end. */
        if (r == -EINVAL) {
                (void) backend_refuse(b, r, "%u bytes at %u cannot be written", in->size, in->offset);
                return BACKEND_FAILED;
        }
        return r;
}

static int send_rarp(struct vhost_backend *b, struct vhost_message *m)
{
        uint8_t mac[6];

        if (!b->device->started)
                return backend_refuse(b, -EBUSY, "the device is not started");
        memcpy(mac, &m->payload.u64, sizeof(mac));
        return device_announce(b->device, mac);
}

static int set_mtu(struct vhost_backend *b, struct vhost_message *m)
{
        if (m->payload.u64 > UINT16_MAX)
                return backend_refuse(b, -EINVAL, "MTU %" PRIu64, m->payload.u64);
        return device_set_mtu(b->device, (uint16_t) m->payload.u64);
}

/*
 * The front end offers to show what the device draws. Ours shows it itself, and a front end (QEMU) that hears nothing
 * waits for nothing; but it takes the end of this connection for a message, again and again, so it is kept.
 */
static int gpu_set_socket(struct vhost_backend *b, struct vhost_message *m)
{
        fd_close(&b->gpu_fd);
        b->gpu_fd = take_fd(&m->fds[0]);
        return 0;
}

static int reset_device(struct vhost_backend *b, struct vhost_message *m)
{
        backend_reset(b);
        backend_rings_set_enabled(b, false);
        return 0;
}

static int set_status(struct vhost_backend *b, struct vhost_message *m)
{
        uint64_t status = m->payload.u64;

        if (status > UINT8_MAX)
                return backend_refuse(b, -EINVAL, "status 0x%" PRIx64, status);
        if (status == 0) {
                backend_reset(b);
                return 0;
        }
        b->status = (uint8_t) status | (b->status & VIRTIO_STATUS_NEEDS_RESET);
        return 0;
}

static int get_status(struct vhost_backend *b, struct vhost_message *m)
{
        return reply_u64(b, m, b->status);
}

#define ALWAYS (-1)

static const struct request {
        int (*handle)(struct vhost_backend *b, struct vhost_message *m);
        int protocol_feature; /* that must be negotiated, or ALWAYS */
} requests[VHOST_REQUEST_END] = {
        [VHOST_REQUEST_GET_FEATURES] = { get_features, ALWAYS },
        [VHOST_REQUEST_SET_FEATURES] = { set_features, ALWAYS },
        [VHOST_REQUEST_SET_OWNER] = { nothing, ALWAYS },
        [VHOST_REQUEST_RESET_OWNER] = { nothing, ALWAYS },
        [VHOST_REQUEST_SET_MEM_TABLE] = { backend_set_mem_table, ALWAYS },
        [VHOST_REQUEST_SET_LOG_BASE] = { backend_set_log_base, VHOST_PROTOCOL_LOG_SHMFD },
        [VHOST_REQUEST_SET_LOG_FD] = { nothing, ALWAYS },
        [VHOST_REQUEST_SET_VRING_NUM] = { backend_set_vring_num, ALWAYS },
        [VHOST_REQUEST_SET_VRING_ADDR] = { backend_set_vring_addr, ALWAYS },
        [VHOST_REQUEST_SET_VRING_BASE] = { backend_set_vring_base, ALWAYS },
        [VHOST_REQUEST_GET_VRING_BASE] = { backend_get_vring_base, ALWAYS },
        [VHOST_REQUEST_SET_VRING_KICK] = { backend_set_vring_kick, ALWAYS },
        [VHOST_REQUEST_SET_VRING_CALL] = { backend_set_vring_call, ALWAYS },
        [VHOST_REQUEST_SET_VRING_ERR] = { backend_set_vring_err, ALWAYS },
        [VHOST_REQUEST_GET_PROTOCOL_FEATURES] = { get_protocol_features, ALWAYS },
        [VHOST_REQUEST_SET_PROTOCOL_FEATURES] = { set_protocol_features, ALWAYS },
        [VHOST_REQUEST_GET_QUEUE_NUM] = { get_queue_num, VHOST_PROTOCOL_MQ },
        /* Network front ends enable rings before they set the features. */
        [VHOST_REQUEST_SET_VRING_ENABLE] = { backend_set_vring_enable, ALWAYS },
        [VHOST_REQUEST_SEND_RARP] = { send_rarp, VHOST_PROTOCOL_RARP },
        [VHOST_REQUEST_NET_SET_MTU] = { set_mtu, VHOST_PROTOCOL_MTU },
        [VHOST_REQUEST_SET_BACKEND_REQ_FD] = { backend_set_channel, VHOST_PROTOCOL_BACKEND_REQ },
        [VHOST_REQUEST_GET_CONFIG] = { get_config, VHOST_PROTOCOL_CONFIG },
        [VHOST_REQUEST_SET_CONFIG] = { set_config, VHOST_PROTOCOL_CONFIG },
        [VHOST_REQUEST_GET_INFLIGHT_FD] = { backend_get_inflight_fd, VHOST_PROTOCOL_INFLIGHT_SHMFD },
        [VHOST_REQUEST_SET_INFLIGHT_FD] = { backend_set_inflight_fd, VHOST_PROTOCOL_INFLIGHT_SHMFD },
        [VHOST_REQUEST_GPU_SET_SOCKET] = { gpu_set_socket, ALWAYS },
        [VHOST_REQUEST_RESET_DEVICE] = { reset_device, VHOST_PROTOCOL_RESET_DEVICE },
        [VHOST_REQUEST_GET_MAX_MEM_SLOTS] = { get_max_mem_slots, VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS },
        [VHOST_REQUEST_ADD_MEM_REG] = { backend_add_mem_reg, VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS },
        [VHOST_REQUEST_REM_MEM_REG] = { backend_rem_mem_reg, VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS },
        [VHOST_REQUEST_SET_STATUS] = { set_status, VHOST_PROTOCOL_STATUS },
        [VHOST_REQUEST_GET_STATUS] = { get_status, VHOST_PROTOCOL_STATUS },
};

int backend_handle(struct vhost_backend *b, struct vhost_message *m)
{
        const struct request *request = &requests[m->header.request];

        if (request->protocol_feature != ALWAYS && !backend_has_protocol(b, (unsigned) request->protocol_feature))
                return backend_refuse(b, -EOPNOTSUPP, "protocol feature %d was not negotiated",
                                      request->protocol_feature);
        return request->handle(b, m);
}
