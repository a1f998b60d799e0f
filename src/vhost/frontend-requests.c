/* SPDX-License-Identifier: MPL-2.0 */
/* The requests, one function each; see frontend.h. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "vhost/frontend-internal.h"

int frontend_get_queue_num(struct frontend *f, uint64_t *ret)
{
        int r = frontend_needs(f, VHOST_PROTOCOL_MQ);

        return r < 0 ? r : frontend_get_u64(f, VHOST_REQUEST_GET_QUEUE_NUM, ret);
}

int frontend_set_features(struct frontend *f, uint64_t features)
{
        return frontend_set_u64(f, VHOST_REQUEST_SET_FEATURES, features);
}

static struct vhost_memory_region wire_region(const struct region_spec *spec)
{
        return (struct vhost_memory_region) {
                .guest_address = spec->start,
                .size_bytes = spec->size_bytes,
                .user_address = spec->user_address,
                .mmap_offset_bytes = spec->fd_offset_bytes,
        };
}

int frontend_set_mem_table(struct frontend *f, const struct frontend_region *regions, size_t n)
{
        struct vhost_memory_table table = { .n_regions = (uint32_t) n };
        int fds[VHOST_MEMORY_REGIONS_MAX];

        if (n > VHOST_MEMORY_REGIONS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < n; i++) {
                table.regions[i] = wire_region(&regions[i].spec);
                fds[i] = regions[i].fd;
        }
        return frontend_call(f, &(struct frontend_call) {
                .request = VHOST_REQUEST_SET_MEM_TABLE, .payload = &table,
                .n = offsetof(struct vhost_memory_table, regions) + n * sizeof(table.regions[0]),
                .fds = fds, .n_fds = n });
}

static int change_slot(struct frontend *f, uint32_t request, const struct frontend_region *region, size_t n_fds)
{
        struct vhost_memory_slot slot = { .region = wire_region(&region->spec) };
        int r = frontend_needs(f, VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS);

        if (r < 0)
                return r;
        return frontend_call(f, &(struct frontend_call) { .request = request, .payload = &slot, .n = sizeof(slot),
                                                          .fds = &region->fd, .n_fds = n_fds });
}

int frontend_add_mem_region(struct frontend *f, const struct frontend_region *region)
{
        return change_slot(f, VHOST_REQUEST_ADD_MEM_REG, region, 1);
}

int frontend_remove_mem_region(struct frontend *f, const struct frontend_region *region)
{
        return change_slot(f, VHOST_REQUEST_REM_MEM_REG, region, 0);
}

int frontend_get_max_mem_slots(struct frontend *f, uint64_t *ret)
{
        int r = frontend_needs(f, VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS);

        return r < 0 ? r : frontend_get_u64(f, VHOST_REQUEST_GET_MAX_MEM_SLOTS, ret);
}

static int set_state(struct frontend *f, uint32_t request, uint32_t index, uint32_t num)
{
        struct vhost_vring_state state = { .index = index, .num = num };

        return frontend_call(f, &(struct frontend_call) { .request = request, .payload = &state, .n = sizeof(state) });
}

static int set_ring_fd(struct frontend *f, uint32_t request, uint16_t index, int fd)
{
        uint64_t value = index | (fd < 0 ? VHOST_VRING_NO_FD : 0);

        if (index > VHOST_VRING_INDEX_MASK)
                return -EINVAL;
        return frontend_call(f, &(struct frontend_call) { .request = request, .payload = &value, .n = sizeof(value),
                                                          .fds = &fd, .n_fds = fd < 0 ? 0 : 1 });
}

int frontend_set_ring_address(struct frontend *f, const struct frontend_ring *ring)
{
        struct vhost_vring_address address = {
                .index = ring->index,
                .flags = ring->log ? VHOST_VRING_FLAG_LOG : 0,
                .descriptors = ring->descriptors,
                .available = ring->driver,
                .used = ring->device,
                .log = ring->log_address,
        };

        return frontend_call(f, &(struct frontend_call) { .request = VHOST_REQUEST_SET_VRING_ADDR,
                                                          .payload = &address, .n = sizeof(address) });
}

int frontend_start_ring(struct frontend *f, const struct frontend_ring *ring)
{
        int r;

        r = set_state(f, VHOST_REQUEST_SET_VRING_NUM, ring->index, ring->size);
        if (r == 0)
                r = set_state(f, VHOST_REQUEST_SET_VRING_BASE, ring->index, ring->base);
        if (r == 0)
                r = frontend_set_ring_address(f, ring);
        if (r == 0)
                r = set_ring_fd(f, VHOST_REQUEST_SET_VRING_CALL, ring->index, ring->call_fd);
        if (r == 0 && ring->err_fd >= 0)
                r = set_ring_fd(f, VHOST_REQUEST_SET_VRING_ERR, ring->index, ring->err_fd);
        /* Last: with it the ring starts. */
        if (r == 0)
                r = set_ring_fd(f, VHOST_REQUEST_SET_VRING_KICK, ring->index, ring->kick_fd);
        return r;
}

