/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, strictly: no overlong forms, no surrogates. Names go into JSON, model files and terminals. */
#ifndef EFF_BASE_UTF8_H
#define EFF_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/** Bytes of the character at the start of s[0..n), or 0 when it is not one (NUL is one). */
static inline size_t eff_utf8_length(const char *str, size_t n)
{
    const unsigned char *s = (const unsigned char *)str;
    if (n == 0) return 0;
    const size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (len > n) return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] >= 0x90))
        return 0;
    return len;
}

/** Is s[0..n) text to show on one line: valid UTF-8 without control characters? */
static inline bool eff_utf8_is_line(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        const size_t len = eff_utf8_length(s + i, n - i);
        if (len == 0 || (unsigned char)s[i] < 0x20 || s[i] == 0x7f) return false;
        i += len;
    }
    return true;
}

#endif
