/* SPDX-License-Identifier: Apache-2.0 */
/* Making and running the inference plan. Work is cut into tasks by the shapes alone, never by the number of threads, so the
 * result has the same bits at any thread count. */
#include "infer/plan.h"

#include "base/clock.h"
#include "base/mem.h"
#include "infer/fold.h"
#include "infer/memory.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct launch { /* a step with everything its kernels need */
    eff_step s;
    const eff_node *node;
    int h, w, c;            /* of the input                                        */
    const float *b, *bias;  /* packed weights; SE: of the reduction                */
    const float *b2, *bias2;/* SE: of the expansion                                */
    int direct;             /* GEMM reads the input itself, no patches             */
    int rows, row_tasks, col_tasks; /* cut of a GEMM; rows also of DWCONV, MAXPOOL */
} launch;

struct eff_plan {
    const eff_graph *g;
    eff_kernels k;
    int nlaunches, threads;
    launch *launch;
    float *weights;         /* all packed weights                                  */
    size_t weight_floats, arena_bytes, scratch_floats; /* scratch: a worker        */
    unsigned char *arena;
    float *scratch;         /* threads * scratch_floats, then the SE vectors       */
    float *se_mean, *se_mid;
    float **value;          /* by node; NULL when fused away                       */
    /* one run */
    const float *x;
    const launch *now;
    eff_plan_layer *profile; /* [nlaunches], or NULL when nobody asked */
};

enum {
    ROWS_MIN_BLOCK = 96,       /* about this many rows a task: the A block stays in L2                     */
    PATCH_BYTES = 192 * 1024,  /* patches a task, likewise                                                 */
    SMALL_MAP = 256,           /* maps up to this many pixels are cut by columns too                       */
    GROUPS_A_TASK = 6,
    CHANNELS_A_TASK = 64,
    PIXELS_A_TASK = 256
};

/* ------------------------------------------------------------------------------------------- cutting */

static int div_up(int a, int b) { return (a + b - 1) / b; }

static void cut_gemm(eff_plan *p, launch *l)
{
    const eff_node *d = l->node;
    const int m = d->h * d->w, groups = eff_gemm_groups(&p->k, d->c);
    int rows = (int)eff_round_up(ROWS_MIN_BLOCK, (size_t)p->k.mr);
    if (!l->direct) {
        const size_t depth = (size_t)d->kernel * (size_t)d->kernel * (size_t)l->c;
        const size_t fit = PATCH_BYTES / (depth * sizeof(float)) / (size_t)p->k.mr * (size_t)p->k.mr;
        if (fit < (size_t)rows) rows = fit ? (int)fit : p->k.mr;
        if (rows > m) rows = m;
        const size_t need = (size_t)rows * depth;
        if (need > p->scratch_floats) p->scratch_floats = need;
        l->col_tasks = 1; /* patches are gathered once a task */
    } else {
        if (rows > m) rows = m;
        const int per_task = GROUPS_A_TASK * (p->k.group > 1 ? 1 : 8);
        l->col_tasks = m <= SMALL_MAP ? div_up(groups, per_task) : 1;
        if (l->col_tasks > 1) rows = m;
    }
    l->rows = rows;
    l->row_tasks = div_up(m, rows);
}

/* ------------------------------------------------------------------------------------------- weights */

static const float *param_of(float *const *weights, const eff_node *d, int i) { return weights[d->param[i]]; }

/* Batch norm as a scale and a shift: y = scale * x + shift. In double, rounded once. */
static void fold_bn(float *scale, float *shift, float *const *weights, const eff_node *bn, int c)
{
    const float *gamma = param_of(weights, bn, 0), *beta = param_of(weights, bn, 1);
    const float *mean = param_of(weights, bn, 2), *var = param_of(weights, bn, 3);
    for (int i = 0; i < c; i++) {
        const double s = (double)gamma[i] / sqrt((double)var[i] + (double)bn->eps);
        scale[i] = (float)s;
        shift[i] = (float)((double)beta[i] - (double)mean[i] * s);
    }
}

/* OIHW weight to [out][ky][kx][in], the order of patches. */
static void reorder_patches(float *dst, const float *w, int out, int in, int taps)
{
    for (int o = 0; o < out; o++)
        for (int t = 0; t < taps; t++)
            for (int i = 0; i < in; i++) *dst++ = w[((size_t)o * (size_t)in + (size_t)i) * (size_t)taps + (size_t)t];
}

