/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/bundle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/json-reader.h"
#include "runtime/bundle-device.h"
#include "runtime/bundle-parse.h"
#include "runtime/fields.h"

#define MEMORY_DEFAULT (UINT64_C(256) << 20)
#define MEMORY_MIN (UINT64_C(16) << 20)
#define MEMORY_MAX (UINT64_C(1) << 40)
#define MEMORY_STEP (UINT64_C(1) << 20)
#define VCPUS_MAX 255
#define HOSTNAME_MAX 253
#define ANNOTATION_ARCH "org.opencontainers.image.architecture"

/* The names that OCI uses, in the order of enum machine_arch. */
static const char *const archs[] = { "amd64", "arm64", NULL };

static enum machine_arch host_arch(void)
{
        struct utsname host;

        return uname(&host) == 0 && strcmp(host.machine, "aarch64") == 0 ? ARCH_AARCH64 : ARCH_X86_64;
}

static int parse_kernel(const struct json_node *vm, int dir_fd, struct bundle *b)
{
        struct json_node kernel;
        int r = node_get_object(vm, "kernel", &kernel);

        if (r <= 0)
                return r;
        r = node_need_members(&kernel, (const char *const[]) { "path", NULL });
        if (r < 0)
                return r;
        r = fields_get_inner_path(&kernel, "path", dir_fd, &b->kernel);
        if (r < 0)
                return r;
        r = fields_get_inner_path(&kernel, "initrd", dir_fd, &b->initrd);
        if (r < 0)
                return r;
        return fields_get_parameters(&kernel, "parameters", &b->parameters);
}

static int parse_hardware(const struct json_node *vm, int dir_fd, struct bundle *b)
{
        static const char *const assigned[] = { "dtdevs", "iomems", "irqs" };
        struct json_node hardware, node;
        uint64_t n_vcpus = 1;
        int r = node_get_object(vm, "hwConfig", &hardware);

        if (r <= 0)
                return r;
        for (size_t i = 0; i < sizeof(assigned) / sizeof(assigned[0]); i++)
                if (node_get(&hardware, assigned[i], &node) > 0)
                        return node_fail(&node, "not supported: a bundle names no hardware of the host");
        r = node_get_uint(&hardware, "vcpus", 1, VCPUS_MAX, &n_vcpus);
        if (r < 0)
                return r;
        b->n_vcpus = (unsigned) n_vcpus;
        r = node_get_uint(&hardware, "memory", MEMORY_MIN, MEMORY_MAX, &b->memory_bytes);
        if (r < 0)
                return r;
        if (b->memory_bytes % MEMORY_STEP != 0 && node_get(&hardware, "memory", &node) > 0)
                return node_fail_expected(&node, "bytes in a multiple of 1048576");
        return fields_get_inner_path(&hardware, "deviceTree", dir_fd, &b->device_tree);
}

/* `vm.image` is the disk that holds the root file system: a blk device like any other. */
static int parse_image(const struct json_node *vm, int dir_fd, struct bundle *b)
{
        static const char *const formats[] = { "raw", NULL };
        struct bundle_device *d = b->devices;
        struct json_node image;
        unsigned format;
        int r = node_get_object(vm, "image", &image);

        if (r <= 0)
                return r;
        r = node_need_members(&image, (const char *const[]) { "path", "format", NULL });
        if (r < 0)
                return r;
        r = node_get_choice(&image, "format", formats, &format);
        if (r < 0)
                return r;
        b->n_devices = 1;
        d->type = DEVICE_BLK;
        d->line = node_line(&image);
        bundle_device_defaults(d);
        d->id = strdup("image");
        if (!d->id)
                return -ENOMEM;
        return fields_get_inner_path(&image, "path", dir_fd, &d->image);
}

static int parse_devices(const struct json_node *vm, int dir_fd, struct bundle *b)
{
        struct json_node array, entry, id;
        int r = node_get_array(vm, "devices", BUNDLE_DEVICES_MAX, &array);

        if (r <= 0)
                return r;
        for (size_t i = 0; node_at(&array, i, &entry); i++) {
                struct bundle_device *d = &b->devices[b->n_devices++];

                r = bundle_device_parse(&entry, dir_fd, d);
                if (r < 0)
                        return r;
                if (bundle_find_device(b, d->id) != d && node_get(&entry, "id", &id) > 0)
                        return node_fail_expected(&id, "an id that no other device has");
        }
        return 0;
}

static int parse_arch(const struct json_node *root, const struct json_node *vm, struct bundle *b)
{
        struct json_node annotations;
        unsigned arch = host_arch();
        int r;

        r = node_get_object(root, "annotations", &annotations);
        if (r > 0)
                r = node_get_choice(&annotations, ANNOTATION_ARCH, archs, &arch);
        if (r < 0)
                return r;
        r = node_get_choice(vm, "arch", archs, &arch);
        if (r < 0)
                return r;
        b->arch = (enum machine_arch) arch;
        return 0;
}

