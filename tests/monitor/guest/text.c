/* SPDX-License-Identifier: MPL-2.0 */
/* The serial console as a printer, words of the command line, and what a compiler expects of a C library. */
#include <stdarg.h>

#include "guest.h"

void *memset(void *to, int value, size_t n);
void *memcpy(void *to, const void *from, size_t n);

void *memset(void *to, int value, size_t n)
{
        volatile unsigned char *t = to;

        while (n-- > 0)
                *t++ = (unsigned char) value;
        return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
        volatile unsigned char *t = to;
        const unsigned char *f = from;

        while (n-- > 0)
                *t++ = *f++;
        return to;
}

static void print_number(uint64_t value, unsigned base, unsigned width)
{
        char digits[20];
        unsigned n = 0;

        do {
                digits[n++] = "0123456789abcdef"[value % base];
                value /= base;
        } while (value > 0);
        while (n < width && n < sizeof(digits))
                digits[n++] = '0';
        while (n > 0)
                arch_put_char(digits[--n]);
}

static void print_string(const char *s)
{
        while (*s)
                arch_put_char(*s++);
}

void print(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        for (const char *f = format; *f; f++) {
                unsigned width = 0;
                bool is_long = false;

                if (*f != '%') {
                        arch_put_char(*f);
                        continue;
                }
                for (f++; (*f >= '0' && *f <= '9') || *f == 'l'; f++)
                        if (*f == 'l')
                                is_long = true;
                        else
                                width = width * 10 + (unsigned) (*f - '0');
                if (*f == 's')
                        print_string(va_arg(args, const char *));
                else if (*f == 'c')
                        arch_put_char((char) va_arg(args, int));
                else
                        print_number(is_long ? va_arg(args, unsigned long long) : va_arg(args, unsigned),
                                     *f == 'x' ? 16 : 10, width);
        }
        va_end(args);
}

/* The word NAME=... of the command line, or the word NAME alone. */
bool parameter(const char *name, const char **ret_value, size_t *ret_length)
{
        const char *p = board.parameters;

        while (p && *p) {
                const char *n = name;

                while (*p == ' ')
                        p++;
                for (; *n && *p == *n; p++)
                        n++;
                if (!*n && (!*p || *p == ' ' || *p == '=')) {
                        const char *value = *p == '=' ? p + 1 : p, *end = value;

                        while (*end && *end != ' ')
                                end++;
                        *ret_value = value;
                        *ret_length = (size_t) (end - value);
                        return true;
                }
                while (*p && *p != ' ')
                        p++;
        }
        return false;
}

uint64_t parameter_number(const char *name, uint64_t otherwise)
{
        uint64_t value = 0;
        const char *s;
        size_t n, i = 0;
        unsigned base = 10;

        if (!parameter(name, &s, &n))
                return otherwise;
        if (n > 2 && s[0] == '0' && s[1] == 'x') {
                base = 16;
                i = 2;
        }
        for (; i < n; i++)
                value = value * base + (unsigned) (s[i] <= '9' ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
        return value;
}

bool parameter_is(const char *name, const char *value)
{
        const char *s;
        size_t n, i = 0;

        if (!parameter(name, &s, &n))
                return false;
        while (i < n && value[i] == s[i])
                i++;
        return i == n && !value[i];
}

uint32_t random_number(void)
{
        static uint64_t state = 0x2545f4914f6cdd1d;

        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return (uint32_t) ((state * 0x2545f4914f6cdd1d) >> 32);
}
