/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about a file, for `effnet info`. The types are listed by how many tensors have them. */
#include "file_facts.h"

#include "at_hand.h"

#include <effnet/care.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TYPES = 16 };

typedef struct types {
    int n;
    const char *name[MOST_TYPES]; /* static strings of the library */
    size_t count[MOST_TYPES];
    double bytes; /* of all tensors; views of shared storage count as often as they are there */
} types;

/* Bytes of an element: the digits of the name are its bits ("BF16"), without any it is one ("BOOL"). */
static double element_bytes(const char *dtype)
{
    while (*dtype && !isdigit((unsigned char)*dtype)) dtype++;
    return *dtype ? (double)strtol(dtype, NULL, 10) / 8.0 : 1;
}

static types count_types(const eff_checkpoint *c)
{
    types t = { 0 };
    for (size_t i = 0; i < eff_checkpoint_count(c); i++) {
        eff_tensor_info x;
        int k = 0;
        eff_checkpoint_tensor(c, i, &x);
        while (k < t.n && strcmp(t.name[k], x.dtype) != 0) k++;
        if (k == t.n && t.n < MOST_TYPES) t.name[t.n++] = x.dtype;
        if (k < t.n) t.count[k]++;
        double bytes = element_bytes(x.dtype);
        for (int d = 0; d < x.ndim; d++) bytes *= (double)x.shape[d];
        t.bytes += bytes;
    }
    return t;
}

int cli_find_facts(cli_file_facts *f, const char *path, const eff_checkpoint *c)
{
    eff_error err = { 0 };
    *f = (cli_file_facts){ 0 };
    if (c && eff_checkpoint_sha256(c, f->sha256, &f->bytes, &f->files, &err) != EFF_OK) return cli_fail(&err, path);
    f->known = f->files || cli_is_file(path);
    if (!f->known || f->files || eff_file_sha256(path, f->sha256, &f->bytes, &err) == EFF_OK) return CLI_OK;
    return cli_fail(&err, path);
}

void cli_print_facts(const cli_file_facts *f, const char *format, const eff_checkpoint *c, const char *hint)
{
    if (!f->known && !c) return;
    printf("  file            %s", format);
    if (f->known) printf(", %s", cli_bytes((double)f->bytes));
    if (c) {
        const size_t n = eff_checkpoint_count(c);
        const types t = count_types(c);
        printf("; %zu tensor%s of %s", n, n == 1 ? "" : "s", cli_bytes(t.bytes));
        for (int k = 0; k < t.n; k++) {
            printf("%s%s", k ? ", " : ": ", t.name[k]);
            if (t.n > 1) printf(" %zu", t.count[k]);
        }
        printf("%s", hint);
    }
    putchar('\n');
    if (!f->known) return;
    printf("  SHA-256         %s", f->sha256);
    if (f->files)
        printf(" of the index and %zu data file%s, one after the other", f->files - 1, f->files == 2 ? "" : "s");
    putchar('\n');
}

/* ---------------------------------------------------------------------------------------------- assumptions */

static const struct {
    const char *key, *option, *by;
} assumptions[] = {
    { "family", "family", "by the tensors' names" },
    { "architecture", "model", "by names and shapes" },
    { "preprocess", "preprocess", "as published for such weights" },
};
enum { ASSUMPTIONS = sizeof assumptions / sizeof *assumptions };

/* A model file says all of it, an architecture has no weights to be read by it. */
static bool is_assumed(const cli_args *a, const eff_model *m, int i)
{
    const eff_model_info *f = eff_model_get_info(m);
    return f->has_weights && strcmp(f->format, "effnet") != 0 && !cli_given(a, assumptions[i].option);
}

void cli_print_assumed(const cli_args *a, const eff_model *m)
{
    const eff_model_info *f = eff_model_get_info(m);
    if (!f->has_weights) return;
    const char *before = "  assumed         ";
    for (int i = 0; i < ASSUMPTIONS; i++) {
        if (!is_assumed(a, m, i)) continue;
        const char *value = i == 0 ? f->family : i == 1 ? f->name : "the rule above";
        printf("%s%s %s %s (--%s overrides)", before, assumptions[i].key, value ? cli_clean(value) : "unknown",
               assumptions[i].by, assumptions[i].option);
        before = ",\n                  ";
    }
    puts(before[0] == ' ' ? "  assumed         nothing" : "");
}

void cli_facts_json(json_t *j, const cli_file_facts *f, const cli_args *a, const eff_model *m, const eff_checkpoint *c)
{
    if (f->known || c) {
        json_t *file = cli_json_object();
        if (f->known) cli_json_set(file, "bytes", cli_json_count(f->bytes));
        if (f->known) cli_json_set(file, "sha256", cli_json_text(f->sha256));
        if (f->files) cli_json_set(file, "files", cli_json_count(f->files));
        if (c) {
            const types t = count_types(c);
            json_t *list = cli_json_object();
            for (int k = 0; k < t.n; k++) cli_json_set(list, t.name[k], cli_json_count(t.count[k]));
            cli_json_set(file, "tensors", cli_json_count(eff_checkpoint_count(c)));
            cli_json_set(file, "tensor_bytes", cli_json_count((uint64_t)t.bytes));
            cli_json_set(file, "types", list);
        }
        cli_json_set(j, "file", file);
    }
    if (!m || !eff_model_get_info(m)->has_weights) return;
    json_t *list = cli_json_array();
    for (int i = 0; i < ASSUMPTIONS; i++)
        if (is_assumed(a, m, i)) cli_json_add(list, cli_json_text(assumptions[i].key));
    cli_json_set(j, "assumed", list);
}
