/* SPDX-License-Identifier: Apache-2.0 */
/* 3 x 3 convolutions of stride 1 by Winograd's F(2 x 2, 3 x 3): 16 products for four outputs in place of 36 (Lavin &
 * Gray 2016). A task goes down some rows of tiles: their 16 matrices are made once, then a group of output channels at
 * a time is multiplied and turned back while it is in cache. Sums are of other terms than a direct convolution's: about
 * twice its rounding error, which is why the reference level, which has none of this, stays what it is tested against.
 */
#include "infer/plan_internal.h"

#include "base/mem.h"

enum {
    POINTS = 16,            /* of a tile                                                                     */
    LEAST_TILES = 32,       /* fewer, and 16 weights in place of 9 cost more than is saved: 7 x 7 maps        */
    LEAST_CHANNELS = 16,    /* of the input: else the tiles' own arithmetic outweighs the products            */
    TASK_BYTES = 768 * 1024 /* of matrices and products a task, in the second-level cache                     */
};

static int tile_rows(const eff_node *d) { return div_up(d->h, 2); }
static int tile_cols(const eff_node *d) { return div_up(d->w, 2); }
static int columns(const eff_node *d) { return 2 * tile_cols(d) + 2; } /* of the padded image */
static size_t widest(const eff_plan *p) { return (size_t)(p->k.group * p->k.vl); }

bool eff_winograd_suits(const eff_plan *p, const launch *l)
{
    const eff_node *d = l->node;
    return p->k.winograd_in && !p->k.bf16 && d->op == EFF_NODE_CONV && d->kernel == 3 && d->stride == 1 &&
           l->c >= LEAST_CHANNELS && tile_rows(d) * tile_cols(d) >= LEAST_TILES;
}

uint64_t eff_winograd_macs(const launch *l)
{
    const uint64_t tiles = (uint64_t)tile_rows(l->node) * (uint64_t)tile_cols(l->node);
    return POINTS * tiles * (uint64_t)l->c * (uint64_t)l->node->c;
}

/* Floats of a task of `rows` rows of tiles: the padded rows, matrices, products of one group. */
static size_t scratch_floats(const eff_plan *p, const launch *l, int rows)
{
    const eff_node *d = l->node;
    const size_t tiles = (size_t)rows * (size_t)tile_cols(d), c = (size_t)l->c, line = EFF_ALIGN / sizeof(float);
    return eff_round_up((size_t)(2 * rows + 2) * (size_t)columns(d) * c, line) +
           eff_round_up(POINTS * tiles * c, line) + POINTS * tiles * widest(p);
}

void eff_winograd_cut(eff_plan *p, launch *l)
{
    const int rows = tile_rows(l->node);
    int tasks = p->parts;
    while (tasks < rows && scratch_floats(p, l, div_up(rows, tasks)) * sizeof(float) > TASK_BYTES) tasks += p->parts;
    l->row_tasks = min_int(tasks, rows);
    l->rows = div_up(rows, l->row_tasks);
    l->col_tasks = 1;
    need_scratch(p, scratch_floats(p, l, l->rows));
}

size_t eff_winograd_packed_size(const eff_plan *p, int out, int in)
{
    return POINTS * eff_gemm_packed_size(&p->k, out, in);
}

/* GgG' of one 3 x 3 filter */
static void transform_filter(float u[POINTS], const float *g, float scale)
{
    double half[4][3];
    for (int c = 0; c < 3; c++) {
        const double a = (double)g[c], b = (double)g[3 + c], d = (double)g[6 + c];
        half[0][c] = a;
        half[1][c] = (a + b + d) / 2;
        half[2][c] = (a - b + d) / 2;
        half[3][c] = d;
    }
    for (int r = 0; r < 4; r++) {
        const double a = half[r][0], b = half[r][1], d = half[r][2], s = (double)scale;
        u[4 * r] = (float)(a * s);
        u[4 * r + 1] = (float)((a + b + d) / 2 * s);
        u[4 * r + 2] = (float)((a - b + d) / 2 * s);
        u[4 * r + 3] = (float)(d * s);
    }
}

