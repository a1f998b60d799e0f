/* SPDX-License-Identifier: MPL-2.0 */
#include "base/json-reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/json-locate.h"
#include "base/macros.h"

/* Text of a file ends up on terminals and in logs. */
static void clean_text(char *s, bool ascii_only)
{
        for (; *s; s++) {
                unsigned char c = (unsigned char) *s;

                if (c < 0x20 || c == 0x7f || (ascii_only && c >= 0x80))
                        *s = '?';
        }
}

static int fail_at(struct json_document *d, unsigned line, const char *path, const char *text, bool ascii_only)
{
        if (d->error)
                return -EINVAL;
        if (asprintf(&d->error, "%s:%u: %s%s%s", d->file, line, path, *path ? ": " : "", text) < 0) {
                d->error = NULL;
                return -ENOMEM;
        }
        clean_text(d->error, ascii_only);
        return -EINVAL;
}

static int parse_text(struct json_document *d, const char *text, size_t n)
{
        char message[JSON_ERROR_TEXT_LENGTH + 32];
        json_error_t error;

        d->root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
        if (!d->root) {
                if (json_error_code(&error) == json_error_out_of_memory)
                        return -ENOMEM;
                (void) snprintf(message, sizeof(message), "not valid JSON: %s", error.text);
                return fail_at(d, (unsigned) MAX(error.line, 1), "", message, true);
        }
        if (!json_is_object(d->root))
                return fail_at(d, 1, "", "expected an object", false);
        return 0;
}

int document_parse(struct json_document *ret, const char *file, const char *text, size_t n, size_t max_bytes)
{
        char message[96];
        unsigned line;

        *ret = (struct json_document) { .file = strdup(file) };
        if (!ret->file)
                return -ENOMEM;
        if (n > max_bytes) {
                (void) snprintf(message, sizeof(message), "%zu bytes are more than the %zu allowed", n, max_bytes);
                return fail_at(ret, 1, "", message, false);
        }
        if (json_nests_deeper(text, n, JSON_DEPTH_MAX, &line)) {
                (void) snprintf(message, sizeof(message), "nested deeper than %d levels", JSON_DEPTH_MAX);
                return fail_at(ret, line, "", message, false);
        }
        ret->text = strndup(text, n);
        if (!ret->text)
                return -ENOMEM;
        return parse_text(ret, text, n);
}

void document_deinit(struct json_document *d)
{
        json_decref(d->root);
        free(d->file);
        free(d->text);
        free(d->error);
        *d = (struct json_document) { 0 };
}

struct json_node document_root(struct json_document *d)
{
        return (struct json_node) { .document = d, .value = d->root };
}

static size_t node_steps(const struct json_node *node, size_t steps[JSON_DEPTH_MAX + 1])
{
        size_t n = 0;

        for (const struct json_node *i = node; i->parent; i = i->parent)
                n++;
        for (size_t at = n; node->parent; node = node->parent)
                steps[--at] = node->index;
        return n;
}

unsigned node_line(const struct json_node *node)
{
        size_t steps[JSON_DEPTH_MAX + 1];
        size_t n = node_steps(node, steps);

        return json_locate_line(node->document->text, steps, n);
}

/* "vm.devices[2].type"; cut where it gets long. */
static size_t print_path(const struct json_node *node, char *buf, size_t n)
{
        size_t used = 0;
        int r;

        if (!node->parent) {
                buf[0] = '\0';
                return 0;
        }
        used = print_path(node->parent, buf, n);
        if (node->key)
                r = snprintf(buf + used, n - used, "%s%.64s", used > 0 ? "." : "", node->key);
        else
                r = snprintf(buf + used, n - used, "[%zu]", node->index);
        return MIN(used + (size_t) MAX(r, 0), n - 1);
}

int node_fail(const struct json_node *node, const char *format, ...)
{
        auto_cleanup(freep) char *text = NULL;
        char path[512];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0) {
                text = NULL;
                return -ENOMEM;
        }
        (void) print_path(node, path, sizeof(path));
        return fail_at(node->document, node_line(node), path, text, false);
}

int node_fail_expected(const struct json_node *node, const char *what)
{
        const json_t *value = node->value;

        switch (json_typeof(value)) {
        case JSON_STRING:
                return node_fail(node, "expected %s, got \"%.64s\"%s", what, json_string_value(value),
                                 json_string_length(value) > 64 ? " and more" : "");
        case JSON_INTEGER:
                return node_fail(node, "expected %s, got %" JSON_INTEGER_FORMAT, what, json_integer_value(value));
        case JSON_REAL:
                return node_fail(node, "expected %s, got %g", what, json_real_value(value));
        case JSON_OBJECT:
                return node_fail(node, "expected %s, got an object", what);
        case JSON_ARRAY:
                return node_fail(node, "expected %s, got an array", what);
        default:
                return node_fail(node, "expected %s, got %s", what,
                                 json_is_null(value) ? "null" : json_is_true(value) ? "true" : "false");
        }
}

/* Edit distance without regard to case; words longer than the table are far apart. */
static unsigned word_distance(const char *a, const char *b)
{
        unsigned row[32];
        size_t n_a = strlen(a), n_b = strlen(b);

        if (n_a >= ARRAY_SIZE(row) || n_b >= ARRAY_SIZE(row))
                return ARRAY_SIZE(row);
        for (size_t j = 0; j <= n_b; j++)
                row[j] = (unsigned) j;
        for (size_t i = 1; i <= n_a; i++) {
                unsigned diagonal = row[0];

                row[0] = (unsigned) i;
                for (size_t j = 1; j <= n_b; j++) {
                        bool same = strncasecmp(&a[i - 1], &b[j - 1], 1) == 0;
                        unsigned cost = MIN(MIN(row[j], row[j - 1]) + 1, diagonal + (same ? 0 : 1));

                        diagonal = row[j];
                        row[j] = cost;
                }
        }
        return row[n_b];
}

