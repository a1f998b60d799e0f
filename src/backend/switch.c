/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The way of a frame:
 *
 *      send() ─► classify (VLAN, tag taken off) ─► learn source ─► find destination ─► output
 *                                                                   │ none, or a group: flood limit, all of the VLAN
 *      output: tag put on where wanted ─► offloads that the receiver lacks (gso.c) ─► its buffers
 *                                                                   │ none free: its backlog; full: dropped, counted
 *
 * A frame inside the switch is untagged and has its VLAN beside it; a frame from a port without VLAN is in VLAN 0
 * as it is.
 */
#include "backend/switch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backend/switch-internal.h"
#include "base/loop.h"
#include "base/macros.h"

#define FLOOD_BURST_MIN 256

static bool is_group(const uint8_t *mac) { return mac[0] & 1; }

/* 01:80:c2:00:00:00 to 0f: for the other end of a cable, not for those beyond (802.1D, 7.12.6). */
static bool is_link_local(const uint8_t *mac)
{
        static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

        return memcmp(mac, prefix, sizeof(prefix)) == 0 && mac[5] < 16;
}

static void mark_dirty(struct switch_fabric *s, struct switch_port *sp)
{
        if (!sp->dirty) {
                sp->dirty = true;
                s->dirty[s->n_dirty++] = sp;
        }
}

static void flush_dirty(struct switch_fabric *s)
{
        while (s->n_dirty > 0) {
                struct switch_port *sp = s->dirty[--s->n_dirty];

                sp->dirty = false;
                if (sp->up)
                        sp->out->flush(sp->out->data);
        }
}

/* What gso_finish() needs to hand its frames on. */
struct outlet {
        struct switch_port *to;
        uint16_t from;
};

static void output_one(struct switch_port *to, uint16_t from, const struct frame *f)
{
        int r = -EAGAIN;

        if (likely(backlog_is_empty(&to->backlog)))
                r = to->out->deliver(to->out->data, f);
        if (likely(r == 0)) {
                to->n_out_frames++;
                to->n_out_bytes += f->n_bytes;
                mark_dirty(to->fabric, to);
        } else if (r != -EAGAIN)
                to->n_drop_size++;
        else if (backlog_add(&to->backlog, from, f) < 0)
                to->n_drop_full++;
        else
                to->n_queued++;
}

static void output_finished(void *data, const struct frame *f)
{
        struct outlet *o = data;

        output_one(o->to, o->from, f);
}

/* @f: as it is inside the switch. */
static void output(struct switch_port *to, struct switch_port *from, const struct frame *f, uint16_t vlan, uint16_t tci)
{
        uint8_t buffer[FRAME_HEAD_MAX + FRAME_TAG_BYTES];
        struct outlet o = { .to = to, .from = from->index };
        struct frame tagged;

        if (!to->up) {
                to->n_drop_down++;
                return;
        }
        if (unlikely(to->vlan == SWITCH_VLAN_TRUNK)) {
                if (vlan != SWITCH_VLAN_NONE) {
                        frame_tag(f, tci, buffer, &tagged);
                        f = &tagged;
                } else if (frame_ether_type(f) == SWITCH_TYPE_VLAN) {
                        /* Would come out as a frame of a VLAN that its sender has no part in. */
                        to->n_drop_vlan++;
                        return;
                }
        }
        if (likely(frame_suits(f, &to->can)))
                output_one(to, from->index, f);
        else {
                if (!from->fabric->scratch)
                        from->fabric->scratch = malloc(FRAME_MAX_BYTES + FRAME_TAG_BYTES);
                if (!from->fabric->scratch || gso_finish(f, from->fabric->scratch, output_finished, &o) < 0)
                        from->n_drop_bad++;
        }
}

static bool port_carries(const struct switch_port *sp, uint16_t vlan)
{
        return sp->vlan == vlan || sp->vlan == SWITCH_VLAN_TRUNK;
}

static void flood(struct switch_port *from, const struct frame *f, uint16_t vlan, uint16_t tci)
{
        struct switch_fabric *s = from->fabric;

        if (!ratelimit_take(&from->flood, 1, s->now_ns)) {
                from->n_drop_flood++;
                return;
        }
        for (uint16_t i = 0; i < SWITCH_PORTS_MAX; i++) {
                struct switch_port *to = s->ports[i];

                if (to && to != from && to->up && port_carries(to, vlan))
                        output(to, from, f, vlan, tci);
        }
}

/* Puts a frame into its VLAN. Return: 0; -EPROTO if it has no place in this port. */
static int classify(struct switch_port *sp, const struct frame **f, struct frame *untagged, uint8_t *buffer,
                    uint16_t *ret_vlan, uint16_t *ret_tci)
{
        uint16_t tci, vid;

        *ret_vlan = *ret_tci = 0;
        if (likely(sp->vlan == SWITCH_VLAN_NONE))
                return 0;

        tci = sp->vlan == SWITCH_VLAN_TRUNK ? 0 : sp->vlan;
        if (frame_ether_type(*f) == SWITCH_TYPE_VLAN) {
                if ((*f)->n_head < FRAME_MIN_BYTES + FRAME_TAG_BYTES)
                        return -EPROTO;
                /* No outlet for a checksum that starts within the tag. */
                if (((*f)->header.flags & FRAME_NEEDS_CHECKSUM) &&
                    (*f)->header.csum_start < FRAME_MIN_BYTES + FRAME_TAG_BYTES)
                        return -EPROTO;
                tci = (uint16_t) ((*f)->head[14] << 8 | (*f)->head[15]);
                vid = tci & 0xfff;
                if (vid == SWITCH_VLAN_TRUNK)
                        return -EPROTO;
                if (sp->vlan != SWITCH_VLAN_TRUNK) {
                        if (vid != 0) /* 0: a priority tag, of no VLAN */
                                return -EPROTO;
                        tci |= sp->vlan;
                }
                frame_untag(*f, buffer, untagged);
                *f = untagged;
        }
        *ret_tci = tci;
        *ret_vlan = tci & 0xfff;
        return 0;
}

