/* SPDX-License-Identifier: MPL-2.0 */
/* busbar device net: network cards on a switch of ours, on taps, or on user-mode networks. See docs/devices/net.md. */
#include <errno.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "backend/port.h"
#include "backend/switch.h"
#include "backend/tap.h"
#include "backend/user.h"
#include "base/cleanup.h"
#include "base/macros.h"
#include "device/net.h"
#include "server/net-control.h"
#include "server/server.h"
#include "server/types.h"
#include "virtio/device.h"

#define FORWARDS_MAX 64

enum net_backend { BACKEND_SWITCH, BACKEND_TAP, BACKEND_USER };

static const char *const net_backends[] = { "switch", "tap", "user", NULL };

static const struct setting_spec net_settings[] = {
        { .name = "backend", .kind = SETTING_CHOICE, .scope = SETTING_SERVER, .choices = net_backends,
          .default_text = "switch", .help = "what the guests are connected to" },
        { .name = "uplink", .kind = SETTING_STRING, .scope = SETTING_SERVER, .default_text = "none",
          .argument = "none|user|tap=NAME", .help = "switch: a network beyond the guests" },
        { .name = "flood-rate", .kind = SETTING_NUMBER, .scope = SETTING_SERVER, .default_text = "20000",
          .max = 1000000000, .help = "switch: broadcast, group and unknown frames a second a port; 0: no limit" },
        { .name = "stations", .kind = SETTING_NUMBER, .scope = SETTING_SERVER, .default_text = "256", .min = 1,
          .max = 1000, .help = "switch: MAC addresses remembered a port" },
        { .name = "aging", .kind = SETTING_NUMBER, .scope = SETTING_SERVER, .default_text = "300", .min = 1,
          .max = 1000000, .help = "switch: seconds after which a silent address is forgotten" },
        { .name = "queue-frames", .kind = SETTING_NUMBER, .scope = SETTING_SERVER, .default_text = "1024", .min = 2,
          .max = 65536, .help = "switch: frames that may wait for one port" },
        { .name = "queue-bytes", .kind = SETTING_SIZE, .scope = SETTING_SERVER, .default_text = "1M", .min = 131072,
          .max = 1 << 30, .help = "switch: bytes that may wait for one port" },
        { .name = "restrict", .kind = SETTING_BOOL, .scope = SETTING_SERVER,
          .help = "user network: nothing but DHCP, forwards and the guests themselves" },
        { .name = "host-loopback", .kind = SETTING_BOOL, .scope = SETTING_SERVER, .default_text = "on",
          .help = "user network: 10.0.2.2 is the host's 127.0.0.1" },
        { .name = "ipv6", .kind = SETTING_BOOL, .scope = SETTING_SERVER, .default_text = "on",
          .help = "user network: IPv6, too" },
        { .name = "forward", .kind = SETTING_STRING, .scope = SETTING_SERVER, .repeatable = true,
          .argument = "tcp|udp:[HOSTADDR]:PORT-[GUESTADDR]:PORT",
          .help = "user network: a port of the host that leads to a guest" },
        { .name = "control", .kind = SETTING_PATH, .scope = SETTING_SERVER,
          .help = "unix socket that answers JSON requests: counters of guests and ports" },

        { .name = "mac", .kind = SETTING_STRING, .scope = SETTING_GUEST, .argument = "XX:XX:XX:XX:XX:XX",
          .help = "address of the card; on a switch no other port can take it" },
        { .name = "queues", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .default_text = "1", .min = 1,
          .max = NET_PAIRS_MAX, .help = "pairs of queues that the guest may use" },
        { .name = "mtu", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .min = NET_MTU_MIN, .max = NET_MTU_MAX,
          .help = "advised to the guest" },
        { .name = "vlan", .kind = SETTING_STRING, .scope = SETTING_GUEST, .argument = "1-4094|trunk",
          .help = "switch: VLAN of the port; trunk: all, tagged" },
        { .name = "tap", .kind = SETTING_STRING, .scope = SETTING_GUEST, .argument = "NAME",
          .help = "tap: interface" },
        { .name = "tap-fd", .kind = SETTING_STRING, .scope = SETTING_GUEST, .repeatable = true, .argument = "FD",
          .help = "tap: open descriptor; one a pair of queues" },
        { .name = NULL },
};

