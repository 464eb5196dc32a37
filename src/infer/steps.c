/* SPDX-License-Identifier: Apache-2.0 */
/* Running a plan layer by layer: what is not part of a fused block. Every task writes its own part of the output, and
 * no sum crosses a cut, so the cut may depend on the number of workers and the bits do not. */
#include "infer/plan_internal.h"

#include "base/mem.h"

#include <string.h>

enum {
    ROWS_A_TASK = 112,       /* about this many pixels: the block of A stays in L2                          */
    BAND_BYTES = 256 * 1024, /* padded rows a task, likewise                                                */
    SMALL_MAP = 64,          /* maps up to this many pixels are cut by columns: no weight is read twice     */
    CHANNELS_A_TASK = 64,
    PIXELS_A_TASK = 256,
    LATE_FLOATS = 256 * 1024 /* of the classifier's weights, fetched under the layer before it: half of an L2 cache */
};

/* ------------------------------------------------------------------------------------------- cutting */

/* Floats of the padded rows under `rows` output rows of a k x k convolution. */
static size_t band_floats(const eff_plan *p, const launch *l, int rows)
{
    const eff_node *d = l->node;
    const size_t cols = (size_t)max_int(d->pad_left + l->w, (d->w - 1) * d->stride + d->kernel);
    return (size_t)((rows - 1) * d->stride + d->kernel) * cols * (size_t)words(p, l->c);
}

/* Values that an output of a direct convolution is a sum over. */
static int direct_depth(const launch *l)
{
    return l->block ? l->block->mid : l->node->op == EFF_NODE_LINEAR ? l->h * l->w * l->c : l->c;
}

void eff_step_cut(eff_plan *p, launch *l)
{
    const eff_node *d = l->node;
    if (l->s.op != EFF_STEP_CONV) {
        l->rows = d->w > 0 ? div_up(PIXELS_A_TASK, d->w) : 1;
        return;
    }
    if (l->winograd) {
        eff_winograd_cut(p, l);
        return;
    }
    /* in rows of the GEMM: pixels, or whole rows of the image where each needs its own rows of the input */
    const int m = l->direct ? d->h * d->w : d->h, pixels = d->h * d->w;
    l->row_tasks = l->col_tasks = 1;
    if (pixels <= SMALL_MAP || l->mean)
        l->col_tasks = min_int(p->parts, eff_gemm_groups(&p->k, d->c));
    else {
        l->row_tasks = div_up(pixels, ROWS_A_TASK);
        if (!l->direct)
            while (l->row_tasks < m && band_floats(p, l, div_up(m, l->row_tasks)) * sizeof(float) > BAND_BYTES)
                l->row_tasks++;
        l->row_tasks = min_int(m, (int)eff_round_up((size_t)l->row_tasks, (size_t)p->parts));
    }
    l->rows = div_up(m, l->row_tasks);
    /* what a task needs for itself: planes before their mean, the rows under a convolution, operands rounded */
    size_t scratch = l->mean ? (size_t)pixels * (size_t)(p->k.group * p->k.vl) : 0;
    if (!l->direct)
        scratch += band_floats(p, l, l->rows);
    else if (p->k.bf16)
        scratch += (size_t)l->rows * (size_t)vector_words(p, direct_depth(l));
    need_scratch(p, scratch);
}

/* ------------------------------------------------------------------------------------------- tasks */

eff_gemm eff_step_gemm(const eff_plan *p, const launch *l, int row0, int rows, int group0, int groups)
{
    const eff_node *d = l->node;
    const float *res = residual_of(p, l);
    const size_t first = (size_t)row0 * (size_t)d->c;
    return (eff_gemm){ .b = l->conv.b,
                       .bias = l->conv.bias,
                       .m = rows,
                       .n = d->c,
                       .group0 = group0,
                       .groups = groups,
                       .act = l->s.act,
                       .res_after = l->s.res_after,
                       .ldc = (size_t)d->c,
                       .ldr = (size_t)d->c,
                       .c = p->value[l->s.out] + first,
                       .res = res ? res + first : NULL };
}

