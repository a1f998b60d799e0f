/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "monitor/fail.h"

#define QUEUES_MAX 256 /* REMOTE_RINGS_MAX */
#define QUEUE_SIZE_MAX 32768
#define QUEUE_SIZE_DEFAULT 256

/* VIRTIO 1.4, section 5: all that the monitor knows of a type. */
static const struct {
        const char *name;
        uint32_t virtio_id;
} types[] = {
        { "9p", 9 },      { "balloon", 5 }, { "blk", 2 },    { "can", 36 },  { "console", 3 }, { "crypto", 20 },
        { "fs", 26 },     { "gpio", 41 },   { "gpu", 16 },   { "i2c", 34 },  { "input", 18 },  { "iommu", 23 },
        { "media", 48 },  { "mem", 24 },    { "net", 1 },    { "pmem", 27 }, { "rng", 4 },     { "rpmb", 28 },
        { "rtc", 17 },    { "scmi", 32 },   { "scsi", 8 },   { "sound", 25 }, { "spi", 45 },   { "vsock", 19 },
};

int monitor_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
        unsigned long long value;
        char *end;

        if (text[0] < '0' || text[0] > '9')
                return -EINVAL;
        errno = 0;
        value = strtoull(text, &end, 0);
        if (errno != 0 || *end || value < min || value > max)
                return -EINVAL;
        *ret = value;
        return 0;
}

int monitor_parse_bytes(const char *text, uint64_t *ret)
{
        static const char units[] = "KMGT";
        size_t n = strlen(text);
        const char *unit = n > 0 ? strchr(units, text[n - 1]) : NULL;
        char digits[32];
        uint64_t value;

        if (n >= sizeof(digits))
                return -EINVAL;
        (void) snprintf(digits, sizeof(digits), "%.*s", (int) (unit ? n - 1 : n), text);
        if (monitor_parse_number(digits, 0, UINT64_MAX, &value) < 0)
                return -EINVAL;
        if (unit && mul_overflows(value, UINT64_C(1) << (10 * (unit - units + 1)), &value))
                return -EINVAL;
        *ret = value;
        return 0;
}

static int parse_type(const char *text, uint32_t *ret)
{
        uint64_t number;

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                if (strcmp(types[i].name, text) == 0) {
                        *ret = types[i].virtio_id;
                        return 0;
                }
        }
        if (monitor_parse_number(text, 1, 63, &number) < 0)
                return -EINVAL;
        *ret = (uint32_t) number;
        return 0;
}

static int parse_mac(const char *text, uint8_t ret[6])
{
        unsigned bytes[6];
        int n = 0;

        if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5],
                   &n) != 6 || n != 17 || text[n])
                return -EINVAL;
        for (size_t i = 0; i < 6; i++)
                ret[i] = (uint8_t) bytes[i];
        return (ret[0] & 1) ? -EINVAL : 0; /* a group's address is nobody's own */
}

static bool parse_word(const char *text, const char *yes, const char *no, bool *ret)
{
        *ret = strcmp(text, yes) == 0;
        return *ret || strcmp(text, no) == 0;
}

/* One NAME=VALUE; both are within the device's text. Return: NULL; what was expected as the value; "" if there is no
   such name. */
static const char *set(struct monitor_device *d, const char *name, const char *value)
{
        uint64_t number = 0;
        bool mmio = false;
        int r;

        if (strcmp(name, "id") == 0) {
                d->id = value;
                return *value ? NULL : "a value";
        }
        if (strcmp(name, "type") == 0)
                return parse_type(value, &d->virtio_id) < 0 ? "the name or number of a VIRTIO device type" : NULL;
        if (strcmp(name, "socket") == 0) {
                d->socket_path = value;
                return *value ? NULL : "a value";
        }
        if (strcmp(name, "transport") == 0) {
                r = parse_word(value, "mmio", "pci", &mmio);
                d->transport = mmio ? MONITOR_MMIO : MONITOR_PCI;
                return r ? NULL : "pci or mmio";
        }
        if (strcmp(name, "queues") == 0) {
                r = monitor_parse_number(value, 1, QUEUES_MAX, &number);
                d->n_queues = (uint16_t) number;
                return r < 0 ? "1 to 256" : NULL;
        }
        if (strcmp(name, "queue-size") == 0) {
                r = monitor_parse_number(value, 1, QUEUE_SIZE_MAX, &number);
                d->queue_size_max = (uint16_t) number;
                return r < 0 || (number & (number - 1)) ? "a power of two up to 32768" : NULL;
        }
        if (strcmp(name, "packed") == 0)
                return parse_word(value, "on", "off", &d->packed) ? NULL : "on or off";
        if (strcmp(name, "mac") == 0) {
                d->has_mac = true;
                return parse_mac(value, d->mac) < 0 ? "the address of one card, 02:00:00:00:00:01 say" : NULL;
        }
        return "";
}