static const struct feature_name net_feature_names[] = {
        { "csum", VIRTIO_NET_F_CSUM },
        { "guest-csum", VIRTIO_NET_F_GUEST_CSUM },
        { "ctrl-guest-offloads", VIRTIO_NET_F_CTRL_GUEST_OFFLOADS },
        { "mtu", VIRTIO_NET_F_MTU },
        { "mac", VIRTIO_NET_F_MAC },
        { "guest-tso4", VIRTIO_NET_F_GUEST_TSO4 },
        { "guest-tso6", VIRTIO_NET_F_GUEST_TSO6 },
        { "guest-ecn", VIRTIO_NET_F_GUEST_ECN },
        { "host-tso4", VIRTIO_NET_F_HOST_TSO4 },
        { "host-tso6", VIRTIO_NET_F_HOST_TSO6 },
        { "host-ecn", VIRTIO_NET_F_HOST_ECN },
        { "mrg-rxbuf", VIRTIO_NET_F_MRG_RXBUF },
        { "status", VIRTIO_NET_F_STATUS },
        { "ctrl-vq", VIRTIO_NET_F_CTRL_VQ },
        { "ctrl-rx", VIRTIO_NET_F_CTRL_RX },
        { "ctrl-vlan", VIRTIO_NET_F_CTRL_VLAN },
        { "ctrl-rx-extra", VIRTIO_NET_F_CTRL_RX_EXTRA },
        { "guest-announce", VIRTIO_NET_F_GUEST_ANNOUNCE },
        { "mq", VIRTIO_NET_F_MQ },
        { "ctrl-mac-addr", VIRTIO_NET_F_CTRL_MAC_ADDR },
        { NULL, 0 },
};

#define ALL_32 UINT32_MAX

static const struct sandbox_call tap_calls[] = {
        SANDBOX_CALL_IF("ioctl", 1, ALL_32, TUNSETOFFLOAD),
        { .name = NULL },
};

/* What libslirp does for its sockets. */
static const struct sandbox_call user_calls[] = {
        SANDBOX_CALL("accept"),
        SANDBOX_CALL("bind"),
        SANDBOX_CALL("connect"),
        SANDBOX_CALL("getpeername"),
        SANDBOX_CALL("getsockname"),
        SANDBOX_CALL("getsockopt"),
        SANDBOX_CALL_IF("ioctl", 1, ALL_32, FIONREAD),
        SANDBOX_CALL("listen"),
        SANDBOX_CALL("newfstatat"),
        SANDBOX_CALL("openat"),
        SANDBOX_CALL("recvfrom"),
        SANDBOX_CALL("sendto"),
        SANDBOX_CALL("setsockopt"),
        SANDBOX_CALL("socket"),
        { .name = NULL },
};

struct net_server {
        enum net_backend backend;
        struct switch_fabric *fabric; /* owned */
        struct net_control *control;  /* owned; NULL: none wanted */
        bool uses_tap, uses_user;
        unsigned n_guests;
};

/* Return: 0 or -EINVAL. */
static int parse_mac(const char *text, uint8_t ret[6])
{
        uint8_t mac[6];
        int n = 0;

        if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5],
                   &n) != 6 || n != 17 || text[n] != '\0' || (mac[0] & 1))
                return -EINVAL;
        memcpy(ret, mac, sizeof(mac));
        return 0;
}

/* Return: the number; -EINVAL. */
static int parse_number(const char *text, long min, long max)
{
        char *end;
        long v;

        if (text[0] < '0' || text[0] > '9')
                return -EINVAL;
        errno = 0;
        v = strtol(text, &end, 10);
        return *end != '\0' || errno != 0 || v < min || v > max ? -EINVAL : (int) v;
}

static int parse_vlan(const char *text, uint16_t *ret)
{
        int v;

        if (strcmp(text, "trunk") == 0) {
                *ret = SWITCH_VLAN_TRUNK;
                return 0;
        }
        v = parse_number(text, 1, 4094);
        if (v < 0)
                return v;
        *ret = (uint16_t) v;
        return 0;
}

static int open_user(struct server *server, struct port **ret)
{
        const struct settings *s = server_settings(server);
        struct net_server *ns = server_data(server);
        const char *forwards[FORWARDS_MAX], *bad = NULL;
        struct user_options options = {
                .restricted = settings_bool(s, "restrict"),
                .no_host_loopback = !settings_bool(s, "host-loopback"),
                .no_ipv6 = !settings_bool(s, "ipv6"),
                .forwards = forwards,
                .n_forwards = settings_count(s, "forward"),
        };
        int r;

        if (options.n_forwards > FORWARDS_MAX)
                return server_error(server, -EINVAL, "more than %d forwards", FORWARDS_MAX);
        for (size_t i = 0; i < options.n_forwards; i++)
                forwards[i] = settings_string_at(s, "forward", i);
        r = user_open(server_loop(server), &options, ret, &bad);
        if (r == -EINVAL && bad)
                return server_error(server, r, "forward=%s: expected tcp|udp:[HOSTADDR]:PORT-[GUESTADDR]:PORT", bad);
        if (r < 0 && bad)
                return server_error(server, r, "forward=%s: %s", bad, strerror(-r));
        if (r < 0)
                return server_error(server, r, "user-mode network: %s", strerror(-r));
        ns->uses_user = true;
        return 0;
}

