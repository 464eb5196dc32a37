/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: what the worker sends of a picture, as a worker that was taken over would. The first two bytes are the
 * size that the file behind it had, in units of 256. What is believed fits into its rows to the byte. */
#include "fuzz_expect.h"

#include "image/pixel_stream.h"

#include <stdlib.h>
#include <string.h>

typedef struct rows {
    eff_picture p;
    uint8_t *row; /* a block of its own, so that a sanitizer sees one byte too many */
    int n;
} rows;

static eff_status begin(void *ctx, const eff_picture *p, eff_error *err)
{
    rows *const r = ctx;
    (void)err;
    FUZZ_EXPECT(p->width > 0 && p->height > 0 && p->orientation >= 1 && p->orientation <= 8 && p->reduced == 1);
    uint8_t sum = 0;
    for (size_t i = 0; i < p->icc_size; i++) sum ^= p->icc[i];
    r->p = *p;
    r->row = malloc((size_t)p->width * p->pixels);
    FUZZ_EXPECT(r->row);
    r->row[0] = sum;
    return EFF_OK;
}

static uint8_t *row(void *ctx) { return ((rows *)ctx)->row; }

static bool done(void *ctx)
{
    rows *const r = ctx;
    return ++r->n < 1 << 20;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    rows r = { 0 };
    eff_error err = { 0 };
    const eff_sink sink = { .ctx = &r, .begin = begin, .row = row, .done = done };
    const size_t file = ((size_t)data[0] << 8 | data[1]) * 256;
    const eff_status s = eff_pixel_stream_read(data + 2, size - 2, file, &sink, &err);
    FUZZ_EXPECT(s == EFF_OK ? r.n == r.p.height : s == EFF_EFORMAT && err.msg[0] && !r.n);
    free(r.row);
    return 0;
}