int frontend_enable_ring(struct frontend *f, uint16_t index, bool on)
{
        return set_state(f, VHOST_REQUEST_SET_VRING_ENABLE, index, on);
}

int frontend_stop_ring(struct frontend *f, uint16_t index, uint32_t *ret_base)
{
        struct vhost_vring_state state = { .index = index };
        struct vhost_message m;
        int r;

        r = frontend_call(f, &(struct frontend_call) { .request = VHOST_REQUEST_GET_VRING_BASE, .payload = &state,
                                                       .n = sizeof(state), .reply = &m });
        if (r < 0)
                return r;
        if (m.payload.state.index != index)
                return -EBADMSG;
        *ret_base = m.payload.state.num;
        return 0;
}

int frontend_set_call(struct frontend *f, uint16_t index, int call_fd)
{
        return set_ring_fd(f, VHOST_REQUEST_SET_VRING_CALL, index, call_fd);
}

static int config_request(const struct frontend *f, uint32_t offset, uint32_t n, struct vhost_config *ret)
{
        int r = frontend_needs(f, VHOST_PROTOCOL_CONFIG);

        if (r < 0)
                return r;
        if (!range_fits(offset, n, VHOST_CONFIG_MAX))
                return -EINVAL;
        *ret = (struct vhost_config) { .offset = offset, .size = n, .flags = VHOST_CONFIG_FLAG_WRITABLE };
        return 0;
}

int frontend_get_config(struct frontend *f, uint32_t offset, void *buf, uint32_t n)
{
        struct vhost_config config;
        struct vhost_message m;
        int r;

        r = config_request(f, offset, n, &config);
        if (r < 0)
                return r;
        r = frontend_call(f, &(struct frontend_call) { .request = VHOST_REQUEST_GET_CONFIG, .payload = &config,
                                                       .n = VHOST_CONFIG_HEADER_BYTES + n, .reply = &m });
        if (r < 0)
                return r;
        if (m.header.size == 0)
                return -EREMOTEIO;
        if (m.payload.config.size != n || m.payload.config.offset != offset)
                return -EBADMSG;
        memcpy(buf, m.payload.config.data, n);
        return 0;
}

int frontend_set_config(struct frontend *f, uint32_t offset, const void *buf, uint32_t n)
{
        struct vhost_config config;
        int r;

        r = config_request(f, offset, n, &config);
        if (r < 0)
                return r;
        memcpy(config.data, buf, n);
        return frontend_call(f, &(struct frontend_call) { .request = VHOST_REQUEST_SET_CONFIG, .payload = &config,
                                                          .n = VHOST_CONFIG_HEADER_BYTES + n });
}

