/* SPDX-License-Identifier: MPL-2.0 */
/* busbar monitor: options into a struct monitor_spec; all the rest is src/monitor/. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macros.h"
#include "cli/command.h"
#include "monitor/monitor.h"
#include "monitor/spec.h"

static const struct command_option options[] = {
        { .name = "name", .argument = "NAME", .help = "of the machine, for log lines (default: machine)" },
        { .name = "kernel", .argument = "FILE",
          .help = "x86-64: bzImage or ELF with a PVH entry; arm64: Image, raw, gzip or EFI zboot" },
        { .name = "initrd", .argument = "FILE", .help = "initial RAM disk" },
        { .name = "parameters", .argument = "TEXT", .help = "the kernel's command line" },
        { .name = "device-tree", .argument = "FILE", .help = "overlay (.dtbo) to the device tree (arm64)" },
        { .name = "no-symlinks", .help = "refuse a path of these files that has a symlink in it" },
        { .name = "vcpus", .argument = "N", .help = "virtual CPUs, 1 to 64 (default: 1)" },
        { .name = "memory", .argument = "BYTES", .help = "guest memory, with K, M or G if you like (default: 256M)" },
        { .name = "huge-pages", .help = "back the memory by huge pages where the host has them" },
        { .name = "prefault", .help = "allocate all memory before the guest starts" },
        { .name = "device", .argument = "ID=VALUE,...", .help = "a vhost-user device, see above; may be repeated" },
        { .name = "control-fd", .argument = "FD",
          .help = "socket (SOCK_SEQPACKET) that steers the machine; it then waits for \"resume\"" },
        { .name = "serial", .argument = "FILE",
          .help = "early messages of the guest: a file, a descriptor, or - (stdout)" },
        { .name = NULL },
};

/* Return: a number from the option, or @standard; -1 after an error was printed. */
static int64_t number(const struct invocation *inv, const char *name, uint64_t max, int64_t standard)
{
        const char *text = invocation_value(inv, name);
        uint64_t value;

        if (!text)
                return standard;
        if (monitor_parse_number(text, name[0] == 'v', max, &value) < 0) {
                (void) usage_error("monitor", "--%s=%s: expected a number up to %llu", name, text,
                                   (unsigned long long) max);
                return -1;
        }
        return (int64_t) value;
}

static int read_sizes(const struct invocation *inv, struct monitor_spec *spec)
{
        const char *memory = invocation_value(inv, "memory");
        int64_t n = number(inv, "vcpus", MONITOR_VCPUS_MAX, spec->n_vcpus);

        if (n < 0)
                return -EINVAL;
        spec->n_vcpus = (unsigned) n;
        if (memory && monitor_parse_bytes(memory, &spec->memory_bytes) < 0) {
                (void) usage_error("monitor", "--memory=%s: expected a number of bytes, or of K, M or G", memory);
                return -EINVAL;
        }
        return 0;
}

static int read_control(const struct invocation *inv, struct monitor_spec *spec)
{
        int64_t fd = number(inv, "control-fd", INT32_MAX, -2);
        socklen_t n = sizeof(int);
        int type = 0;

        if (fd == -2)
                return 0;
        if (fd < 0)
                return -EINVAL;
        if (getsockopt((int) fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_SEQPACKET) {
                (void) usage_error("monitor", "--control-fd=%d: not a connected socket of type SOCK_SEQPACKET",
                                   (int) fd);
                return -EINVAL;
        }
        spec->control_fd = (int) fd;
        return 0;
}

static int read_serial(const struct invocation *inv, struct monitor_spec *spec)
{
        const char *text = invocation_value(inv, "serial");
        uint64_t fd;

        if (!text)
                return 0;
        if (strcmp(text, "-") == 0)
                spec->serial_fd = STDOUT_FILENO;
        else if (monitor_parse_number(text, 0, INT32_MAX, &fd) == 0)
                spec->serial_fd = (int) fd;
        else
                spec->serial_fd = open(text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
        if (spec->serial_fd >= 0 && fcntl(spec->serial_fd, F_GETFD) >= 0)
                return 0;
        log_error("monitor", "--serial=%s: %s", text, strerror(errno));
        return -errno;
}

static int read_devices(const struct invocation *inv, struct monitor_spec *spec)
{
        const char *text;

        for (size_t i = 0; (text = invocation_value_at(inv, "device", i)); i++) {
                auto_cleanup(freep) char *error = NULL;
                int r = monitor_spec_add_device(spec, text, &error);

                if (r < 0) {
                        (void) usage_error("monitor", "%s", error ? error : strerror(-r));
                        return r;
                }
        }
        return 0;
}

static int monitor_verb(const struct invocation *inv)
{
        auto_cleanup(monitor_spec_deinit) struct monitor_spec spec;
        const char *name = invocation_value(inv, "name");

        monitor_spec_init(&spec);
        if (name)
                spec.name = name;
        spec.kernel = invocation_value(inv, "kernel");
        spec.initrd = invocation_value(inv, "initrd");
        spec.parameters = invocation_value(inv, "parameters");
        spec.device_tree = invocation_value(inv, "device-tree");
        spec.no_symlinks = invocation_has(inv, "no-symlinks");
        spec.huge_pages = invocation_has(inv, "huge-pages");
        spec.prefault = invocation_has(inv, "prefault");
        if (!spec.kernel)
                return usage_error("monitor", "expected --kernel FILE: there is nothing to boot");
        if (read_sizes(inv, &spec) < 0 || read_control(inv, &spec) < 0 || read_devices(inv, &spec) < 0)
                return STATUS_USAGE;
        if (read_serial(inv, &spec) < 0)
                return STATUS_FAILED;
        return monitor_run(&spec);
}

const struct command command_monitor = {
        .name = "monitor",
        .summary = "Run one machine on KVM, in this process",
        .usage = "",
        .description =
                "What 'busbar up' and 'busbar run' start under the platform kvm. "
                "Without --control-fd the machine runs at\n"
                "once; SIGTERM presses its power button, a second SIGTERM or SIGINT stops it.\n\n"
                "A device is served by a process of its own ('busbar device', or any vhost-user back end):\n"
                "  id=ID           unique, for log lines\n"
                "  type=TYPE       blk, net, console, rng, fs ..., or the number of a VIRTIO device type\n"
                "  socket=PATH     where its server listens\n"
                "  transport=pci|mmio        (default: pci)\n"
                "  queues=N        virtqueues in all (default: as many as the server has)\n"
                "  queue-size=N    a power of two up to 32768 (default: 256)\n"
                "  packed=on|off   offer the packed ring if the server does (default: on)\n"
                "  mac=AA:BB:CC:DD:EE:FF     net: the card's address\n"
                "\",,\" is a comma within a value.\n\n"
                "Exit status: 0 the guest powered off, 1 the host or the monitor failed, 2 wrong usage, "
                "3 the guest asked\n"
                "for a reset, 4 it panicked, 5 it crashed, 6 its watchdog was not fed, 7 it was stopped.",
        .options = options,
        .n_operands_max = 0,
        .run = monitor_verb,
};
