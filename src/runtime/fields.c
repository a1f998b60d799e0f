/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/fields.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json-reader.h"
#include "runtime/inner-file.h"

static int copy(const char *s, char **ret)
{
        char *text = strdup(s);

        if (!text)
                return -ENOMEM;
        *ret = text;
        return 1;
}

static bool leaves_upwards(const char *path)
{
        for (const char *p = path; *p;) {
                size_t n = strcspn(p, "/");

                if (n == 2 && p[0] == '.' && p[1] == '.')
                        return true;
                p += n + (p[n] == '/');
        }
        return false;
}

int fields_get_inner_path(const struct json_node *object, const char *key, int dir_fd, char **ret)
{
        struct json_node node;
        const char *s;
        int r;

        if (node_get(object, key, &node) == 0)
                return 0;
        r = node_string(&node, PATH_MAX - 1, &s);
        if (r < 0)
                return r;
        if (s[0] == '/' || leaves_upwards(s))
                return node_fail_expected(&node, "a path inside the bundle, relative to it and without \"..\"");
        if (dir_fd < 0)
                return copy(s, ret);
        r = inner_file_resolve(dir_fd, s, ret);
        if (r == -ENOMEM)
                return r;
        return r < 0 ? node_fail(&node, "\"%s\" %s", s, inner_file_error(r)) : 1;
}

static int join_parameters(const struct json_node *array, char **ret)
{
        char text[FIELDS_PARAMETERS_MAX + 1] = "";
        struct json_node element;
        size_t used = 0;

        for (size_t i = 0; node_at(array, i, &element); i++) {
                const char *s;
                int r = node_string(&element, FIELDS_PARAMETERS_MAX, &s);

                if (r < 0)
                        return r;
                if (used + strlen(s) + 1 > FIELDS_PARAMETERS_MAX)
                        return node_fail(array, "longer than the %d bytes of a kernel's command line",
                                         FIELDS_PARAMETERS_MAX);
                used += (size_t) snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? " " : "", s);
        }
        return copy(text, ret);
}

int fields_get_parameters(const struct json_node *object, const char *key, char **ret)
{
        struct json_node node;
        const char *s;
        int r = node_get(object, key, &node);

        if (r <= 0)
                return r;
        if (json_is_array(node.value))
                return join_parameters(&node, ret);
        if (!json_is_string(node.value))
                return node_fail_expected(&node, "a string or an array of strings");
        if (*json_string_value(node.value) == '\0')
                return copy("", ret);
        r = node_string(&node, FIELDS_PARAMETERS_MAX, &s);
        return r < 0 ? r : copy(s, ret);
}
