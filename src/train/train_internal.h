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
    EFF_CHUNK_BYTES = 192 << 10, /* of the widest tensor that a convolution works on at a time: a few stay in L2 */
    EFF_CHUNK_PIXELS = 49,       /* at least: each chunk goes through all weights                       */
    EFF_BAND_BYTES = 320 << 10,  /* of the rows that a depthwise convolution works on at a time         */
    EFF_GATED_BYTES = 512 << 10, /* of a gated view that is kept from the mean to the convolution; larger ones are made twice */
    EFF_FUSE_BYTES = 1 << 20     /* of an expanded image: from here on it is computed twice instead of stored: less memory in no more time */
};

typedef struct bn_state {  /* vectors of c floats */
    float *scale, *shift;  /* y = scale * z + shift                              */
    float *mean, *rstd;    /* that normalised                                    */
    float *a, *b, *c0;     /* backward: dz = a * dy + b * z + c0                 */
    float *s1, *s2;        /* [batch][2][c] sums of each image, forward or backward, of two floats */
    double *pool_mean, *pool_m2;    /* of the step's micro-batches; NULL unless they are pooled */
    float *start_mean, *start_var;  /* running statistics when the step began                   */
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
    float *z_first, *z_again; /* where z lies until its last reader forward; and where it is computed again (NULL: kept) */
    bool fused;            /* never stored, nor its gradient: the depthwise convolution that reads it computes it band by band */
    int slot;              /* time forward: ops of one slot run one after another in an image's task */
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
    int now, end;          /* ops the tasks work on: now..end-1 */
    bool again;            /* z is being computed again         */
    int step_images;       /* of this step before this pass     */
};

static inline float *image_of(float *base, const eff_tape_op *o, int b) { return base + (size_t)b * eff_tape_floats(o); }
static inline size_t pixels_of(const eff_tape_op *o) { return (size_t)o->h * (size_t)o->w; }

/** Pixels of c channels that are worked on at a time. */
static inline size_t chunk_pixels(int c)
{
    const size_t n = EFF_CHUNK_BYTES / sizeof(float) / (size_t)c;
    return n < EFF_CHUNK_PIXELS ? EFF_CHUNK_PIXELS : n;
}
/** Rows of width * c floats that a depthwise convolution works on at a time: the whole image where that is little more. */
static inline int band_rows(int height, int width, int c)
{
    const size_t row = (size_t)width * (size_t)c * sizeof(float), rows = EFF_BAND_BYTES / row;
    return row * (size_t)height <= (size_t)2 * EFF_BAND_BYTES ? height : rows < 1 ? 1 : (int)rows;
}
/** Input rows that a depthwise convolution keeps at hand, forward; and output rows, backward. */
static inline int band_in(const eff_tape_op *in, const eff_node *d) { return band_rows(in->h, in->w, in->c) + d->kernel + d->stride; }
static inline int band_out(const eff_tape_op *in, const eff_node *d)
{
    const int rows = d->kernel < d->stride ? in->h : band_rows(in->h, in->w, in->c);
    return (rows + d->kernel) / d->stride + 2;
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

/** Floats of one group's sum of the weight gradient of op i, without that of a fused input; 0 where nothing learns. */
size_t eff_train_part_floats(const eff_trainer *t, int i);

/** Does reader `reader` come first in time (backward), so that it writes the gradient of op i instead of adding to it? */
static inline bool eff_train_writes(const eff_trainer *t, int i, int reader) { return t->tape.op[i].last_reader == reader; }
/** May the reader take the gradient of op i through its activation piece by piece? It is the last to add to it and needs no sums of
 * the whole image first. */
static inline bool eff_train_finishes(const eff_trainer *t, int i, int reader)
{
    const eff_tape_op *o = &t->tape.op[i];
    return o->needs_grad && o->first_reader == reader && o->bn && !o->se;
}

/** Is the gated view of this op small enough to be kept whole? */
static inline bool eff_train_keeps_gated(const eff_tape_op *o) { return eff_tape_floats(o) * sizeof(float) <= EFF_GATED_BYTES; }

/* forward.c */
void eff_train_pack(eff_trainer *t);
void eff_train_forward(eff_trainer *t);
/** Compute z of the dropped ops before op i again, where it reads one. */
void eff_train_recompute(eff_trainer *t, int i);

/* depthwise.c */
void eff_train_dwconv(const eff_trainer *t, int i, int b, float *scratch);
/** @param part  the group's sum of the weight gradient, to be added to; that of a fused input follows it
 *  @param first  of its group: the fused input's sum begins here */
void eff_train_dwconv_back(const eff_trainer *t, int i, int b, float *part, bool first, float *scratch);
/** Floats of scratch that either takes. */
size_t eff_train_dwconv_scratch(const eff_trainer *t, int i);

/* statistics.c */
/** Image b: clear the sums of op i; add those of `pixels` pixels at z. */
void eff_train_clear_sums(const eff_trainer *t, int i, int b);
void eff_train_add_sums(const eff_trainer *t, int i, int b, size_t first, size_t pixels);
/** The images' sums become each channel's affine map (and running statistics), forward. */
void eff_train_finish_forward(eff_trainer *t, int i);
/** The images' sums become the gradients of gamma and beta and the coefficients of dz, backward. */
void eff_train_finish_backward(eff_trainer *t, int i);

/* backward.c */
void eff_train_backward(eff_trainer *t);
/** Pixels first..first+n-1 of dz of image b of op i, in `out` or where they lie. */
const float *eff_train_stored_gradient(const eff_trainer *t, int i, int b, size_t first, size_t n, float *out);
/** Take `n` pixels of the gradient of op i's view through its activation; y (or NULL) becomes the view. */
void eff_train_act_back(const eff_trainer *t, int i, int b, size_t first, size_t n, float *y);
/** The same for pixels that lie at z, their gradient at d. */
void eff_train_act_back_at(const eff_trainer *t, int i, int b, float *d, const float *z, size_t n, float *y);
/** Add n pixels' gradient of the weights of convolution i to `part` (fresh: nothing is there yet): dz of what it stores, a of its
 * patches. */
void eff_train_add_weight_gradient(const eff_trainer *t, int i, float *part, const float *dz, const float *a, size_t n, bool fresh);
/** Reader `reader` has finished with image b of op i: all that must wait for the whole image follows. */
void eff_train_hand_back(const eff_trainer *t, int i, int reader, int b, float *scratch);

#endif