/* Takes n floats from the weight block; sizes only while p->weights is NULL. Everything starts on a cache line. */
static float *reserve(eff_plan *p, size_t n)
{
    float *at = p->weights ? p->weights + p->weight_floats : NULL;
    p->weight_floats += eff_round_up(n, EFF_ALIGN / sizeof(float));
    return at;
}

static eff_status lower_conv(eff_plan *p, launch *l, float *const *weights, eff_error *err)
{
    const eff_node *d = l->node;
    const int linear = d->op == EFF_NODE_LINEAR, taps = linear ? 1 : d->kernel * d->kernel;
    const int in = linear ? l->h * l->w * l->c : l->c;
    const size_t padded = eff_padded(&p->k, d->c);
    float *b = reserve(p, eff_gemm_packed_size(&p->k, d->c, taps * in)), *bias = reserve(p, padded);
    if (!b) return EFF_OK;
    const size_t bytes = ((size_t)d->c * (size_t)taps * (size_t)in + (size_t)d->c) * sizeof(float);
    float *ordered = eff_malloc(bytes);
    if (!ordered) return eff_fail_memory(err, bytes);
    float *scale = ordered + (size_t)d->c * (size_t)taps * (size_t)in;
    memset(bias, 0, padded * sizeof *bias);
    for (int i = 0; i < d->c; i++) scale[i] = 1.0f;
    if (linear) memcpy(bias, param_of(weights, d, 1), (size_t)d->c * sizeof *bias);
    if (l->s.bn >= 0) fold_bn(scale, bias, weights, &p->g->node[l->s.bn], d->c);
    reorder_patches(ordered, param_of(weights, d, 0), d->c, in, taps);
    eff_gemm_pack(&p->k, b, ordered, d->c, taps * in, scale);
    eff_free(ordered);
    l->b = b;
    l->bias = bias;
    return EFF_OK;
}

static eff_status lower_dwconv(eff_plan *p, launch *l, float *const *weights, eff_error *err)
{
    const eff_node *d = l->node;
    const int taps = d->kernel * d->kernel;
    const size_t padded = eff_padded(&p->k, d->c);
    float *b = reserve(p, padded * (size_t)taps), *bias = reserve(p, padded);
    if (!b) return EFF_OK;
    float *scale = eff_malloc((size_t)d->c * sizeof *scale);
    if (!scale) return eff_fail_memory(err, (size_t)d->c * sizeof *scale);
    memset(bias, 0, padded * sizeof *bias);
    memset(b, 0, padded * (size_t)taps * sizeof *b);
    for (int i = 0; i < d->c; i++) scale[i] = 1.0f;
    if (l->s.bn >= 0) fold_bn(scale, bias, weights, &p->g->node[l->s.bn], d->c);
    const float *w = param_of(weights, d, 0);
    for (int t = 0; t < taps; t++)
        for (int i = 0; i < d->c; i++) b[(size_t)t * padded + (size_t)i] = w[(size_t)i * (size_t)taps + (size_t)t] * scale[i];
    eff_free(scale);
    l->b = b;
    l->bias = bias;
    return EFF_OK;
}

static eff_status lower_se(eff_plan *p, launch *l, float *const *weights)
{
    const eff_node *d = l->node;
    float *b[2], *bias[2];
    for (int i = 0; i < 2; i++) {
        const int out = i ? d->c : d->squeeze, in = i ? d->squeeze : d->c;
        b[i] = reserve(p, eff_gemm_packed_size(&p->k, out, in));
        bias[i] = reserve(p, eff_padded(&p->k, out));
        if (!b[i]) continue;
        eff_gemm_pack(&p->k, b[i], param_of(weights, d, 2 * i), out, in, NULL);
        memset(bias[i], 0, eff_padded(&p->k, out) * sizeof(float));
        memcpy(bias[i], param_of(weights, d, 2 * i + 1), (size_t)out * sizeof(float));
    }
    l->b = b[0];
    l->bias = bias[0];
    l->b2 = b[1];
    l->bias2 = bias[1];
    return EFF_OK;
}

