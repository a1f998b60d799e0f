/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A bundle's overlay, applied by libfdt, which believes what an overlay says of itself: __local_fixups__ and
 * __fixups__ hold offsets into properties, at which it writes the numbers (phandles) of nodes. They are checked here,
 * by the same look-ups that libfdt makes later.
 *
 *      __local_fixups__ { node { property = <offset ...>; }; };      nodes and properties as in the overlay
 *      __fixups__ { label = "path:property:offset", ...; };
 *
 * Spec: dtc, Documentation/dt-object-internal.txt.
 */
#include <assert.h>
#include <errno.h>
#include <libfdt.h>
#include <stdbool.h>
#include <string.h>

#include "base/macros.h"
#include "monitor/aarch64/fdt.h"
#include "monitor/fail.h"

#define OVERLAY_VERSION 17  /* what dtc writes since 2006 */
#define OFFSET_DIGITS_MAX 6 /* FDT_OVERLAY_BYTES_MAX has as many */

static int fail_overlay(char **ret_error, const char *what, int fdt_error)
{
        return fail(fdt_error == -FDT_ERR_NOSPACE ? -ENOSPC : -EBADMSG, ret_error, "device tree overlay: %s%s%s", what,
                    fdt_error ? ": " : "", fdt_error ? fdt_strerror(fdt_error) : "");
}

/* libfdt goes down a tree by recursion, and so does check_local(). */
static bool depth_is_fine(const void *overlay)
{
        int depth = 0, node = 0;

        for (;;) {
                node = fdt_next_node(overlay, node, &depth);
                if (node < 0 || depth < 0)
                        return true;
                if (depth > FDT_OVERLAY_DEPTH_MAX)
                        return false;
        }
}

static bool has_cell_at(int property_bytes, uint64_t offset)
{
        return property_bytes >= 0 && range_fits(offset, sizeof(uint32_t), (uint64_t) property_bytes);
}

/* One property of __local_fixups__, and the one of @node that it speaks of. */
static bool check_local_property(const void *overlay, int node, int property)
{
        const char *name, *value;
        int n_bytes, n_target = -1;

        value = fdt_getprop_by_offset(overlay, property, &name, &n_bytes);
        if (!value || n_bytes % (int) sizeof(uint32_t) != 0 || !fdt_getprop(overlay, node, name, &n_target))
                return false;
        for (int i = 0; i < n_bytes; i += (int) sizeof(uint32_t)) {
                uint32_t offset;

                memcpy(&offset, value + i, sizeof(offset));
                if (!has_cell_at(n_target, fdt32_to_cpu(offset)))
                        return false;
        }
        return true;
}

/* Nor may it change these numbers themselves, once they are checked. @path: from the root on, without its slash. */
static bool is_fixups(const char *path)
{
        return strncmp(path, "__fixups__", strlen("__fixups__")) == 0 ||
               strncmp(path, "__local_fixups__", strlen("__local_fixups__")) == 0;
}

static bool check_local(const void *overlay, int node, int fixups)
{
        int property, child;

        fdt_for_each_property_offset(property, overlay, fixups)
        {
                if (!check_local_property(overlay, node, property))
                        return false;
        }
        fdt_for_each_subnode(child, overlay, fixups)
        {
                const char *name = fdt_get_name(overlay, child, NULL);
                int target = name ? fdt_subnode_offset(overlay, node, name) : -1;

                if (target < 0 || (node == 0 && is_fixups(name)) || !check_local(overlay, target, child))
                        return false;
        }
        return true;
}

/* "path:property:offset" */
static bool check_fixup(const void *overlay, const char *text)
{
        const char *name = strchr(text, ':'), *digits = name ? strchr(name + 1, ':') : NULL;
        size_t n_digits = digits ? strspn(digits + 1, "0123456789") : 0;
        uint64_t offset = 0;
        int node, n_target = -1;

        if (text[0] != '/' || is_fixups(text + strspn(text, "/")))
                return false;
        if (n_digits == 0 || n_digits > OFFSET_DIGITS_MAX || digits[1 + n_digits] != '\0')
                return false;
        for (size_t i = 1; i <= n_digits; i++)
                offset = offset * 10 + (uint64_t) (digits[i] - '0');
        node = fdt_path_offset_namelen(overlay, text, (int) (name - text));
        return node >= 0 && fdt_getprop_namelen(overlay, node, name + 1, (int) (digits - name - 1), &n_target) &&
               has_cell_at(n_target, offset);
}

static bool check_fixups(const void *overlay, int fixups)
{
        int property;

        fdt_for_each_property_offset(property, overlay, fixups)
        {
                int n_bytes = 0;
                const char *value = fdt_getprop_by_offset(overlay, property, NULL, &n_bytes);

                if (!value || n_bytes <= 0 || value[n_bytes - 1] != '\0')
                        return false;
                for (const char *text = value; text < value + n_bytes; text += strlen(text) + 1)
                        if (!check_fixup(overlay, text))
                                return false;
        }
        return true;
}

static bool offsets_are_fine(const void *overlay)
{
        int local = fdt_path_offset(overlay, "/__local_fixups__"), fixups = fdt_path_offset(overlay, "/__fixups__");

        return (local < 0 || check_local(overlay, 0, local)) && (fixups < 0 || check_fixups(overlay, fixups));
}

int devicetree_overlay(void *buf, size_t n_bytes, void *overlay, size_t n_overlay_bytes, char **ret_error)
{
        int r;

        assert(n_bytes <= FDT_BYTES_MAX);
        if (n_overlay_bytes > FDT_OVERLAY_BYTES_MAX)
                return fail_overlay(ret_error, "larger than 256 KiB", 0);
        /* libfdt 1.6's check itself stumbles over the root's name in versions before 16. */
        if (n_overlay_bytes < sizeof(struct fdt_header) || fdt_version(overlay) < OVERLAY_VERSION)
                return fail_overlay(ret_error, "damaged, or no compiled device tree (dtc -@)", 0);
        r = fdt_check_full(overlay, n_overlay_bytes);
        if (r < 0)
                return fail_overlay(ret_error, "damaged, or no compiled device tree (dtc -@)", r);
        if (!depth_is_fine(overlay))
                return fail_overlay(ret_error, "its nodes are nested too deeply", 0);
        if (!offsets_are_fine(overlay))
                return fail_overlay(ret_error, "its references to nodes lie outside of its properties", 0);
        r = fdt_open_into(buf, buf, (int) n_bytes);
        if (r < 0)
                return fail_overlay(ret_error, "no room", r);
        r = fdt_overlay_apply(buf, overlay);
        if (r < 0)
                return fail_overlay(ret_error, "cannot be applied to this machine's tree", r);
        r = fdt_pack(buf);
        return r < 0 ? fail_overlay(ret_error, "cannot be packed", r) : 0;
}
