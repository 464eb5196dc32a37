/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a CSV as a set is read from. What rows hold is written and read again to the same; the reader of sets
 * takes or refuses the text without looking at the files it names. */
#include "fuzz_file.h"

#include "base/mem.h"
#include "data/csv.h"
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Rows of `text` once more, as they were written. */
static void read_back(char *text, size_t size, char *again, size_t again_size)
{
    eff_error err = { 0 };
    eff_csv a, b;
    eff_csv_row x, y;
    eff_csv_begin(&a, text, size);
    eff_csv_begin(&b, again, again_size);
    do {
        if (eff_csv_next(&a, &x, &err) != EFF_OK) return; /* rows before it were written */
        FUZZ_EXPECT(eff_csv_next(&b, &y, &err) == EFF_OK);
        FUZZ_EXPECT(x.n == y.n);
        for (int i = 0; i < x.n; i++) FUZZ_EXPECT(!strcmp(x.field[i], y.field[i]));
    } while (x.n);
}

static void rows(const uint8_t *data, size_t size)
{
    eff_error err = { 0 };
    eff_csv c;
    eff_csv_row row;
    char *const text = malloc(size + 1), *out = NULL;
    size_t out_size = 0;
    FILE *const f = open_memstream(&out, &out_size);
    if (!text || !f) abort();
    memcpy(text, data, size);
    text[size] = 0;
    eff_csv_begin(&c, text, size);
    fputs("\xEF\xBB\xBF", f); /* the first field may begin with a second one */
    while (eff_csv_next(&c, &row, &err) == EFF_OK && row.n) {
        FUZZ_EXPECT(row.n <= EFF_CSV_COLUMNS && c.line >= 1 && c.next >= c.line);
        for (int i = 0; i < row.n; i++) {
            if (i) putc(',', f);
            eff_csv_put(f, row.field[i]);
        }
        putc('\n', f);
    }
    fclose(f);
    memcpy(text, data, size);
    text[size] = 0;
    read_back(text, size, out, out_size);
    free(out);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const eff_dataset none;
    eff_error err = { 0 };
    char path[32];
    if (!size) return 0;
    rows(data, size);
    eff_dataset *const d = eff_calloc(1, sizeof *d);
    if (!d) return 0;
    *d = none;
    const int fd = fuzz_memory_file(data, size);
    fuzz_path_of(fd, path);
    if (eff_dataset_read_csv(d, path, &err) == EFF_OK) {
        FUZZ_EXPECT(d->n > 0 && d->found.n == d->n);
        for (size_t i = 0; i < d->n; i++)
            FUZZ_EXPECT(d->sample[i].rel[0] && d->sample[i].name[0] && d->sample[i].part >= -1 &&
                        d->sample[i].part < EFF_PARTS);
    } else {
        FUZZ_EXPECT(err.msg[0]);
    }
    eff_dataset_free(d);
    close(fd);
    return 0;
}
