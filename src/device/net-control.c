/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The control queue: a class, a command, its data; the device answers OK or ERR. A command is copied once, as far
 * as the longest one that makes sense, and every command says exactly how long it must be.
 *
 * Spec: VIRTIO 1.4, 5.1.6.5.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "device/net-private.h"
#include "virtio/features.h"

#define HEADER_BYTES 2

/* The data of a command, read from the chain in order. */
struct command {
        const struct chain *chain;
        size_t at, left;
};

static bool take(struct command *c, void *to, size_t n)
{
        if (n > c->left)
                return false;
        (void) chain_read(c->chain, c->at, to, n);
        c->at += n;
        c->left -= n;
        return true;
}

static bool take_all(struct command *c, void *to, size_t n) { return c->left == n && take(c, to, n); }

static bool negotiated(const struct net *net, unsigned bit) { return net->dev.negotiated & FEATURE(bit); }

static bool set_rx_mode(struct net *net, uint8_t command, struct command *c)
{
        struct net_filter *f = &net->filter;
        bool *const modes[] = {
                [VIRTIO_NET_CTRL_RX_PROMISC] = &f->promiscuous, [VIRTIO_NET_CTRL_RX_ALLMULTI] = &f->all_multicast,
                [VIRTIO_NET_CTRL_RX_ALLUNI] = &f->all_unicast,  [VIRTIO_NET_CTRL_RX_NOMULTI] = &f->no_multicast,
                [VIRTIO_NET_CTRL_RX_NOUNI] = &f->no_unicast,    [VIRTIO_NET_CTRL_RX_NOBCAST] = &f->no_broadcast,
        };
        uint8_t on;

        if (command >= ARRAY_SIZE(modes) || !negotiated(net, VIRTIO_NET_F_CTRL_RX))
                return false;
        if (command >= VIRTIO_NET_CTRL_RX_ALLUNI && !negotiated(net, VIRTIO_NET_F_CTRL_RX_EXTRA))
                return false;
        if (!take_all(c, &on, sizeof(on)) || on > 1)
                return false;
        *modes[command] = on;
        return true;
}

static bool take_macs(struct command *c, struct net_macs *ret)
{
        uint32_t n;

        memset(ret, 0, sizeof(*ret));
        if (!take(c, &n, sizeof(n)))
                return false;
        n = le32toh(n);
        if (n > c->left / 6)
                return false;
        if (n > NET_FILTER_MACS) {
                ret->overflow = true;
                c->at += (size_t) n * 6;
                c->left -= (size_t) n * 6;
                return true;
        }
        ret->n = (uint16_t) n;
        return take(c, ret->macs, (size_t) n * 6);
}

static bool set_mac(struct net *net, uint8_t command, struct command *c)
{
        struct net_macs unicast, multicast;
        uint8_t mac[6];

        switch (command) {
        case VIRTIO_NET_CTRL_MAC_TABLE_SET:
                if (!negotiated(net, VIRTIO_NET_F_CTRL_RX) || !take_macs(c, &unicast) || !take_macs(c, &multicast) ||
                    c->left > 0)
                        return false;
                net->filter.unicast = unicast;
                net->filter.multicast = multicast;
                return true;
        case VIRTIO_NET_CTRL_MAC_ADDR_SET:
                if (!negotiated(net, VIRTIO_NET_F_CTRL_MAC_ADDR) || !take_all(c, mac, sizeof(mac)))
                        return false;
                memcpy(net->filter.mac, mac, sizeof(mac));
                return true;
        default:
                return false;
        }
}

static bool set_vlan(struct net *net, uint8_t command, struct command *c)
{
        uint16_t vid;

        if (command > VIRTIO_NET_CTRL_VLAN_DEL || !negotiated(net, VIRTIO_NET_F_CTRL_VLAN))
                return false;
        if (!take_all(c, &vid, sizeof(vid)))
                return false;
        vid = le16toh(vid);
        if (vid > 4095)
                return false;
        if (command == VIRTIO_NET_CTRL_VLAN_ADD)
                net->filter.vlans[vid / 64] |= UINT64_C(1) << (vid % 64);
        else
                net->filter.vlans[vid / 64] &= ~(UINT64_C(1) << (vid % 64));
        return true;
}

static bool set_pairs(struct net *net, uint8_t command, struct command *c)
{
        uint16_t n;

        if (command != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || !negotiated(net, VIRTIO_NET_F_MQ))
                return false;
        if (!take_all(c, &n, sizeof(n)))
                return false;
        n = le16toh(n);
        if (n < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN || n > net->n_pairs)
                return false;
        net->n_active = n;
        return true;
}

static bool set_offloads(struct net *net, uint8_t command, struct command *c)
{
        const struct frame_offloads *most = &net->takes_most;
        struct frame_offloads takes;
        uint64_t bits;

        if (command != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET || !negotiated(net, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
                return false;
        if (!take_all(c, &bits, sizeof(bits)))
                return false;
        bits = le64toh(bits);
        takes = (struct frame_offloads) {
                .checksum = bits & FEATURE(VIRTIO_NET_F_GUEST_CSUM),
                .tso4 = bits & FEATURE(VIRTIO_NET_F_GUEST_TSO4),
                .tso6 = bits & FEATURE(VIRTIO_NET_F_GUEST_TSO6),
                .ecn = bits & FEATURE(VIRTIO_NET_F_GUEST_ECN),
        };
        if ((takes.checksum && !most->checksum) || (takes.tso4 && !most->tso4) || (takes.tso6 && !most->tso6) ||
            (takes.ecn && !most->ecn))
                return false;
        net->takes = takes;
        net_start_port(net);
        return true;
}

static bool acknowledge(struct net *net, uint8_t command, struct command *c)
{
        if (command != VIRTIO_NET_CTRL_ANNOUNCE_ACK || !negotiated(net, VIRTIO_NET_F_GUEST_ANNOUNCE) || c->left > 0)
                return false;
        net->announce = false;
        return true;
}

static bool execute(struct net *net, const struct chain *chain)
{
        struct command c = { .chain = chain, .left = chain->n_read_bytes };
        uint8_t header[HEADER_BYTES];

        if (!take(&c, header, sizeof(header)))
                return false;
        switch (header[0]) {
        case VIRTIO_NET_CTRL_RX:
                return set_rx_mode(net, header[1], &c);
        case VIRTIO_NET_CTRL_MAC:
                return set_mac(net, header[1], &c);
        case VIRTIO_NET_CTRL_VLAN:
                return set_vlan(net, header[1], &c);
        case VIRTIO_NET_CTRL_ANNOUNCE:
                return acknowledge(net, header[1], &c);
        case VIRTIO_NET_CTRL_MQ:
                return set_pairs(net, header[1], &c);
        case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
                return set_offloads(net, header[1], &c);
        default:
                return false;
        }
}

int net_handle_control(struct net *net, struct queue *q)
{
        struct chain c;
        int r;

        while ((r = queue_pop(q, &c)) > 0) {
                uint8_t ack;

                if (c.n_write_bytes < sizeof(ack))
                        return -EBADMSG; /* nowhere to answer */
                ack = execute(net, &c) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
                (void) chain_write(&c, 0, &ack, sizeof(ack));
                queue_push(q, &c, sizeof(ack));
        }
        (void) queue_notify(q);
        return r;
}
