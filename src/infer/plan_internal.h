/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the inference plan share: a launch is a step, or several that run as one, with everything its
 * kernels need. */
#ifndef EFF_INFER_PLAN_INTERNAL_H
#define EFF_INFER_PLAN_INTERNAL_H

#include "infer/fold.h"
#include "infer/plan.h"

#include <stdbool.h>

typedef struct packed { /* a convolution's weights for the GEMM, or a depthwise one's */
    const float *b, *bias;
} packed;

/* A fused block ([expand,] depthwise, [SE,] projection) and its schedule; see block.c. */
typedef struct block {
    eff_block part;
    const eff_node *dw; /* its geometry                                                         */
    const eff_node *se; /* or NULL                                                              */
    const float *own;   /* weights of the groups of channels, see eff_block_group()           */
    packed squeeze, excite;
    size_t late;        /* floats from the end of those to the end of the projection's first panel */
    int h, w, mid;      /* the expanded image                                                   */
    int depth;          /* words of A that an expanded channel is a product of, 0: no expansion */
    int vectors;        /* of its channels                                                      */
    int width, groups;  /* vectors of the widest group of channels, groups                      */
    int chunk;          /* output rows a visit                                                  */
    int ring, cols;     /* rows kept, columns of a row with its padding                         */
    int image_rows;     /* rows of a padded image that a visit needs (expansion by a k x k convolution), or 0 */
    bool scale_weights; /* SE's factors go into the projection's weights, not into the planes   */
    bool rounds_input;  /* bfloat16: the block's input is rounded once, for all groups of channels */
    size_t planes, sums, scaled; /* floats from the launch's temporary memory; then bfloat16: the input's */
} block;

typedef struct launch {
    eff_step s; /* of a block: the projection, reading the block's input             */
    const eff_node *node;
    const eff_node *mean;           /* global mean that follows a 1x1 convolution and is taken at once, or NULL */
    int h, w, c;                    /* of the input                                                      */
    packed conv;                    /* of a block: the projection; SE: the reduction                     */
    packed excite;                  /* SE: the expansion                                                 */
    bool direct;                    /* GEMM reads the input itself: 1x1, stride 1                        */
    bool winograd;                  /* see winograd.c; then rows are rows of tiles                       */
    int rows, row_tasks, col_tasks; /* cut of a GEMM; rows also of DWCONV, MAXPOOL               */
    block *block;                   /* or NULL                                                           */
    size_t weights_at;              /* its part of the weight block, floats                              */
    size_t temp_bytes;              /* memory that only this launch needs, in the arena                  */
    float *temp;
    int first_row, nrows; /* of the profile                                                    */
} launch;

struct eff_plan {
    const eff_graph *g;
    const eff_plan *lead; /* whose schedule and weights these are; NULL: its own */
    eff_kernels k;
    int nlaunches, threads;
    int parts;      /* pieces that work is cut into where no sum crosses the cut */
    eff_step *step; /* that the launches were made of                      */
    launch *launch;
    float *weights;                                    /* all packed weights                                  */
    size_t weight_floats, arena_bytes, scratch_floats; /* scratch: a worker        */
    unsigned char *arena;
    float *scratch; /* threads * scratch_floats, then the SE vectors       */
    float *se_mean, *se_mid;
    float **value; /* by node; NULL when fused away                       */
    /* one run */
    const float *x;
    const launch *now;
    eff_plan_layer *profile; /* [nrows], or NULL when nobody asked                 */
    double clock;            /* of the last row measured                           */
    int nrows;
};

