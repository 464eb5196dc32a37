/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows: what a report is written into before it goes to a file in one piece. A failed allocation is
 * remembered and everything after it ignored, so that writers need one check, at the end. */
#ifndef EFF_REPORT_TEXT_H
#define EFF_REPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct eff_text { /* zeroed to begin with */
    char *s;              /* NUL at s[n]; NULL while empty */
    size_t n, room;
    bool failed;
} eff_text;

void eff_text_free(eff_text *t);

void eff_text_put(eff_text *t, const char *s);
/** printf() as in the "C" locale, of less than 1,024 bytes. */
void eff_text_print(eff_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Text from outside, to stand between tags or in a quoted attribute of HTML or SVG: the five characters that mean
 * something there are escaped, invalid UTF-8 and control characters become U+FFFD. */
void eff_text_escape(eff_text *t, const char *s);
/** The same, cut to `most` characters, the last of them an ellipsis then. */
void eff_text_escape_cut(eff_text *t, const char *s, size_t most);

void eff_text_base64(eff_text *t, const unsigned char *bytes, size_t n);

#endif
