/* SPDX-License-Identifier: MPL-2.0 */
/* busbar device blk: disks from raw images. See docs/devices/blk.md. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_blk.h>

#include "backend/delay.h"
#include "backend/disk.h"
#include "backend/fault.h"
#include "backend/file.h"
#include "backend/null.h"
#include "base/cleanup.h"
#include "base/macros.h"
#include "device/blk.h"
#include "server/server.h"
#include "server/types.h"

static const struct setting_spec blk_settings[] = {
        { .name = "image", .kind = SETTING_PATH, .scope = SETTING_GUEST, .alias = "blk-file",
          .help = "raw image: a regular file or a block device" },
        { .name = "null", .kind = SETTING_SIZE, .scope = SETTING_GUEST, .min = 512, .max = UINT64_C(1) << 62,
          .help = "no image, a disk of that size which reads as zeroes and forgets" },
        { .name = "read-only", .kind = SETTING_BOOL, .scope = SETTING_GUEST,
          .help = "the guest cannot write; several servers may share the image" },
        { .name = "no-symlinks", .kind = SETTING_BOOL, .scope = SETTING_GUEST,
          .help = "refuse an image whose path has a symlink in it" },
        { .name = "direct", .kind = SETTING_BOOL, .scope = SETTING_GUEST,
          .help = "O_DIRECT: past the host's page cache" },
        { .name = "serial", .kind = SETTING_STRING, .scope = SETTING_GUEST,
          .help = "serial number, at most 20 characters" },
        { .name = "queues", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .min = 1, .max = BLK_QUEUES_MAX,
          .default_text = "1", .help = "number of queues that the guest may use" },
        { .name = "seg-max", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .min = 1, .max = BLK_SEG_MAX_LIMIT,
          .default_text = "126", .help = "pieces of one request; at most the queue size less 2" },
        { .name = "poll-us", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .max = 1000, .default_text = "100",
          .help = "longest busy wait for the next request of a busy guest; 0: none" },
        { .name = "delay-us", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .max = 60000000,
          .help = "for tests: each request starts that much later" },
        { .name = "fault", .kind = SETTING_STRING, .scope = SETTING_GUEST,
          .argument = "every=N,range=START+LENGTH,torn", .help = "for tests: which requests fail" },
        { 0 },
};

static const char *const blk_capabilities[] = { "blk-file", "read-only", NULL };

static const struct feature_name blk_feature_names[] = {
        { "seg-max", VIRTIO_BLK_F_SEG_MAX },
        { "ro", VIRTIO_BLK_F_RO },
        { "blk-size", VIRTIO_BLK_F_BLK_SIZE },
        { "flush", VIRTIO_BLK_F_FLUSH },
        { "topology", VIRTIO_BLK_F_TOPOLOGY },
        { "config-wce", VIRTIO_BLK_F_CONFIG_WCE },
        { "mq", VIRTIO_BLK_F_MQ },
        { "discard", VIRTIO_BLK_F_DISCARD },
        { "write-zeroes", VIRTIO_BLK_F_WRITE_ZEROES },
        { 0 },
};

/* What backend/file.h does on an open image. */
static const struct sandbox_call blk_calls[] = {
        SANDBOX_CALL("fallocate"),
        SANDBOX_CALL("fdatasync"),
        SANDBOX_CALL("inotify_add_watch"),
        SANDBOX_CALL("io_uring_enter"),
        SANDBOX_CALL("pread64"),
        SANDBOX_CALL("preadv2"),
        SANDBOX_CALL("pwrite64"),
        SANDBOX_CALL("pwritev2"),
        { 0 },
};

static int open_image(struct server *server, const struct settings *guest, struct disk **ret)
{
        const char *image = settings_string(guest, "image");
        struct file_options options = {
                .read_only = settings_bool(guest, "read-only"),
                .direct = settings_bool(guest, "direct"),
                .no_symlinks = settings_bool(guest, "no-symlinks"),
                .n_rings = (unsigned) settings_number(guest, "queues"),
        };
        int r;

        if (!image == !settings_given(guest, "null"))
                return server_error(server, -EINVAL, "give either image or null");
        if (!image)
                return disk_null_new(settings_number(guest, "null") / 512 * 512, ret);

        r = disk_file_open(server_loop(server), image, &options, ret);
        switch (r) {
        case -EBUSY:
                return server_error(server, r, "image %s is in use by another process", image);
        case -ENOTBLK:
                return server_error(server, r, "image %s is neither a regular file nor a block device", image);
        case -ELOOP:
                return server_error(server, r, "image %s: a part of this path is a symlink", image);
        case -EINVAL:
                if (options.direct)
                        return server_error(server, r, "image %s: its file system cannot do direct I/O", image);
                break;
        }
        return r < 0 ? server_error(server, r, "image %s: %s", image, strerror(-r)) : 0;
}

static int add_decorators(struct server *server, const struct settings *guest, struct disk **disk)
{
        const char *fault = settings_string(guest, "fault");
        struct fault_options options;
        struct disk *lower;
        int r;

        if (fault) {
                r = fault_options_parse(fault, &options);
                if (r < 0)
                        return server_error(server, r, "fault=%s: expected every=N,range=START+LENGTH,torn", fault);
                lower = take_ptr(disk);
                r = disk_fault_new(lower, &options, disk);
                if (r < 0)
                        return r;
        }
        if (settings_number(guest, "delay-us") > 0) {
                lower = take_ptr(disk);
                return disk_delay_new(lower, settings_number(guest, "delay-us") * NSEC_PER_USEC, disk);
        }
        return 0;
}

static int blk_guest_new(struct server *server, const struct settings *guest, const char *id, struct device **ret)
{
        auto_cleanup(disk_freep) struct disk *disk = NULL;
        struct blk_options options = {
                .serial = settings_string(guest, "serial"),
                .n_queues = (uint16_t) settings_number(guest, "queues"),
                .seg_max = (uint16_t) settings_number(guest, "seg-max"),
                /* With one CPU, waiting busily would keep the guest from running. */
                .poll_ns = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? settings_number(guest, "poll-us") * NSEC_PER_USEC : 0,
        };
        struct disk *whole;
        int r;

        if (options.serial && strlen(options.serial) > VIRTIO_BLK_ID_BYTES)
                return server_error(server, -EINVAL, "serial %s is longer than %d characters", options.serial,
                                    VIRTIO_BLK_ID_BYTES);
        r = open_image(server, guest, &disk);
        if (r == 0)
                r = add_decorators(server, guest, &disk);
        if (r < 0)
                return r;
        whole = take_ptr(&disk);
        return blk_new(server_loop(server), id, whole, &options, ret);
}

const struct server_type server_type_blk = {
        .name = "blk",
        .summary = "Disks from raw images",
        .vhost_type = "block",
        .settings = blk_settings,
        .system_calls = blk_calls,
        .guest_new = blk_guest_new,
        .capabilities = blk_capabilities,
        .features = blk_feature_names,
        .queue_threads = true,
};
