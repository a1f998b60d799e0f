/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Several pairs: frames of a flow go to the pair on which the driver last sent frames of the other direction of
 * that flow (VIRTIO 1.4, 5.1.6.5.5.1). A flow is its addresses and ports; the hash does not mind which is which.
 */
#include <string.h>

#include "device/net-private.h"

static uint32_t load32(const uint8_t *p)
{
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

static uint32_t flow_hash(const struct frame *f)
{
        const uint8_t *p = f->head;
        uint32_t sum = 0, at = 0;
        uint16_t type = frame_ether_type(f);
        uint8_t protocol = 0;

        if (type == 0x0800 && f->n_head >= 34) {
                sum = load32(p + 26) + load32(p + 30);
                protocol = p[23];
                if ((p[20] & 0x3f) == 0 && p[21] == 0) /* a fragment has no ports */
                        at = 14 + 4 * (uint32_t) (p[14] & 15);
        } else if (type == 0x86dd && f->n_head >= 54) {
                for (int i = 22; i < 54; i += 4)
                        sum += load32(p + i);
                protocol = p[20];
                at = 54;
        } else
                sum = load32(p + 2) + load32(p + 8);
        if ((protocol == 6 || protocol == 17) && at > 0 && at + 4 <= f->n_head)
                sum += (uint32_t) (p[at] << 8 | p[at + 1]) + (uint32_t) (p[at + 2] << 8 | p[at + 3]);
        sum = (sum ^ sum >> 16 ^ protocol) * 0x85ebca6bu;
        sum = (sum ^ sum >> 13) * 0xc2b2ae35u;
        return sum ^ sum >> 16;
}

void net_flow_learn(struct net *net, const struct frame *f, uint16_t pair)
{
        net->flows[flow_hash(f) % NET_FLOWS] = (uint8_t) (pair + 1);
}

uint16_t net_flow_pair(const struct net *net, const struct frame *f)
{
        uint32_t hash = flow_hash(f);
        uint8_t pair = net->flows[hash % NET_FLOWS];

        return (uint16_t) ((pair > 0 ? pair - 1u : hash) % net->n_active);
}
