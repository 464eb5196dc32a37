/* SPDX-License-Identifier: Apache-2.0 */
/* A block as one step: [expansion,] depthwise convolution, [squeeze-and-excitation,] projection.
 *
 * First, for a group of channels at a time: a few rows of the expanded image are computed into a ring, the depthwise
 * convolution goes over them while they are in cache, and each output row's sum is kept for pooling. The expanded image
 * never exists as a whole. Its rows are planes of one vector of channels, zero-padded, and so is what the depthwise
 * convolution puts out. Then SE computes its factors from the sums; they go into whichever is smaller, the planes or
 * the projection's weights; in bfloat16 into the planes, as their rows are rounded for the projection. Last, the
 * projection, with bias and residual as the start of its sums, back to NHWC: where a task's planes do not fit L2, a
 * slab of them at a time, scaled just before it is read.
 *
 * Schedule, by a model of what is in cache: a visit covers as many output rows as keep the ring and what comes out of
 * it within VISIT_BYTES, but two at least, since the depthwise kernel computes two rows at a time; where that is the
 * whole image there is no ring to speak of. Work goes to workers by groups of channels; groups that do not go round are
 * cut into bands of rows, whose first rows are expanded twice. Sums are kept by row and joined in order, so neither cut
 * changes a bit. */
#include "infer/plan_internal.h"

#include "base/mem.h"
#include "kernels/groups.h"

#include <string.h>

enum {
    VISIT_BYTES = 96 * 1024,
    GROUP_CHANNELS = 48, /* about: several panels where those are narrow */
    PLANES_A_TASK = 8,
    SLAB_BYTES = 288 * 1024,  /* of a task's planes, which stay in L2 while all columns are made of them */
    LATE_FLOATS = 192 * 1024, /* fetched before SE, of its weights and the projection's */
    MOST_ROWS = 256           /* under one visit */
};

/* ------------------------------------------------------------------------------------------- planning */

static int rows_under(const block *b, int out_rows) { return (out_rows - 1) * b->dw->stride + b->dw->kernel; }

static size_t ring_floats(const eff_plan *p, const block *b, int rows)
{
    return (size_t)rows * (size_t)(b->cols * p->k.vl);
}

/* Columns of a padded row of the image that a k x k expansion reads. */
static int image_cols(const eff_node *e, int w) { return max_int(e->pad_left + w, (e->w - 1) * e->stride + e->kernel); }

channel_group eff_block_group(const eff_plan *p, const block *b, int i)
{
    const int vl = p->k.vl, taps = b->dw->kernel * b->dw->kernel, first = eff_group_start(b->mid, vl, b->width, i);
    const size_t padded = (size_t)(eff_group_start(b->mid, vl, b->width, i + 1) - first),
                 a_channel = (size_t)(b->depth ? b->depth + 1 : 0);
    return (channel_group){ .c0 = first,
                            .c = min_int((int)padded, b->mid - first),
                            .v0 = first / vl,
                            .vectors = (int)padded / vl,
                            .at = (size_t)first * (a_channel + (size_t)taps + 1),
                            .floats = padded * (a_channel + (size_t)taps + 1),
                            .b = padded,
                            .dw_bias = padded * a_channel,
                            .dw = padded * (a_channel + 1) };
}

/* Most output rows a visit, even where they are not all. */
static int choose_chunk(const eff_plan *p, const block *b)
{
    int rows = min_int(2, b->dw->h);
    while (rows < b->dw->h) {
        const int more = min_int(rows + 2, b->dw->h);
        const size_t floats =
            (size_t)b->width * (ring_floats(p, b, rows_under(b, more)) + (size_t)(more * b->dw->w * p->k.vl));
        if (floats * sizeof(float) > VISIT_BYTES || rows_under(b, more) > MOST_ROWS) break;
        rows = more;
    }
    return rows;
}

