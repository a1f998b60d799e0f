/* SPDX-License-Identifier: MPL-2.0 */
/* Border: the text of a state.json. What is accepted must come out of a round trip unchanged. */
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "runtime/state.h"

/* Checked in release builds too. */
#define expect(condition)        \
        do {                     \
                if (!(condition)) \
                        abort(); \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        auto_cleanup(machine_state_deinit) struct machine_state first, second;
        json_t *json = json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES, NULL), *again, *more;

        machine_state_init(&first);
        machine_state_init(&second);
        if (!json || machine_state_from_json(json, &first) < 0) {
                json_decref(json);
                return 0;
        }
        again = machine_state_to_json(&first);
        expect(again && machine_state_from_json(again, &second) == 0);
        more = machine_state_to_json(&second);
        expect(json_equal(again, more));
        json_decref(json);
        json_decref(again);
        json_decref(more);
        return 0;
}
