/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: their limits, and compound scaling from one table to the next. Whatever passes eff_table_check() can be made into a
 * graph without a dimension overflowing an int; whatever leaves eff_table_scale() has passed it. */
#include "model/table.h"

#include "base/number.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const op_names[] = { "conv", "dsconv", "mbconv", "fused", "basic", "bottleneck" };
static const char *const act_names[] = { "none", "relu", "relu6", "silu", "hswish" };
static const char *const pad_names[] = { "same", "symmetric" };

enum { NOPS = sizeof op_names / sizeof *op_names, NACTS = sizeof act_names / sizeof *act_names,
       NPADS = sizeof pad_names / sizeof *pad_names };

const char *eff_op_name(eff_op op) { return (unsigned)op < NOPS ? op_names[op] : "?"; }
const char *eff_act_name(eff_act a) { return (unsigned)a < NACTS ? act_names[a] : "?"; }
const char *eff_pad_name(eff_pad p) { return (unsigned)p < NPADS ? pad_names[p] : "?"; }

const char *const *eff_op_names(int *n)
{
    *n = NOPS;
    return op_names;
}

const char *const *eff_act_names(int *n)
{
    *n = NACTS;
    return act_names;
}

const char *const *eff_pad_names(int *n)
{
    *n = NPADS;
    return pad_names;
}

/* ---------------------------------------------------------------------------------------- rounding */

int eff_round_filters(int channels, double width, int divisor, bool round_up_90)
{
    const double want = channels * width;
    if (!(want < (double)(1 << 30))) return 1 << 30; /* beyond every limit: eff_table_check() says so */
    int n = (int)(want + divisor / 2.0) / divisor * divisor;
    if (n < divisor) n = divisor;
    if (round_up_90 && n < 0.9 * want) n += divisor;
    return n;
}

int eff_round_repeats(int repeats, double depth)
{
    const double want = ceil(depth * repeats); /* in double, as the released code: 2.2 * 25 gives 56 */
    return want < (double)(1 << 30) ? (int)want : 1 << 30;
}

int eff_table_stride(const eff_table *t)
{
    int stride = t->stem_stride * (t->stem_pool ? 2 : 1);
    for (int i = 0; i < t->nstages; i++) stride *= t->stage[i].stride;
    return stride;
}

bool eff_stage_same(const eff_stage *a, const eff_stage *b)
{
    return a->op == b->op && a->kernel == b->kernel && a->stride == b->stride && a->expand == b->expand &&
           a->channels == b->channels && a->repeats == b->repeats && a->se == b->se && a->act == b->act &&
           a->skip == b->skip && a->expand_from == b->expand_from;
}

int eff_stage_mid(const eff_stage *s, int in)
{
    if (s->op == EFF_OP_BOTTLENECK) return (int)lround(s->channels / s->expand);
    if (s->op != EFF_OP_MBCONV && s->op != EFF_OP_FUSED) return s->op == EFF_OP_DSCONV ? in : s->channels;
    const long mid = lround(in * s->expand);
    return mid < 1 ? 1 : (int)mid;
}

int eff_stage_squeeze(const eff_stage *s, int in)
{
    if (!(s->se > 0)) return 0;
    const int squeeze = (int)(in * s->se); /* of the block's input, not of the expanded width */
    return squeeze > 1 ? squeeze : 1;
}

bool eff_stage_shortcut(const eff_stage *s, int in, int stride) { return s->skip && stride == 1 && in == s->channels; }

bool eff_op_residual(eff_op op) { return op == EFF_OP_BASIC || op == EFF_OP_BOTTLENECK; }

/* ------------------------------------------------------------------------------------------ limits */

static eff_status int_range(const char *at, const char *field, int v, int lo, int hi, eff_error *err)
{
    if (v >= lo && v <= hi) return EFF_OK;
    return eff_fail(err, EFF_EARG, "%s%s: expected %d..%d, found %d", at, field, lo, hi, v);
}

static eff_status real_range(const char *at, const char *field, double v, double lo, double hi, eff_error *err)
{
    if (v >= lo && v <= hi) return EFF_OK; /* false for NaN */
    return eff_fail(err, EFF_EARG, "%s%s: expected %g..%g, found %g", at, field, lo, hi, v);
}

static eff_status odd_kernel(const char *at, int k, eff_error *err)
{
    if (k >= 1 && k <= EFF_MAX_KERNEL && k % 2 == 1) return EFF_OK;
    return eff_fail(err, EFF_EARG, "%skernel: expected an odd number in 1..%d, found %d", at, EFF_MAX_KERNEL, k);
}