static int open_tap_by_name(struct server *server, const char *name, uint16_t n_pairs, struct port **ret)
{
        struct net_server *ns = server_data(server);
        const struct tap_options options = { .name = name, .n_queues = n_pairs };
        int r;

        r = tap_open(server_loop(server), &options, ret);
        switch (r) {
        case 0:
                ns->uses_tap = true;
                return 0;
        case -EPERM:
                return server_error(
                        server, r,
                        "tap %s: not permitted: have it made for this user (ip tuntap add %s mode tap user $USER%s)",
                        name, name, n_pairs > 1 ? " multi_queue" : "");
        case -EINVAL:
                return server_error(server, r, "tap %s: not a name, not a tap, or made for %s", name,
                                    n_pairs > 1 ? "one queue only" : "several queues");
        default:
                return server_error(server, r, "tap %s: %s", name, strerror(-r));
        }
}

static int add_uplink(struct server *server, const char *uplink)
{
        static const struct switch_port_options options = { .name = "uplink" };
        struct net_server *ns = server_data(server);
        auto_cleanup(port_freep) struct port *below = NULL;
        int r;

        if (strcmp(uplink, "none") == 0)
                return 0;
        if (strcmp(uplink, "user") == 0)
                r = open_user(server, &below);
        else if (strncmp(uplink, "tap=", 4) == 0)
                r = open_tap_by_name(server, uplink + 4, 1, &below);
        else
                return server_error(server, -EINVAL, "uplink=%s: expected none, user or tap=NAME", uplink);
        if (r == 0)
                r = switch_add_uplink(ns->fabric, &options, below);
        if (r == 0)
                below = NULL;
        return r;
}

static int open_switch(struct server *server, const struct settings *s)
{
        struct net_server *ns = server_data(server);
        struct switch_options options = {
                .aging_s = (uint32_t) settings_number(s, "aging"),
                .stations = (uint16_t) settings_number(s, "stations"),
                .flood_per_second = settings_number(s, "flood-rate"),
                .queue_frames = (uint32_t) settings_number(s, "queue-frames"),
                .queue_bytes = (uint32_t) settings_number(s, "queue-bytes"),
        };
        int r;

        r = switch_new(&options, &ns->fabric);
        return r < 0 ? r : add_uplink(server, settings_string(s, "uplink"));
}

static int net_open(struct server *server, const struct settings *s)
{
        struct net_server *ns = calloc(1, sizeof(*ns));
        const char *path = settings_string(s, "control");
        int r = 0;

        if (!ns)
                return -ENOMEM;
        ns->backend = settings_choice(s, "backend");
        server_set_data(server, ns);
        if (ns->backend == BACKEND_SWITCH)
                r = open_switch(server, s);
        else if (settings_given(s, "uplink"))
                return server_error(server, -EINVAL, "uplink is for --backend=switch");
        if (r == 0 && ns->backend != BACKEND_USER && !ns->uses_user && settings_count(s, "forward") > 0)
                return server_error(server, -EINVAL, "forward is for --backend=user, or a switch with --uplink=user");
        if (r == 0 && path) {
                r = net_control_new(server_loop(server), path, ns->fabric, &ns->control);
                if (r < 0)
                        return server_error(server, r, "control=%s: %s", path, strerror(-r));
        }
        return r;
}

static int open_guest_tap(struct server *server, const struct settings *guest, uint16_t n_pairs, struct port **ret)
{
        struct net_server *ns = server_data(server);
        size_t n = settings_count(guest, "tap-fd");
        const char *name = settings_string(guest, "tap");
        int fds[TAP_QUEUES_MAX], r;
        const struct tap_options options = { .fds = fds, .n_queues = n_pairs };

        if (!name == (n == 0))
                return server_error(server, -EINVAL, "give either tap or tap-fd");
        if (name)
                return open_tap_by_name(server, name, n_pairs, ret);
        if (n != n_pairs)
                return server_error(server, -EINVAL, "%zu times tap-fd for queues=%u: expected one each", n, n_pairs);
        for (size_t i = 0; i < n; i++) {
                r = parse_number(settings_string_at(guest, "tap-fd", i), 3, INT_MAX);
                if (r < 0)
                        return server_error(server, r, "tap-fd=%s: expected the number of a descriptor",
                                            settings_string_at(guest, "tap-fd", i));
                fds[i] = r;
        }
        r = tap_open(server_loop(server), &options, ret);
        if (r < 0)
                return server_error(server, r,
                                    "tap-fd: expected open taps without packet information and with IFF_VNET_HDR: %s",
                                    strerror(-r));
        ns->uses_tap = true;
        return 0;
}