static int learn(struct switch_port *sp, const uint8_t *mac, uint16_t vlan)
{
        struct switch_fabric *s = sp->fabric;
        uint64_t key = fdb_key(mac, vlan);

        if (likely(key == sp->learned_key && s->now_s == sp->learned_s && s->fdb.generation == sp->learned_generation))
                return 0;
        if (is_group(mac) || fdb_learn(&s->fdb, key, sp->index, s->now_s) < 0)
                return -EPERM;
        sp->learned_key = key;
        sp->learned_s = s->now_s;
        sp->learned_generation = s->fdb.generation;
        return 0;
}

static uint16_t find(struct switch_port *sp, const uint8_t *mac, uint16_t vlan)
{
        struct switch_fabric *s = sp->fabric;
        uint64_t key = fdb_key(mac, vlan);

        if (key != sp->found_key || s->now_s != sp->found_s || s->fdb.generation != sp->found_generation) {
                sp->found_port = fdb_find(&s->fdb, key, s->now_s);
                sp->found_key = key;
                sp->found_s = s->now_s;
                sp->found_generation = s->fdb.generation;
        }
        return sp->found_port;
}

static void begin_burst(struct switch_port *sp)
{
        struct switch_fabric *s = sp->fabric;

        sp->in_burst = true;
        s->now_ns = clock_now_ns();
        s->now_s = (uint32_t) (s->now_ns / NSEC_PER_SEC) + 1; /* 0: never */
}

void switch_input(struct switch_port *sp, const struct frame *f)
{
        uint8_t buffer[FRAME_HEAD_MAX];
        struct frame untagged;
        uint16_t vlan, tci, to;

        if (!sp->in_burst)
                begin_burst(sp);
        sp->n_in_frames++;
        sp->n_in_bytes += f->n_bytes;

        if (classify(sp, &f, &untagged, buffer, &vlan, &tci) < 0) {
                sp->n_drop_vlan++;
                return;
        }
        if (learn(sp, f->head + 6, vlan) < 0) {
                sp->n_drop_source++;
                return;
        }
        if (is_group(f->head)) {
                if (is_link_local(f->head))
                        sp->n_drop_local++;
                else
                        flood(sp, f, vlan, tci);
                return;
        }

        to = find(sp, f->head, vlan);
        if (unlikely(to == FDB_NONE || !sp->fabric->ports[to]))
                flood(sp, f, vlan, tci);
        else if (to == sp->index)
                sp->n_drop_local++;
        else if (unlikely(!port_carries(sp->fabric->ports[to], vlan)))
                sp->n_drop_vlan++;
        else
                output(sp->fabric->ports[to], sp, f, vlan, tci);
}

void switch_input_end(struct switch_port *sp)
{
        sp->in_burst = false;
        flush_dirty(sp->fabric);
}

void switch_drain(struct switch_port *sp)
{
        while (sp->up && !backlog_is_empty(&sp->backlog)) {
                struct iovec rest;
                struct frame f = backlog_first(&sp->backlog, &rest);
                int r = sp->out->deliver(sp->out->data, &f);

                if (r == -EAGAIN)
                        break;
                if (r < 0)
                        sp->n_drop_size++;
                else {
                        sp->n_out_frames++;
                        sp->n_out_bytes += f.n_bytes;
                        mark_dirty(sp->fabric, sp);
                }
                backlog_drop_first(&sp->backlog);
        }
        flush_dirty(sp->fabric);
}

void switch_port_up(struct switch_port *sp, const struct frame_offloads *can)
{
        /* What waits was made for what the receiver could take before. */
        sp->n_drop_down += backlog_clear(&sp->backlog);
        sp->can = *can;
        sp->up = true;
}

void switch_port_down(struct switch_port *sp)
{
        struct switch_fabric *s = sp->fabric;

        if (!sp->up)
                return;
        sp->up = false;
        sp->n_drop_down += backlog_clear(&sp->backlog);
        fdb_forget(&s->fdb, sp->index);
}

int switch_new(const struct switch_options *options, struct switch_fabric **ret)
{
        struct switch_fabric *s;
        uint64_t seed;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->options = *options;
        if (s->options.aging_s == 0)
                s->options.aging_s = 300;
        if (s->options.stations == 0)
                s->options.stations = 256;
        if (s->options.queue_frames == 0)
                s->options.queue_frames = 1024;
        if (s->options.queue_bytes == 0)
                s->options.queue_bytes = 1 << 20;

        if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                seed = clock_now_ns();
        r = fdb_init(&s->fdb, SWITCH_PORTS_MAX, s->options.stations, s->options.aging_s, seed);
        if (r < 0) {
                free(s);
                return r;
        }
        *ret = s;
        return 0;
}

struct switch_fabric *switch_free(struct switch_fabric *s)
{
        if (!s)
                return NULL;
        for (uint16_t i = 0; i < SWITCH_PORTS_MAX; i++)
                if (s->ports[i] && s->ports[i]->below)
                        s->ports[i] = switch_port_free(s->ports[i]);
        for (uint16_t i = 0; i < SWITCH_PORTS_MAX; i++)
                assert(!s->ports[i]);
        fdb_deinit(&s->fdb);
        free(s->scratch);
        free(s);
        return NULL;
}

uint64_t switch_flood_burst(uint64_t per_second)
{
        return MAX(per_second / 8, (uint64_t) FLOOD_BURST_MIN);
}
