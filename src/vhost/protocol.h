/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Numbers and layouts of the vhost-user protocol. All integers are in host byte order; the structures are
 * laid out as on the wire, none has hidden padding.
 *
 * Spec: vhost-user protocol (QEMU, docs/interop/vhost-user.rst); the section is named beside each part.
 */
#pragma once

#include <stdint.h>

/* "Message Specification", Header */
struct vhost_header {
        uint32_t request;
        uint32_t flags;
        uint32_t size; /* of the payload */
};

enum {
        VHOST_FLAG_VERSION = 1, /* the two lowest bits */
        VHOST_FLAG_VERSION_MASK = 3,
        VHOST_FLAG_REPLY = 1 << 2,
        VHOST_FLAG_NEED_REPLY = 1 << 3,
};

/* "Front-end message types" */
enum vhost_request {
        VHOST_REQUEST_GET_FEATURES = 1,
        VHOST_REQUEST_SET_FEATURES = 2,
        VHOST_REQUEST_SET_OWNER = 3,
        VHOST_REQUEST_RESET_OWNER = 4,
        VHOST_REQUEST_SET_MEM_TABLE = 5,
        VHOST_REQUEST_SET_LOG_BASE = 6,
        VHOST_REQUEST_SET_LOG_FD = 7,
        VHOST_REQUEST_SET_VRING_NUM = 8,
        VHOST_REQUEST_SET_VRING_ADDR = 9,
        VHOST_REQUEST_SET_VRING_BASE = 10,
        VHOST_REQUEST_GET_VRING_BASE = 11,
        VHOST_REQUEST_SET_VRING_KICK = 12,
        VHOST_REQUEST_SET_VRING_CALL = 13,
        VHOST_REQUEST_SET_VRING_ERR = 14,
        VHOST_REQUEST_GET_PROTOCOL_FEATURES = 15,
        VHOST_REQUEST_SET_PROTOCOL_FEATURES = 16,
        VHOST_REQUEST_GET_QUEUE_NUM = 17,
        VHOST_REQUEST_SET_VRING_ENABLE = 18,
        VHOST_REQUEST_SEND_RARP = 19,
        VHOST_REQUEST_NET_SET_MTU = 20,
        VHOST_REQUEST_SET_BACKEND_REQ_FD = 21,
        VHOST_REQUEST_GET_CONFIG = 24,
        VHOST_REQUEST_SET_CONFIG = 25,
        VHOST_REQUEST_GET_INFLIGHT_FD = 31,
        VHOST_REQUEST_SET_INFLIGHT_FD = 32,
        VHOST_REQUEST_GPU_SET_SOCKET = 33,
        VHOST_REQUEST_RESET_DEVICE = 34,
        VHOST_REQUEST_GET_MAX_MEM_SLOTS = 36,
        VHOST_REQUEST_ADD_MEM_REG = 37,
        VHOST_REQUEST_REM_MEM_REG = 38,
        VHOST_REQUEST_SET_STATUS = 39,
        VHOST_REQUEST_GET_STATUS = 40,
        VHOST_REQUEST_END,
};

/* "Back-end message types" */
enum vhost_backend_request {
        VHOST_BACKEND_REQUEST_CONFIG_CHANGE = 2,
        VHOST_BACKEND_REQUEST_END,
};

/* Feature bits of the transport, beside the device's: "Migration" and "Communication" */
enum {
        VHOST_FEATURE_LOG_ALL = 26,
        VHOST_FEATURE_PROTOCOL_FEATURES = 30,
};

/* "Protocol features" */
enum {
        VHOST_PROTOCOL_MQ = 0,
        VHOST_PROTOCOL_LOG_SHMFD = 1,
        VHOST_PROTOCOL_RARP = 2,
        VHOST_PROTOCOL_REPLY_ACK = 3,
        VHOST_PROTOCOL_MTU = 4,
        VHOST_PROTOCOL_BACKEND_REQ = 5,
        VHOST_PROTOCOL_CONFIG = 9,
        VHOST_PROTOCOL_INFLIGHT_SHMFD = 12,
        VHOST_PROTOCOL_RESET_DEVICE = 13,
        VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS = 15,
        VHOST_PROTOCOL_STATUS = 16,
};

/* "A vring state description" */
struct vhost_vring_state {
        uint32_t index;
        uint32_t num;
};

/* "A vring address description"; the rings' are front-end virtual addresses */
struct vhost_vring_address {
        uint32_t index;
        uint32_t flags;
        uint64_t descriptors;
        uint64_t used;
        uint64_t available;
        uint64_t log; /* guest-physical address of the used ring */
};

#define VHOST_VRING_FLAG_LOG 1U

/* SET_VRING_KICK, _CALL, _ERR: bits 0 to 7 are the index, bit 8 says that no fd comes with it */
#define VHOST_VRING_INDEX_MASK UINT64_C(0xff)
#define VHOST_VRING_NO_FD UINT64_C(0x100)

/* "Memory regions description" */
struct vhost_memory_region {
        uint64_t guest_address;
        uint64_t size_bytes;
        uint64_t user_address;
        uint64_t mmap_offset_bytes;
};

#define VHOST_MEMORY_REGIONS_MAX 8

struct vhost_memory_table {
        uint32_t n_regions;
        uint32_t padding;
        struct vhost_memory_region regions[VHOST_MEMORY_REGIONS_MAX];
};

/* "Single memory region description" */
struct vhost_memory_slot {
        uint64_t padding;
        struct vhost_memory_region region;
};

/* "Log description" */
struct vhost_log {
        uint64_t size_bytes;
        uint64_t offset_bytes;
};

/* "Virtio device config space" */
#define VHOST_CONFIG_MAX 256
#define VHOST_CONFIG_HEADER_BYTES 12

enum {
        VHOST_CONFIG_FLAG_WRITABLE = 0,
        VHOST_CONFIG_FLAG_MIGRATION = 1,
};

struct vhost_config {
        uint32_t offset;
        uint32_t size;
        uint32_t flags;
        uint8_t data[VHOST_CONFIG_MAX];
};

/* "Inflight description"; some peers leave out the padding at the end */
#define VHOST_INFLIGHT_BYTES_MIN 20

struct vhost_inflight {
        uint64_t size_bytes;
        uint64_t offset_bytes;
        uint16_t n_queues;
        uint16_t queue_size;
        uint32_t padding;
};

union vhost_payload {
        uint64_t u64;
        struct vhost_vring_state state;
        struct vhost_vring_address address;
        struct vhost_memory_table memory;
        struct vhost_memory_slot slot;
        struct vhost_log log;
        struct vhost_config config;
        struct vhost_inflight inflight;
};
