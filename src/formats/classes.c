/* SPDX-License-Identifier: Apache-2.0 */
/* Class name files: one name a line, or tab-separated "index, name" or "index, id, name" in any order with an
 * optional header. Either every class of the model gets exactly one name, or the model stays as it was. */
#include "formats/formats.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <string.h>

enum { MAX_FILE = 64 << 20 };

typedef struct reader {
    char **names, **ids;
    int classes, line, columns; /* line from 1; columns of the rows so far: 0 none yet, 1 = plain list */
    int filled;
    eff_error *err;
} reader;

static bool is_index(const char *s) { return *s && s[strspn(s, "0123456789")] == '\0' && strlen(s) <= 9; }

static int to_int(const char *s)
{
    int v = 0;
    for (; *s; s++) v = v * 10 + (*s - '0'); /* at most nine digits */
    return v;
}

static eff_status put(reader *r, int index, const char *id, const char *name)
{
    if (index >= r->classes)
        return eff_fail(r->err, EFF_EFORMAT, "line %d: class %d is beyond the model's %d classes", r->line, index,
                        r->classes);
    if (!*name) return eff_fail(r->err, EFF_EFORMAT, "line %d: the name of class %d is empty", r->line, index);
    if (strlen(name) > EFF_META_LINE || (id && strlen(id) > EFF_META_LINE)) /* a model file could not be read back */
        return eff_fail(r->err, EFF_EFORMAT, "line %d: expected at most %d bytes a name", r->line, EFF_META_LINE);
    if (r->names[index]) return eff_fail(r->err, EFF_EFORMAT, "line %d: class %d was named before", r->line, index);
    r->names[index] = eff_strdup(name);
    if (id) r->ids[index] = eff_strdup(id);
    if (!r->names[index] || (id && !r->ids[index])) return eff_fail_memory(r->err, strlen(name));
    r->filled++;
    return EFF_OK;
}

/* `s` is cut up in place. */
static eff_status read_row(reader *r, char *s)
{
    char *field[3] = { s };
    int n = 1;
    for (char *tab = s; (tab = strchr(tab, '\t')); n++) {
        *tab++ = '\0';
        if (n == 3) return eff_fail(r->err, EFF_EFORMAT, "line %d: expected 2 or 3 columns, found more", r->line);
        field[n] = tab;
    }
    if (r->columns && n != r->columns)
        return eff_fail(r->err, EFF_EFORMAT, "line %d: expected %d columns as before, found %d", r->line, r->columns,
                        n);
    r->columns = n;
    if (n == 1) return put(r, r->filled, NULL, s);
    if (!is_index(field[0]))
        return eff_fail(r->err, EFF_EFORMAT, "line %d: expected a class index, found \"%.40s\"", r->line, field[0]);
    return put(r, to_int(field[0]), n == 3 ? field[1] : NULL, field[n - 1]);
}

static bool is_header(const char *s)
{
    char first[16];
    const size_t n = strcspn(s, "\t");
    if (s[n] != '\t' || n >= sizeof first) return false;
    memcpy(first, s, n);
    first[n] = '\0';
    return !is_index(first);
}

static eff_status read_lines(reader *r, char *text, size_t size)
{
    char *at = text, *const end = text + size;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) at += 3; /* byte order mark */
    bool first = true;
    for (r->line = 1; at < end; r->line++) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        size_t n = (size_t)(stop - at);
        if (n && at[n - 1] == '\r') n--;
        if (n == 0 && strspn(at, "\r\n") == (size_t)(end - at)) break; /* nothing but line ends is left */
        at[n] = '\0';
        for (size_t i = 0; i < n;) {
            const size_t len = eff_utf8_length(at + i, n - i);
            if (!len) return eff_fail(r->err, EFF_EFORMAT, "line %d: byte %zu is not UTF-8", r->line, i + 1);
            if (((unsigned char)at[i] < 0x20 && at[i] != '\t') || at[i] == 0x7f)
                return eff_fail(r->err, EFF_EFORMAT, "line %d: byte %zu is a control character", r->line, i + 1);
            i += len;
        }
        if (n == 0) return eff_fail(r->err, EFF_EFORMAT, "line %d: empty", r->line);
        if (!first || !is_header(at)) {
            const eff_status s = read_row(r, at);
            if (s != EFF_OK) return s;
        }
        first = false;
        at = stop + 1;
    }
    if (r->filled == r->classes) return EFF_OK;
    int missing = 0;
    while (r->names[missing]) missing++;
    return eff_fail(r->err, EFF_EFORMAT, "%d class names for a model of %d classes: class %d has none", r->filled,
                    r->classes, missing);
}

static void swap(char ***a, char ***b)
{
    char **const t = *a;
    *a = *b;
    *b = t;
}

eff_status eff_formats_read_classes(eff_model *m, const char *path, eff_error *err)
{
    unsigned char *text;
    size_t size;
    reader r = { .classes = m->table.classes, .err = err };
    if (!r.classes) return eff_fail(err, EFF_EARG, "the model gives features and has no classes to name");
    eff_status s = eff_file_read_all(path, MAX_FILE, &text, &size, err);
    if (s != EFF_OK) return s;
    r.names = eff_calloc((size_t)r.classes, sizeof *r.names);
    r.ids = eff_calloc((size_t)r.classes, sizeof *r.ids);
    if (!r.names || !r.ids) s = eff_fail_memory(err, (size_t)r.classes * sizeof *r.names);
    if (s == EFF_OK) s = read_lines(&r, (char *)text, size);
    if (s == EFF_OK) {
        if (r.columns != 3) {
            eff_free(r.ids);
            r.ids = NULL;
        }
        swap(&m->meta.class_names, &r.names);
        swap(&m->meta.class_ids, &r.ids);
        eff_model_refresh_info(m);
    }
    eff_free_texts(r.names, r.classes);
    eff_free_texts(r.ids, r.classes);
    eff_free(text);
    return s;
}
