/* SPDX-License-Identifier: MPL-2.0 */
/* Border: the text of a system file, and the plan that is made of it with one bundle for all its machines. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/bundle.h"
#include "runtime/plan.h"
#include "runtime/system.h"

/* Checked in release builds too. */
#define expect(condition)        \
        do {                     \
                if (!(condition)) \
                        abort(); \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char bundle_text[] =
        "{ \"ociVersion\": \"1.3.0\", \"vm\": { \"kernel\": { \"path\": \"k\" }, \"devices\": ["
        "{ \"id\": \"root\", \"type\": \"blk\", \"image\": \"i\" },"
        "{ \"id\": \"eth0\", \"type\": \"net\", \"network\": \"n\" },"
        "{ \"id\": \"dash\", \"type\": \"gpu\", \"display\": \"d\" },"
        "{ \"id\": \"touch\", \"type\": \"input\", \"kind\": \"touch\", \"display\": \"d\" },"
        "{ \"id\": \"bell\", \"type\": \"sound\", \"audio\": \"a\" },"
        "{ \"id\": \"console\", \"type\": \"console\" } ] } }";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct plan_options options = { .run_dir = "/run/busbar" };
        auto_cleanup(system_freep) struct system *s = NULL;
        auto_cleanup(plan_freep) struct plan *p = NULL;
        auto_cleanup(freep) char *error = NULL, *plan_error = NULL, *scene_error = NULL;
        int r;

        r = system_parse("dir/fuzz.json", (const char *) data, size, &s, &error);
        if (r < 0) {
                expect(!s && error);
                return 0;
        }
        expect(!error && s->n_machines > 0);
        for (size_t i = 0; i < s->n_machines; i++) {
                r = bundle_parse("config.json", bundle_text, strlen(bundle_text), &s->machines[i].bundle, &error);
                expect(r == 0);
        }
        r = plan_new_system(s, &options, &p, &plan_error);
        expect(r < 0 ? !p && plan_error : p->n_machines == s->n_machines);
        p = plan_free(p);
        (void) system_check_scene(s, &scene_error);
        return 0;
}
