/* SPDX-License-Identifier: MPL-2.0 */
#include "base/json-fields.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json-reader.h"

_Static_assert(FIELDS_NAME_MAX == 31, "FIELDS_NAME_RULE says it");

bool name_is_valid(const char *s)
{
        size_t n = strlen(s);

        if (n == 0 || n > FIELDS_NAME_MAX || !isalnum((unsigned char) s[0]))
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
                return node_fail_expected(&node, FIELDS_NAME_RULE);
        return copy(json_string_value(node.value), ret);
}

int fields_check_key(const struct json_node *member)
{
        return name_is_valid(member->key) ? 0 : node_fail(member, "expected " FIELDS_NAME_RULE);
}

int fields_get_named(const struct json_node *object, const char *key, size_t max, struct json_node *ret, size_t *ret_n)
{
        struct json_node node, member;
        size_t n;
        int r = node_get_object(object, key, &node);

        if (r <= 0)
                return r;
        n = json_object_size(node.value);
        if (n > max)
                return node_fail(&node, "expected at most %zu members, got %zu", max, n);
        for (size_t i = 0; node_at(&node, i, &member); i++) {
                r = fields_check_key(&member);
                if (r < 0)
                        return r;
                if (!json_is_object(member.value))
                        return node_fail_expected(&member, "an object");
        }
        *ret = node;
        *ret_n = n;
        return 1;
}

int fields_get_text(const struct json_node *object, const char *key, size_t max, char **ret)
{
        const char *s;
        int r = node_get_string(object, key, max, &s);

        return r <= 0 ? r : copy(s, ret);
}

int fields_get_path(const struct json_node *object, const char *key, const char *dir, char **ret)
{
        const char *s;
        char *path;
        int r = node_get_string(object, key, PATH_MAX - 1, &s);

        if (r <= 0)
                return r;
        if (s[0] == '/' || !dir)
                return copy(s, ret);
        if (asprintf(&path, "%s/%s", dir, s) < 0)
                return -ENOMEM;
        *ret = path;
        return 1;
}

int fields_get_int(const struct json_node *object, const char *key, int min, int max, int *ret)
{
        struct json_node node;
        char what[64];
        int r = node_get(object, key, &node);

        if (r <= 0)
                return r;
        if (!json_is_integer(node.value) || json_integer_value(node.value) < min ||
            json_integer_value(node.value) > max) {
                (void) snprintf(what, sizeof(what), "an integer from %d to %d", min, max);
                return node_fail_expected(&node, what);
        }
        *ret = (int) json_integer_value(node.value);
        return 1;
}

int fields_get_u32(const struct json_node *object, const char *key, uint32_t min, uint32_t max, uint32_t *ret)
{
        uint64_t value;
        int r = node_get_uint(object, key, min, max, &value);

        if (r > 0)
                *ret = (uint32_t) value;
        return r;
}

int fields_get_numbers(const struct json_node *object, const char *key, size_t n, const uint32_t *min, uint32_t max,
                       uint32_t *ret)
{
        struct json_node array, element;
        int r = node_get(object, key, &array);

        if (r <= 0)
                return r;
        if (!json_is_array(array.value) || json_array_size(array.value) != n)
                return node_fail(&array, "expected an array of %zu integers", n);
        for (size_t i = 0; node_at(&array, i, &element); i++) {
                json_int_t value = json_integer_value(element.value);

                if (!json_is_integer(element.value) || value < (json_int_t) min[i] || value > (json_int_t) max) {
                        char what[64];

                        (void) snprintf(what, sizeof(what), "an integer from %" PRIu32 " to %" PRIu32, min[i], max);
                        return node_fail_expected(&element, what);
                }
        }
        for (size_t i = 0; i < n; i++)
                ret[i] = (uint32_t) json_integer_value(json_array_get(array.value, i));
        return 1;
}