/* The panels after these ones are fetched while they are used: those that the same worker will come to. */
static void fetch_ahead(const eff_plan *p, eff_gemm *g)
{
    const int from = eff_gemm_group_start(&p->k, g->n, g->group0),
              to = eff_gemm_group_start(&p->k, g->n, g->group0 + g->groups);
    const size_t floats = (size_t)(to - from) / (size_t)g->groups * (size_t)g->k;
    g->next = g->b + (size_t)from * (size_t)g->k + floats;
    g->next_floats = (size_t)(to - from) * (size_t)g->k;
}

void eff_pad_rows(const eff_plan *p, const launch *l, float *dst, int pad_left, int cols, int y0, int count)
{
    const size_t c = (size_t)words(p, l->c), row = (size_t)cols * c, lead = (size_t)pad_left * c,
                 body = (size_t)l->w * c;
    for (int y = y0; y < y0 + count; y++, dst += row) {
        if (y < 0 || y >= l->h) {
            memset(dst, 0, row * sizeof *dst);
            continue;
        }
        const float *x = input_of(p, l) + (size_t)y * (size_t)l->w * (size_t)l->c;
        memset(dst, 0, lead * sizeof *dst);
        if (p->k.bf16)
            p->k.round_rows(dst + lead, x, (size_t)l->w, l->c);
        else
            memcpy(dst + lead, x, body * sizeof *dst);
        memset(dst + lead + body, 0, (row - lead - body) * sizeof *dst);
    }
}

/* The columns of a task. @return how many groups from *group0 */
static int task_groups(const eff_plan *p, const launch *l, int task, int *group0)
{
    int end;
    part_of(eff_gemm_groups(&p->k, l->node->c), l->col_tasks, task % l->col_tasks, group0, &end);
    return end - *group0;
}

/* Rows row0 .. of a direct convolution's input as operands, k values each: where they are, or rounded into `to`. */
static const float *direct_rows(const eff_plan *p, const launch *l, int row0, int rows, int k, float *to)
{
    const float *x = input_of(p, l) + (size_t)row0 * (size_t)k;
    if (!p->k.bf16) return x;
    p->k.round_rows(to, x, (size_t)rows, k);
    return to;
}

static void task_pointwise(void *ctx, int task, int worker)
{
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const eff_node *d = l->node;
    const int k = direct_depth(l), m = d->h * d->w;
    const int row0 = task / l->col_tasks * l->rows, rows = min_int(m - row0, l->rows);
    int group0;
    const int groups = task_groups(p, l, task, &group0);
    if (rows <= 0) return;
    eff_gemm g = eff_step_gemm(p, l, row0, rows, group0, groups);
    g.k = words(p, k);
    g.lda = (size_t)g.k;
    g.a = direct_rows(p, l, row0, rows, k, scratch_of(p, worker));
    fetch_ahead(p, &g);
    multiply(p, &g);
}

/* Likewise under the last convolution: by its end the task has fetched its share of the classifier's weights too, whose single row
 * multiplies no faster than they come. */
static void fetch_classifier(const eff_plan *p, const launch *l, eff_gemm *g, int task, int group0, int groups)
{
    const launch *then = l + 1;
    fetch_ahead(p, g);
    if (then == p->launch + p->nlaunches || then->node->op != EFF_NODE_LINEAR) return;
    const size_t panel = g->next_floats, own = panel * (size_t)(groups - 1);
    const size_t all = eff_gemm_packed_size(&p->k, then->node->c, words(p, direct_depth(then)));
    const size_t begin = all * (size_t)task / (size_t)l->col_tasks, most = LATE_FLOATS, size = all / (size_t)l->col_tasks;
    const size_t late = size < most ? size : most, share = eff_round_up((own + late) / (size_t)groups + 1, EFF_ALIGN / sizeof(float));
    const size_t from = (size_t)(g->group0 - group0) * share;
    if (from < own)
        g->next = l->conv.b + (size_t)eff_gemm_group_start(&p->k, g->n, group0 + 1) * (size_t)g->k + from;
    else
        g->next = then->conv.b + begin + (from - own);
    g->next_floats = share;
}

