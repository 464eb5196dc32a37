/* SPDX-License-Identifier: Apache-2.0 */
/* Rows are taken apart in place: a field never grows, so it is unquoted where it stands and ended by a zero byte. */
#include "data/csv.h"

#include <stdbool.h>
#include <string.h>

void eff_csv_begin(eff_csv *c, char *text, size_t size)
{
    *c = (eff_csv){ .p = text, .end = text + size, .line = 0, .next = 1 };
    if (size >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) c->p += 3; /* as spreadsheets write */
}

static bool is_blank(char ch) { return ch == ' ' || ch == '\t'; }

static bool at_line_end(const eff_csv *c, const char *p)
{
    return p == c->end || *p == '\n' || (*p == '\r' && (p + 1 == c->end || p[1] == '\n'));
}

/* What stands behind a field: a comma, or the end of the line. `stop` takes the field's terminating zero. */
static bool step_over(eff_csv *c, char *p, char *stop)
{
    const bool more = p != c->end && *p == ',';
    if (p != c->end) {
        if (*p == '\r') p++;
        if (p != c->end) {
            if (*p == '\n') c->next++;
            p++;
        }
    }
    *stop = 0;
    c->p = p;
    return more;
}

static eff_status quoted(eff_csv *c, char *p, char **field, char **stop, char **behind, int column, eff_error *err)
{
    const size_t line = c->next;
    char *to = ++p;
    *field = to;
    for (;; p++) {
        if (p == c->end)
            return eff_fail(err, EFF_EFORMAT,
                            "line %zu, column %d: expected a closing quote, found the end of the file", line, column);
        if (*p == '"') {
            if (p + 1 == c->end || p[1] != '"') break;
            p++; /* two of them stand for one */
        }
        if (*p == '\n') c->next++;
        *to++ = *p;
    }
    for (p++; !at_line_end(c, p) && is_blank(*p);) p++;
    if (!at_line_end(c, p) && *p != ',')
        return eff_fail(err, EFF_EFORMAT,
                        "line %zu, column %d: expected a comma or the line's end after a quote, found '%c'", c->next,
                        column, *p);
    *stop = to;
    *behind = p;
    return EFF_OK;
}

static eff_status plain(eff_csv *c, char *p, char **field, char **stop, char **behind, int column, eff_error *err)
{
    *field = p;
    while (!at_line_end(c, p) && *p != ',') {
        if (*p == '"')
            return eff_fail(
                err, EFF_EFORMAT,
                "line %zu, column %d: expected a field with quotes to be quoted as a whole, found one inside", c->next,
                column);
        p++;
    }
    *behind = p;
    while (p > *field && is_blank(p[-1])) p--;
    *stop = p;
    return EFF_OK;
}

static eff_status read_row(eff_csv *c, eff_csv_row *row, eff_error *err)
{
    row->n = 0;
    c->line = c->next;
    for (bool more = true; more;) {
        char *p = c->p, *field = p, *stop = p, *behind = p;
        const int column = row->n + 1;
        if (column > EFF_CSV_COLUMNS)
            return eff_fail(err, EFF_EFORMAT, "line %zu: expected at most %d columns, found more", c->line,
                            EFF_CSV_COLUMNS);
        while (p != c->end && is_blank(*p)) p++;
        const eff_status s = p != c->end && *p == '"' ? quoted(c, p, &field, &stop, &behind, column, err)
                                                      : plain(c, p, &field, &stop, &behind, column, err);
        if (s != EFF_OK) return s;
        if (memchr(field, 0, (size_t)(stop - field)))
            return eff_fail(err, EFF_EFORMAT, "line %zu, column %d: expected text, found a zero byte", c->line, column);
        more = step_over(c, behind, stop);
        row->field[row->n++] = field;
    }
    return EFF_OK;
}

eff_status eff_csv_next(eff_csv *c, eff_csv_row *row, eff_error *err)
{
    while (c->p != c->end) {
        const eff_status s = read_row(c, row, err);
        if (s != EFF_OK || row->n > 1 || row->field[0][0]) return s;
    }
    row->n = 0;
    return EFF_OK;
}

void eff_csv_put(FILE *f, const char *text)
{
    const size_t n = strlen(text);
    if (!n || (!strpbrk(text, ",\"\r\n") && !is_blank(text[0]) && !is_blank(text[n - 1]))) {
        fputs(text, f);
        return;
    }
    putc('"', f);
    for (; *text; text++) {
        if (*text == '"') putc('"', f);
        putc(*text, f);
    }
    putc('"', f);
}
