/* SPDX-License-Identifier: MPL-2.0 */
/* What each type of message looks like, as one table for each channel. */
#include <errno.h>
#include <stddef.h>

#include "base/macros.h"
#include "vhost/message.h"

enum payload {
        PAYLOAD_NONE,
        PAYLOAD_U64,
        PAYLOAD_VRING_FD, /* u64 whose bit 8 says whether an fd comes with it */
        PAYLOAD_STATE,
        PAYLOAD_ADDRESS,
        PAYLOAD_MEMORY, /* an fd a region */
        PAYLOAD_SLOT,
        PAYLOAD_LOG,
        PAYLOAD_CONFIG,
        PAYLOAD_CONFIG_OR_NONE, /* none: the request failed */
        PAYLOAD_INFLIGHT,
};

struct shape {
        const char *name;
        uint8_t payload, fds_min, fds_max; /* of the request */
        bool has_reply;
        uint8_t reply_payload, reply_fds_min, reply_fds_max;
};

#define ASKS(n, p, min, max) { .name = n, .payload = p, .fds_min = min, .fds_max = max }
#define GETS(n, p, reply) { .name = n, .payload = p, .has_reply = true, .reply_payload = reply }

static const struct shape main_shapes[VHOST_REQUEST_END] = {
        [VHOST_REQUEST_GET_FEATURES] = GETS("GET_FEATURES", PAYLOAD_NONE, PAYLOAD_U64),
        [VHOST_REQUEST_SET_FEATURES] = ASKS("SET_FEATURES", PAYLOAD_U64, 0, 0),
        [VHOST_REQUEST_SET_OWNER] = ASKS("SET_OWNER", PAYLOAD_NONE, 0, 0),
        [VHOST_REQUEST_RESET_OWNER] = ASKS("RESET_OWNER", PAYLOAD_NONE, 0, 0),
        [VHOST_REQUEST_SET_MEM_TABLE] = ASKS("SET_MEM_TABLE", PAYLOAD_MEMORY, 0, VHOST_MEMORY_REGIONS_MAX),
        [VHOST_REQUEST_SET_LOG_BASE] = { .name = "SET_LOG_BASE", .payload = PAYLOAD_LOG, .fds_min = 1, .fds_max = 1,
                                         .has_reply = true, .reply_payload = PAYLOAD_U64 },
        [VHOST_REQUEST_SET_LOG_FD] = ASKS("SET_LOG_FD", PAYLOAD_NONE, 1, 1),
        [VHOST_REQUEST_SET_VRING_NUM] = ASKS("SET_VRING_NUM", PAYLOAD_STATE, 0, 0),
        [VHOST_REQUEST_SET_VRING_ADDR] = ASKS("SET_VRING_ADDR", PAYLOAD_ADDRESS, 0, 0),
        [VHOST_REQUEST_SET_VRING_BASE] = ASKS("SET_VRING_BASE", PAYLOAD_STATE, 0, 0),
        [VHOST_REQUEST_GET_VRING_BASE] = GETS("GET_VRING_BASE", PAYLOAD_STATE, PAYLOAD_STATE),
        [VHOST_REQUEST_SET_VRING_KICK] = ASKS("SET_VRING_KICK", PAYLOAD_VRING_FD, 0, 1),
        [VHOST_REQUEST_SET_VRING_CALL] = ASKS("SET_VRING_CALL", PAYLOAD_VRING_FD, 0, 1),
        [VHOST_REQUEST_SET_VRING_ERR] = ASKS("SET_VRING_ERR", PAYLOAD_VRING_FD, 0, 1),
        [VHOST_REQUEST_GET_PROTOCOL_FEATURES] = GETS("GET_PROTOCOL_FEATURES", PAYLOAD_NONE, PAYLOAD_U64),
        [VHOST_REQUEST_SET_PROTOCOL_FEATURES] = ASKS("SET_PROTOCOL_FEATURES", PAYLOAD_U64, 0, 0),
        [VHOST_REQUEST_GET_QUEUE_NUM] = GETS("GET_QUEUE_NUM", PAYLOAD_NONE, PAYLOAD_U64),
        [VHOST_REQUEST_SET_VRING_ENABLE] = ASKS("SET_VRING_ENABLE", PAYLOAD_STATE, 0, 0),
        [VHOST_REQUEST_SEND_RARP] = ASKS("SEND_RARP", PAYLOAD_U64, 0, 0),
        [VHOST_REQUEST_NET_SET_MTU] = ASKS("NET_SET_MTU", PAYLOAD_U64, 0, 0),
        [VHOST_REQUEST_SET_BACKEND_REQ_FD] = ASKS("SET_BACKEND_REQ_FD", PAYLOAD_NONE, 1, 1),
        [VHOST_REQUEST_GET_CONFIG] = GETS("GET_CONFIG", PAYLOAD_CONFIG, PAYLOAD_CONFIG_OR_NONE),
        [VHOST_REQUEST_SET_CONFIG] = ASKS("SET_CONFIG", PAYLOAD_CONFIG, 0, 0),
        [VHOST_REQUEST_GET_INFLIGHT_FD] = { .name = "GET_INFLIGHT_FD", .payload = PAYLOAD_INFLIGHT, .has_reply = true,
                                            .reply_payload = PAYLOAD_INFLIGHT, .reply_fds_max = 1 },
        [VHOST_REQUEST_SET_INFLIGHT_FD] = ASKS("SET_INFLIGHT_FD", PAYLOAD_INFLIGHT, 1, 1),
        [VHOST_REQUEST_GPU_SET_SOCKET] = ASKS("GPU_SET_SOCKET", PAYLOAD_NONE, 1, 1),
        [VHOST_REQUEST_RESET_DEVICE] = ASKS("RESET_DEVICE", PAYLOAD_NONE, 0, 0),
        [VHOST_REQUEST_GET_MAX_MEM_SLOTS] = GETS("GET_MAX_MEM_SLOTS", PAYLOAD_NONE, PAYLOAD_U64),
        [VHOST_REQUEST_ADD_MEM_REG] = ASKS("ADD_MEM_REG", PAYLOAD_SLOT, 1, 1),
        /* "the back-end MAY accept messages with one file descriptor ... MUST close it" */
        [VHOST_REQUEST_REM_MEM_REG] = ASKS("REM_MEM_REG", PAYLOAD_SLOT, 0, 1),
        [VHOST_REQUEST_SET_STATUS] = ASKS("SET_STATUS", PAYLOAD_U64, 0, 0),
        [VHOST_REQUEST_GET_STATUS] = GETS("GET_STATUS", PAYLOAD_NONE, PAYLOAD_U64),
};

