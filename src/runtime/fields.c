/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/fields.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json-reader.h"
#include "runtime/bundle.h"
#include "runtime/inner-file.h"

#define NAME_RULE "a name of 1 to 31 letters, digits, '-' and '_' that begins with a letter or digit"

_Static_assert(BUNDLE_ID_MAX == 31, "NAME_RULE says it");

bool name_is_valid(const char *s)
{
        size_t n = strlen(s);

        if (n == 0 || n > BUNDLE_ID_MAX || !isalnum((unsigned char) s[0]))
                return false;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) s[i] >= 0x80 || (!isalnum((unsigned char) s[i]) && s[i] != '-' && s[i] != '_'))
                        return false;
        return true;
}

static int copy(const char *s, char **ret)
{
        char *text = strdup(s);

        if (!text)
                return -ENOMEM;
        *ret = text;
        return 1;
}

int fields_get_name(const struct json_node *object, const char *key, char **ret)
{
        struct json_node node;
        int r = node_get(object, key, &node);

        if (r <= 0)
                return r;
        if (!json_is_string(node.value) || !name_is_valid(json_string_value(node.value)))
                return node_fail_expected(&node, NAME_RULE);
        return copy(json_string_value(node.value), ret);
}

int fields_check_key(const struct json_node *member)
{
        return name_is_valid(member->key) ? 0 : node_fail(member, "expected " NAME_RULE);
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

int fields_get_text(const struct json_node *object, const char *key, size_t max, char **ret)
{
        const char *s;
        int r = node_get_string(object, key, max, &s);

        return r <= 0 ? r : copy(s, ret);
}