static eff_status rate(const char *field, double v, eff_error *err)
{
    if (v >= 0 && v < 1) return EFF_OK;
    return eff_fail(err, EFF_EARG, "%s: expected at least 0 and less than 1, found %g", field, v);
}

#define TRY(call)                     \
    do {                              \
        const eff_status s_ = (call); \
        if (s_) return s_;            \
    } while (0)

static eff_status check_stage(const eff_stage *s, int i, eff_error *err)
{
    char at[32];
    snprintf(at, sizeof at, "stages[%d].", i);
    if ((unsigned)s->op >= NOPS) return eff_fail(err, EFF_EARG, "%sop: %d is no operator", at, (int)s->op);
    if ((unsigned)s->act >= NACTS) return eff_fail(err, EFF_EARG, "%sact: %d is no activation", at, (int)s->act);
    TRY(odd_kernel(at, s->kernel, err));
    TRY(int_range(at, "stride", s->stride, 1, EFF_MAX_STRIDE, err));
    TRY(int_range(at, "channels", s->channels, 1, EFF_MAX_CHANNELS, err));
    TRY(int_range(at, "repeats", s->repeats, 1, EFF_MAX_REPEATS, err));
    TRY(int_range(at, "expand_from", s->expand_from, 0, EFF_MAX_CHANNELS, err));

    const bool inverted = s->op == EFF_OP_MBCONV || s->op == EFF_OP_FUSED;
    if (inverted) {
        TRY(real_range(at, "expand", s->expand, 1.0 / EFF_MAX_EXPAND, EFF_MAX_EXPAND, err));
        TRY(real_range(at, "se", s->se, 0, EFF_MAX_SE, err));
        return EFF_OK;
    }
    const char *const name = op_names[s->op];
    if (s->se != 0) return eff_fail(err, EFF_EARG, "%sse: expected 0 for %s, found %g", at, name, s->se);
    if (s->expand_from) return eff_fail(err, EFF_EARG, "%sexpand_from: expected 0 for %s, found %d", at, name, s->expand_from);
    if (eff_op_residual(s->op) && !s->skip)
        return eff_fail(err, EFF_EARG, "%sskip: expected true for %s, found false", at, name);
    if (s->op != EFF_OP_BOTTLENECK) {
        if (s->expand != 1) return eff_fail(err, EFF_EARG, "%sexpand: expected 1 for %s, found %g", at, name, s->expand);
        return EFF_OK;
    }
    TRY(real_range(at, "expand", s->expand, 1.0 / EFF_MAX_EXPAND, EFF_MAX_EXPAND, err));
    const double mid = s->channels / s->expand;
    if (mid < 1 || fabs(mid - (double)lround(mid)) > 1e-9 * mid)
        return eff_fail(err, EFF_EARG, "%schannels: expected a multiple of expand %g, found %d", at, s->expand, s->channels);
    return EFF_OK;
}

