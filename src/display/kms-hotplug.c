/* SPDX-License-Identifier: MPL-2.0 */
/* The kernel's news of devices, uevents: a header and NAME=value strings, each with its zero. */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "display/kms-private.h"

int kms_listen_hotplug(void)
{
        const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
        auto_cleanup(closep) int fd =
                socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return take_fd(&fd);
}

bool kms_is_hotplug(const char *message, size_t n)
{
        bool is_drm = false, is_hotplug = false;

        for (size_t at = 0; at < n;) {
                size_t length = strnlen(message + at, n - at);

                is_drm |= length == 13 && memcmp(message + at, "SUBSYSTEM=drm", length) == 0;
                is_hotplug |= length == 9 && memcmp(message + at, "HOTPLUG=1", length) == 0;
                at += length + 1;
        }
        return is_drm && is_hotplug;
}