/* A 1x1 convolution whose output only the mean wants: a few channels at a time, never the whole. */
static void task_mean_of_conv(void *ctx, int task, int worker)
{
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const eff_node *d = l->node;
    const int vl = p->k.vl, m = d->h * d->w;
    float *planes = scratch_of(p, worker), *mean = p->value[l->s.out];
    const float *rows = direct_rows(p, l, 0, m, l->c, planes + (size_t)m * (size_t)(p->k.group * vl));
    int group0;
    const int groups = task_groups(p, l, task, &group0);
    for (int q = group0; q < group0 + groups; q++) {
        eff_gemm g = { .a = rows,
                       .b = l->conv.b,
                       .bias = l->conv.bias,
                       .c = planes,
                       .lda = (size_t)words(p, l->c),
                       .ldc = (size_t)vl,
                       .c_step = (size_t)(m * vl),
                       .m = m,
                       .k = words(p, l->c),
                       .n = d->c,
                       .group0 = q,
                       .groups = 1,
                       .act = l->s.act };
        fetch_classifier(p, l, &g, task, group0, groups);
        multiply(p, &g);
        const int first = eff_gemm_group_start(&p->k, d->c, q),
                  end = min_int(d->c, eff_gemm_group_start(&p->k, d->c, q + 1));
        for (int c = first; c < end; c += vl, planes += m * vl)
            p->k.mean(mean + c, planes, d->h, d->w, vl, 0, min_int(vl, end - c));
        planes = scratch_of(p, worker);
    }
}

/* k x k, or a stride: each row of the output from padded rows of the input, multiplied where they lie. */
static void task_conv(void *ctx, int task, int worker)
{
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const eff_node *d = l->node;
    const int row0 = task / l->col_tasks * l->rows, rows = min_int(d->h - row0, l->rows);
    const int cols = max_int(d->pad_left + l->w, (d->w - 1) * d->stride + d->kernel);
    const int c = words(p, l->c);
    const size_t line = (size_t)cols * (size_t)c;
    int group0;
    const int groups = task_groups(p, l, task, &group0);
    if (rows <= 0) return;
    const float *band = scratch_of(p, worker);
    eff_pad_rows(p, l, scratch_of(p, worker), d->pad_left, cols, row0 * d->stride - d->pad_top,
                 (rows - 1) * d->stride + d->kernel);
    for (int q = group0; q < group0 + groups; q++) { /* a panel of weights stays near for all rows */
        eff_gemm g = eff_step_gemm(p, l, row0 * d->w, d->w, q, 1);
        g.k = d->kernel * d->kernel * c;
        g.a = band;
        g.lda = (size_t)(d->stride * c);
        g.run = d->kernel * c;
        g.a_step = line;
        g.bands = rows;
        g.a_band = (size_t)d->stride * line;
        g.c_band = (size_t)d->w * g.ldc;
        fetch_ahead(p, &g);
        multiply(p, &g);
    }
}

/* The rows of a task. */
static eff_window window_of(const eff_plan *p, const launch *l, int task)
{
    const eff_node *d = l->node;
    const int row0 = task * l->rows;
    return (eff_window){ .x = input_of(p, l),
                         .y = p->value[l->s.out],
                         .h = l->h,
                         .w_in = l->w,
                         .c = l->c,
                         .out_h = d->h,
                         .out_w = d->w,
                         .kernel = d->kernel,
                         .stride = d->stride,
                         .pad_top = d->pad_top,
                         .pad_left = d->pad_left,
                         .row0 = row0,
                         .rows = min_int(d->h - row0, l->rows) };
}

static void task_dwconv(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const launch *l = p->now;
    eff_window a = window_of(p, l, task);
    a.w = l->conv.b;
    a.bias = l->conv.bias;
    a.act = l->s.act;
    p->k.dwconv(&a);
}

