/* SPDX-License-Identifier: Apache-2.0 */
#include "search_bench.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 64, MOST_CHILDREN = 1 << 20 };

enum column { CHILD, MACS, PARAMS, TOP1, COLUMNS };
static const char *const column_name[COLUMNS] = { "child", "macs", "params", "top1" };

void bench_free(bench *b)
{
    eff_free(b->row);
    *b = (bench){ 0 };
}

static int by_choices(const void *x, const void *y)
{
    return memcmp(&((const bench_row *)x)->child, &((const bench_row *)y)->child, sizeof(eff_child));
}

const bench_row *bench_find(const bench *b, const eff_child *canonical)
{
    const bench_row key = { .child = *canonical };
    return bsearch(&key, b->row, (size_t)b->n, sizeof *b->row, by_choices);
}

/* ---------------------------------------------------------------------------------------------------------- text */

/* The next line that says something, without its end; NULL at the end of the text. */
static char *next_line(char **at, int *number)
{
    while (**at) {
        char *const line = *at;
        const size_t n = strcspn(line, "\n");
        *at += n + (line[n] == '\n');
        line[n] = '\0';
        if (n && line[n - 1] == '\r') line[n - 1] = '\0';
        ++*number;
        if (*line && *line != '#') return line;
    }
    return NULL;
}

/* @return fields, at most `room` of which are in field[] */
static int split(char *line, char **field, int room)
{
    int n = 0;
    for (char *p = line; p; n++) {
        char *const tab = strchr(p, '\t');
        if (tab) *tab = '\0';
        if (n < room) field[n] = p;
        p = tab ? tab + 1 : NULL;
    }
    return n;
}

static eff_status read_header(int at[COLUMNS], int *columns, char *line, int number, eff_error *err)
{
    char *field[MOST_COLUMNS];
    *columns = split(line, field, MOST_COLUMNS);
    if (*columns > MOST_COLUMNS)
        return eff_fail(err, EFF_EFORMAT, "line %d: expected at most %d columns, found %d", number, MOST_COLUMNS,
                        *columns);
    for (int c = 0; c < COLUMNS; c++) {
        at[c] = -1;
        for (int f = 0; f < *columns; f++)
            if (strcmp(field[f], column_name[c]) == 0) {
                if (at[c] >= 0) return eff_fail(err, EFF_EFORMAT, "line %d: column '%s' twice", number, column_name[c]);
                at[c] = f;
            }
        if (at[c] < 0) return eff_fail(err, EFF_EFORMAT, "line %d: no column '%s'", number, column_name[c]);
    }
    return EFF_OK;
}

static eff_status read_number(double *out, const char *text, enum column c, double lo, double hi, int number,
                              eff_error *err)
{
    if (eff_number_read(text, strlen(text), out) && *out >= lo && *out <= hi) return EFF_OK;
    return eff_fail(err, EFF_EFORMAT, "line %d: %s: expected a number in %g..%g, found '%.40s'", number, column_name[c],
                    lo, hi, text);
}

static eff_status read_row(bench_row *r, char **field, const int at[COLUMNS], const eff_space *s, int number,
                           eff_error *err)
{
    eff_status status = eff_child_parse(&r->child, s, field[at[CHILD]], err);
    if (status != EFF_OK) {
        eff_error_prefix(err, "line %d", number);
        return EFF_EFORMAT;
    }
    eff_space_canonical(s, &r->child);
    for (int c = 0; c < EFF_COSTS; c++) r->cost[c] = NAN;
    if ((status = read_number(&r->cost[EFF_COST_MACS], field[at[MACS]], MACS, 1, 1e15, number, err)) != EFF_OK ||
        (status = read_number(&r->cost[EFF_COST_PARAMS], field[at[PARAMS]], PARAMS, 1, 1e12, number, err)) != EFF_OK)
        return status;
    r->top1 = NAN;
    if (strcmp(field[at[TOP1]], "nan") == 0) return EFF_OK;
    return read_number(&r->top1, field[at[TOP1]], TOP1, 0, 1, number, err);
}

static eff_status add_row(bench *b, int *room, const bench_row *r, eff_error *err)
{
    if (b->n == MOST_CHILDREN) return eff_fail(err, EFF_EFORMAT, "expected at most %d children", MOST_CHILDREN);
    if (b->n == *room) {
        const int wanted = *room ? 2 * *room : 256;
        bench_row *const grown = eff_realloc(b->row, (size_t)wanted * sizeof *grown);
        if (!grown) return eff_fail_memory(err, (size_t)wanted * sizeof *grown);
        b->row = grown;
        *room = wanted;
    }
    b->row[b->n++] = *r;
    return EFF_OK;
}

/* ----------------------------------------------------------------------------------------------------- the whole */

static eff_status check_children(const bench *b, const eff_space *s, eff_error *err)
{
    char text[EFF_CHILD_TEXT];
    for (int i = 1; i < b->n; i++)
        if (by_choices(&b->row[i - 1], &b->row[i]) == 0) {
            eff_child_format(s, &b->row[i].child, text, sizeof text);
            return eff_fail(err, EFF_EFORMAT, "child %s twice", text);
        }
    double choices, networks;
    eff_space_size(s, &choices, &networks);
    if (networks == b->n) return EFF_OK; /* canonical, in the space, and none twice: all of them */
    eff_child c = { { 0 } };
    for (int d = 0; choices <= MOST_CHILDREN && d < s->ndecisions;) { /* counts through the choices */
        eff_child canonical = c;
        eff_space_canonical(s, &canonical);
        if (!bench_find(b, &canonical)) {
            eff_child_format(s, &canonical, text, sizeof text);
            return eff_fail(err, EFF_EFORMAT, "expected all %.0f networks of the space, found %d; %s is not there",
                            networks, b->n, text);
        }
        for (d = 0; d < s->ndecisions && ++c.choice[d] == s->decision[d].n; d++) c.choice[d] = 0;
    }
    return eff_fail(err, EFF_EFORMAT, "expected all %.0f networks of the space, found %d", networks, b->n);
}

eff_status bench_load(bench *b, const char *path, const eff_space *s, eff_error *err)
{
    *b = (bench){ 0 };
    unsigned char *text;
    size_t size;
    eff_status status = eff_file_read_all(path, (size_t)64 << 20, &text, &size, err);
    if (status != EFF_OK) return status;
    char *rest = (char *)text, *line, *field[MOST_COLUMNS];
    int number = 0, columns = 0, at[COLUMNS], room = 0;
    line = next_line(&rest, &number);
    status = line ? read_header(at, &columns, line, number, err) : eff_fail(err, EFF_EFORMAT, "no header");
    while (status == EFF_OK && (line = next_line(&rest, &number))) {
        bench_row r;
        const int n = split(line, field, MOST_COLUMNS);
        if (n != columns)
            status = eff_fail(err, EFF_EFORMAT, "line %d: expected %d columns, found %d", number, columns, n);
        else if ((status = read_row(&r, field, at, s, number, err)) == EFF_OK)
            status = add_row(b, &room, &r, err);
    }
    eff_free(text);
    if (status == EFF_OK) {
        qsort(b->row, (size_t)b->n, sizeof *b->row, by_choices);
        status = check_children(b, s, err);
    }
    if (status != EFF_OK) bench_free(b);
    return status;
}
