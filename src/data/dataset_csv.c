/* SPDX-License-Identifier: Apache-2.0 */
/* Sets that are a CSV: a header that names the columns path, label, group and split in any order, then an image a row.
 * A row that makes no sense stops the reading with its line and column; a file that is not there is left out later, as
 * in folders. */
#define _GNU_SOURCE
#include "data/dataset.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "data/csv.h"
#include "data/walk.h"
#include "model/model.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CSV_LIMIT = 1 << 30 }; /* bytes */

enum { COL_PATH, COL_LABEL, COL_GROUP, COL_SPLIT, COLUMNS };
static const char *const column_names[COLUMNS] = { "path", "label", "group", "split" };

typedef struct reading {
    eff_dataset *d;
    const char *folder;
    eff_csv csv;
    eff_csv_row row;
    int column[COLUMNS]; /* where it stands, or -1 */
    int columns;
    bool any_split, any_bare; /* rows that say their part, and that do not */
    size_t *line, room;       /* of each sample */
} reading;

/* ------------------------------------------------------------------------------------------------- the header */

static eff_status read_header(reading *r, eff_error *err)
{
    eff_status s = eff_csv_next(&r->csv, &r->row, err);
    if (s != EFF_OK) return s;
    for (int c = 0; c < COLUMNS; c++) r->column[c] = -1;
    r->columns = r->row.n;
    for (int i = 0; i < r->row.n && s == EFF_OK; i++) {
        const char *const name = r->row.field[i];
        int c = 0;
        while (c < COLUMNS && strcasecmp(name, column_names[c]) != 0) c++;
        if (c < COLUMNS && r->column[c] >= 0)
            return eff_fail(err, EFF_EFORMAT, "line %zu, column %d: expected '%s' once, found it again", r->csv.line,
                            i + 1, column_names[c]);
        if (c < COLUMNS)
            r->column[c] = i;
        else
            s = eff_dataset_add_remark(r->d, eff_dataset_print(r->d, "column %d ('%.80s') is not used", i + 1, name),
                                       err);
    }
    for (int c = COL_PATH; c <= COL_LABEL && s == EFF_OK; c++)
        if (r->column[c] < 0)
            return eff_fail(
                err, EFF_EFORMAT,
                "line %zu: expected a header that names the columns path, label[, group][, split], found no '%s'",
                r->csv.line ? r->csv.line : 1, column_names[c]);
    return s;
}

/* --------------------------------------------------------------------------------------------------- the rows */

static const char *field(const reading *r, int column)
{
    return r->column[column] >= 0 ? r->row.field[r->column[column]] : "";
}

static eff_status fail_field(const reading *r, int column, const char *expected, eff_error *err)
{
    return eff_fail(err, EFF_EFORMAT, "line %zu, column %d (%s): expected %s, found '%.80s'", r->csv.line,
                    r->column[column] + 1, column_names[column], expected, field(r, column));
}

static bool is_name(const char *text) { return strlen(text) < EFF_META_LINE && eff_utf8_is_line(text, strlen(text)); }

static eff_status read_part(reading *r, int *part, eff_error *err)
{
    static const struct {
        const char *name;
        int part;
    } parts[] = { { "", -1 },
                  { "train", EFF_PART_TRAIN },
                  { "val", EFF_PART_VAL },
                  { "valid", EFF_PART_VAL },
                  { "validation", EFF_PART_VAL },
                  { "test", EFF_PART_TEST } };
    const char *const text = field(r, COL_SPLIT);
    size_t i = 0;
    while (i < sizeof parts / sizeof *parts && strcasecmp(text, parts[i].name) != 0) i++;
    if (i == sizeof parts / sizeof *parts) return fail_field(r, COL_SPLIT, "train, val or test", err);
    *part = parts[i].part;
    if (*part < 0)
        r->any_bare = true;
    else
        r->any_split = true;
    if (r->any_bare && r->any_split) return fail_field(r, COL_SPLIT, "train, val or test in every row or in none", err);
    return EFF_OK;
}

/* Neighbours in a list often share a class: one copy of its name serves both. */
static const char *keep_again(eff_dataset *d, const char *last, const char *text)
{
    return last && !strcmp(last, text) ? last : eff_dataset_keep(d, text, strlen(text));
}

static eff_status keep_line_number(reading *r, eff_error *err)
{
    if (r->d->n == r->room) {
        const size_t room = r->room ? 2 * r->room : 256;
        size_t *const p = eff_realloc(r->line, room * sizeof *p);
        if (!p) return eff_fail_memory(err, room * sizeof *p);
        r->line = p;
        r->room = room;
    }
    r->line[r->d->n] = r->csv.line;
    return EFF_OK;
}

