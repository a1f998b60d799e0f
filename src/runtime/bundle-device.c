/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/bundle-device.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json-reader.h"
#include "runtime/bundle.h"
#include "runtime/fields.h"

#define QUEUES_MAX 64
#define QUEUE_PAIRS_MAX 16
#define QUEUE_SIZE_MIN 16
#define QUEUE_SIZE_MAX 1024
#define SERIAL_MAX 20 /* VIRTIO 1.4, 5.2.6: VIRTIO_BLK_T_GET_ID */

/* In the order of enum device_type and enum device_transport. */
static const char *const types[] = { "blk", "net", "rng", "console", "gpu", "input", "sound", NULL };
static const char *const transports[] = { "pci", "mmio", NULL };
/* In the order of enum input_kind. */
static const char *const kinds[] = { "touch", "keyboard", "pointer", "rotary", NULL };

#define COMMON_MEMBERS "id", "type", "transport", "packed"

static const char *const members[][12] = {
        [DEVICE_BLK] = { COMMON_MEMBERS, "image", "format", "readOnly", "serial", "queues", "queueSize" },
        [DEVICE_NET] = { COMMON_MEMBERS, "network", "mac", "queues", "queueSize" },
        [DEVICE_RNG] = { COMMON_MEMBERS, "bytesPerSecond" },
        [DEVICE_CONSOLE] = { COMMON_MEMBERS },
        [DEVICE_GPU] = { COMMON_MEMBERS, "display", "displays", "render3d" },
        [DEVICE_INPUT] = { COMMON_MEMBERS, "kind", "display" },
        [DEVICE_SOUND] = { COMMON_MEMBERS, "audio" },
};

void bundle_device_defaults(struct bundle_device *d)
{
        d->transport = TRANSPORT_PCI;
        d->packed = true;
        d->n_queues = 1;
        d->queue_size = d->type == DEVICE_BLK || d->type == DEVICE_NET || d->type == DEVICE_GPU ? 256 : 64;
}

void bundle_device_deinit(struct bundle_device *d)
{
        free(d->id);
        free(d->image);
        free(d->serial);
        free(d->network);
        for (size_t i = 0; i < d->n_displays; i++)
                free(d->displays[i]);
        free(d->displays);
        free(d->audio);
        *d = (struct bundle_device) { 0 };
}

const char *input_kind_name(enum input_kind kind) { return kinds[kind]; }

int mac_from_text(const char *s, uint8_t ret[6])
{
        uint8_t mac[6] = { 0 };

        if (strlen(s) != 17)
                return -EINVAL;
        for (size_t i = 0; i < 17; i++) {
                unsigned char c = (unsigned char) s[i];

                if (i % 3 == 2) {
                        if (c != ':')
                                return -EINVAL;
                        continue;
                }
                if (!isxdigit(c))
                        return -EINVAL;
                mac[i / 3] = (uint8_t) (mac[i / 3] << 4 | (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10));
        }
        if (mac[0] & 1 || memcmp(mac, (uint8_t[6]) { 0 }, sizeof(mac)) == 0)
                return -EINVAL;
        memcpy(ret, mac, sizeof(mac));
        return 0;
}

static int parse_queues(const struct json_node *entry, struct bundle_device *d)
{
        uint64_t number = d->n_queues, size = d->queue_size;
        struct json_node node;
        int r;

        r = node_get_uint(entry, "queues", 1, d->type == DEVICE_NET ? QUEUE_PAIRS_MAX : QUEUES_MAX, &number);
        if (r < 0)
                return r;
        r = node_get_uint(entry, "queueSize", QUEUE_SIZE_MIN, QUEUE_SIZE_MAX, &size);
        if (r < 0)
                return r;
        if ((size & (size - 1)) != 0 && node_get(entry, "queueSize", &node) > 0)
                return node_fail_expected(&node, "a power of two");
        d->n_queues = (uint16_t) number;
        d->queue_size = (uint16_t) size;
        return 0;
}

static int parse_blk(const struct json_node *entry, int dir_fd, struct bundle_device *d)
{
        static const char *const formats[] = { "raw", NULL };
        unsigned format;
        int r;

        r = node_need_members(entry, (const char *const[]) { "image", NULL });
        if (r < 0)
                return r;
        r = fields_get_inner_path(entry, "image", dir_fd, &d->image);
        if (r < 0)
                return r;
        r = node_get_choice(entry, "format", formats, &format);
        if (r < 0)
                return r;
        r = node_get_bool(entry, "readOnly", &d->read_only);
        if (r < 0)
                return r;
        return fields_get_text(entry, "serial", SERIAL_MAX, &d->serial);
}