static int parse_vm(const struct json_node *root, int dir_fd, struct bundle *b)
{
        struct json_node vm, node;
        int r = node_get_object(root, "vm", &vm);

        if (r < 0)
                return r;
        if (node_get(&vm, "hypervisor", &node) > 0)
                return node_fail(&node, "not supported: the host chooses the platform");
        r = parse_kernel(&vm, dir_fd, b);
        if (r < 0)
                return r;
        r = fields_get_inner_path(&vm, "firmware", dir_fd, &b->firmware);
        if (r < 0)
                return r;
        if (!b->kernel == !b->firmware)
                return node_fail(&vm, "expected one of kernel and firmware");
        r = parse_hardware(&vm, dir_fd, b);
        if (r < 0)
                return r;
        r = parse_arch(root, &vm, b);
        if (r < 0)
                return r;
        r = parse_image(&vm, dir_fd, b);
        if (r < 0)
                return r;
        return parse_devices(&vm, dir_fd, b);
}

/* Moves *s on by @n and over the digits there; false if there are none. */
static bool skip_digits(const char **s, size_t n)
{
        size_t n_digits = strspn(*s + n, "0123456789");

        *s += n + n_digits;
        return n_digits > 0;
}

static int check_version(const struct json_node *root)
{
        struct json_node node;
        const char *s;

        if (node_get(root, "ociVersion", &node) > 0) {
                s = json_string_value(node.value);
                if (s && strncmp(s, "1.", 2) == 0 && skip_digits(&s, 2) && *s == '.' && skip_digits(&s, 1) &&
                    (*s == '\0' || *s == '-' || *s == '+'))
                        return 0;
                return node_fail_expected(&node, "a version 1.x.y of the OCI runtime specification");
        }
        return 0;
}

static int parse_annotations(const struct json_node *root, struct bundle *b)
{
        struct json_node annotations, node;
        void *iter;
        int r = node_get_object(root, "annotations", &annotations);

        if (r <= 0)
                return r;
        for (iter = json_object_iter(annotations.value); iter; iter = json_object_iter_next(annotations.value, iter))
                if (!json_is_string(json_object_iter_value(iter)) &&
                    node_get(&annotations, json_object_iter_key(iter), &node) > 0)
                        return node_fail_expected(&node, "a string");
        b->annotations = json_dumps(annotations.value, JSON_COMPACT);
        return b->annotations ? 0 : -ENOMEM;
}

static int parse_root(const struct json_node *root, int dir_fd, struct bundle *b)
{
        int r;

        r = node_need_members(root, (const char *const[]) { "ociVersion", "vm", NULL });
        if (r < 0)
                return r;
        r = check_version(root);
        if (r < 0)
                return r;
        r = fields_get_text(root, "hostname", HOSTNAME_MAX, &b->name);
        if (r < 0)
                return r;
        r = parse_annotations(root, b);
        if (r < 0)
                return r;
        return parse_vm(root, dir_fd, b);
}

int bundle_parse_at(int dir_fd, const char *file, const char *text, size_t n, struct bundle **ret, char **ret_error)
{
        auto_cleanup(bundle_freep) struct bundle *b = NULL;
        struct json_document document;
        struct json_node root;
        int r;

        b = calloc(1, sizeof(*b));
        if (b)
                b->devices = calloc(BUNDLE_DEVICES_MAX + 1, sizeof(*b->devices));
        if (!b || !b->devices)
                return -ENOMEM;
        b->n_vcpus = 1;
        b->memory_bytes = MEMORY_DEFAULT;

        r = document_parse(&document, file, text, n, BUNDLE_CONFIG_MAX_BYTES);
        if (r == 0) {
                root = document_root(&document);
                r = parse_root(&root, dir_fd, b);
        }
        if (r == -EINVAL)
                *ret_error = take_ptr(&document.error);
        document_deinit(&document);
        if (r < 0)
                return r;
        *ret = take_ptr(&b);
        return 0;
}

int bundle_parse(const char *file, const char *text, size_t n, struct bundle **ret, char **ret_error)
{
        return bundle_parse_at(-1, file, text, n, ret, ret_error);
}

struct bundle *bundle_free(struct bundle *b)
{
        if (!b)
                return NULL;
        for (size_t i = 0; i < b->n_devices; i++)
                bundle_device_deinit(&b->devices[i]);
        free(b->devices);
        free(b->path);
        free(b->name);
        free(b->kernel);
        free(b->initrd);
        free(b->parameters);
        free(b->firmware);
        free(b->device_tree);
        free(b->annotations);
        free(b);
        return NULL;
}

const struct bundle_device *bundle_find_device(const struct bundle *b, const char *id)
{
        for (size_t i = 0; i < b->n_devices; i++)
                if (strcmp(b->devices[i].id, id) == 0)
                        return &b->devices[i];
        return NULL;
}
