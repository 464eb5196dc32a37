/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue: tab-separated rows under a first line that names the columns, "-" for what is not known. A name
 * becomes a file in the cache and an address is connected to, so both are checked here and nowhere else. */
#include "fetch/catalog.h"

#include "base/file.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 4 << 20, MOST_ROWS = 10000, COLUMNS = 14, NAME = 96, ADDRESS = 1024 };

struct eff_catalog {
    char *text; /* cut into fields; entries point into it */
    eff_weights *entry;
    int n;
};

/* ---------------------------------------------------------------------------------------------- fields */

static bool is_name(const char *s)
{
    const size_t n = strlen(s);
    if (n == 0 || n >= NAME || !isalnum((unsigned char)*s)) return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("._-", *s)) return false;
    return true;
}

/* A built-in's name, which may carry changes. */
static bool is_model(const char *s)
{
    const size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-@=,");
    return n > 0 && !s[n] && n < NAME;
}

static bool is_hash(const char *s)
{
    const size_t n = strspn(s, "0123456789abcdef");
    return !s[n] && n >= 8 && n <= 64;
}

/* An address whose last part is a plain file name, which a mirror has the file under. */
static bool is_address(const char *s)
{
    const char *const slash = strrchr(s, '/');
    const size_t scheme = strncmp(s, "https://", 8) == 0                      ? 8
                          : strncmp(s, "http://", 7) == 0                     ? 7
                          : strncmp(s, EFF_PACKAGE, strlen(EFF_PACKAGE)) == 0 ? strlen(EFF_PACKAGE) - 2
                                                                              : 0;
    if (!scheme) return false;
    for (const char *p = s; *p; p++)
        if (!isgraph((unsigned char)*p) || strchr("\"'<>\\^`{|}#?@", *p)) return false;
    return strlen(s) < ADDRESS && slash > s + scheme && slash[1] && slash[1] != '.';
}

static bool is_member(const char *s) { return *s && *s != '/' && strlen(s) < 512; }

static bool is_size(const char *s)
{
    const size_t n = strspn(s, "0123456789");
    return !s[n] && n > 0 && n < 15 && *s != '0';
}

static bool is_format(const char *s) { return !strcmp(s, "pytorch") || !strcmp(s, "safetensors"); }

static bool is_number(const char *s)
{
    const size_t n = strspn(s, "0123456789.");
    return n && !s[n] && n < 10;
}

static bool is_text(const char *s) { return *s && strlen(s) < 256; }

enum {
    C_NAME,
    C_ALSO,
    C_MODEL,
    C_FAMILY,
    C_FORMAT,
    C_URL,
    C_MEMBER,
    C_SIZE,
    C_SHA,
    C_ARCHIVE,
    C_RULE,
    C_TOP1,
    C_LICENCE,
    C_ORIGIN
};

static const struct column {
    const char *name;
    bool (*ok)(const char *);
    bool required;
    const char *expected;
} columns[COLUMNS] = {
    [C_NAME] = { "name", is_name, true, "letters, digits, '.', '_' and '-'" },
    [C_ALSO] = { "also", is_name, false, "letters, digits, '.', '_' and '-'" },
    [C_MODEL] = { "model", is_model, true, "a built-in's name" },
    [C_FAMILY] = { "family", is_name, true, "a family's name" },
    [C_FORMAT] = { "format", is_format, true, "pytorch or safetensors" },
    [C_URL] = { "url", is_address, true, "http(s)://HOST/.../FILE or package:/FILE" },
    [C_MEMBER] = { "member", is_member, false, "a path within the archive" },
    [C_SIZE] = { "size", is_size, false, "a number of bytes" },
    [C_SHA] = { "sha256", is_hash, true, "8 to 64 lower-case hexadecimal digits" },
    [C_ARCHIVE] = { "archive_sha256", is_hash, false, "8 to 64 lower-case hexadecimal digits" },
    [C_RULE] = { "preprocess", is_text, false, "a preprocessing rule" },
    [C_TOP1] = { "top1", is_number, false, "a percentage" },
    [C_LICENCE] = { "licence", is_text, true, "a licence" },
    [C_ORIGIN] = { "origin", is_text, true, "text" },
};

/* ------------------------------------------------------------------------------------------------ rows */

/* Cut `line` at its tabs. @return the number of fields, of which COLUMNS at most are stored */
static int cut(char *line, char *field[COLUMNS])
{
    int n = 0;
    for (char *p = line; p; n++) {
        char *const tab = strchr(p, '\t');
        if (tab) *tab = '\0';
        if (n < COLUMNS) field[n] = p;
        p = tab ? tab + 1 : NULL;
    }
    return n;
}

static eff_status read_head(char *line, eff_error *err)
{
    char *field[COLUMNS];
    const int n = cut(line, field);
    for (int i = 0; i < COLUMNS; i++)
        if (i >= n || strcmp(field[i], columns[i].name) != 0)
            return eff_fail(err, EFF_EFORMAT, "line 1: expected column %d to be '%s', found '%.40s'", i + 1,
                            columns[i].name, i < n ? field[i] : "");
    if (n > COLUMNS) return eff_fail(err, EFF_EFORMAT, "line 1: expected %d columns, found %d", COLUMNS, n);
    return EFF_OK;
}

static bool uses_name(const eff_weights *w, const char *name)
{
    return !strcmp(w->name, name) || (w->also && !strcmp(w->also, name));
}

