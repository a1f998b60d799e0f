/* SPDX-License-Identifier: MPL-2.0 */
#include "vhost/relay-memory.h"

#include "base/cleanup.h"
#include "base/fd.h"

static void entry_clear(struct relay_entry *e)
{
        vhost_message_deinit(&e->message);
        e->is_there = false;
}

static void entry_take(struct relay_entry *e, struct vhost_message *m)
{
        entry_clear(e);
        e->message = *m;
        e->is_there = true;
        m->n_fds = 0;
}

/* Return: the ring that a request is about; RELAY_RINGS_MAX for one that no device of ours has. */
static uint32_t ring_of(const struct vhost_message *m)
{
        uint64_t index;

        switch (m->header.request) {
        case VHOST_REQUEST_SET_VRING_KICK:
        case VHOST_REQUEST_SET_VRING_CALL:
        case VHOST_REQUEST_SET_VRING_ERR:
                index = m->payload.u64 & VHOST_VRING_INDEX_MASK;
                break;
        default: /* the others begin with it, addresses too */
                index = m->payload.state.index;
                break;
        }
        return index < RELAY_RINGS_MAX ? (uint32_t) index : RELAY_RINGS_MAX;
}

static void take_of_ring(struct relay_memory *memory, enum relay_ring_slot slot, struct vhost_message *m)
{
        uint32_t ring = ring_of(m);

        if (ring < RELAY_RINGS_MAX)
                entry_take(&memory->rings[ring][slot], m);
}

static void stop_ring(struct relay_memory *memory, uint32_t ring)
{
        if (ring < RELAY_RINGS_MAX)
                entry_clear(&memory->rings[ring][RELAY_RING_KICK]);
}

static void stop_rings(struct relay_memory *memory)
{
        for (uint32_t i = 0; i < RELAY_RINGS_MAX; i++)
                stop_ring(memory, i);
}

void relay_memory_take(struct relay_memory *memory, struct vhost_message *m)
{
        static const struct {
                uint32_t request;
                enum relay_slot slot;
        } slots[] = {
                { VHOST_REQUEST_SET_PROTOCOL_FEATURES, RELAY_PROTOCOL_FEATURES },
                { VHOST_REQUEST_SET_OWNER, RELAY_OWNER },
                { VHOST_REQUEST_SET_BACKEND_REQ_FD, RELAY_BACKEND_FD },
                { VHOST_REQUEST_SET_FEATURES, RELAY_FEATURES },
                { VHOST_REQUEST_SET_MEM_TABLE, RELAY_MEMORY },
                { VHOST_REQUEST_GPU_SET_SOCKET, RELAY_GPU_SOCKET },
                { VHOST_REQUEST_SET_CONFIG, RELAY_CONFIG },
                { VHOST_REQUEST_SET_STATUS, RELAY_STATUS },
        };
        static const struct {
                uint32_t request;
                enum relay_ring_slot slot;
        } ring_slots[] = {
                { VHOST_REQUEST_SET_VRING_NUM, RELAY_RING_SIZE },
                { VHOST_REQUEST_SET_VRING_BASE, RELAY_RING_BASE },
                { VHOST_REQUEST_SET_VRING_ADDR, RELAY_RING_ADDRESS },
                { VHOST_REQUEST_SET_VRING_ERR, RELAY_RING_ERR },
                { VHOST_REQUEST_SET_VRING_CALL, RELAY_RING_CALL },
                { VHOST_REQUEST_SET_VRING_KICK, RELAY_RING_KICK },
                { VHOST_REQUEST_SET_VRING_ENABLE, RELAY_RING_ENABLE },
        };
        uint32_t request = m->header.request;

        if (request == VHOST_REQUEST_GET_VRING_BASE)
                stop_ring(memory, ring_of(m));
        else if (request == VHOST_REQUEST_RESET_DEVICE ||
                 (request == VHOST_REQUEST_SET_STATUS && m->payload.u64 == 0))
                stop_rings(memory);
        for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
                if (slots[i].request == request)
                        entry_take(&memory->slots[slots[i].slot], m);
        for (size_t i = 0; i < sizeof(ring_slots) / sizeof(ring_slots[0]); i++)
                if (ring_slots[i].request == request)
                        take_of_ring(memory, ring_slots[i].slot, m);
}

void relay_memory_take_inflight(struct relay_memory *memory, const struct vhost_inflight *inflight, int fd)
{
        struct vhost_message m = {
                .header = { .request = VHOST_REQUEST_SET_INFLIGHT_FD, .size = sizeof(*inflight) },
                .payload.inflight = *inflight,
                .fds = { fd },
                .n_fds = 1,
        };

        entry_take(&memory->slots[RELAY_INFLIGHT], &m);
}

void relay_memory_forget_inflight(struct relay_memory *memory) { entry_clear(&memory->slots[RELAY_INFLIGHT]); }

bool relay_memory_runs(const struct relay_memory *memory)
{
        for (uint32_t i = 0; i < RELAY_RINGS_MAX; i++)
                if (memory->rings[i][RELAY_RING_KICK].is_there)
                        return true;
        return false;
}

int relay_memory_each(const struct relay_memory *memory, int (*say)(const struct vhost_message *m, void *data),
                      void *data)
{
        int r = 0;

        for (int i = 0; i < RELAY_STATUS && r == 0; i++)
                if (memory->slots[i].is_there)
                        r = say(&memory->slots[i].message, data);
        for (uint32_t i = 0; i < RELAY_RINGS_MAX; i++)
                for (int k = 0; k < RELAY_RING_SLOTS && r == 0; k++)
                        if (memory->rings[i][k].is_there)
                                r = say(&memory->rings[i][k].message, data);
        if (r == 0 && memory->slots[RELAY_STATUS].is_there)
                r = say(&memory->slots[RELAY_STATUS].message, data);
        return r;
}

void relay_memory_stir(const struct relay_memory *memory)
{
        for (uint32_t i = 0; i < RELAY_RINGS_MAX; i++) {
                const struct relay_entry *kick = &memory->rings[i][RELAY_RING_KICK];
                const struct relay_entry *call = &memory->rings[i][RELAY_RING_CALL];

                if (!kick->is_there)
                        continue;
                if (kick->message.n_fds > 0)
                        fd_event_signal(kick->message.fds[0]);
                if (call->is_there && call->message.n_fds > 0)
                        fd_event_signal(call->message.fds[0]);
        }
}

void relay_memory_deinit(struct relay_memory *memory)
{
        for (int i = 0; i < RELAY_SLOTS; i++)
                entry_clear(&memory->slots[i]);
        for (uint32_t i = 0; i < RELAY_RINGS_MAX; i++)
                for (int k = 0; k < RELAY_RING_SLOTS; k++)
                        entry_clear(&memory->rings[i][k]);
}
