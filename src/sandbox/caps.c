/* SPDX-License-Identifier: MPL-2.0 */
/* Stage: no capabilities, neither now nor by a later program (libcap-ng). */
#include <errno.h>

#include <cap-ng.h>

#include "base/log.h"
#include "sandbox/sandbox.h"

int sandbox_drop_capabilities(const struct sandbox *s)
{
        capng_select_t set = CAPNG_SELECT_CAPS;

        /* Only root may shrink the bounding set; for others no new privileges does the same. */
        if (capng_get_caps_process() < 0)
                return -EPERM;
        if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
                set = CAPNG_SELECT_ALL;
        capng_clear(CAPNG_SELECT_ALL);
        if (capng_apply(set) < 0)
                return -EPERM;
        log_debug(s->subject, "sandbox: no capabilities%s, no new privileges",
                  set == CAPNG_SELECT_ALL ? ", none in the bounding set" : "");
        return 0;
}