static inline int div_up(int a, int b) { return (a + b - 1) / b; }
static inline int min_int(int a, int b) { return a < b ? a : b; }
static inline int max_int(int a, int b) { return a > b ? a : b; }
/* Words that n values take as operands of a dense product: themselves, or pairs of bfloat16. */
static inline int words(const eff_plan *p, int n) { return p->k.bf16 ? (n + 1) / 2 : n; }
/* The same of n channels that stand in whole vectors. */
static inline int vector_words(const eff_plan *p, int n) { return words(p, (int)eff_padded(&p->k, n)); }
static inline void multiply(const eff_plan *p, const eff_gemm *g)
{
    if (p->k.bf16)
        p->k.gemm_bf16(g);
    else
        p->k.gemm(g);
}
static inline size_t node_floats(const eff_node *d) { return (size_t)d->h * (size_t)d->w * (size_t)d->c; }

static inline const float *value_of(const eff_plan *p, int node)
{
    return p->g->node[node].op == EFF_NODE_INPUT ? p->x : p->value[node];
}
static inline const float *input_of(const eff_plan *p, const launch *l) { return value_of(p, l->s.in); }
static inline const float *residual_of(const eff_plan *p, const launch *l)
{
    return l->s.res < 0 ? NULL : value_of(p, l->s.res);
}
static inline float *scratch_of(const eff_plan *p, int worker)
{
    return p->scratch + (size_t)worker * p->scratch_floats;
}

/* Scratch of a worker is at least n floats. */
static inline void need_scratch(eff_plan *p, size_t n)
{
    if (n > p->scratch_floats) p->scratch_floats = n;
}

/* Part i of `total` things cut into `parts`: first .. end-1. */
static inline void part_of(int total, int parts, int i, int *first, int *end)
{
    *first = (int)((long)total * i / parts);
    *end = (int)((long)total * (i + 1) / parts);
}

/* -- pack.c: weights, for the kernels of the plan. Sizes only while p->weights is NULL. */
eff_status eff_plan_pack_weights(eff_plan *p, float *const *weights, eff_error *err);

/* -- steps.c: layer by layer */
void eff_step_cut(eff_plan *p, launch *l);
void eff_step_run(eff_plan *p, const launch *l, eff_pool *pool);
/* The GEMM of launch l's convolution over rows row0 .. row0+rows-1 of its output, all but A's place filled in. */
eff_gemm eff_step_gemm(const eff_plan *p, const launch *l, int row0, int rows, int group0, int groups);
/* Rows y0 .. y0+count-1 of launch l's input into dst, [cols][words of c] each, zeros outside. */
void eff_pad_rows(const eff_plan *p, const launch *l, float *dst, int pad_left, int cols, int y0, int count);
/* se_mean through one of SE's two layers. */
void eff_step_vector(const eff_plan *p, const eff_node *se, const packed *w, bool excite);
/* Ends row `row` of launch l's profile. */
void eff_plan_tick(eff_plan *p, const launch *l, int row);

/* -- winograd.c: 3 x 3 convolutions of stride 1 */
bool eff_winograd_suits(const eff_plan *p, const launch *l);
uint64_t eff_winograd_macs(const launch *l); /* those of its products */
void eff_winograd_cut(eff_plan *p, launch *l);
size_t eff_winograd_packed_size(const eff_plan *p, int out, int in);
/* w [out][in][3][3] times scale[out], group after group of columns, in it point after point. */
eff_status eff_winograd_pack(const eff_plan *p, float *dst, const float *w, int out, int in, const float *scale, eff_error *err);
void eff_winograd_task(void *ctx, int task, int worker); /* of row_tasks */

/* -- block.c: fused blocks */
eff_status eff_block_plan(eff_plan *p, launch *l, const eff_block *part, eff_error *err);
void eff_block_run(eff_plan *p, const launch *l, eff_pool *pool);

/* Weights of one group of channels lie together: [bias, panels of the expansion,] bias, taps of the depthwise
 * convolution. */
typedef struct channel_group {
    int c0, c; /* channels c0 .. c0+c-1         */
    int v0, vectors;
    size_t at, floats;     /* of the block's own weights    */
    size_t b, dw_bias, dw; /* from `at`: the panels, the depthwise part; the expansion's bias is first */
} channel_group;
channel_group eff_block_group(const eff_plan *p, const block *b, int g);

#endif
