/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring asks the file for tensors by name and looks at their shapes only. It believes nothing: sizes out of
 * range are left to the table's check, counts end at the table's limits, and what does not fit is found by the
 * trial that follows. */
#include "formats/measure.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const eff_tensor *part_at(const eff_index *x, eff_family f, const eff_place *p, const char *part,
                                 const char *leaf)
{
    char name[EFF_TENSOR_NAME];
    return eff_name_format(name, f, p, part, leaf) ? eff_index_find(x, name) : NULL;
}

/* Channels that a convolution with its BN gives, or `otherwise` when neither tells. The BN is asked first: its
 * shape has one reading, and a convolution in another layout is then found to be the one that is wrong. */
static int channels_of(const eff_index *x, eff_family f, const eff_place *p, const char *part, int otherwise)
{
    static const char *const where[][2] = { { "bn", "weight" }, { "bn", "bias" }, { "conv", "weight" } };
    char full[32];
    for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
        snprintf(full, sizeof full, "%s.%s", part, where[i][0]);
        const eff_tensor *t = part_at(x, f, p, full, where[i][1]);
        if (t && t->ndim >= 1 && t->dim[0] >= 1 && t->dim[0] <= INT_MAX) return (int)t->dim[0];
    }
    return otherwise;
}

static eff_place place_of(const eff_table *t)
{
    eff_place p = { .nstages = t->nstages, .stage = EFF_STAGE_STEM };
    for (int i = 0; i < t->nstages; i++) p.net |= 1u << t->stage[i].op;
    return p;
}

int eff_measure_classes(const eff_index *x, eff_family naming, const eff_table *t, int otherwise)
{
    eff_place p = place_of(t);
    p.stage = p.nstages;
    const eff_tensor *fc = part_at(x, naming, &p, "head.fc", "bias");
    if (!fc) fc = part_at(x, naming, &p, "head.fc", "weight");
    return fc && fc->ndim >= 1 && fc->dim[0] >= 1 && fc->dim[0] <= EFF_MAX_CLASSES ? (int)fc->dim[0] : otherwise;
}

/* ------------------------------------------------------------------------------------------ blocks */

/* By which convolution a block is known to exist, and which one gives its output. */
static const struct {
    const char *first, *last;
} ends[] = {
    [EFF_OP_CONV] = { "conv", "conv" },    [EFF_OP_DSCONV] = { "dw", "project" }, [EFF_OP_MBCONV] = { "dw", "project" },
    [EFF_OP_FUSED] = { "expand", "project" }, [EFF_OP_BASIC] = { "conv1", "conv2" },
    [EFF_OP_BOTTLENECK] = { "conv", "expand" },
};

static bool block_exists(const eff_index *x, eff_family f, const eff_place *p)
{
    const char *const parts[] = { ends[p->op].first, ends[p->op].last };
    char full[32];
    for (int i = 0; i < 2; i++) {
        snprintf(full, sizeof full, "%s.conv", parts[i]);
        if (part_at(x, f, p, full, "weight")) return true;
        snprintf(full, sizeof full, "%s.bn", parts[i]);
        if (part_at(x, f, p, full, "weight")) return true;
    }
    return false;
}

static void enter_stage(eff_place *p, const eff_table *t, int stage)
{
    p->stage = stage;
    p->block = 0;
    p->op = t->stage[stage].op;
    p->expand = p->op == EFF_OP_FUSED || t->stage[stage].expand != 1.0;
    p->se = t->stage[stage].se > 0;
}

/* ----------------------------------------------------------------- blocks counted over all stages */

static int sum_repeats(const eff_table *t)
{
    int n = 0;
    for (int i = 0; i < t->nstages; i++) n += t->stage[i].repeats;
    return n;
}

/* Depth coefficients in steps of 1/96: every vector of repeats that ceil() gives for base repeats up to 4 is
 * among them. */
enum { DEPTH_STEPS = 96, MAX_DEPTH = 32 };