static eff_status check_name(const char *name, size_t size, eff_error *err)
{
    const size_t len = strnlen(name, size);
    if (len == 0 || len == size) return eff_fail(err, EFF_EARG, "name: expected 1..%zu bytes", size - 1);
    for (size_t i = 0; i < len;) {
        const size_t n = eff_utf8_length(name + i, len - i);
        if (n == 0 || (unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return eff_fail(err, EFF_EARG, "name: expected UTF-8 without control characters, byte %zu is neither", i);
        i += n;
    }
    return EFF_OK;
}

eff_status eff_table_check(const eff_table *t, eff_error *err)
{
    TRY(check_name(t->name, sizeof t->name, err));
    if (t->nstages < 1 || t->nstages > EFF_MAX_STAGES)
        return eff_fail(err, EFF_EARG, "stages: expected 1..%d, found %d", EFF_MAX_STAGES, t->nstages);
    TRY(int_range("stem.", "channels", t->stem_channels, 1, EFF_MAX_CHANNELS, err));
    TRY(odd_kernel("stem.", t->stem_kernel, err));
    TRY(int_range("stem.", "stride", t->stem_stride, 1, EFF_MAX_STRIDE, err));
    long blocks = 0;
    for (int i = 0; i < t->nstages; i++) {
        TRY(check_stage(&t->stage[i], i, err));
        blocks += t->stage[i].repeats;
    }
    if (blocks > EFF_MAX_BLOCKS)
        return eff_fail(err, EFF_EARG, "stages: expected at most %d blocks in all, found %ld", EFF_MAX_BLOCKS, blocks);
    TRY(int_range("head.", "channels", t->head_channels, 0, EFF_MAX_CHANNELS, err));
    if ((unsigned)t->act >= NACTS) return eff_fail(err, EFF_EARG, "act: %d is no activation", (int)t->act);
    if ((unsigned)t->pad >= NPADS) return eff_fail(err, EFF_EARG, "padding: %d is no padding rule", (int)t->pad);
    TRY(real_range("bn.", "eps", t->bn_eps, 1e-12, 1, err));
    TRY(real_range("bn.", "momentum", t->bn_momentum, 0, 1, err));
    TRY(int_range("", "divisor", t->divisor, 1, EFF_MAX_DIVISOR, err));
    TRY(int_range("resolution", " height", t->height, 1, EFF_MAX_SIDE, err));
    TRY(int_range("resolution", " width", t->width_px, 1, EFF_MAX_SIDE, err));
    TRY(int_range("", "classes", t->classes, 0, EFF_MAX_CLASSES, err));
    TRY(rate("dropout", t->dropout, err));
    TRY(rate("drop_path", t->drop_path, err));
    TRY(real_range("", "width", t->width, EFF_MIN_COEF * EFF_MIN_COEF, EFF_MAX_COEF * EFF_MAX_COEF, err));
    TRY(real_range("", "depth", t->depth, EFF_MIN_COEF * EFF_MIN_COEF, EFF_MAX_COEF * EFF_MAX_COEF, err));
    return EFF_OK;
}

/* ----------------------------------------------------------------------------------------- scaling */

void eff_table_round_channels(eff_table *t, double width)
{
    const int div = t->divisor;
    const bool up = t->round_up_90;
    if (!t->stem_fixed) t->stem_channels = eff_round_filters(t->stem_channels, width, div, up);
    if (!t->head_fixed && t->head_channels) t->head_channels = eff_round_filters(t->head_channels, width, div, up);
    for (int i = 0; i < t->nstages; i++) {
        eff_stage *const s = &t->stage[i];
        if (s->op == EFF_OP_BOTTLENECK) { /* the inner width scales and the outer one follows it */
            const double out = s->expand * eff_round_filters(eff_stage_mid(s, 0), width, div, up);
            s->channels = out < (double)(1 << 30) ? (int)lround(out) : 1 << 30;
        } else {
            s->channels = eff_round_filters(s->channels, width, div, up);
        }
        if (s->expand_from) s->expand_from = eff_round_filters(s->expand_from, width, div, up);
    }
}

void eff_table_scale_repeats(eff_table *t, const eff_table *base, double depth)
{
    for (int i = 0; i < t->nstages; i++)
        t->stage[i].repeats = base->stage[i].fixed_repeats ? base->stage[i].repeats
                                                           : eff_round_repeats(base->stage[i].repeats, depth);
}

static void rename_scaled(eff_table *t, double width, double depth)
{
    char tail[48], name[EFF_NAME_LEN + 48];
    int n = 0;
    tail[0] = '\0';
    if (width != 1) n = eff_number_print(tail, sizeof tail, "-w%.6g", width);
    if (depth != 1) eff_number_print(tail + n, sizeof tail - (size_t)n, "-d%.6g", depth);
    if (snprintf(name, sizeof name, "%s%s", t->name, tail) < EFF_NAME_LEN) memcpy(t->name, name, strlen(name) + 1);
}

eff_status eff_table_scale(eff_table *out, const eff_table *base, double width, double depth, int resolution, eff_error *err)
{
    TRY(real_range("", "width", width, EFF_MIN_COEF, EFF_MAX_COEF, err));
    TRY(real_range("", "depth", depth, EFF_MIN_COEF, EFF_MAX_COEF, err));
    if (resolution) TRY(int_range("", "resolution", resolution, 1, EFF_MAX_SIDE, err));
    TRY(eff_table_check(base, err));

    eff_table t = *base;
    if (width != 1) eff_table_round_channels(&t, width); /* at 1 a table keeps the channels that its author wrote */
    eff_table_scale_repeats(&t, base, depth);
    if (resolution) t.height = t.width_px = resolution;
    t.width *= width;
    t.depth *= depth;
    rename_scaled(&t, width, depth);
    const eff_status s = eff_table_check(&t, err);
    if (s) {
        eff_error_prefix(err, "width %g and depth %g scale the table out of range", width, depth);
        return s;
    }
    *out = t;
    return EFF_OK;
}
