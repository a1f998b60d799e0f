/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The functions of libslirp that are used here, under their own names: each calls the one of the library that
 * slirp_load() opened. The table is written once, by the thread that makes the first network; the library stays open.
 */
#include "backend/slirp-lazy.h"

#include <dlfcn.h>
#include <errno.h>
#include <libslirp.h>

#include "base/log.h"
#include "base/macros.h"

#define LIBRARY "libslirp.so.0"

static struct {
        typeof(&slirp_add_hostfwd) add_hostfwd;
        typeof(&slirp_cleanup) cleanup;
        typeof(&slirp_handle_timer) handle_timer;
        typeof(&slirp_input) input;
        typeof(&slirp_new) new;
        typeof(&slirp_pollfds_fill) pollfds_fill;
        typeof(&slirp_pollfds_poll) pollfds_poll;
} library;

int slirp_load(void)
{
        const struct {
                const char *name;
                void *at; /* of a function pointer */
        } functions[] = {
                { "slirp_add_hostfwd", &library.add_hostfwd },
                { "slirp_cleanup", &library.cleanup },
                { "slirp_handle_timer", &library.handle_timer },
                { "slirp_input", &library.input },
                { "slirp_new", &library.new },
                { "slirp_pollfds_fill", &library.pollfds_fill },
                { "slirp_pollfds_poll", &library.pollfds_poll },
        };
        void *handle;

        if (library.pollfds_poll)
                return 0;
        handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
        if (!handle) {
                log_debug("user", "%s", dlerror());
                return -ELIBACC;
        }
        for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
                void *function = dlsym(handle, functions[i].name);

                if (!function) {
                        log_debug("user", "%s", dlerror());
                        return -ELIBACC;
                }
                *(void **) functions[i].at = function;
        }
        return 0;
}

int slirp_add_hostfwd(Slirp *slirp, int is_udp, struct in_addr host, int host_port, struct in_addr guest,
                      int guest_port)
{
        return library.add_hostfwd(slirp, is_udp, host, host_port, guest, guest_port);
}

void slirp_cleanup(Slirp *slirp) { library.cleanup(slirp); }

void slirp_handle_timer(Slirp *slirp, SlirpTimerId id, void *data) { library.handle_timer(slirp, id, data); }

void slirp_input(Slirp *slirp, const uint8_t *packet, int n_bytes) { library.input(slirp, packet, n_bytes); }

Slirp *slirp_new(const SlirpConfig *config, const SlirpCb *callbacks, void *data)
{
        return library.new(config, callbacks, data);
}

void slirp_pollfds_fill(Slirp *slirp, uint32_t *timeout_ms, SlirpAddPollCb add, void *data)
{
        library.pollfds_fill(slirp, timeout_ms, add, data);
}

void slirp_pollfds_poll(Slirp *slirp, int failed, SlirpGetREventsCb get, void *data)
{
        library.pollfds_poll(slirp, failed, get, data);
}