/* Ends the word that begins at @at, makes ",," in it one comma. Return: what follows it; NULL: nothing does. */
static char *cut(char *at)
{
        char *out = at;

        for (; *at; at++) {
                if (*at == ',' && at[1] == ',')
                        at++;
                else if (*at == ',')
                        break;
                *out++ = *at;
        }
        at = *at ? at + 1 : NULL;
        *out = '\0';
        return at;
}

static int parse(struct monitor_device *d, const char *option, char **ret_error)
{
        for (char *word = d->text, *next; word; word = next) {
                const char *expected;
                char *value;

                next = cut(word);
                value = strchr(word, '=');
                if (!value)
                        return fail(-EINVAL, ret_error, "--device %s: '%s' is not NAME=VALUE", option, word);
                *value++ = '\0';
                expected = set(d, word, value);
                if (expected && !*expected)
                        return fail(-EINVAL, ret_error, "--device %s: there is no '%s'; known are id, type, socket, "
                                    "transport, queues, queue-size, packed, mac", option, word);
                if (expected)
                        return fail(-EINVAL, ret_error, "--device %s: %s='%s': expected %s", option, word, value,
                                    expected);
        }
        if (!d->id || d->virtio_id == 0 || !d->socket_path)
                return fail(-EINVAL, ret_error, "--device %s: %s= is missing", option,
                            !d->id ? "id" : !d->socket_path ? "socket" : "type");
        return 0;
}

static int append(struct monitor_spec *spec, const struct monitor_device *d, char **ret_error)
{
        struct monitor_device *devices;

        for (size_t i = 0; i < spec->n_devices; i++)
                if (strcmp(spec->devices[i].id, d->id) == 0)
                        return fail(-EEXIST, ret_error, "--device: the id '%s' is given twice", d->id);
        if (spec->n_devices == MONITOR_DEVICES_MAX)
                return fail(-E2BIG, ret_error, "--device: a machine has at most %d devices", MONITOR_DEVICES_MAX);
        devices = reallocarray((void *) spec->devices, spec->n_devices + 1, sizeof(*devices));
        if (!devices)
                return fail(-ENOMEM, ret_error, "--device: out of memory");
        devices[spec->n_devices++] = *d;
        spec->devices = devices;
        return 0;
}

int monitor_spec_add_device(struct monitor_spec *spec, const char *text, char **ret_error)
{
        auto_cleanup(freep) char *copy = strdup(text);
        struct monitor_device d = { .text = copy, .queue_size_max = QUEUE_SIZE_DEFAULT, .packed = true };
        int r;

        if (!copy)
                return fail(-ENOMEM, ret_error, "--device: out of memory");
        r = parse(&d, text, ret_error);
        if (r == 0)
                r = append(spec, &d, ret_error);
        if (r == 0)
                copy = NULL; /* is the device's now */
        return r;
}

void monitor_spec_init(struct monitor_spec *spec)
{
        *spec = (struct monitor_spec){
                .name = "machine", .n_vcpus = 1, .memory_bytes = UINT64_C(256) << 20, .control_fd = -1, .serial_fd = -1
        };
}

void monitor_spec_deinit(struct monitor_spec *spec)
{
        for (size_t i = 0; i < spec->n_devices; i++)
                free(spec->devices[i].text);
        free((void *) spec->devices);
        spec->devices = NULL;
        spec->n_devices = 0;
}
