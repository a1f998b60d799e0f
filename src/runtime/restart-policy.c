/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/restart-policy.h"

#include "base/macros.h"

static const uint64_t delays_ns[] = { 0, 10 * NSEC_PER_MSEC, 100 * NSEC_PER_MSEC, NSEC_PER_SEC };

bool restart_policy_ended(struct restart_policy *p, uint64_t now_ns, uint64_t ready_ns, uint64_t *ret_delay_ns)
{
        bool was_well = ready_ns != 0 && now_ns - ready_ns >= RESTART_WELL_NS;
        uint64_t *slot = &p->ends_ns[p->n_ends % RESTART_WINDOW_MAX];
        bool too_many = p->n_ends >= RESTART_WINDOW_MAX && now_ns - *slot < RESTART_WINDOW_NS;

        *slot = now_ns;
        p->n_ends++;
        p->n_unready = ready_ns != 0 ? 0 : p->n_unready + 1;
        p->n_quick = was_well ? 0 : p->n_quick + 1;
        if (too_many || p->n_unready >= RESTART_UNREADY_MAX)
                return false;
        *ret_delay_ns = delays_ns[MIN((size_t) (p->n_quick > 0 ? p->n_quick - 1 : 0), ARRAY_SIZE(delays_ns) - 1)];
        return true;
}

const char *restart_policy_verdict(const struct restart_policy *p)
{
        return p->n_unready >= RESTART_UNREADY_MAX ? "it did not get ready several times in a row"
                                                   : "it ended too often within a minute";
}
