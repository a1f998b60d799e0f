/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "monitor/aarch64/fdt.h"
#include "monitor/layout.h"
#include "monitor/memory.h"

#define MIB (1 << 20)

static const struct layout places = {
        .serial = 0x9000000, .serial_line = 1, .clock = 0x9010000, .watchdog = 0x9020000,
        .watchdog_line = 3, .power = 0x9030000, .power_line = 4, .panic = 0x9040000, .mmio_slots = 0xa000000,
        .mmio_line = 16, .n_mmio_slots = 32, .pci_window = 0x10000000, .pci_window_bytes = 0x2f000000,
        .ecam = 0x3f000000, .ecam_bytes = 0x100000,
};
static const struct memory memory = {
        .ranges = { { .start = 0x40000000, .size_bytes = UINT64_C(300) << 30 } }, .n_ranges = 1
};
static const uint64_t mpidr[8] = { 0, 1, 2, 3, 0x100, 0x101, 0x102, 0x100000000 };

static struct fdt_facts facts_of(unsigned gic_version)
{
        return (struct fdt_facts){ .layout = &places, .memory = &memory, .gic_version = gic_version, .pmu = true,
                                   .mpidr = mpidr, .n_vcpus = 8, .n_mmio = 4, .parameters = "quiet root=/dev/vda",
                                   .initrd = 0x44200000, .initrd_bytes = 12345, .kaslr_seed = 7 };
}

static char *build(const struct fdt_facts *facts)
{
        char *tree = malloc(FDT_BYTES_MAX);

        assert_int_equal(devicetree_build(facts, tree, FDT_BYTES_MAX), 0);
        assert_int_equal(fdt_check_full(tree, FDT_BYTES_MAX), 0);
        return tree;
}

static void expect_cells(const void *tree, const char *path, const char *property, const uint32_t *expected, size_t n)
{
        int node = fdt_path_offset(tree, path), n_bytes = 0;
        const fdt32_t *value = fdt_getprop(tree, node, property, &n_bytes);

        assert_non_null(value);
        assert_int_equal(n_bytes, n * sizeof(*value));
        for (size_t i = 0; i < n; i++)
                assert_int_equal(fdt32_to_cpu(value[i]), expected[i]);
}