/* Kernel and output of a block; what the file does not show keeps its value. */
static void look_at_block(const eff_index *x, eff_family f, eff_place p, int64_t *kernel, int64_t *out)
{
    p.op = EFF_OP_MBCONV;
    p.expand = true; /* where an expansion shifts the names, only a block that has one reaches so far */
    p.expand = part_at(x, f, &p, "project.bn", "weight") != NULL;
    const eff_tensor *conv = part_at(x, f, &p, "dw.conv", "weight"), *bn = part_at(x, f, &p, "project.bn", "weight");
    if (!conv && f == EFF_FAMILY_TF) { /* stages without depthwise convolutions are numbered on with the others */
        p.op = EFF_OP_FUSED;
        p.expand = true;
        conv = part_at(x, f, &p, "expand.conv", "weight"); /* in a `conv` its only one */
        bn = part_at(x, f, &p, "project.bn", "weight");
        p.op = EFF_OP_CONV;
        if (!bn) bn = part_at(x, f, &p, "conv.bn", "weight");
    }
    if (conv && conv->ndim == 4) *kernel = conv->dim[3];
    if (bn && bn->ndim == 1) *out = bn->dim[0];
}

/* Do the blocks of each stage of `t` look alike? */
static bool stages_are_even(const eff_table *t, const eff_index *x, eff_family f, eff_place p)
{
    p.index = 0;
    for (int s = 0; s < t->nstages; s++) {
        int64_t kernel = 0, out = 0;
        for (int j = 0; j < t->stage[s].repeats; j++, p.index++) {
            int64_t k = kernel, o = out;
            look_at_block(x, f, p, &k, &o);
            if (j && (k != kernel || o != out)) return false;
            kernel = k;
            out = o;
        }
    }
    return true;
}

/* lukemelas and torchvision's MobileNetV2 number blocks over all stages, so only their total is seen. Each
 * stage's repeats grow with the depth, hence a total belongs to at most one vector of them. Where that does not
 * agree with the blocks, they are cut where their looks change. */
static void split_blocks(eff_table *t, const eff_table *base, const eff_index *x, eff_family f, eff_place p)
{
    const int total = p.blocks;
    for (int d = 1; d <= MAX_DEPTH * DEPTH_STEPS; d++) {
        eff_table_scale_repeats(t, base, (double)d / DEPTH_STEPS);
        const int sum = sum_repeats(t);
        if (sum > total) break;
        if (sum == total && stages_are_even(t, x, f, p)) return;
    }
    memcpy(t->stage, base->stage, sizeof t->stage);
    int64_t kernel = 0, out = 0;
    int s = -1;
    for (p.index = 0; p.index < total; p.index++) {
        int64_t k = kernel, o = out;
        look_at_block(x, f, p, &k, &o);
        if (s < 0 || k != kernel || o != out) {
            if (s + 1 == t->nstages) return;
            t->stage[++s].repeats = 0;
        }
        t->stage[s].repeats += t->stage[s].repeats < EFF_MAX_REPEATS;
        kernel = k;
        out = o;
    }
}

/* ------------------------------------------------------------------------------------------- table */

static bool numbers_all_blocks(eff_family f) { return f == EFF_FAMILY_LUKEMELAS || f == EFF_FAMILY_TF || f == EFF_NAMING_MOBILENET; }

static void measure_stage(eff_stage *s, const eff_index *x, eff_family f, const eff_place *p)
{
    s->channels = channels_of(x, f, p, ends[s->op].last, s->channels);
    if (s->op == EFF_OP_BOTTLENECK) { /* wide networks have the same outputs */
        const int mid = channels_of(x, f, p, "conv", 0);
        if (mid) s->expand = (double)s->channels / mid;
    }
    if (s->expand_from) s->expand_from = (int)lround(channels_of(x, f, p, "expand", 0) / s->expand);
}

void eff_measure_table(eff_table *t, const eff_table *base, const eff_index *x, eff_family naming)
{
    eff_place p = place_of(base);
    *t = *base;
    t->stem_channels = channels_of(x, naming, &p, "stem", base->stem_channels);
    const bool global = numbers_all_blocks(naming);
    if (global) {
        enter_stage(&p, base, 0);
        for (p.index = 0; p.index < EFF_MAX_BLOCKS && block_exists(x, naming, &p); p.index++) {}
        p.blocks = p.index;
        split_blocks(t, base, x, naming, p);
    }
    int index = 0;
    for (int s = 0; s < base->nstages; s++) {
        enter_stage(&p, base, s);
        p.index = index;
        if (!global) {
            for (; p.block < EFF_MAX_REPEATS && block_exists(x, naming, &p); p.index++) p.block++;
            if (p.block) t->stage[s].repeats = p.block;
        }
        p.block = 0;
        p.index = index;
        measure_stage(&t->stage[s], x, naming, &p);
        index += t->stage[s].repeats;
    }
    p.stage = p.nstages;
    t->head_channels = channels_of(x, naming, &p, "head", base->head_channels);
    t->classes = eff_measure_classes(x, naming, base, 0); /* no classifier: a body, unless tensors are left over */
}