eff_status eff_winograd_pack(const eff_plan *p, float *dst, const float *w, int out, int in, const float *scale,
                             eff_error *err)
{
    const int groups = eff_gemm_groups(&p->k, out);
    const size_t bytes = POINTS * widest(p) * (size_t)in * sizeof(float);
    float *u = eff_malloc(bytes);
    if (!u) return eff_fail_memory(err, bytes);
    for (int q = 0; q < groups; q++) {
        const int first = eff_gemm_group_start(&p->k, out, q), width = eff_gemm_group_start(&p->k, out, q + 1) - first;
        const int n = min_int(width, out - first);
        const size_t matrix = (size_t)n * (size_t)in;
        for (size_t i = 0; i < matrix; i++) {
            float point[POINTS];
            const size_t o = (size_t)first + i / (size_t)in;
            transform_filter(point, w + ((size_t)first * (size_t)in + i) * 9, scale[o]);
            for (size_t t = 0; t < POINTS; t++) u[t * matrix + i] = point[t];
        }
        for (size_t t = 0; t < POINTS; t++, dst += (size_t)width * (size_t)in)
            eff_gemm_pack(&p->k, dst, u + t * matrix, n, in, NULL);
    }
    eff_free(u);
    return EFF_OK;
}

/* One group's products: [point][tile][width]. */
static void multiply_points(const eff_plan *p, const launch *l, float *products, const float *v, int tiles, int first,
                            int width)
{
    static const float zeros[64]; /* bias comes with the way back; a group is three vectors at most */
    const size_t panel = (size_t)width * (size_t)l->c;
    const float *b = l->conv.b + POINTS * (size_t)first * (size_t)l->c;
    for (size_t t = 0; t < POINTS; t++, b += panel) {
        const eff_gemm g = { .a = v + t * (size_t)tiles * (size_t)l->c,
                             .b = b,
                             .bias = zeros,
                             .c = products + t * (size_t)tiles * (size_t)width,
                             .lda = (size_t)l->c,
                             .ldc = (size_t)width,
                             .m = tiles,
                             .k = l->c,
                             .n = width,
                             .groups = 1,
                             .next = b + panel,
                             .next_floats = panel };
        p->k.gemm(&g);
    }
}

void eff_winograd_task(void *ctx, int task, int worker)
{
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const eff_node *d = l->node;
    const int row0 = task * l->rows, rows = min_int(tile_rows(d) - row0, l->rows), cols = tile_cols(d);
    if (rows <= 0) return;
    const int tiles = rows * cols;
    const size_t line = (size_t)columns(d) * (size_t)l->c, align = EFF_ALIGN / sizeof(float);
    float *image = scratch_of(p, worker), *v = image + eff_round_up((size_t)(2 * rows + 2) * line, align);
    float *products = v + eff_round_up(POINTS * (size_t)tiles * (size_t)l->c, align);
    eff_pad_rows(p, l, image, d->pad_left, columns(d), 2 * row0 - d->pad_top, 2 * rows + 2);
    for (int r = 0; r < rows; r++) {
        const eff_winograd_in in = { .x = image + (size_t)(2 * r) * line,
                                     .v = v + (size_t)(r * cols) * (size_t)l->c,
                                     .row = line,
                                     .step = (size_t)tiles * (size_t)l->c,
                                     .c = l->c,
                                     .tiles = cols };
        p->k.winograd_in(&in);
    }
    const float *res = residual_of(p, l);
    for (int q = 0; q < eff_gemm_groups(&p->k, d->c); q++) {
        const int first = eff_gemm_group_start(&p->k, d->c, q),
                  width = eff_gemm_group_start(&p->k, d->c, q + 1) - first;
        multiply_points(p, l, products, v, tiles, first, width);
        for (int r = 0; r < rows; r++) {
            const int y = 2 * (row0 + r);
            const size_t at = (size_t)(y * d->w) * (size_t)d->c + (size_t)first;
            const eff_winograd_out out = { .m = products + (size_t)(r * cols * width),
                                           .step = (size_t)tiles * (size_t)width,
                                           .ldm = (size_t)width,
                                           .bias = l->conv.bias + first,
                                           .y = p->value[l->s.out] + at,
                                           .res = res ? res + at : NULL,
                                           .row = (size_t)d->w * (size_t)d->c,
                                           .ldy = (size_t)d->c,
                                           .n = min_int(width, d->c - first),
                                           .tiles = cols,
                                           .rows = min_int(2, d->h - y),
                                           .out_w = d->w,
                                           .act = l->s.act,
                                           .res_after = l->s.res_after };
            p->k.winograd_out(&out);
        }
    }
}