static eff_status read_row(eff_catalog *c, char *line, int number, eff_error *err)
{
    char *field[COLUMNS];
    const int n = cut(line, field);
    if (n != COLUMNS) return eff_fail(err, EFF_EFORMAT, "line %d: expected %d columns, found %d", number, COLUMNS, n);
    for (int i = 0; i < COLUMNS; i++) {
        const bool none = !strcmp(field[i], "-");
        if (none ? columns[i].required : !columns[i].ok(field[i]))
            return eff_fail(err, EFF_EFORMAT, "line %d, %s: expected %s, found '%.60s'", number, columns[i].name,
                            columns[i].expected, field[i]);
        if (none) field[i] = NULL;
    }
    if (field[C_ARCHIVE] && !field[C_MEMBER])
        return eff_fail(err, EFF_EFORMAT, "line %d, archive_sha256: expected '-' where there is no member", number);
    for (int i = 0; i < c->n; i++)
        if (uses_name(&c->entry[i], field[C_NAME]) || (field[C_ALSO] && uses_name(&c->entry[i], field[C_ALSO])))
            return eff_fail(err, EFF_EFORMAT, "line %d: the name '%s' occurs twice", number, field[C_NAME]);
    c->entry[c->n++] = (eff_weights){
        .name = field[C_NAME],
        .also = field[C_ALSO],
        .model = field[C_MODEL],
        .family = field[C_FAMILY],
        .format = field[C_FORMAT],
        .url = field[C_URL],
        .member = field[C_MEMBER],
        .size = field[C_SIZE] ? strtoull(field[C_SIZE], NULL, 10) : 0,
        .sha256 = field[C_SHA],
        .archive_sha256 = field[C_ARCHIVE],
        .preprocess = field[C_RULE],
        .top1 = field[C_TOP1],
        .licence = field[C_LICENCE],
        .origin = field[C_ORIGIN],
    };
    return EFF_OK;
}

eff_status eff_catalog_parse(eff_catalog **out, const char *text, size_t n, eff_error *err)
{
    *out = NULL;
    if (n > MOST_BYTES || memchr(text, 0, n))
        return eff_fail(err, EFF_EFORMAT, "expected a catalogue: text of at most %d bytes", MOST_BYTES);
    size_t rows = 1;
    for (size_t i = 0; i < n; i++) rows += text[i] == '\n';
    if (rows > MOST_ROWS) return eff_fail(err, EFF_EFORMAT, "expected at most %d lines, found %zu", MOST_ROWS, rows);
    eff_catalog *const c = eff_calloc(1, sizeof *c);
    if (!c) return eff_fail_memory(err, sizeof *c);
    c->text = eff_strndup(text, n);
    c->entry = eff_calloc(rows, sizeof *c->entry);
    eff_status s = c->text && c->entry ? EFF_OK : eff_fail_memory(err, n + rows * sizeof *c->entry);
    int number = 0;
    for (char *p = c->text; s == EFF_OK && *p;) {
        char *const line = p, *const end = p + strcspn(p, "\n");
        p = *end ? end + 1 : end;
        *end = '\0';
        if (end > line && end[-1] == '\r') end[-1] = '\0';
        if (number++ == 0)
            s = read_head(line, err);
        else if (*line && *line != '#')
            s = read_row(c, line, number, err);
    }
    if (s == EFF_OK && number == 0) s = eff_fail(err, EFF_EFORMAT, "the catalogue is empty");
    if (s == EFF_OK)
        *out = c;
    else
        eff_catalog_free(c);
    return s;
}

/* ---------------------------------------------------------------------------------------------- public */

EFF_API eff_status eff_catalog_open(eff_catalog **out, const char *path, eff_error *err)
{
    if (!out) return eff_fail(err, EFF_EARG, "eff_catalog_open: out is needed");
    *out = NULL;
    if (!path) return eff_catalog_parse(out, eff_catalog_shipped, strlen(eff_catalog_shipped), err);
    unsigned char *text = NULL;
    size_t n;
    eff_status s = eff_file_read_all(path, MOST_BYTES, &text, &n, err);
    if (s == EFF_OK) s = eff_catalog_parse(out, (const char *)text, n, err);
    eff_free(text);
    return s;
}

EFF_API void eff_catalog_free(eff_catalog *c)
{
    if (!c) return;
    eff_free(c->entry);
    eff_free(c->text);
    eff_free(c);
}

EFF_API const eff_weights *eff_catalog_entry(const eff_catalog *c, int i)
{
    return c && i >= 0 && i < c->n ? &c->entry[i] : NULL;
}

EFF_API eff_status eff_catalog_find(const eff_catalog *c, const char *name, const eff_weights **out, eff_error *err)
{
    if (!c || !name || !out) return eff_fail(err, EFF_EARG, "eff_catalog_find: c, name and out are needed");
    *out = NULL;
    for (int i = 0; i < c->n && !*out; i++)
        if (uses_name(&c->entry[i], name)) *out = &c->entry[i];
    for (int i = 0; i < c->n && !*out; i++)
        if (uses_name(&c->entry[i], eff_brief_name(name))) *out = &c->entry[i];
    if (*out) return EFF_OK;
    const char **const all = eff_calloc((size_t)c->n + 1, sizeof *all);
    if (!all) return eff_fail_memory(err, (size_t)c->n * sizeof *all);
    for (int i = 0; i < c->n; i++) all[i] = c->entry[i].name;
    const char *const near = eff_nearest_name(name, all, c->n);
    eff_free(all);
    return near ? eff_fail(err, EFF_EARG, "not in the catalogue: did you mean %s?", near)
                : eff_fail(err, EFF_EARG, "not in the catalogue; 'effnet pull' lists what is");
}
