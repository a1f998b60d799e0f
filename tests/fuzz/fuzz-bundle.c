/* SPDX-License-Identifier: MPL-2.0 */
/* Border: the text of a bundle's config.json, and the plan that is made of it. */
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "runtime/bundle.h"
#include "runtime/plan.h"

/* Checked in release builds too. */
#define expect(condition)        \
        do {                     \
                if (!(condition)) \
                        abort(); \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct plan_options options = { .run_dir = "/run/busbar", .id = "fuzz", .parameters = "more" };
        auto_cleanup(bundle_freep) struct bundle *b = NULL;
        auto_cleanup(plan_freep) struct plan *p = NULL;
        auto_cleanup(freep) char *error = NULL, *plan_error = NULL;
        int r;

        r = bundle_parse("config.json", (const char *) data, size, &b, &error);
        if (r < 0) {
                expect(!b && error);
                return 0;
        }
        expect(!error && (!b->kernel != !b->firmware));
        r = plan_new_single(b, &options, &p, &plan_error);
        expect(r < 0 ? !p && plan_error : p->n_machines == 1 && p->machines[0].machine.n_devices == b->n_devices);
        return 0;
}
