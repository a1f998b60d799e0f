/* SPDX-License-Identifier: MPL-2.0 */
#include "base/ratelimit.h"

#include "base/macros.h"

void ratelimit_init(struct ratelimit *rl, uint64_t per_second, uint64_t burst)
{
        *rl = (struct ratelimit) { .per_second = per_second, .burst = MAX(burst, UINT64_C(1)) };
        rl->tokens = rl->burst;
}

static void refill(struct ratelimit *rl, uint64_t now_ns)
{
        uint64_t elapsed_ns, n;

        if (rl->last_ns == 0 || now_ns < rl->last_ns) {
                rl->last_ns = now_ns;
                return;
        }
        elapsed_ns = now_ns - rl->last_ns;
        n = (uint64_t) MIN((unsigned __int128) elapsed_ns * rl->per_second / NSEC_PER_SEC,
                           (unsigned __int128) rl->burst);
        if (n == 0)
                return;
        rl->tokens = MIN(rl->tokens + n, rl->burst);
        /* Keep the fraction of a token that has not been earned yet. */
        if (rl->tokens == rl->burst)
                rl->last_ns = now_ns;
        else
                rl->last_ns += (uint64_t) ((unsigned __int128) n * NSEC_PER_SEC / rl->per_second);
}

bool ratelimit_take(struct ratelimit *rl, uint64_t n, uint64_t now_ns)
{
        if (rl->per_second == 0)
                return true;

        refill(rl, now_ns);
        if (rl->tokens < n) {
                rl->n_suppressed++;
                return false;
        }
        rl->tokens -= n;
        return true;
}

uint64_t ratelimit_available(struct ratelimit *rl, uint64_t now_ns)
{
        if (rl->per_second == 0)
                return UINT64_MAX;

        refill(rl, now_ns);
        return rl->tokens;
}

uint64_t ratelimit_wait_ns(struct ratelimit *rl, uint64_t n, uint64_t now_ns)
{
        uint64_t missing;

        n = MIN(n, rl->burst);
        if (ratelimit_available(rl, now_ns) >= n)
                return 0;
        missing = n - rl->tokens;
        return (uint64_t) (((unsigned __int128) missing * NSEC_PER_SEC + rl->per_second - 1) / rl->per_second);
}
