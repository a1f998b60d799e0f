/* SPDX-License-Identifier: MPL-2.0 */
/* Device type rng: the host kernel's random bytes. */
#include <stddef.h>

#include "device/rng.h"
#include "server/server.h"
#include "server/types.h"

static const struct setting_spec rng_settings[] = {
        { .name = "rate", .kind = SETTING_SIZE, .scope = SETTING_GUEST, .default_text = "1M", .max = UINT64_C(1) << 40,
          .help = "bytes a second that the guest may have; 0: no limit" },
        { .name = "burst", .kind = SETTING_SIZE, .scope = SETTING_GUEST, .default_text = "64K", .min = 1,
          .max = UINT64_C(1) << 40, .help = "bytes that the guest may have at once after a pause" },
        { .name = NULL },
};

static int rng_guest_new(struct server *server, const struct settings *guest, const char *id, struct device **ret)
{
        struct rng_options options = {
                .bytes_per_second = settings_number(guest, "rate"),
                .burst_bytes = settings_number(guest, "burst"),
        };

        return rng_new(server_loop(server), id, &options, ret);
}

const struct server_type server_type_rng = {
        .name = "rng",
        .summary = "Entropy from the host's kernel, with a rate limit for each guest",
        .vhost_type = "rng",
        .settings = rng_settings,
        .queue_threads = true,
        .guest_new = rng_guest_new,
};