static eff_status read_row(reading *r, eff_error *err)
{
    eff_dataset *const d = r->d;
    if (r->row.n != r->columns)
        return eff_fail(err, EFF_EFORMAT, "line %zu: expected %d columns as in the header, found %d", r->csv.line,
                        r->columns, r->row.n);
    const char *const path = field(r, COL_PATH), *const label = field(r, COL_LABEL), *const group = field(r, COL_GROUP);
    const eff_sample *const last = d->n ? &d->sample[d->n - 1] : NULL;
    eff_sample sample = { 0 };
    if (!*path) return fail_field(r, COL_PATH, "a file", err);
    if (!*label || !is_name(label)) return fail_field(r, COL_LABEL, "the name of a class", err);
    if (!is_name(group)) return fail_field(r, COL_GROUP, "text of one line in UTF-8", err);
    eff_status s = read_part(r, &sample.part, err);
    if (s == EFF_OK) s = keep_line_number(r, err);
    if (s != EFF_OK) return s;
    const size_t folder = *path == '/' ? 0 : strlen(r->folder);
    char *const whole = folder ? eff_path_join(r->folder, path) : NULL;
    if (folder && !whole) return eff_fail_memory(err, PATH_MAX);
    sample.path = whole ? eff_dataset_keep(d, whole, strlen(whole)) : eff_dataset_keep(d, path, strlen(path));
    eff_free(whole);
    sample.rel = sample.path ? sample.path + folder : NULL;
    sample.name = keep_again(d, last ? last->name : NULL, label);
    if (*group) sample.group = keep_again(d, last ? last->group : NULL, group);
    if (*group && !sample.group) return eff_fail_memory(err, strlen(group));
    if (!eff_utf8_is_line(path, strlen(path))) sample.reason = "its name has control characters or is not UTF-8";
    return eff_dataset_add(d, &sample, err);
}

/* -------------------------------------------------------------------------------------------- listed twice */

static int by_path(const void *a, const void *b)
{
    const eff_sample *const *x = a, *const *y = b;
    const int c = strcmp((*x)->rel, (*y)->rel);
    return c ? c : *x < *y ? -1 : *x > *y;
}

static eff_status find_repeats(const reading *r, eff_error *err)
{
    eff_dataset *const d = r->d;
    eff_sample **const order = eff_malloc(d->n * sizeof *order);
    if (!order) return eff_fail_memory(err, d->n * sizeof *order);
    for (size_t i = 0; i < d->n; i++) order[i] = &d->sample[i];
    qsort(order, d->n, sizeof *order, by_path);
    eff_status s = EFF_OK;
    for (size_t i = 1, first = 0; i < d->n && s == EFF_OK; i++) {
        eff_sample *const a = order[first], *const b = order[i];
        if (strcmp(a->rel, b->rel) != 0) {
            first = i;
        } else if (strcmp(a->name, b->name) != 0 || a->part != b->part) {
            s = eff_fail(err, EFF_EFORMAT,
                         "line %zu: expected '%.100s' with the label and split of line %zu, found others",
                         r->line[b - d->sample], b->rel, r->line[a - d->sample]);
        } else if (!b->reason) {
            b->reason = "it is listed twice";
        }
    }
    eff_free(order);
    return s;
}

eff_status eff_dataset_read_csv(eff_dataset *d, const char *path, eff_error *err)
{
    unsigned char *text = NULL;
    size_t size = 0;
    reading r = { .d = d };
    char *folder = NULL;
    eff_status s = eff_file_read_all(path, CSV_LIMIT, &text, &size, err);
    if (s != EFF_OK) return s;
    r.folder = folder = eff_path_folder(path);
    if (!folder) s = eff_fail_memory(err, PATH_MAX);
    eff_csv_begin(&r.csv, (char *)text, size);
    if (s == EFF_OK) s = read_header(&r, err);
    for (bool more = true; s == EFF_OK && more;) {
        s = eff_csv_next(&r.csv, &r.row, err);
        more = r.row.n > 0;
        if (s == EFF_OK && more) s = read_row(&r, err);
    }
    if (s == EFF_OK && !d->n)
        s = eff_fail(err, EFF_EFORMAT, "expected a row for each image after the header, found none");
    for (size_t i = 0; i < d->n && s == EFF_OK; i++) s = eff_dataset_found(d, d->sample[i].name, err);
    if (s == EFF_OK) s = find_repeats(&r, err);
    eff_free(r.line);
    eff_free(folder);
    eff_free(text);
    return s;
}
