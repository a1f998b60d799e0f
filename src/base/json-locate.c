/* SPDX-License-Identifier: MPL-2.0 */
#include "base/json-locate.h"

/* Loops, not strspn(3) and strcspn(3), for which AddressSanitizer can read the whole rest of a text at each call. */
static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static const char *skip_space(const char *p)
{
        while (is_space(*p))
                p++;
        return p;
}

static const char *skip_plain(const char *p)
{
        while (*p && *p != ',' && *p != ']' && *p != '}' && !is_space(*p))
                p++;
        return p;
}

/* @p is at the opening quote; returns what follows the closing one. */
static const char *skip_string(const char *p)
{
        for (p++; *p && *p != '"'; p++)
                if (*p == '\\' && p[1])
                        p++;
        return *p ? p + 1 : p;
}

/* @p is at the value's first character; returns what follows its last one. */
static const char *skip_value(const char *p)
{
        size_t depth = 0;

        do {
                if (*p == '"') {
                        p = skip_string(p);
                        continue;
                }
                if (*p == '{' || *p == '[') {
                        depth++;
                        p++;
                } else if (*p == '}' || *p == ']') {
                        depth--;
                        p++;
                } else if (depth == 0) {
                        return skip_plain(p);
                } else if (*p) {
                        p++;
                }
        } while (depth > 0 && *p);
        return p;
}

/* @p is at a container; returns its member's key or its element number @step. */
static const char *enter(const char *p, size_t step)
{
        bool object = *p == '{';

        p = skip_space(p + 1);
        while (step-- > 0 && *p) {
                if (object) {
                        p = skip_space(skip_string(p));
                        p = skip_space(p + (*p == ':'));
                }
                p = skip_space(skip_value(p));
                p = skip_space(p + (*p == ','));
        }
        return p;
}

unsigned json_locate_line(const char *text, const size_t *steps, size_t n_steps)
{
        const char *p = skip_space(text), *found = p;
        unsigned line = 1;

        for (size_t i = 0; i < n_steps && (*p == '{' || *p == '['); i++) {
                bool object = *p == '{';

                found = p = enter(p, steps[i]);
                if (object && *p == '"') {
                        p = skip_space(skip_string(p));
                        p = skip_space(p + (*p == ':'));
                }
        }
        for (const char *q = text; q < found; q++)
                line += *q == '\n';
        return line;
}

bool json_nests_deeper(const char *text, size_t n, unsigned max, unsigned *ret_line)
{
        unsigned depth = 0, line = 1;
        bool quoted = false;

        for (size_t i = 0; i < n; i++) {
                char c = text[i];

                line += c == '\n';
                if (quoted) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                quoted = false;
                } else if (c == '"') {
                        quoted = true;
                } else if (c == '{' || c == '[') {
                        if (++depth > max) {
                                *ret_line = line;
                                return true;
                        }
                } else if ((c == '}' || c == ']') && depth > 0) {
                        depth--;
                }
        }
        return false;
}