int node_only_members(const struct json_node *object, const char *const *names)
{
        struct json_node member;

        for (size_t i = 0; node_at(object, i, &member); i++) {
                const char *nearest = NULL;
                unsigned distance = 3;
                size_t k;

                for (k = 0; names[k] && strcmp(names[k], member.key) != 0; k++) {
                        unsigned here = word_distance(names[k], member.key);

                        if (here < distance && here < strlen(names[k])) {
                                distance = here;
                                nearest = names[k];
                        }
                }
                if (names[k])
                        continue;
                if (nearest)
                        return node_fail(&member, "unknown member, did you mean \"%s\"?", nearest);
                return node_fail(&member, "unknown member");
        }
        return 0;
}

int node_need_members(const struct json_node *object, const char *const *names)
{
        for (size_t i = 0; names[i]; i++)
                if (!json_object_get(object->value, names[i]))
                        return node_fail(object, "member \"%s\" is missing", names[i]);
        return 0;
}

bool node_at(const struct json_node *container, size_t i, struct json_node *ret)
{
        json_t *value = NULL;
        const char *key = NULL;

        if (json_is_array(container->value)) {
                value = json_array_get(container->value, i);
        } else if (json_is_object(container->value)) {
                void *iter = json_object_iter(container->value);

                for (size_t k = 0; k < i && iter; k++)
                        iter = json_object_iter_next(container->value, iter);
                key = iter ? json_object_iter_key(iter) : NULL;
                value = iter ? json_object_iter_value(iter) : NULL;
        }
        if (!value)
                return false;
        *ret = (struct json_node) {
                .document = container->document, .parent = container, .value = value, .key = key, .index = i,
        };
        return true;
}

int node_get(const struct json_node *object, const char *key, struct json_node *ret)
{
        json_t *value = json_object_get(object->value, key);
        size_t i = 0;

        if (!value)
                return 0;
        for (void *iter = json_object_iter(object->value); iter; iter = json_object_iter_next(object->value, iter), i++)
                if (strcmp(json_object_iter_key(iter), key) == 0)
                        break;
        *ret = (struct json_node) {
                .document = object->document, .parent = object, .value = value, .key = key, .index = i,
        };
        return 1;
}

int node_get_object(const struct json_node *object, const char *key, struct json_node *ret)
{
        struct json_node node;
        int r = node_get(object, key, &node);

        if (r <= 0)
                return r;
        if (!json_is_object(node.value))
                return node_fail_expected(&node, "an object");
        *ret = node;
        return 1;
}

int node_get_array(const struct json_node *object, const char *key, size_t max, struct json_node *ret)
{
        struct json_node node;
        int r = node_get(object, key, &node);

        if (r <= 0)
                return r;
        if (!json_is_array(node.value))
                return node_fail_expected(&node, "an array");
        if (json_array_size(node.value) > max)
                return node_fail(&node, "expected at most %zu elements, got %zu", max, json_array_size(node.value));
        *ret = node;
        return 1;
}

int node_get_bool(const struct json_node *object, const char *key, bool *ret)
{
        struct json_node node;
        int r = node_get(object, key, &node);

        if (r <= 0)
                return r;
        if (!json_is_boolean(node.value))
                return node_fail_expected(&node, "true or false");
        *ret = json_is_true(node.value);
        return 1;
}

int node_get_uint(const struct json_node *object, const char *key, uint64_t min, uint64_t max, uint64_t *ret)
{
        struct json_node node;
        char what[96];
        int r = node_get(object, key, &node);

        if (r <= 0)
                return r;
        (void) snprintf(what, sizeof(what), "an integer from %" PRIu64 " to %" PRIu64, min, max);
        if (!json_is_integer(node.value) || json_integer_value(node.value) < 0)
                return node_fail_expected(&node, what);
        if ((uint64_t) json_integer_value(node.value) < min || (uint64_t) json_integer_value(node.value) > max)
                return node_fail_expected(&node, what);
        *ret = (uint64_t) json_integer_value(node.value);
        return 1;
}

int node_string(const struct json_node *node, size_t max, const char **ret)
{
        const char *s = json_string_value(node->value);
        char what[96];

        if (!s)
                return node_fail_expected(node, "a string");
        if (*s == '\0' || strlen(s) > max) {
                (void) snprintf(what, sizeof(what), "a string of 1 to %zu bytes", max);
                return node_fail_expected(node, what);
        }
        for (const char *p = s; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        return node_fail_expected(node, "a string without control characters");
        *ret = s;
        return 0;
}

int node_get_string(const struct json_node *object, const char *key, size_t max, const char **ret)
{
        struct json_node node;
        int r = node_get(object, key, &node);

        if (r <= 0)
                return r;
        r = node_string(&node, max, ret);
        return r < 0 ? r : 1;
}

int node_get_choice(const struct json_node *object, const char *key, const char *const *choices, unsigned *ret)
{
        struct json_node node;
        char what[256] = "one of ";
        size_t used = strlen(what);
        const char *s;
        int r = node_get(object, key, &node);

        if (r <= 0)
                return r;
        s = json_string_value(node.value);
        for (unsigned i = 0; choices[i]; i++) {
                if (s && strcmp(s, choices[i]) == 0) {
                        *ret = i;
                        return 1;
                }
                r = snprintf(what + used, sizeof(what) - used, "%s%s", i > 0 ? ", " : "", choices[i]);
                used = MIN(used + (size_t) MAX(r, 0), sizeof(what) - 1);
        }
        return node_fail_expected(&node, what);
}