static int parse_net(const struct json_node *entry, struct bundle_device *d)
{
        struct json_node node;
        int r;

        r = node_need_members(entry, (const char *const[]) { "network", NULL });
        if (r < 0)
                return r;
        r = fields_get_name(entry, "network", &d->network);
        if (r < 0)
                return r;
        if (node_get(entry, "mac", &node) > 0) {
                const char *s = json_string_value(node.value);

                if (!s || mac_from_text(s, d->mac) < 0)
                        return node_fail_expected(&node, "an individual address such as \"02:00:5e:10:20:30\"");
                d->has_mac = true;
        }
        return 0;
}

static int parse_rng(const struct json_node *entry, struct bundle_device *d)
{
        int r = node_get_uint(entry, "bytesPerSecond", 1, UINT32_MAX, &d->bytes_per_second);

        return r < 0 ? r : 0;
}

/* The member `display`, a name. */
static int get_display(const struct json_node *entry, struct bundle_device *d)
{
        int r;

        d->displays = calloc(1, sizeof(*d->displays));
        if (!d->displays)
                return -ENOMEM;
        r = fields_get_name(entry, "display", &d->displays[0]);
        if (r <= 0)
                return r;
        d->n_displays = 1;
        return 0;
}

static int get_displays(const struct json_node *array, struct bundle_device *d)
{
        struct json_node element;

        if (json_array_size(array->value) == 0)
                return node_fail(array, "expected at least one display");
        d->displays = calloc(json_array_size(array->value), sizeof(*d->displays));
        if (!d->displays)
                return -ENOMEM;
        for (size_t i = 0; node_at(array, i, &element); i++) {
                const char *name = json_string_value(element.value);

                if (!name || !name_is_valid(name))
                        return node_fail_expected(&element, FIELDS_NAME_RULE);
                for (size_t k = 0; k < i; k++)
                        if (strcmp(d->displays[k], name) == 0)
                                return node_fail_expected(&element, "a display that is named once");
                d->displays[i] = strdup(name);
                if (!d->displays[i])
                        return -ENOMEM;
                d->n_displays++;
        }
        return 0;
}

static int parse_gpu(const struct json_node *entry, struct bundle_device *d)
{
        struct json_node array, node;
        int r = node_get_array(entry, "displays", BUNDLE_SCANOUTS_MAX, &array);

        if (r < 0)
                return r;
        if ((r > 0) == (node_get(entry, "display", &node) > 0))
                return node_fail(entry, "expected one of display and displays");
        r = r > 0 ? get_displays(&array, d) : get_display(entry, d);
        if (r < 0)
                return r;
        r = node_get_bool(entry, "render3d", &d->render_3d);
        return r < 0 ? r : 0;
}

static int parse_input(const struct json_node *entry, struct bundle_device *d)
{
        unsigned kind = INPUT_TOUCH;
        int r;

        r = node_need_members(entry, (const char *const[]) { "kind", "display", NULL });
        if (r < 0)
                return r;
        r = node_get_choice(entry, "kind", kinds, &kind);
        if (r < 0)
                return r;
        d->kind = (enum input_kind) kind;
        return get_display(entry, d);
}

static int parse_sound(const struct json_node *entry, struct bundle_device *d)
{
        int r = node_need_members(entry, (const char *const[]) { "audio", NULL });

        if (r == 0)
                r = fields_get_name(entry, "audio", &d->audio);
        return r < 0 ? r : 0;
}

int bundle_device_parse(const struct json_node *entry, int dir_fd, struct bundle_device *ret)
{
        unsigned type, transport = TRANSPORT_PCI;
        int r;

        if (!json_is_object(entry->value))
                return node_fail_expected(entry, "an object");
        r = node_need_members(entry, (const char *const[]) { "id", "type", NULL });
        if (r < 0)
                return r;
        r = node_get_choice(entry, "type", types, &type);
        if (r < 0)
                return r;
        r = node_only_members(entry, members[type]);
        if (r < 0)
                return r;
        ret->type = (enum device_type) type;
        ret->line = node_line(entry);
        bundle_device_defaults(ret);

        r = fields_get_name(entry, "id", &ret->id);
        if (r < 0)
                return r;
        r = node_get_choice(entry, "transport", transports, &transport);
        if (r < 0)
                return r;
        ret->transport = (enum device_transport) transport;
        r = node_get_bool(entry, "packed", &ret->packed);
        if (r < 0)
                return r;
        r = parse_queues(entry, ret);
        if (r < 0)
                return r;

        switch (ret->type) {
        case DEVICE_BLK:
                return parse_blk(entry, dir_fd, ret);
        case DEVICE_NET:
                return parse_net(entry, ret);
        case DEVICE_RNG:
                return parse_rng(entry, ret);
        case DEVICE_GPU:
                return parse_gpu(entry, ret);
        case DEVICE_INPUT:
                return parse_input(entry, ret);
        case DEVICE_SOUND:
                return parse_sound(entry, ret);
        case DEVICE_CONSOLE:
                break;
        }
        return 0;
}