static const struct shape backend_shapes[VHOST_BACKEND_REQUEST_END] = {
        [VHOST_BACKEND_REQUEST_CONFIG_CHANGE] = ASKS("CONFIG_CHANGE", PAYLOAD_NONE, 0, 0),
};

/* NULL for a request that the channel does not know. */
static const struct shape *shape_of(enum vhost_channel channel, uint32_t request)
{
        const struct shape *shapes = channel == VHOST_CHANNEL_MAIN ? main_shapes : backend_shapes;
        size_t n = channel == VHOST_CHANNEL_MAIN ? ARRAY_SIZE(main_shapes) : ARRAY_SIZE(backend_shapes);

        return request < n && shapes[request].name ? &shapes[request] : NULL;
}

bool vhost_request_has_reply(enum vhost_channel channel, uint32_t request)
{
        const struct shape *shape = shape_of(channel, request);

        return shape && shape->has_reply;
}

const char *vhost_request_name(enum vhost_channel channel, uint32_t request)
{
        const struct shape *shape = shape_of(channel, request);

        return shape ? shape->name : "unknown request";
}

/* The payload's size, and what in it speaks of sizes, against the size in the header. */
static bool size_fits(enum payload payload, const struct vhost_message *m)
{
        size_t n = m->header.size;

        switch (payload) {
        case PAYLOAD_NONE:
                return n == 0;
        case PAYLOAD_U64:
        case PAYLOAD_VRING_FD:
                return n == sizeof(uint64_t);
        case PAYLOAD_STATE:
                return n == sizeof(struct vhost_vring_state);
        case PAYLOAD_ADDRESS:
                return n == sizeof(struct vhost_vring_address);
        case PAYLOAD_MEMORY:
                return n >= offsetof(struct vhost_memory_table, regions) &&
                       m->payload.memory.n_regions <= VHOST_MEMORY_REGIONS_MAX &&
                       n == offsetof(struct vhost_memory_table, regions) +
                                    m->payload.memory.n_regions * sizeof(struct vhost_memory_region);
        case PAYLOAD_SLOT:
                return n == sizeof(struct vhost_memory_slot);
        case PAYLOAD_LOG:
                return n == sizeof(struct vhost_log);
        case PAYLOAD_CONFIG_OR_NONE:
        case PAYLOAD_CONFIG:
                if (n == 0)
                        return payload == PAYLOAD_CONFIG_OR_NONE;
                return n >= VHOST_CONFIG_HEADER_BYTES && m->payload.config.size <= VHOST_CONFIG_MAX &&
                       n == VHOST_CONFIG_HEADER_BYTES + m->payload.config.size;
        case PAYLOAD_INFLIGHT:
                return n >= VHOST_INFLIGHT_BYTES_MIN && n <= sizeof(struct vhost_inflight);
        }
        return false;
}

static int check(enum payload payload, size_t fds_min, size_t fds_max, const struct vhost_message *m,
                 const char **ret_reason)
{
        if (!size_fits(payload, m)) {
                *ret_reason = "size does not fit the payload";
                return -EBADMSG;
        }
        if (payload == PAYLOAD_VRING_FD)
                fds_min = fds_max = m->payload.u64 & VHOST_VRING_NO_FD ? 0 : 1;
        if (payload == PAYLOAD_MEMORY)
                fds_min = fds_max = m->payload.memory.n_regions;
        if (m->n_fds < fds_min) {
                *ret_reason = "fewer file descriptors than the message says";
                return -EBADMSG;
        }
        if (m->n_fds > fds_max) {
                *ret_reason = "more file descriptors than the message says";
                return -EBADMSG;
        }
        return 0;
}

int vhost_check_request(enum vhost_channel channel, const struct vhost_message *m, const char **ret_reason)
{
        const struct shape *shape = shape_of(channel, m->header.request);

        if (m->header.flags & VHOST_FLAG_REPLY) {
                *ret_reason = "a reply where a request was due";
                return -EBADMSG;
        }
        if (!shape) {
                *ret_reason = "request is not known";
                return -EOPNOTSUPP;
        }
        return check(shape->payload, shape->fds_min, shape->fds_max, m, ret_reason);
}

int vhost_check_reply(enum vhost_channel channel, uint32_t request, bool ack, const struct vhost_message *m,
                      const char **ret_reason)
{
        const struct shape *shape = shape_of(channel, request);

        if (!(m->header.flags & VHOST_FLAG_REPLY)) {
                *ret_reason = "a request where a reply was due";
                return -EBADMSG;
        }
        if (m->header.request != request) {
                *ret_reason = "reply to another request";
                return -EBADMSG;
        }
        if (ack || !shape)
                return check(PAYLOAD_U64, 0, 0, m, ret_reason);
        return check(shape->reply_payload, shape->reply_fds_min, shape->reply_fds_max, m, ret_reason);
}