#define EXPECT(tree, path, property, ...)                                    \
        expect_cells((tree), (path), (property), (uint32_t[]){ __VA_ARGS__ }, \
                     sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void expect_text(const void *tree, const char *path, const char *property, const char *expected)
{
        assert_string_equal(fdt_getprop(tree, fdt_path_offset(tree, path), property, NULL), expected);
}

static void tree_says_what_the_machine_has(void **state)
{
        struct fdt_facts facts = facts_of(3);
        auto_cleanup(freep) char *tree = build(&facts);

        EXPECT(tree, "/memory@40000000", "reg", 0, 0x40000000, 0x4b, 0);
        EXPECT(tree, "/cpus/cpu@100", "reg", 0, 0x100);
        EXPECT(tree, "/cpus/cpu@100000000", "reg", 1, 0);
        expect_text(tree, "/cpus/cpu@1", "enable-method", "psci");
        expect_text(tree, "/psci", "method", "hvc");
        expect_text(tree, "/chosen", "bootargs", "quiet root=/dev/vda");
        expect_text(tree, "/chosen", "stdout-path", "/serial@9000000");
        EXPECT(tree, "/chosen", "linux,initrd-start", 0, 0x44200000);
        EXPECT(tree, "/chosen", "linux,initrd-end", 0, 0x44200000 + 12345);
        EXPECT(tree, "/serial@9000000", "interrupts", 0, 1, 4);
        EXPECT(tree, "/virtio_mmio@a003000", "interrupts", 0, 19, 1);
        assert_true(fdt_path_offset(tree, "/virtio_mmio@a004000") < 0);
        EXPECT(tree, "/pcie@3f000000", "msi-map", 0,
               fdt_get_phandle(tree, fdt_path_offset(tree, "/interrupt-controller@8000000/msi-controller@8080000")), 0,
               0x10000);
        assert_non_null(fdt_getprop(tree, fdt_path_offset(tree, "/pcie@3f000000"), "dma-coherent", NULL));
        EXPECT(tree, "/interrupt-controller@8000000", "reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0x100000);
}

static void version_2_has_a_message_frame(void **state)
{
        struct fdt_facts facts = facts_of(2);
        auto_cleanup(freep) char *tree = build(&facts);

        expect_text(tree, "/interrupt-controller@8000000", "compatible", "arm,cortex-a15-gic");
        expect_text(tree, "/interrupt-controller@8000000/msi-controller@8020000", "compatible", "arm,gic-v2m-frame");
        EXPECT(tree, "/pmu", "interrupts", 1, 7, 0xff04);
}

static void what_is_absent_is_not_in_the_tree(void **state)
{
        struct fdt_facts facts = facts_of(3);
        auto_cleanup(freep) char *tree = NULL;

        facts.parameters = NULL;
        facts.initrd_bytes = 0;
        facts.pmu = false;
        facts.n_mmio = 0;
        tree = build(&facts);
        assert_null(fdt_getprop(tree, fdt_path_offset(tree, "/chosen"), "bootargs", NULL));
        assert_null(fdt_getprop(tree, fdt_path_offset(tree, "/chosen"), "linux,initrd-start", NULL));
        assert_true(fdt_path_offset(tree, "/pmu") < 0);
        assert_true(fdt_path_offset(tree, "/virtio_mmio@a000000") < 0);
}

static void too_long_parameters_are_an_error(void **state)
{
        struct fdt_facts facts = facts_of(3);
        auto_cleanup(freep) char *tree = malloc(FDT_BYTES_MAX), *text = malloc(FDT_BYTES_MAX);

        memset(text, 'a', FDT_BYTES_MAX - 1);
        text[FDT_BYTES_MAX - 1] = 0;
        facts.parameters = text;
        assert_int_equal(devicetree_build(&facts, tree, FDT_BYTES_MAX), -ENOSPC);
        facts.parameters = NULL;
        assert_int_equal(devicetree_build(&facts, tree, 256), -ENOSPC);
}

static void dtc_has_no_complaints(void **state)
{
        for (unsigned version = 2; version <= 3; version++) {
                struct fdt_facts facts = facts_of(version);
                auto_cleanup(freep) char *tree = build(&facts);
                char line[512] = "";
                FILE *pipe;
                char path[] = "/tmp/busbar-test-fdt-XXXXXX", command[128];
                auto_cleanup(closep) int fd = mkstemp(path);

                assert_int_equal(fd_write_full(fd, tree, fdt_totalsize(tree)), 0);
                (void) snprintf(command, sizeof(command), "dtc -I dtb -O dtb -o /dev/null %s 2>&1", path);
                pipe = popen(command, "re");
                assert_non_null(pipe);
                (void) !fgets(line, sizeof(line), pipe);
                (void) pclose(pipe);
                (void) unlink(path);
                if (strstr(line, "not found")) {
                        print_message("# no dtc (package device-tree-compiler)\n");
                        skip();
                }
                assert_string_equal(line, "");
        }
}

/* An overlay that adds @property = "yes" to the node at @target. */
static size_t make_overlay(char *buf, const char *target, const char *property)
{
        assert_int_equal(fdt_create(buf, FDT_OVERLAY_BYTES_MAX), 0);
        (void) fdt_finish_reservemap(buf);
        (void) fdt_begin_node(buf, "");
        (void) fdt_begin_node(buf, "fragment@0");
        (void) fdt_property_string(buf, "target-path", target);
        (void) fdt_begin_node(buf, "__overlay__");
        (void) fdt_property_string(buf, property, "yes");
        (void) fdt_end_node(buf);
        (void) fdt_end_node(buf);
        (void) fdt_end_node(buf);
        assert_int_equal(fdt_finish(buf), 0);
        return fdt_totalsize(buf);
}

static void overlay_is_applied(void **state)
{
        struct fdt_facts facts = facts_of(3);
        auto_cleanup(freep) char *tree = build(&facts), *overlay = malloc(FDT_OVERLAY_BYTES_MAX), *error = NULL;
        size_t n = make_overlay(overlay, "/chosen", "answer");

        assert_int_equal(devicetree_overlay(tree, FDT_BYTES_MAX, overlay, n, &error), 0);
        expect_text(tree, "/chosen", "answer", "yes");
        expect_text(tree, "/chosen", "bootargs", "quiet root=/dev/vda");
}

/* An overlay for &@label, as dtc writes it. */
static size_t make_labelled_overlay(char *buf, const char *label)
{
        assert_int_equal(fdt_create(buf, FDT_OVERLAY_BYTES_MAX), 0);
        (void) fdt_finish_reservemap(buf);
        (void) fdt_begin_node(buf, "");
        (void) fdt_begin_node(buf, "fragment@0");
        (void) fdt_property_u32(buf, "target", 0xffffffff);
        (void) fdt_begin_node(buf, "__overlay__");
        (void) fdt_property_string(buf, "answer", "yes");
        (void) fdt_end_node(buf);
        (void) fdt_end_node(buf);
        (void) fdt_begin_node(buf, "__fixups__");
        (void) fdt_property_string(buf, label, "/fragment@0:target:0");
        (void) fdt_end_node(buf);
        (void) fdt_end_node(buf);
        assert_int_equal(fdt_finish(buf), 0);
        return fdt_totalsize(buf);
}

static void overlay_finds_nodes_by_label(void **state)
{
        static const struct {
                const char *label, *path;
        } expected[] = { { "chosen", "/chosen" }, { "gic", "/interrupt-controller@8000000" }, { "clock", "/apb-pclk" },
                         { "pl061", "/gpio@9030000" }, { "pcie", "/pcie@3f000000" } };

        for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
                struct fdt_facts facts = facts_of(3);
                auto_cleanup(freep) char *tree = build(&facts), *overlay = malloc(FDT_OVERLAY_BYTES_MAX), *error = NULL;
                size_t n = make_labelled_overlay(overlay, expected[i].label);

                assert_int_equal(devicetree_overlay(tree, FDT_BYTES_MAX, overlay, n, &error), 0);
                expect_text(tree, expected[i].path, "answer", "yes");
        }
}

static void expect_refused(char *overlay, size_t n)
{
        struct fdt_facts facts = facts_of(3);
        auto_cleanup(freep) char *tree = build(&facts), *error = NULL;

        assert_true(devicetree_overlay(tree, FDT_BYTES_MAX, overlay, n, &error) < 0);
        assert_non_null(error);
}

static void hostile_overlays_are_refused(void **state)
{
        auto_cleanup(freep) char *overlay = malloc(FDT_OVERLAY_BYTES_MAX + 8);
        size_t n = make_overlay(overlay, "/nobody", "answer");

        expect_refused(overlay, n);
        for (size_t cut = 0; cut < n; cut += 3) {
                n = make_overlay(overlay, "/chosen", "answer");
                expect_refused(overlay, cut);
        }
        expect_refused(overlay, FDT_OVERLAY_BYTES_MAX + 1);
        memset(overlay, 0xff, 4096);
        expect_refused(overlay, 4096);
}

static void deep_overlays_are_refused(void **state)
{
        auto_cleanup(freep) char *overlay = malloc(FDT_OVERLAY_BYTES_MAX);
        const int depth = 10000;

        assert_int_equal(fdt_create(overlay, FDT_OVERLAY_BYTES_MAX), 0);
        (void) fdt_finish_reservemap(overlay);
        (void) fdt_begin_node(overlay, "");
        (void) fdt_begin_node(overlay, "fragment@0");
        (void) fdt_property_string(overlay, "target-path", "/");
        (void) fdt_begin_node(overlay, "__overlay__");
        for (int i = 0; i < depth; i++)
                (void) fdt_begin_node(overlay, "a");
        for (int i = 0; i < depth + 3; i++)
                (void) fdt_end_node(overlay);
        assert_int_equal(fdt_finish(overlay), 0);
        expect_refused(overlay, fdt_totalsize(overlay));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tree_says_what_the_machine_has),
                cmocka_unit_test(version_2_has_a_message_frame),
                cmocka_unit_test(what_is_absent_is_not_in_the_tree),
                cmocka_unit_test(too_long_parameters_are_an_error),
                cmocka_unit_test(dtc_has_no_complaints),
                cmocka_unit_test(overlay_is_applied),
                cmocka_unit_test(overlay_finds_nodes_by_label),
                cmocka_unit_test(hostile_overlays_are_refused),
                cmocka_unit_test(deep_overlays_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
