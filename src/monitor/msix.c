/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/pci.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "monitor/vm.h"

#define VECTOR_MASKED 1U

int msix_init(struct msix *m, struct vm *vm, uint32_t requester, uint16_t n_vectors, const int *fds,
              uint16_t n_sources)
{
        *m = (struct msix) { .vm = vm, .requester = requester, .n_vectors = n_vectors, .n_sources = n_sources };
        ratelimit_init(&m->log_limit, 1, 10);
        m->vectors = calloc(n_vectors, sizeof(*m->vectors));
        m->sources = calloc(n_sources, sizeof(*m->sources));
        if (!m->vectors || !m->sources) {
                free(m->vectors);
                free(m->sources);
                *m = (struct msix) { 0 };
                return -ENOMEM;
        }
        for (uint16_t i = 0; i < n_vectors; i++)
                m->vectors[i].control = VECTOR_MASKED;
        for (uint16_t i = 0; i < n_sources; i++)
                m->sources[i] = (struct msix_source) { .fd = fds[i], .vector = MSIX_NO_VECTOR, .handle = -1 };
        return 0;
}

static void disconnect(struct msix *m, struct msix_source *s)
{
        if (s->handle >= 0)
                vm_detach_msi(m->vm, s->handle);
        s->handle = -1;
}

void msix_deinit(struct msix *m)
{
        for (uint16_t i = 0; i < m->n_sources; i++)
                disconnect(m, &m->sources[i]);
        free(m->vectors);
        free(m->sources);
        *m = (struct msix) { 0 };
}

static bool deliverable(const struct msix *m, const struct msix_source *s)
{
        return m->enabled && !m->masked && s->vector != MSIX_NO_VECTOR &&
               !(m->vectors[s->vector].control & VECTOR_MASKED);
}

/* Makes the connection what the registers say. */
static void update(struct msix *m, struct msix_source *s)
{
        const struct msix_vector *v = s->vector == MSIX_NO_VECTOR ? NULL : &m->vectors[s->vector];
        struct vm_msi msi;

        if (!deliverable(m, s)) {
                disconnect(m, s);
                return;
        }
        if (s->handle >= 0 && s->sent.address == v->address && s->sent.data == v->data)
                return;
        disconnect(m, s);
        msi = (struct vm_msi) { .address = v->address, .data = v->data, .device = m->requester };
        s->handle = vm_attach_msi(m->vm, &msi, s->fd);
        s->sent = *v;
        if (s->handle < 0 && ratelimit_take(&m->log_limit, 1, clock_now_ns()))
                log_debug("monitor", "no route for an interrupt: %s", strerror(-s->handle));
}

void msix_set_control(struct msix *m, bool enabled, bool masked)
{
        for (uint16_t i = 0; enabled && !m->enabled && i < m->n_sources; i++)
                (void) fd_event_take(m->sources[i].fd);
        m->enabled = enabled;
        m->masked = masked;
        for (uint16_t i = 0; i < m->n_sources; i++)
                update(m, &m->sources[i]);
}

bool msix_set_vector(struct msix *m, uint16_t source, uint16_t vector)
{
        struct msix_source *s = &m->sources[source];

        disconnect(m, s);
        if (s->vector == MSIX_NO_VECTOR)
                (void) fd_event_take(s->fd);
        s->vector = vector < m->n_vectors ? vector : MSIX_NO_VECTOR;
        update(m, s);
        return s->vector == vector;
}

uint16_t msix_vector(const struct msix *m, uint16_t source)
{
        return m->sources[source].vector;
}

void msix_forget_vectors(struct msix *m)
{
        for (uint16_t i = 0; i < m->n_sources; i++)
                (void) msix_set_vector(m, i, MSIX_NO_VECTOR);
}

/* A range of the table that may begin and end within entries. */
static size_t clip(const struct msix *m, uint64_t offset, unsigned n_bytes)
{
        uint64_t size = m->n_vectors * (uint64_t) MSIX_ENTRY_BYTES;

        return offset < size ? MIN((uint64_t) n_bytes, size - offset) : 0;
}

void msix_table_read(const struct msix *m, uint64_t offset, void *buf, unsigned n_bytes)
{
        memset(buf, 0, n_bytes);
        memcpy(buf, (const char *) m->vectors + offset, clip(m, offset, n_bytes));
}

/* Only whole words, as the specification has it; others change nothing. */
void msix_table_write(struct msix *m, uint64_t offset, const void *buf, unsigned n_bytes)
{
        size_t n = clip(m, offset, n_bytes);
        uint64_t vector = offset / MSIX_ENTRY_BYTES;

        if (n != n_bytes || (n != 4 && n != 8) || offset % n != 0)
                return;
        memcpy((char *) m->vectors + offset, buf, n);
        m->vectors[vector].address &= ~UINT64_C(3);
        m->vectors[vector].control &= VECTOR_MASKED;
        for (uint16_t i = 0; i < m->n_sources; i++)
                if (m->sources[i].vector == vector)
                        update(m, &m->sources[i]);
}

static bool is_pending(const struct msix *m, const struct msix_source *s)
{
        struct pollfd p = { .fd = s->fd, .events = POLLIN };

        return m->enabled && s->vector != MSIX_NO_VECTOR && s->handle < 0 && poll(&p, 1, 0) == 1;
}

void msix_pending_read(const struct msix *m, uint64_t offset, void *buf, unsigned n_bytes)
{
        uint8_t *bytes = buf;

        memset(buf, 0, n_bytes);
        for (uint16_t i = 0; i < m->n_sources; i++) {
                uint64_t at = m->sources[i].vector / 8;

                if (at >= offset && at - offset < n_bytes && is_pending(m, &m->sources[i]))
                        bytes[at - offset] |= (uint8_t) (1U << m->sources[i].vector % 8);
        }
}