static void task_maxpool(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const eff_window m = window_of(p, p->now, task);
    p->k.maxpool(&m);
}

static void task_mean(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const int c0 = task * CHANNELS_A_TASK, n = min_int(l->c - c0, CHANNELS_A_TASK);
    p->k.mean(l->s.op == EFF_STEP_SE ? p->se_mean : p->value[l->s.out], input_of(p, l), l->h, l->w, l->c, c0, n);
}

static void task_scale(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const size_t pixels = (size_t)l->h * (size_t)l->w, first = (size_t)task * PIXELS_A_TASK;
    const size_t count = pixels - first < PIXELS_A_TASK ? pixels - first : PIXELS_A_TASK;
    p->k.scale(p->value[l->s.out] + first * (size_t)l->c, p->se_mean, count, l->c);
}

static void task_elementwise(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const size_t total = (size_t)l->h * (size_t)l->w * (size_t)l->c, span = (size_t)PIXELS_A_TASK * (size_t)l->c;
    const size_t first = (size_t)task * span, n = total - first < span ? total - first : span;
    if (l->s.op == EFF_STEP_ADD) p->k.add(p->value[l->s.out] + first, residual_of(p, l) + first, n);
    if (l->s.act != EFF_ACT_NONE) p->k.act(p->value[l->s.out] + first, n, l->s.act);
}

/* ------------------------------------------------------------------------------------------- running */

void eff_step_vector(const eff_plan *p, const eff_node *se, const packed *w, bool excite)
{
    const int in = excite ? se->squeeze : se->c, out = excite ? se->c : se->squeeze;
    const eff_gemm g = { .a = excite ? p->se_mid : p->se_mean,
                         .b = w->b,
                         .bias = w->bias,
                         .c = excite ? p->se_mean : p->se_mid,
                         .m = 1,
                         .k = in,
                         .n = out,
                         .groups = eff_gemm_groups(&p->k, out),
                         .act = excite ? EFF_ACT_SIGMOID : se->act };
    p->k.gemm(&g);
}

static void copy_unless_in_place(const eff_plan *p, const launch *l)
{
    float *to = p->value[l->s.out];
    const float *from = input_of(p, l);
    if (to != from) memcpy(to, from, node_floats(&p->g->node[l->s.in]) * sizeof *to);
}

void eff_step_run(eff_plan *p, const launch *l, eff_pool *pool)
{
    const int pixel_tasks = div_up(l->h * l->w, PIXELS_A_TASK);
    eff_task_fn *const conv = l->mean       ? task_mean_of_conv
                              : l->winograd ? eff_winograd_task
                              : l->direct   ? task_pointwise
                                            : task_conv;
    switch (l->s.op) {
    case EFF_STEP_CONV: eff_pool_run(pool, conv, p, l->row_tasks * l->col_tasks); break;
    case EFF_STEP_DWCONV: eff_pool_run(pool, task_dwconv, p, div_up(l->node->h, l->rows)); break;
    case EFF_STEP_MAXPOOL: eff_pool_run(pool, task_maxpool, p, div_up(l->node->h, l->rows)); break;
    case EFF_STEP_MEAN: eff_pool_run(pool, task_mean, p, div_up(l->c, CHANNELS_A_TASK)); break;
    case EFF_STEP_SE:
        eff_pool_run(pool, task_mean, p, div_up(l->c, CHANNELS_A_TASK));
        eff_step_vector(p, l->node, &l->conv, false);
        eff_step_vector(p, l->node, &l->excite, true);
        copy_unless_in_place(p, l);
        eff_pool_run(pool, task_scale, p, pixel_tasks);
        break;
    case EFF_STEP_ACT:
    case EFF_STEP_ADD:
        copy_unless_in_place(p, l);
        eff_pool_run(pool, task_elementwise, p, pixel_tasks);
        break;
    }
    eff_plan_tick(p, l, 0);
}