int frontend_get_inflight(struct frontend *f, struct frontend_inflight *inout)
{
        struct vhost_inflight in = { .n_queues = inout->n_queues, .queue_size = inout->queue_size }, *out;
        struct vhost_message m;
        int r;

        r = frontend_needs(f, VHOST_PROTOCOL_INFLIGHT_SHMFD);
        if (r == 0)
                r = frontend_call(f, &(struct frontend_call) { .request = VHOST_REQUEST_GET_INFLIGHT_FD,
                                                               .payload = &in, .n = sizeof(in), .reply = &m });
        if (r < 0)
                return r;
        out = &m.payload.inflight;
        if (m.n_fds != 1 || out->size_bytes == 0 || out->n_queues != in.n_queues || out->queue_size != in.queue_size) {
                vhost_message_deinit(&m);
                return -EBADMSG;
        }
        inout->fd = take_fd(&m.fds[0]);
        inout->size_bytes = out->size_bytes;
        inout->offset_bytes = out->offset_bytes;
        return 0;
}

int frontend_set_inflight(struct frontend *f, const struct frontend_inflight *in)
{
        struct vhost_inflight inflight = {
                .size_bytes = in->size_bytes,
                .offset_bytes = in->offset_bytes,
                .n_queues = in->n_queues,
                .queue_size = in->queue_size,
        };
        int r = frontend_needs(f, VHOST_PROTOCOL_INFLIGHT_SHMFD);

        if (r < 0)
                return r;
        return frontend_call(f, &(struct frontend_call) { .request = VHOST_REQUEST_SET_INFLIGHT_FD,
                                                          .payload = &inflight, .n = sizeof(inflight),
                                                          .fds = &in->fd, .n_fds = 1 });
}

int frontend_set_log(struct frontend *f, int fd, uint64_t offset_bytes, uint64_t size_bytes)
{
        struct vhost_log log = { .size_bytes = size_bytes, .offset_bytes = offset_bytes };
        int r = frontend_needs(f, VHOST_PROTOCOL_LOG_SHMFD);

        if (r < 0)
                return r;
        return frontend_call(f, &(struct frontend_call) { .request = VHOST_REQUEST_SET_LOG_BASE, .payload = &log,
                                                          .n = sizeof(log), .fds = &fd, .n_fds = 1 });
}

int frontend_set_status(struct frontend *f, uint8_t status)
{
        int r = frontend_needs(f, VHOST_PROTOCOL_STATUS);

        return r < 0 ? r : frontend_set_u64(f, VHOST_REQUEST_SET_STATUS, status);
}

int frontend_get_status(struct frontend *f, uint8_t *ret)
{
        uint64_t status;
        int r;

        r = frontend_needs(f, VHOST_PROTOCOL_STATUS);
        if (r == 0)
                r = frontend_get_u64(f, VHOST_REQUEST_GET_STATUS, &status);
        if (r < 0)
                return r;
        if (status > UINT8_MAX)
                return -EBADMSG;
        *ret = (uint8_t) status;
        return 0;
}

int frontend_reset_device(struct frontend *f)
{
        int r = frontend_needs(f, VHOST_PROTOCOL_RESET_DEVICE);

        return r < 0 ? r : frontend_call(f, &(struct frontend_call) { .request = VHOST_REQUEST_RESET_DEVICE });
}

int frontend_send_rarp(struct frontend *f, const uint8_t mac[6])
{
        uint64_t value = 0;
        int r = frontend_needs(f, VHOST_PROTOCOL_RARP);

        memcpy(&value, mac, 6);
        return r < 0 ? r : frontend_set_u64(f, VHOST_REQUEST_SEND_RARP, value);
}

int frontend_set_mtu(struct frontend *f, uint16_t mtu)
{
        int r = frontend_needs(f, VHOST_PROTOCOL_MTU);

        return r < 0 ? r : frontend_set_u64(f, VHOST_REQUEST_NET_SET_MTU, mtu);
}
