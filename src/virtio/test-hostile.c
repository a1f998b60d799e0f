/* SPDX-License-Identifier: MPL-2.0 */
#include "virtio/test-hostile.h"

#include <string.h>

bool is_packed(const struct rig *rig)
{
        return rig->dq.packed;
}

struct vring_avail *avail_of(struct rig *rig)
{
        return rig->dq.driver_p;
}

void put_descriptor(struct rig *rig, unsigned i, const struct piece *p)
{
        struct vring_packed_desc *ring = rig->dq.descriptors_p;
        struct vring_desc *table = rig->dq.descriptors_p;

        if (is_packed(rig))
                ring[i] = (struct vring_packed_desc) { p->address, p->len, 7,
                                                       p->flags | 1U << VRING_PACKED_DESC_F_AVAIL };
        else
                table[i] = (struct vring_desc) { p->address, p->len, p->flags, p->next };
}

void offer(struct rig *rig, const struct piece *pieces, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                put_descriptor(rig, i, &pieces[i]);
        if (!is_packed(rig)) {
                avail_of(rig)->ring[0] = 0;
                avail_of(rig)->idx = 1;
        }
}

void put_table(struct rig *rig, gpa_t at, const struct piece *pieces, unsigned n)
{
        for (unsigned i = 0; i < n; i++) {
                const struct piece *p = &pieces[i];
                struct vring_desc split = { p->address, p->len, p->flags, p->next };
                struct vring_packed_desc packed = { p->address, p->len, 0, p->flags };
                char *entry = space_pointer(rig->space, at + i * 16, 16, 1);

                memcpy(entry, is_packed(rig) ? (void *) &packed : (void *) &split, 16);
        }
}

void renew(struct rig *rig)
{
        device_reset(&rig->dev);
        driver_queue_deinit(&rig->dq);
        assert_int_equal(driver_queue_init(&rig->dq, rig->space, RIG_RING, rig->setup.features, rig->setup.size, 0), 0);
        rig->dq.kick_fd = rig->kick_fd;
        assert_int_equal(device_start(&rig->dev, rig->setup.features), 0);
        rig->n_needs_reset = 0;
        rig->handle = rig_echo;
}

void works_again(struct rig *rig)
{
        uint32_t len;
        void *cookie;

        renew(rig);
        rig_start(rig);
        assert_int_equal(rig_add(rig, 0, 32, 0), 0);
        (void) driver_queue_kick(&rig->dq);
        rig_run(rig);
        assert_int_equal(driver_queue_get(&rig->dq, &cookie, &len), 1);
        assert_int_equal(len, 32);
        renew(rig);
}

void expect_broken(struct rig *rig)
{
        rig_start(rig);
        rig_run(rig);
        assert_true(rig->q->broken);
        assert_int_equal(rig->n_needs_reset, 1);
        assert_int_equal(rig->q->n_pushed, 0);
        queue_kick(rig->q);
        rig_run(rig);
        assert_int_equal(rig->n_handled, 1);
        rig->n_handled = 0;
        works_again(rig);
        rig->q->n_pushed = 0;
        rig->n_handled = 0;
}

void expect_popped(struct rig *rig, uint32_t n_read_bytes, uint32_t n_write_bytes)
{
        struct chain c;

        rig_start(rig);
        rig->q->budget = 1;
        assert_int_equal(queue_pop(rig->q, &c), 1);
        assert_int_equal(c.n_read_bytes, n_read_bytes);
        assert_int_equal(c.n_write_bytes, n_write_bytes);
        queue_push(rig->q, &c, c.n_write_bytes);
        queue_notify(rig->q);
        works_again(rig);
        rig->q->n_pushed = 0;
        rig->n_handled = 0;
}