/* Called twice: first to size the weight block (p->weights NULL), then to fill it. */
static eff_status lower_weights(eff_plan *p, float *const *weights, eff_error *err)
{
    p->weight_floats = 0;
    for (int i = 0; i < p->nlaunches; i++) {
        launch *l = &p->launch[i];
        eff_status s = EFF_OK;
        if (l->s.op == EFF_STEP_CONV) s = lower_conv(p, l, weights, err);
        else if (l->s.op == EFF_STEP_DWCONV) s = lower_dwconv(p, l, weights, err);
        else if (l->s.op == EFF_STEP_SE) s = lower_se(p, l, weights);
        if (s != EFF_OK) return s;
    }
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------- memory */

static size_t node_bytes(const eff_node *d) { return (size_t)d->h * (size_t)d->w * (size_t)d->c * sizeof(float); }

/* An SE, ACT or ADD step works in place when it is the last to read its input. */
static int in_place(const launch *l) { return l->s.op == EFF_STEP_SE || l->s.op == EFF_STEP_ACT || l->s.op == EFF_STEP_ADD; }

static eff_status place(eff_plan *p, int keep_all, eff_error *err)
{
    const int n = p->nlaunches;
    const size_t nodes = (size_t)p->g->nnodes;
    eff_buffer *buf = eff_calloc((size_t)n, sizeof *buf);
    int *owner = eff_malloc(nodes * sizeof *owner); /* buffer that holds a node's value, or -1 */
    p->value = eff_calloc(nodes, sizeof *p->value);
    eff_status s = EFF_OK;
    if (!buf || !owner || !p->value) {
        s = eff_fail_memory(err, nodes * (sizeof *owner + sizeof *p->value));
        goto end;
    }
    for (size_t i = 0; i < nodes; i++) owner[i] = -1;
    for (int i = 0; i < n; i++) {
        const launch *l = &p->launch[i];
        for (int j = 0; j < 2; j++) {
            const int read = j ? l->s.res : l->s.in;
            if (read >= 0 && owner[read] >= 0 && buf[owner[read]].last < i) buf[owner[read]].last = i;
        }
        buf[i] = (eff_buffer){ .bytes = node_bytes(&p->g->node[l->s.out]), .first = i, .last = keep_all ? n : i };
        owner[l->s.out] = i;
    }
    if (!keep_all)
        for (int i = 0; i < n; i++) { /* merge in-place steps into the buffer of their input */
            const launch *l = &p->launch[i];
            const int in = l->s.in >= 0 ? owner[l->s.in] : -1;
            if (!in_place(l) || in < 0 || buf[in].last != i || l->s.res == l->s.in) continue;
            const int root = in, self = owner[l->s.out];
            buf[root].last = buf[self].last;
            buf[self].bytes = 0;
            for (size_t v = 0; v < nodes; v++)
                if (owner[v] == self) owner[v] = root;
        }
    s = eff_place_buffers(buf, n, &p->arena_bytes, err);
    if (s != EFF_OK) goto end;
    if (p->weights) {
        p->arena = eff_malloc_aligned(p->arena_bytes + EFF_ALIGN);
        if (!p->arena) {
            s = eff_fail_memory(err, p->arena_bytes);
            goto end;
        }
        for (size_t v = 0; v < nodes; v++)
            if (owner[v] >= 0) p->value[v] = (float *)(void *)(p->arena + buf[owner[v]].offset);
    }
end:
    eff_free(owner);
    eff_free(buf);
    return s;
}

static eff_status place_scratch(eff_plan *p, eff_error *err)
{
    int se = 0, mid = 0;
    for (int i = 0; i < p->nlaunches; i++) {
        const launch *l = &p->launch[i];
        if (l->s.op == EFF_STEP_SE && l->c > se) se = l->c;
        if (l->s.op == EFF_STEP_SE && l->node->squeeze > mid) mid = l->node->squeeze;
    }
    const size_t line = EFF_ALIGN / sizeof(float);
    p->scratch_floats = eff_round_up(p->scratch_floats, line);
    const size_t workers = p->scratch_floats * (size_t)p->threads, vec = eff_round_up((size_t)se, line) + line;
    const size_t total = workers + vec + eff_round_up((size_t)mid, line) + line;
    p->scratch = eff_malloc_aligned(total * sizeof(float));
    if (!p->scratch) return eff_fail_memory(err, total * sizeof(float));
    p->se_mean = p->scratch + workers;
    p->se_mid = p->se_mean + vec;
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------- making */

eff_status eff_plan_create(eff_plan **out, const eff_graph *g, float *const *weights, const eff_kernels *k, int threads,
                           int keep_all, eff_error *err)
{
    *out = NULL;
    eff_step *step = NULL;
    eff_plan *p = eff_calloc(1, sizeof *p);
    if (!p) return eff_fail_memory(err, sizeof *p);
    p->g = g;
    p->k = *k;
    p->threads = threads;
    eff_status s = eff_fold(&step, &p->nlaunches, g, err);
    if (s != EFF_OK) goto fail;
    p->launch = eff_calloc((size_t)p->nlaunches, sizeof *p->launch);
    if (!p->launch) {
        s = eff_fail_memory(err, (size_t)p->nlaunches * sizeof *p->launch);
        goto fail;
    }
    for (int i = 0; i < p->nlaunches; i++) {
        launch *l = &p->launch[i];
        const eff_node *in = &g->node[step[i].in];
        *l = (launch){ .s = step[i], .node = &g->node[step[i].node], .h = in->h, .w = in->w, .c = in->c };
        const eff_node *d = l->node;
        l->direct = d->op == EFF_NODE_LINEAR || (d->op == EFF_NODE_CONV && d->kernel == 1 && d->stride == 1);
        if (l->s.op == EFF_STEP_CONV) cut_gemm(p, l);
        else l->rows = d->w > 0 ? div_up(PIXELS_A_TASK, d->w) : 1;
    }
    s = lower_weights(p, weights, err);
    if (s == EFF_OK && weights) {
        p->weights = eff_malloc_aligned(p->weight_floats * sizeof(float));
        s = p->weights ? lower_weights(p, weights, err) : eff_fail_memory(err, p->weight_floats * sizeof(float));
    }
    if (s == EFF_OK) s = place(p, keep_all, err);
    if (s == EFF_OK && weights) s = place_scratch(p, err);
    if (s != EFF_OK) goto fail;
    eff_free(step);
    *out = p;
    return EFF_OK;
fail:
    eff_free(step);
    eff_plan_free(p);
    return s;
}

void eff_plan_free(eff_plan *p)
{
    if (!p) return;
    eff_free(p->launch);
    eff_free(p->weights);
    eff_free(p->arena);
    eff_free(p->scratch);
    eff_free(p->value);
    eff_free(p->profile);
    eff_free(p);
}

size_t eff_plan_activation_bytes(const eff_plan *p) { return p->arena_bytes; }
size_t eff_plan_weight_bytes(const eff_plan *p) { return p->weight_floats * sizeof(float); }
size_t eff_plan_scratch_bytes(const eff_plan *p) { return p->scratch_floats * sizeof(float) * (size_t)p->threads; }
const float *eff_plan_value(const eff_plan *p, int node) { return p->value[node]; }

/* ------------------------------------------------------------------------------------------- profile */

static uint64_t launch_macs(const launch *l)
{
    const eff_node *d = l->node;
    const uint64_t out = (uint64_t)d->h * (uint64_t)d->w * (uint64_t)d->c, taps = (uint64_t)d->kernel * (uint64_t)d->kernel;
    switch (d->op) {
    case EFF_NODE_CONV: return out * taps * (uint64_t)l->c;
    case EFF_NODE_DWCONV: return out * taps;
    case EFF_NODE_LINEAR: return (uint64_t)d->c * (uint64_t)l->c;
    case EFF_NODE_SE: return 2 * (uint64_t)d->squeeze * (uint64_t)d->c;
    default: return 0;
    }
}

static const char *const step_name[] = { [EFF_STEP_CONV] = "conv", [EFF_STEP_DWCONV] = "dwconv", [EFF_STEP_SE] = "se",
                                         [EFF_STEP_MAXPOOL] = "maxpool", [EFF_STEP_MEAN] = "mean", [EFF_STEP_ACT] = "act",
                                         [EFF_STEP_ADD] = "add" };

/* "blocks.3.1.project": the parameter's name without its last two parts (SE: "blocks.3.1.se"), else the operator. */
static void name_layer(char out[EFF_NAME_LEN], const eff_plan *p, const launch *l)
{
    snprintf(out, EFF_NAME_LEN, "%s", l->node->param[0] >= 0 ? p->g->param[l->node->param[0]].name : step_name[l->s.op]);
    for (int i = 0; l->node->param[0] >= 0 && i < (l->node->op == EFF_NODE_LINEAR ? 1 : 2); i++) {
        char *dot = strrchr(out, '.');
        if (dot) *dot = '\0';
    }
}

eff_status eff_plan_profile(eff_plan *p, eff_error *err)
{
    if (!p->profile) p->profile = eff_malloc((size_t)p->nlaunches * sizeof *p->profile);
    if (!p->profile) return eff_fail_memory(err, (size_t)p->nlaunches * sizeof *p->profile);
    for (int i = 0; i < p->nlaunches; i++) {
        const launch *l = &p->launch[i];
        eff_plan_layer *r = &p->profile[i];
        *r = (eff_plan_layer){ .op = step_name[l->s.op], .kernel = l->node->kernel, .stride = l->node->stride, .macs = launch_macs(l),
                               .in = { l->h, l->w, l->c }, .out = { l->node->h, l->node->w, l->node->c } };
        name_layer(r->name, p, l);
    }
    return EFF_OK;
}

int eff_plan_layers(const eff_plan *p, const eff_plan_layer **rows)
{
    *rows = p->profile;
    return p->profile ? p->nlaunches : 0;
}

/* ------------------------------------------------------------------------------------------- running */

static const float *value_of(const eff_plan *p, int node) { return p->g->node[node].op == EFF_NODE_INPUT ? p->x : p->value[node]; }
static const float *input_of(const eff_plan *p, const launch *l) { return value_of(p, l->s.in); }
static const float *residual_of(const eff_plan *p, const launch *l) { return l->s.res < 0 ? NULL : value_of(p, l->s.res); }

static void task_gemm(void *ctx, int task, int worker)
{
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const eff_node *d = l->node;
    const int linear = d->op == EFF_NODE_LINEAR;
    const int m = d->h * d->w, row0 = task / l->col_tasks * l->rows, rows = m - row0 < l->rows ? m - row0 : l->rows;
    const int groups = eff_gemm_groups(&p->k, d->c), per_task = div_up(groups, l->col_tasks);
    const int group0 = task % l->col_tasks * per_task;
    const float *res = residual_of(p, l);
    eff_gemm g = { .b = l->b, .bias = l->bias, .m = rows, .n = d->c, .group0 = group0, .act = l->s.act, .res_after = l->s.res_after,
                   .groups = groups - group0 < per_task ? groups - group0 : per_task, .ldc = (size_t)d->c, .ldr = (size_t)d->c,
                   .c = p->value[l->s.out] + (size_t)row0 * (size_t)d->c, .res = res ? res + (size_t)row0 * (size_t)d->c : NULL };
    if (g.groups <= 0) return;
    if (l->direct) {
        g.k = linear ? l->h * l->w * l->c : l->c;
        g.lda = (size_t)g.k;
        g.a = input_of(p, l) + (size_t)row0 * g.lda;
    } else {
        float *patches = p->scratch + (size_t)worker * p->scratch_floats;
        const eff_patches e = { .x = input_of(p, l), .h = l->h, .w = l->w, .c = l->c, .out_w = d->w, .kernel = d->kernel,
                                .stride = d->stride, .pad_top = d->pad_top, .pad_left = d->pad_left };
        eff_patches_gather(patches, &e, row0, rows);
        g.k = d->kernel * d->kernel * l->c;
        g.lda = (size_t)g.k;
        g.a = patches;
    }
    p->k.gemm(&g);
}

static void task_dwconv(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const eff_node *d = l->node;
    const int row0 = task * l->rows, rows = d->h - row0 < l->rows ? d->h - row0 : l->rows;
    const eff_dwconv a = { .x = input_of(p, l), .w = l->b, .bias = l->bias, .y = p->value[l->s.out], .h = l->h, .w_in = l->w,
                           .c = l->c, .out_h = d->h, .out_w = d->w, .kernel = d->kernel, .stride = d->stride,
                           .pad_top = d->pad_top, .pad_left = d->pad_left, .row0 = row0, .rows = rows, .act = l->s.act };
    p->k.dwconv(&a);
}

static void task_maxpool(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const eff_node *d = l->node;
    const int row0 = task * l->rows, rows = d->h - row0 < l->rows ? d->h - row0 : l->rows;
    eff_maxpool(p->value[l->s.out], input_of(p, l), l->h, l->w, l->c, d->w, d->kernel, d->stride, d->pad_top, d->pad_left, row0,
                rows);
}

static void task_mean(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const int c0 = task * CHANNELS_A_TASK, n = l->c - c0 < CHANNELS_A_TASK ? l->c - c0 : CHANNELS_A_TASK;
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

static void task_pointwise(void *ctx, int task, int worker)
{
    (void)worker;
    const eff_plan *p = ctx;
    const launch *l = p->now;
    const size_t total = (size_t)l->h * (size_t)l->w * (size_t)l->c, span = (size_t)PIXELS_A_TASK * (size_t)l->c;
    const size_t first = (size_t)task * span, n = total - first < span ? total - first : span;
    if (l->s.op == EFF_STEP_ADD) p->k.add(p->value[l->s.out] + first, residual_of(p, l) + first, n);
    if (l->s.act != EFF_ACT_NONE) p->k.act(p->value[l->s.out] + first, n, l->s.act);
}

static void run_vector(const eff_plan *p, const launch *l, int expand)
{
    const int in = expand ? l->node->squeeze : l->c, out = expand ? l->c : l->node->squeeze;
    const eff_gemm g = { .a = expand ? p->se_mid : p->se_mean, .b = expand ? l->b2 : l->b, .bias = expand ? l->bias2 : l->bias,
                         .c = expand ? p->se_mean : p->se_mid, .m = 1, .k = in, .n = out, .groups = eff_gemm_groups(&p->k, out),
                         .act = expand ? EFF_ACT_SIGMOID : l->node->act };
    p->k.gemm(&g);
}

static void copy_unless_in_place(const eff_plan *p, const launch *l)
{
    float *to = p->value[l->s.out];
    const float *from = input_of(p, l);
    if (to != from) memcpy(to, from, node_bytes(&p->g->node[l->s.in]));
}

static void run_launch(eff_plan *p, const launch *l, eff_pool *pool)
{
    const int pixel_tasks = div_up(l->h * l->w, PIXELS_A_TASK);
    p->now = l;
    switch (l->s.op) {
    case EFF_STEP_CONV: eff_pool_run(pool, task_gemm, p, l->row_tasks * l->col_tasks); break;
    case EFF_STEP_DWCONV: eff_pool_run(pool, task_dwconv, p, div_up(l->node->h, l->rows)); break;
    case EFF_STEP_MAXPOOL: eff_pool_run(pool, task_maxpool, p, div_up(l->node->h, l->rows)); break;
    case EFF_STEP_MEAN: eff_pool_run(pool, task_mean, p, div_up(l->c, CHANNELS_A_TASK)); break;
    case EFF_STEP_SE:
        eff_pool_run(pool, task_mean, p, div_up(l->c, CHANNELS_A_TASK));
        run_vector(p, l, 0);
        run_vector(p, l, 1);
        copy_unless_in_place(p, l);
        eff_pool_run(pool, task_scale, p, pixel_tasks);
        break;
    case EFF_STEP_ACT:
    case EFF_STEP_ADD:
        copy_unless_in_place(p, l);
        eff_pool_run(pool, task_pointwise, p, pixel_tasks);
        break;
    }
}

void eff_plan_run(eff_plan *p, eff_pool *pool, const float *x, float *logits)
{
    assert(p->weights);
    p->x = x;
    if (!p->profile) {
        for (int i = 0; i < p->nlaunches; i++) run_launch(p, &p->launch[i], pool);
    } else {
        double start = 1e9 * eff_clock();
        for (int i = 0; i < p->nlaunches; i++) {
            run_launch(p, &p->launch[i], pool);
            const double end = 1e9 * eff_clock();
            p->profile[i].ns += end - start;
            p->profile[i].runs++;
            start = end;
        }
    }
    const launch *last = &p->launch[p->nlaunches - 1];
    memcpy(logits, p->value[last->s.out], node_bytes(&p->g->node[last->s.out]));
}

const float *eff_plan_features(const eff_plan *p) { return input_of(p, &p->launch[p->nlaunches - 1]); }