static int open_port(struct server *server, const struct settings *guest, const char *id, const uint8_t *mac,
                     uint16_t n_pairs, struct port **ret)
{
        struct net_server *ns = server_data(server);
        const char *vlan = settings_string(guest, "vlan");
        struct switch_port_options options = { .name = id, .mac = mac };
        int r;

        if (ns->backend != BACKEND_TAP && (settings_given(guest, "tap") || settings_given(guest, "tap-fd")))
                return server_error(server, -EINVAL, "tap and tap-fd are for --backend=tap");
        if (ns->backend != BACKEND_SWITCH && vlan)
                return server_error(server, -EINVAL, "vlan is for --backend=switch");
        if (ns->backend == BACKEND_TAP)
                return open_guest_tap(server, guest, n_pairs, ret);
        if (ns->backend == BACKEND_USER) {
                if (ns->n_guests > 1 && settings_count(server_settings(server), "forward") > 0)
                        return server_error(server, -EINVAL,
                                            "forward needs a single guest, or a switch with uplink=user");
                return open_user(server, ret);
        }

        if (vlan && parse_vlan(vlan, &options.vlan) < 0)
                return server_error(server, -EINVAL, "vlan=%s: expected 1 to 4094 or trunk", vlan);
        r = switch_add_port(ns->fabric, &options, ret);
        if (r == -EEXIST)
                return server_error(server, r, "mac=%s is that of another guest", settings_string(guest, "mac"));
        return r;
}

static int net_guest_new(struct server *server, const struct settings *guest, const char *id, struct device **ret)
{
        struct net_server *ns = server_data(server);
        auto_cleanup(port_freep) struct port *port = NULL;
        const char *mac_text = settings_string(guest, "mac");
        uint8_t mac[6];
        struct net_options options = {
                .name = id,
                .mac = mac_text ? mac : NULL,
                .n_pairs = (uint16_t) settings_number(guest, "queues"),
                .mtu = (uint16_t) settings_number(guest, "mtu"),
        };
        struct device *dev;
        int r;

        if (mac_text && parse_mac(mac_text, mac) < 0)
                return server_error(server, -EINVAL,
                                    "mac=%s: expected the address of one station, as in 52:54:00:12:34:56", mac_text);
        ns->n_guests++;
        r = open_port(server, guest, id, options.mac, options.n_pairs, &port);
        if (r < 0)
                return r;
        r = net_new(server_loop(server), &options, port, &dev);
        if (r < 0)
                return r;
        port = NULL;
        if (ns->control && net_control_add(ns->control, id, dev) < 0) {
                device_free(dev);
                return -ENOMEM;
        }
        *ret = dev;
        return 0;
}

static int net_sandbox(struct server *server, struct sandbox *sandbox)
{
        struct net_server *ns = server_data(server);
        int r = 0;

        if (ns->uses_tap)
                r = sandbox_allow_calls(sandbox, tap_calls);
        if (r == 0 && ns->uses_user) {
                sandbox->network = true;
                r = sandbox_allow_calls(sandbox, user_calls);
                /* Its name server is the host's. */
                if (r == 0)
                        (void) sandbox_allow_path(sandbox, "/etc/resolv.conf", SANDBOX_READ);
        }
        if (r == 0 && ns->control)
                r = net_control_sandbox(ns->control, sandbox);
        return r;
}

static void net_close(struct server *server)
{
        struct net_server *ns = server_data(server);

        if (!ns)
                return;
        net_control_free(ns->control);
        switch_free(ns->fabric);
        free(ns);
        server_set_data(server, NULL);
}

static const char *const net_capabilities[] = { NULL };

const struct server_type server_type_net = {
        .name = "net",
        .summary = "Network cards on a switch, on taps or on user-mode networks",
        .vhost_type = "net",
        .settings = net_settings,
        .guest_new = net_guest_new,
        .capabilities = net_capabilities,
        .features = net_feature_names,
        .open = net_open,
        .sandbox = net_sandbox,
        .close = net_close,
};
