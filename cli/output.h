/* SPDX-License-Identifier: Apache-2.0 */
/* What the program prints: results on stdout, everything else on stderr. Text that came from outside (file names, names
 * in files) is made harmless first: no control characters on a terminal, no invalid UTF-8 in JSON. */
#ifndef EFFNET_CLI_OUTPUT_H
#define EFFNET_CLI_OUTPUT_H

#include <effnet/effnet.h>
#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Zeroed memory; ends the program with status 1 and a line when there is none. */
void *cli_alloc(size_t n, size_t size);
void *cli_realloc(void *p, size_t n, size_t size);

/** "effnet: message" on stderr, one line. */
void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** "effnet: WHAT: reason" from the library. @return the exit status that the error's code asks for */
int cli_fail(const eff_error *err, const char *what);
int cli_exit_code(eff_status s);

/** Flush stdout. @return false, after one line, when something could not be written (now or before) */
bool cli_flush(void);

/** `s` with control characters replaced by '?'. One of eight static buffers; long text is cut. */
const char *cli_clean(const char *s);

/** The same, cut to `most` characters, the last of them "..." then. */
const char *cli_cut(const char *s, int most);

/** 5288548 -> "5.29M", 385.9M, 37.8B; below 1,000 exact. One of eight static buffers. */
const char *cli_human(double n);
/** 5288548 -> "5,288,548" */
const char *cli_exact(uint64_t n);
/** 21154192 -> "21.2 MB" (powers of 1,000) */
const char *cli_bytes(double n);

/* A table for people: cells are added row by row; columns are as wide as they need to be. */
typedef struct cli_table {
    int columns, cells, room;
    char **cell;
    const char *align; /* a letter a column: 'l' or 'r' */
} cli_table;
void cli_table_begin(cli_table *t, const char *align);
void cli_cell(cli_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Print to stdout, each line after `indent` spaces, and release. */
void cli_table_end(cli_table *t, int indent);

/* JSON. Building never fails halfway: without memory the program ends with status 1. */
json_t *cli_json_text(const char *s); /* NULL -> null; invalid UTF-8 -> U+FFFD */
json_t *cli_json_number(double x);    /* null unless finite */
json_t *cli_json_count(uint64_t n);
void cli_json_set(json_t *object, const char *key, json_t *value); /* takes value over */
void cli_json_add(json_t *array, json_t *value);
json_t *cli_json_object(void);
json_t *cli_json_array(void);
/** Print as one line on stdout, flush, release. @return cli_flush() */
bool cli_json_print(json_t *j);

#endif
