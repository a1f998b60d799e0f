/* SPDX-License-Identifier: MPL-2.0 */
/* Indirect tables that break the rules. */
#include "virtio/test-hostile.h"

static void line_4_indirect_not_negotiated(void **state)
{
        struct rig *rig = *state;

        if (rig->setup.features & RIG_INDIRECT)
                return;
        PUT_TABLE(rig, TABLE, { BUFFER, 16, 0, 0 });
        OFFER(rig, { TABLE, 16, INDIRECT, 0 });
        expect_broken(rig);
}

static void line_4_indirect_nested(void **state)
{
        struct rig *rig = *state;

        if (!(rig->setup.features & RIG_INDIRECT))
                return;
        PUT_TABLE(rig, TABLE, { TABLE, 32, INDIRECT, 0 }, { BUFFER, 16, 0, 0 });
        OFFER(rig, { TABLE, 32, INDIRECT, 0 });
        expect_broken(rig);
}

static void line_4_indirect_of_bad_length(void **state)
{
        struct rig *rig = *state;
        uint32_t most = rig->setup.size * 16U;

        if (!(rig->setup.features & RIG_INDIRECT))
                return;
        PUT_TABLE(rig, TABLE, { BUFFER, 16, 0, 0 });
        OFFER(rig, { TABLE, 0, INDIRECT, 0 });
        expect_broken(rig);
        OFFER(rig, { TABLE, 15, INDIRECT, 0 });
        expect_broken(rig);
        OFFER(rig, { TABLE, 17, INDIRECT, 0 });
        expect_broken(rig);
        OFFER(rig, { TABLE, most + 16, INDIRECT, 0 });
        expect_broken(rig);
        OFFER(rig, { TABLE, UINT32_MAX - 15, INDIRECT, 0 });
        expect_broken(rig);
}

static void line_4_indirect_with_next(void **state)
{
        struct rig *rig = *state;

        if (!(rig->setup.features & RIG_INDIRECT))
                return;
        PUT_TABLE(rig, TABLE, { BUFFER, 16, 0, 0 });
        OFFER(rig, { TABLE, 16, INDIRECT | NEXT, 1 }, { BUFFER, 16, 0, 0 });
        expect_broken(rig);
        OFFER(rig, { TABLE, 16, INDIRECT | NEXT, 0 });
        expect_broken(rig);
}

static void line_4_indirect_loop_in_the_table(void **state)
{
        struct rig *rig = *state;

        if (!(rig->setup.features & RIG_INDIRECT) || is_packed(rig))
                return;
        PUT_TABLE(rig, TABLE, { BUFFER, 16, NEXT, 1 }, { BUFFER, 16, NEXT, 0 });
        OFFER(rig, { TABLE, 32, INDIRECT, 0 });
        expect_broken(rig);
        PUT_TABLE(rig, TABLE, { BUFFER, 16, NEXT, 2 }, { BUFFER, 16, 0, 0 });
        OFFER(rig, { TABLE, 32, INDIRECT, 0 });
        expect_broken(rig);
}

static void line_4_indirect_table_in_a_hole_or_across_regions(void **state)
{
        struct rig *rig = *state;

        if (!(rig->setup.features & RIG_INDIRECT))
                return;
        OFFER(rig, { END - 16, 32, INDIRECT, 0 });
        expect_broken(rig);
        OFFER(rig, { UINT64_MAX - 15, 32, INDIRECT, 0 });
        expect_broken(rig);
        PUT_TABLE(rig, RIG_MEMORY_BYTES - 16, { BUFFER, 16, NEXT, 1 }, { BUFFER, 8, WRITE, 0 });
        OFFER(rig, { RIG_MEMORY_BYTES - 16, 32, INDIRECT | WRITE, 0 });
        expect_popped(rig, 16, 8);
}

static void line_4_indirect_after_direct_descriptors(void **state)
{
        struct rig *rig = *state;

        if (!(rig->setup.features & RIG_INDIRECT))
                return;
        PUT_TABLE(rig, TABLE, { BUFFER, 16, NEXT, 1 }, { BUFFER, 8, WRITE, 0 });
        OFFER(rig, { BUFFER, 4, NEXT, 1 }, { TABLE, 32, INDIRECT, 0 });
        if (is_packed(rig))
                expect_broken(rig);
        else
                expect_popped(rig, 20, 8); /* 2.7.5.3.2 */
}

int main(void)
{
        const struct CMUnitTest cases[] = {
                RIG_CASE(line_4_indirect_not_negotiated),
                RIG_CASE(line_4_indirect_nested),
                RIG_CASE(line_4_indirect_of_bad_length),
                RIG_CASE(line_4_indirect_with_next),
                RIG_CASE(line_4_indirect_loop_in_the_table),
                RIG_CASE(line_4_indirect_table_in_a_hole_or_across_regions),
                RIG_CASE(line_4_indirect_after_direct_descriptors),
        };
        const struct rig_config configs[] = {
                { RIG_SPLIT, 16, 0 },
                { RIG_SPLIT | RIG_INDIRECT | RIG_EVENT | RIG_ORDER, 2048, 0 },
                { RIG_PACKED, 15, 0 },
                { RIG_PACKED | RIG_INDIRECT | RIG_EVENT | RIG_ORDER, 2048, 0 },
        };

        return rig_run_cases(cases, ARRAY_SIZE(cases), configs, ARRAY_SIZE(configs));
}
