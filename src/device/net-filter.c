/* SPDX-License-Identifier: MPL-2.0 */
/* Which frames the driver wants. Spec: VIRTIO 1.4, 5.1.6.5.1 to 5.1.6.5.3. */
#include <string.h>

#include "device/net-private.h"

void net_filter_reset(struct net_filter *filter, const uint8_t *mac, bool by_vlan)
{
        memset(filter, 0, sizeof(*filter));
        filter->promiscuous = true;
        filter->by_vlan = by_vlan;
        memcpy(filter->mac, mac, sizeof(filter->mac));
}

static bool macs_have(const struct net_macs *m, const uint8_t *mac)
{
        if (m->overflow)
                return true;
        for (uint16_t i = 0; i < m->n; i++)
                if (memcmp(m->macs[i], mac, 6) == 0)
                        return true;
        return false;
}

bool net_filter_passes(const struct net_filter *filter, const struct frame *f)
{
        static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

        if (likely(filter->promiscuous))
                return true;
        if (filter->by_vlan && frame_ether_type(f) == 0x8100 && f->n_head >= 16) {
                uint16_t vid = (uint16_t) (f->head[14] << 8 | f->head[15]) & 0xfff;

                if ((filter->vlans[vid / 64] >> (vid % 64) & 1) == 0)
                        return false;
        }
        if (memcmp(f->head, broadcast, sizeof(broadcast)) == 0)
                return !filter->no_broadcast;
        if (f->head[0] & 1)
                return !filter->no_multicast && (filter->all_multicast || macs_have(&filter->multicast, f->head));
        if (filter->no_unicast)
                return false;
        return filter->all_unicast || memcmp(f->head, filter->mac, 6) == 0 || macs_have(&filter->unicast, f->head);
}
