/* SPDX-License-Identifier: Apache-2.0 */
/* What trainer.c, forward.c and backward.c share: the trainer's memory. */
#ifndef EFF_TRAIN_TRAIN_INTERNAL_H
#define EFF_TRAIN_TRAIN_INTERNAL_H

#include "kernels/kernels.h"
#include "kernels/train.h"
#include "train/tape.h"
#include "train/trainer.h"

enum {
    EFF_MAX_GROUPS = 8,      /* images are cut into so many groups, each summing its own weight gradients */
    EFF_CHUNK_BYTES = 96 << 10 /* of a view that a pointwise convolution reads at a time: stays in L2    */
};

typedef struct bn_state {  /* vectors of c floats */
    float *scale, *shift;  /* y = scale * z + shift                              */
    float *mean, *rstd;    /* that normalised                                    */
    float *a, *b, *c0;     /* backward: dz = a * dy + b * z + c0                 */
    float *s1, *s2;        /* [batch][c] sums of each image, forward or backward */
} bn_state;

typedef struct se_state {
    float *pooled, *mid, *gate; /* [batch][c], [batch][squeeze] before the activation, [batch][c] */
    float *act;                 /* [batch][squeeze] after the activation                          */
    float *dgate, *dmid;        /* [batch][c] before the sigmoid, [batch][squeeze]                */
    float *w1, *b1, *w2, *b2;   /* packed for the forward pass                                    */
    float *w1t, *w2t;           /* packed for the backward pass                                   */
} se_state;

typedef struct op_state {
    float *z;              /* [batch][h][w][c], inside the arena                         */
    float *g;              /* gradient of the view, then of what batch norm puts out     */
    float *w, *bias;       /* packed for the forward pass; bias: zeros, or the linear's  */
    float *wt;             /* packed for the backward pass; depthwise: flipped           */
    bn_state bn;
    se_state se;
} op_state;

struct eff_trainer {
    eff_model *m;
    eff_graph *graph;
    eff_tape tape;
    eff_trainer_opts o;
    eff_kernels k;
    eff_train_kernels tk;
    eff_pool *pool;
    op_state *op;
    float **grad;          /* [nparams]               */
    float *grad_block;
    size_t grad_floats;
    float *small;          /* all of the vectors above */
    float *arena;          /* z and g                  */
    float *scratch;        /* [threads][scratch_floats] */
    float *part_sums;      /* [groups][part_floats]: weight gradients of one op while its backward runs */
    float *zeros, *ones;   /* as many as the widest op's channels */
    float *features, *dfeatures, *logits, *dlogits;
    size_t small_floats, arena_bytes, scratch_floats, part_floats, max_groups;
    /* one pass */
    const eff_pass *pass;
    int groups;
    int now;               /* op the tasks work on */
};

static inline float *image_of(float *base, const eff_tape_op *o, int b) { return base + (size_t)b * eff_tape_floats(o); }
static inline size_t pixels_of(const eff_tape_op *o) { return (size_t)o->h * (size_t)o->w; }

/** Pixels of a view that are evaluated at a time. */
static inline size_t chunk_pixels(int c)
{
    const size_t n = EFF_CHUNK_BYTES / sizeof(float) / (size_t)c;
    return n < 16 ? 16 : n;
}

/** Evaluate pixels first..first+count-1 of image b of op i's view into out; SE needs its gate. */
void eff_train_view(const eff_trainer *t, int i, int b, size_t first, size_t count, float *out);
/** The view of image b as a whole: its own memory when that is plain, else `scratch` filled. */
const float *eff_train_view_image(const eff_trainer *t, int i, int b, float *scratch);
/** Keep probability's inverse, or 0 when the branch of ADD op i is dropped for image b. */
float eff_train_drop_scale(const eff_trainer *t, int i, int b);
/** Dropout factor of feature j of image b. */
float eff_train_dropout(const eff_trainer *t, int b, int j);

eff_patches eff_train_patches(const eff_tape_op *in, const eff_tape_op *o, const float *x);

/** Floats of one group's sum of the weight gradient of `o`; 0 where nothing learns. */
size_t eff_train_part_floats(const eff_trainer *t, const eff_tape_op *o);

void eff_train_pack(eff_trainer *t);
void eff_train_forward(eff_trainer *t);
void eff_train_backward(eff_trainer *t);

#endif
