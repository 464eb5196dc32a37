/* SPDX-License-Identifier: Apache-2.0 */
#include "tsv.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_text(const char *path)
{
    FILE *const f = fopen(path, "rb");
    if (!f) fail_msg("%s: cannot be opened", path);
    fseek(f, 0, SEEK_END);
    const long n = ftell(f);
    rewind(f);
    char *const s = malloc((size_t)n + 1);
    assert_non_null(s);
    assert_int_equal(fread(s, 1, (size_t)n, f), n);
    fclose(f);
    s[n] = '\0';
    return s;
}

static int split(char *line, char **cell)
{
    static char empty[1];
    int n = 0;
    for (char *p; (p = strsep(&line, "\t")) && n < T_TSV_COLUMNS;) cell[n++] = p;
    for (int i = n; i < T_TSV_COLUMNS; i++) cell[i] = empty;
    return n;
}

t_tsv t_tsv_load(const char *path)
{
    t_tsv t = { .text = read_text(path) };
    size_t lines = 0;
    for (const char *p = t.text; *p; p++) lines += *p == '\n';
    t.cell = calloc(lines + 1, sizeof *t.cell);
    assert_non_null(t.cell);
    char *rest = t.text;
    t.columns = split(strsep(&rest, "\n"), t.header);
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line) split(line, t.cell[t.rows++]);
    assert_true(t.rows > 0);
    return t;
}

void t_tsv_free(t_tsv *t)
{
    free(t->text);
    free(t->cell);
}

const char *t_tsv_get(const t_tsv *t, int row, const char *name)
{
    for (int c = 0; c < t->columns; c++)
        if (!strcmp(t->header[c], name)) return t->cell[row][c];
    fail_msg("no column %s", name);
    return "";
}
