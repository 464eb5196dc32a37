/* SPDX-License-Identifier: Apache-2.0 */
/* Comma-separated text as RFC 4180 has it, of one byte order mark at most, with LF or CRLF. Blanks around a field that
 * is not quoted are not part of it. */
#ifndef EFF_DATA_CSV_H
#define EFF_DATA_CSV_H

#include "base/error.h"

#include <stdio.h>

enum { EFF_CSV_COLUMNS = 64 };

typedef struct eff_csv {
    char *p, *end;
    size_t line, next; /* the one the row that was read begins on, and the one after it */
} eff_csv;

typedef struct eff_csv_row {
    char *field[EFF_CSV_COLUMNS]; /* text in the buffer, NUL-terminated; none holds a zero byte */
    int n;                        /* 0: the text is at its end                                   */
} eff_csv_row;

/** Read text[0..size), which is changed on the way; text[size] is 0. */
void eff_csv_begin(eff_csv *c, char *text, size_t size);
/** The next row that is not blank. @return EFF_EFORMAT naming line and column */
eff_status eff_csv_next(eff_csv *c, eff_csv_row *row, eff_error *err);

/** Write a field, quoted where that is needed to read the same text back. */
void eff_csv_put(FILE *f, const char *text);

#endif
