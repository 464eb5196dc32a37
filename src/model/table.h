/* SPDX-License-Identifier: Apache-2.0 */
/* An architecture is a table of stages. B0 is a table, so are Lite0, ResNet-50, MobileNetV2 and V2-S; compound scaling is a
 * function from table to table. Plain data, freely copied. */
#ifndef EFF_MODEL_TABLE_H
#define EFF_MODEL_TABLE_H

#include "base/act.h"
#include "base/error.h"

#include <stdbool.h>

enum { EFF_MAX_STAGES = 32, EFF_NAME_LEN = 64 };

enum { /* limits of what a table may say; a file's table is refused beyond them */
    EFF_MAX_CHANNELS = 65536,
    EFF_MAX_KERNEL = 31,
    EFF_MAX_STRIDE = 8,
    EFF_MAX_REPEATS = 1000, /* of one stage */
    EFF_MAX_BLOCKS = 4096,  /* of all stages */
    EFF_MAX_EXPAND = 64,
    EFF_MAX_SE = 16,
    EFF_MAX_CLASSES = 1000000,
    EFF_MAX_SIDE = 16384,   /* pixels of the input's height or width */
    EFF_MAX_DIVISOR = 1024
};
#define EFF_MIN_COEF 0.01 /* of width and depth in one step of scaling */
#define EFF_MAX_COEF 100.0

typedef enum eff_op { /* operator of a stage's blocks; BN after every convolution */
    EFF_OP_CONV,      /* k x k convolution, activation                                                      */
    EFF_OP_DSCONV,    /* depthwise k x k, activation; 1x1, activation (MobileNetV1)                         */
    EFF_OP_MBCONV,    /* [1x1 expand, act]; depthwise k x k, act; [SE]; 1x1 project (MobileNetV2)           */
    EFF_OP_FUSED,     /* k x k expand, act; [SE]; 1x1 project (EdgeTPU, V2)                                 */
    EFF_OP_BASIC,     /* k x k, act; k x k; + shortcut; act (ResNet-18/34)                                  */
    EFF_OP_BOTTLENECK /* 1x1 reduce, act; k x k with the stride, act; 1x1 expand; + shortcut; act           */
} eff_op;

typedef enum eff_pad { EFF_PAD_SAME, EFF_PAD_SYMMETRIC } eff_pad; /* TensorFlow's rule, PyTorch's rule (reference §1.8) */

typedef struct eff_stage {
    eff_op op;
    int kernel, stride;  /* stride of the first block; the others have 1                                    */
    double expand;       /* mid channels = block input x expand; bottleneck: out = expand x mid             */
    int channels;        /* out                                                                             */
    int repeats;
    double se;           /* squeeze width relative to the block's input, 0 = none                           */
    eff_act act;
    bool skip;           /* add the input where stride is 1 and channels agree; residual ops always do      */
    bool fixed_repeats;  /* depth scaling leaves it alone (Lite's first and last stage)                     */
    int expand_from;     /* first block expands from this many channels instead of its real input (EdgeTPU); 0 = real */
} eff_stage;

typedef struct eff_table {
    char name[EFF_NAME_LEN];
    int nstages;
    eff_stage stage[EFF_MAX_STAGES];
    int stem_channels, stem_kernel, stem_stride;
    bool stem_pool;      /* 3x3 stride-2 max pool after the stem (ResNet)                                   */
    bool stem_fixed;     /* width scaling leaves the stem alone (Lite)                                      */
    int head_channels;   /* 1x1 convolution before pooling; 0 = none                                        */
    bool head_fixed;
    eff_act act;         /* of stem and head                                                                */
    eff_pad pad;
    double bn_eps, bn_momentum; /* momentum = weight of the new batch                                       */
    int divisor;         /* channels round to multiples of it                                               */
    bool round_up_90;    /* round_filters goes up when it would lose more than 10 % (not in V2-B0..B3)      */
    int height, width_px;/* input                                                                           */
    int classes;         /* 0 = no classifier: the network gives its pooled features                          */
    double dropout, drop_path; /* drop_path = 1 - survival probability at the last block                    */
    double width, depth; /* coefficients already applied, for the record                                    */
} eff_table;

/** A built-in by name, its short form ("b0", "lite0") or timm's ("mobilenetv2_140"), with changes after '@'
 * (width, depth, resolution (N or HxW), classes, divisor, dropout, padding=same|symmetric, eps, name): width and depth replace
 * the coefficients that the named variant applies to its base table.
 * @return EFF_EARG naming the nearest built-in, or the change that is wrong and the range expected */
eff_status eff_table_builtin(eff_table *out, const char *spec, eff_error *err);

/** Scale: channels by `width` (round_filters), repeats by `depth` (ceil), input to `resolution` pixels square (0 = keep). */
eff_status eff_table_scale(eff_table *out, const eff_table *base, double width, double depth, int resolution, eff_error *err);

/** The table's own rules are sound: dimensions in range, a product that a graph can be built from. */
eff_status eff_table_check(const eff_table *t, eff_error *err);

/** Apply round_filters to every channel count that is not fixed. The result is not checked. */
void eff_table_round_channels(eff_table *t, double width);

/** Repeats of `base`, with as many stages, times `depth` where they are not fixed. The result is not checked. */
void eff_table_scale_repeats(eff_table *t, const eff_table *base, double depth);

/** The product of the strides: an input side below it leaves the last stage a single pixel from the start. */
int eff_table_stride(const eff_table *t);

/** Whether two stages are built alike; what only scaling asks for does not matter. */
bool eff_stage_same(const eff_stage *a, const eff_stage *b);
/** Channels between a block's convolutions when its input has `in` (a bottleneck's follow from its output). */
int eff_stage_mid(const eff_stage *s, int in);
/** Channels between the two layers of a block's squeeze-and-excitation, 0 where it has none. */
int eff_stage_squeeze(const eff_stage *s, int in);
/** Whether a block that is not residual by its operator adds its input. */
bool eff_stage_shortcut(const eff_stage *s, int in, int stride);
bool eff_op_residual(eff_op op); /* always has a shortcut */

int eff_round_filters(int channels, double width, int divisor, bool round_up_90);
int eff_round_repeats(int repeats, double depth);

const char *eff_op_name(eff_op op); /* "mbconv"; as written in JSON */
const char *eff_act_name(eff_act a);
const char *eff_pad_name(eff_pad p);
const char *const *eff_op_names(int *n); /* in the order of the enum */
const char *const *eff_act_names(int *n);
const char *const *eff_pad_names(int *n);

#endif
