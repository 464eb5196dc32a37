/* SPDX-License-Identifier: Apache-2.0 */
/* Tab-separated reference tables, whole in memory. A file that cannot be read fails the test. */
#ifndef EFF_TESTS_TSV_H
#define EFF_TESTS_TSV_H

enum { T_TSV_COLUMNS = 24 };

typedef struct t_tsv {
    char *text;
    int rows, columns;                 /* rows without the header; columns of the header */
    char *header[T_TSV_COLUMNS];
    char *(*cell)[T_TSV_COLUMNS];      /* "" where a row is short */
} t_tsv;

t_tsv t_tsv_load(const char *path);
void t_tsv_free(t_tsv *t);
/** Cell of the column that the header calls `name`. */
const char *t_tsv_get(const t_tsv *t, int row, const char *name);

#endif