eff_status eff_block_plan(eff_plan *p, launch *l, const eff_block *part, eff_error *err)
{
    block *b = eff_calloc(1, sizeof *b);
    if (!b) return eff_fail_memory(err, sizeof *b);
    l->block = b;
    b->part = *part;
    b->dw = &p->g->node[part->dw->node];
    b->se = part->se ? &p->g->node[part->se->node] : NULL;
    const eff_node *in = &p->g->node[part->dw->in], *out = b->dw;
    b->h = in->h, b->w = in->w, b->mid = in->c;
    b->vectors = div_up(b->mid, p->k.vl);
    const int most = max_int(1, GROUP_CHANNELS / (p->k.vl * p->k.group)) * p->k.group;
    b->groups = eff_groups(b->mid, p->k.vl, most);
    b->width = div_up(b->vectors, b->groups);
    b->cols = max_int(out->pad_left + b->w, (out->w - 1) * out->stride + out->kernel);
    b->chunk = choose_chunk(p, b);
    b->ring = rows_under(b, b->chunk);
    size_t scratch = (size_t)b->width * ring_floats(p, b, b->ring) + ring_floats(p, b, 1);
    const eff_node *e = part->expand ? &p->g->node[part->expand->node] : NULL;
    b->depth = e ? e->kernel * e->kernel * words(p, l->c) : 0;
    if (e && (e->kernel > 1 || e->stride > 1)) {
        b->image_rows = (b->ring - 1) * e->stride + e->kernel;
        scratch += (size_t)b->image_rows * (size_t)(image_cols(e, l->w) * words(p, l->c));
    }
    need_scratch(p, scratch);
    const size_t pixels = (size_t)out->h * (size_t)out->w, padded = (size_t)(b->vectors * p->k.vl);
    b->planes = pixels * padded;
    b->sums = b->se ? (size_t)out->h * padded : 0;
    b->scale_weights = b->se && !p->k.bf16 && pixels > (size_t)l->node->c;
    b->scaled = b->scale_weights ? eff_gemm_packed_size(&p->k, l->node->c, b->mid) : 0;
    b->rounds_input = p->k.bf16 && e && !b->image_rows;
    const size_t input = b->rounds_input ? (size_t)(l->h * l->w) * (size_t)words(p, l->c) : 0;
    l->temp_bytes = (b->planes + b->sums + b->scaled + input) * sizeof(float);
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------- expansion and depthwise
 */

typedef struct visit { /* one task's way down the image */
    const eff_plan *p;
    const launch *l;
    const block *b;
    channel_group g; /* its channels                    */
    const float *next,
        *late; /* weights that it fetches: of this worker's next group, and its share of what comes after all groups */
    size_t next_floats, late_floats;
    float *ring, *zeros, *image;
    int have;       /* rows of the expanded image made */
    int rows, made; /* that the task makes in all, has made */
} visit;

static float *ring_row(const visit *v, int vector, int y)
{
    return v->ring +
           ((size_t)vector * (size_t)v->b->ring + (size_t)(y % v->b->ring)) * (size_t)(v->b->cols * v->p->k.vl);
}

/* Zeros where no row's inside will be written. */
static void clear_padding(const visit *v)
{
    const block *b = v->b;
    const size_t vl = (size_t)v->p->k.vl, lead = (size_t)b->dw->pad_left * vl, body = (size_t)b->w * vl,
                 row = (size_t)b->cols * vl;
    for (int i = 0; i < v->g.vectors; i++)
        for (int y = 0; y < b->ring; y++) {
            float *at = ring_row(v, i, y);
            memset(at, 0, lead * sizeof *at);
            memset(at + lead + body, 0, (row - lead - body) * sizeof *at);
        }
    memset(v->zeros, 0, row * sizeof *v->zeros);
}

/* Rows of the expansion fetch their share of what this worker reads next, while they are multiplied. */
static void fetch_ahead(visit *v, eff_gemm *g)
{
    const size_t all = v->next_floats + v->late_floats, line = EFF_ALIGN / sizeof(float);
    const size_t per_row = eff_round_up(all / (size_t)v->rows + 1, line), from = (size_t)v->made * per_row;
    v->made += g->bands;
    if (from < v->next_floats)
        g->next = v->next + from;
    else if (from < all)
        g->next = v->late + (from - v->next_floats);
    g->next_floats = (size_t)g->bands * per_row;
}

/* The block's input as rows of words, made before its groups are. */
static float *rounded_input(const launch *l)
{
    const block *b = l->block;
    return l->temp + b->planes + b->sums + b->scaled;
}

/* Rows y .. y+rows-1 of the channels that a block without expansion begins with, as planes. */
static void copy_rows(const visit *v, int y, int rows)
{
    const block *b = v->b;
    const launch *l = v->l;
    for (int r = y; r < y + rows; r++)
        for (int i = 0; i < v->g.vectors; i++) {
            const int c = (v->g.v0 + i) * v->p->k.vl;
            v->p->k.to_plane(ring_row(v, i, r) + b->dw->pad_left * v->p->k.vl,
                             input_of(v->p, l) + (size_t)r * (size_t)l->w * (size_t)l->c + c, (size_t)l->c,
                             min_int(v->p->k.vl, b->mid - c), b->w);
        }
}

/* Rows y .. y+rows-1 of the group's expanded channels, which follow each other in the ring; `from`: the first row of
 * the padded image at hand. */
static void multiply_rows(visit *v, int y, int rows, int from)
{
    const eff_plan *p = v->p;
    const block *b = v->b;
    const launch *l = v->l;
    const size_t vl = (size_t)p->k.vl;
    const eff_node *e = &p->g->node[b->part.expand->node];
    const float *own = b->own + v->g.at;
    eff_gemm g = { .b = own + v->g.b,
                   .bias = own,
                   .c = ring_row(v, 0, y) + (size_t)b->dw->pad_left * vl,
                   .ldc = vl,
                   .c_step = ring_floats(p, b, b->ring),
                   .m = b->w,
                   .k = b->depth,
                   .n = v->g.c,
                   .groups = eff_gemm_groups(&p->k, v->g.c),
                   .bands = rows,
                   .c_band = ring_floats(p, b, 1),
                   .act = b->part.expand->act };
    const int c = words(p, l->c);
    if (b->image_rows) {
        const size_t line = (size_t)image_cols(e, l->w) * (size_t)c;
        g.a = v->image + (size_t)(y * e->stride - e->pad_top - from) * line;
        g.lda = (size_t)(e->stride * c);
        g.run = e->kernel * c;
        g.a_step = line;
        g.a_band = (size_t)e->stride * line;
    } else {
        g.lda = (size_t)c;
        g.a_band = (size_t)(l->w * c);
        g.a = (b->rounds_input ? rounded_input(l) : input_of(p, l)) + (size_t)y * g.a_band;
    }
    fetch_ahead(v, &g);
    multiply(p, &g);
}

/* Rows first .. end-1 of the expanded image, at most as many as the ring has. */
static void expand_rows(visit *v, int first, int end)
{
    const block *b = v->b;
    int from = 0;
    if (b->image_rows && first < end) {
        const launch *l = v->l;
        const eff_node *e = &v->p->g->node[b->part.expand->node];
        from = first * e->stride - e->pad_top;
        eff_pad_rows(v->p, l, v->image, e->pad_left, image_cols(e, l->w), from,
                     (end - 1 - first) * e->stride + e->kernel);
    }
    for (int y = first, rows; y < end; y += rows) { /* once more where the ring begins again */
        rows = min_int(end - y, b->ring - y % b->ring);
        if (b->part.expand)
            multiply_rows(v, y, rows, from);
        else
            copy_rows(v, y, rows);
    }
}

/* Output rows o0 .. o1-1 of the group. */
static void go_down(visit *v, int o0, int o1)
{
    const eff_plan *p = v->p;
    const block *b = v->b;
    const eff_node *d = b->dw;
    const size_t vl = (size_t)p->k.vl, padded = (size_t)b->vectors * vl, taps = (size_t)d->kernel * (size_t)d->kernel;
    const float *own = b->own + v->g.at;
    float *planes = v->l->temp, *sums = planes + b->planes;
    const float *row[MOST_ROWS];
    clear_padding(v);
    for (int o = o0; o < o1; o += b->chunk) {
        const int n = min_int(b->chunk, o1 - o), top = o * d->stride - d->pad_top,
                  end = min_int(b->h, top + rows_under(b, n));
        const int first = max_int(v->have, max_int(top, 0));
        expand_rows(v, first, end);
        v->have = max_int(v->have, end);
        for (int i = 0; i < v->g.vectors; i++) {
            const size_t at = (size_t)(v->g.v0 + i);
            for (int y = 0; y < rows_under(b, n); y++)
                row[y] = top + y < 0 || top + y >= b->h ? v->zeros : ring_row(v, i, top + y);
            const eff_dwplane a = { .x = row,
                                    .w = own + v->g.dw + (size_t)i * taps * vl,
                                    .bias = own + v->g.dw_bias + (size_t)i * vl,
                                    .y = planes + (at * (size_t)(d->h * d->w) + (size_t)(o * d->w)) * vl,
                                    .sum = b->se ? sums + (size_t)o * padded + at * vl : NULL,
                                    .lds = padded,
                                    .rows = n,
                                    .out_w = d->w,
                                    .kernel = d->kernel,
                                    .stride = d->stride,
                                    .act = b->part.dw->act };
            p->k.dwplane(&a);
        }
    }
}

static void task_round_input(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const launch *l = p->now;
    int first, end;
    part_of(l->h, p->parts, task, &first, &end);
    const size_t row = (size_t)l->w * (size_t)l->c, row_words = (size_t)l->w * (size_t)words(p, l->c);
    p->k.round_rows(rounded_input(l) + (size_t)first * row_words, input_of(p, l) + (size_t)first * row,
                    (size_t)((end - first) * l->w), l->c);
}

/* Groups that go round the workers are whole; each of the rest is cut into bands. */
static int whole_groups(const eff_plan *p, const block *b) { return b->groups / p->parts * p->parts; }

static void task_expand(void *ctx, int task, int worker)
{
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const block *b = l->block;
    const int whole = whole_groups(p, b), i = task < whole ? task : whole + (task - whole) / p->parts;
    int o0 = 0, o1 = b->dw->h;
    if (task >= whole) part_of(b->dw->h, p->parts, (task - whole) % p->parts, &o0, &o1);
    visit v = { .p = p,
                .l = l,
                .b = b,
                .g = eff_block_group(p, b, i),
                .ring = scratch_of(p, worker),
                .rows = max_int(1, min_int(b->h, rows_under(b, o1 - o0))) };
    v.zeros = v.ring + (size_t)b->width * ring_floats(p, b, b->ring);
    v.image = v.zeros + ring_floats(p, b, 1);
    const channel_group last = eff_block_group(p, b, b->groups - 1);
    const size_t after = last.at + last.floats, late = b->late < LATE_FLOATS ? b->late : LATE_FLOATS,
                 share = late / (size_t)b->groups;
    if (i + p->parts < b->groups) {
        const channel_group next = eff_block_group(p, b, i + p->parts);
        v.next = b->own + next.at;
        v.next_floats = next.floats;
    }
    v.late = b->own + after + (size_t)i * share;
    v.late_floats = share;
    if (o0 < o1) go_down(&v, o0, o1);
}

/* ------------------------------------------------------------------------------------------- SE and projection */

/* Whether the tasks of the projection each scale the rows that they are about to read; where several read the same
 * rows, that is a pass before them. */
static bool scales_rows(const eff_plan *p, const launch *l)
{
    return l->block->se && !l->block->scale_weights && !p->k.bf16 && l->col_tasks == 1;
}

static void task_scale_planes(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const block *b = p->now->block;
    const size_t pixels = (size_t)b->dw->h * (size_t)b->dw->w, vl = (size_t)p->k.vl;
    for (int v = task * PLANES_A_TASK; v < min_int(b->vectors, (task + 1) * PLANES_A_TASK); v++)
        p->k.scale(p->now->temp + (size_t)v * pixels * vl, p->se_mean + (size_t)v * vl, pixels, p->k.vl);
}

static void task_scale_weights(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const block *b = l->block;
    const int first = eff_gemm_group_start(&p->k, l->node->c, task),
              end = eff_gemm_group_start(&p->k, l->node->c, task + 1);
    const size_t at = (size_t)first * (size_t)b->mid;
    p->k.scale_rows(l->temp + b->planes + b->sums + at, l->conv.b + at, p->se_mean, b->mid, end - first);
}

static void run_se(eff_plan *p, const launch *l, eff_pool *pool)
{
    const block *b = l->block;
    const int padded = b->vectors * p->k.vl;
    const float per_column = 1.0f / (float)b->dw->w;
    p->k.mean(p->se_mean, l->temp + b->planes, b->dw->h, 1, padded, 0, padded);
    p->k.scale_rows(p->se_mean, p->se_mean, &per_column, 1, padded);
    eff_step_vector(p, b->se, &b->squeeze, false);
    eff_step_vector(p, b->se, &b->excite, true);
    if (b->scale_weights)
        eff_pool_run(pool, task_scale_weights, p, eff_gemm_groups(&p->k, l->node->c));
    else if (!p->k.bf16 && !scales_rows(p, l))
        eff_pool_run(pool, task_scale_planes, p, div_up(b->vectors, PLANES_A_TASK));
}

/* Channels of `rows` rows that a projection takes at a time, in whole planes. In bfloat16 all of them. */
static int slab_channels(const eff_plan *p, const block *b, int rows)
{
    const size_t plane = (size_t)rows * (size_t)p->k.vl * sizeof(float), all = (size_t)b->vectors * plane;
    if (p->k.bf16 || all < 2 * SLAB_BYTES) return b->mid;
    return div_up(b->vectors, (int)((all + SLAB_BYTES - 1) / SLAB_BYTES)) * p->k.vl;
}

/* Words `from` .. of column group q of packed weights with n columns. */
static const float *panel_at(const eff_kernels *k, const float *weights, int n, int depth, int q, int from)
{
    const int start = eff_gemm_group_start(k, n, q), end = eff_gemm_group_start(k, n, q + 1);
    return weights + (size_t)start * (size_t)depth + (size_t)from * (size_t)(end - start);
}

static void task_project(void *ctx, int task, int worker)
{
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const block *b = l->block;
    const int m = b->dw->h * b->dw->w, all = eff_gemm_groups(&p->k, l->node->c);
    int row0 = 0, row1 = m, group0 = 0, group1 = all;
    if (l->col_tasks > 1)
        part_of(all, l->col_tasks, task, &group0, &group1);
    else
        part_of(m, l->row_tasks, task, &row0, &row1);
    if (row0 == row1) return;
    const size_t vl = (size_t)p->k.vl, plane = (size_t)m * vl;
    const int depth = words(p, b->mid), slab = words(p, slab_channels(p, b, row1 - row0));
    float *planes = l->temp + (size_t)row0 * vl;
    const float *weights = b->scale_weights ? l->temp + b->planes + b->sums : l->conv.b;
    eff_gemm from = { .a = planes, .lda = vl, .a_step = plane, .run = p->k.vl };
    if (p->k.bf16) {
        float *const rows = scratch_of(p, worker);
        const size_t ld = (size_t)vector_words(p, b->mid);
        p->k.round_planes(rows, ld, planes, plane, b->se ? p->se_mean : NULL, b->mid, row1 - row0);
        from = (eff_gemm){ .a = rows, .lda = ld };
    }
    for (int k = 0; k < depth; k += slab) {
        const int until = min_int(depth, k + slab);
        if (scales_rows(p, l))
            for (int c = k; c < until; c += p->k.vl)
                p->k.scale(planes + (size_t)c / vl * plane, p->se_mean + c, (size_t)(row1 - row0), p->k.vl);
        for (int q = group0; q < group1; q++) {
            eff_gemm g = eff_step_gemm(p, l, row0, row1 - row0, q, 1);
            const int width = eff_gemm_group_start(&p->k, g.n, q + 1) - eff_gemm_group_start(&p->k, g.n, q);
            g.a = from.a;
            g.lda = from.lda;
            g.a_step = from.a_step;
            g.run = from.run;
            g.k = depth;
            g.from = k;
            g.until = until;
            g.b = weights;
            if (q + 1 < group1)
                g.next = panel_at(&p->k, weights, g.n, depth, q + 1, k);
            else if (until < depth)
                g.next = panel_at(&p->k, weights, g.n, depth, group0, until);
            else /* what the next step reads lies behind its own weights, scaled or not */
                g.next = panel_at(&p->k, l->conv.b, g.n, depth, group1, 0);
            g.next_floats = (size_t)(until - k) * (size_t)width;
            multiply(p, &g);
        }
    }
}

void eff_block_run(eff_plan *p, const launch *l, eff_pool *pool)
{
    const block *b = l->block;
    const int whole = whole_groups(p, b);
    int row = 0;
    if (b->rounds_input) eff_pool_run(pool, task_round_input, p, p->parts);
    eff_pool_run(pool, task_expand, p, whole + (b->groups - whole) * p->parts);
    eff_plan_tick(p, l, row++);
    if (b->se) {
        run_se(p, l, pool);
        eff_plan_tick(p, l, row++);
    }
    eff_pool_run(pool, task_project, p, l->row_tasks * l->col_tasks);
    eff_plan_tick(p, l, row);
}
