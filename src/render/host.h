/* SPDX-License-Identifier: MPL-2.0 */
/* What busbar-render is asked for on the SOCK_SEQPACKET socket that it is started with. */
#pragma once

#include <stdint.h>

#include "render/client.h"

#define RENDER_HOST_FD 3
#define RENDER_SLOTS_MAX RENDER_GUESTS_MAX

/* Serve one fd, which comes with it, in a new process; the slot's earlier process is killed.
   Without an fd that is all. */
struct render_start {
        uint32_t slot;
};
