/* SPDX-License-Identifier: Apache-2.0 */
/* Recognition by trial: the family follows from the spelling of stem and head; each skeleton, with its repeats
 * and channels read off the file, becomes a graph whose every parameter must be there in exactly its shape. So
 * whatever is recognised also loads, and where nothing fits, the message is that of the skeleton that came
 * nearest. */
#include "formats/recognise.h"

#include "base/mem.h"
#include "base/number.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Networks whose strides and activations are assumed where shapes agree; all have MBConv stages only. */
static const char *const skeletons[] = { "efficientnet-b0", "efficientnet-lite0" };
enum { NSKELETONS = sizeof skeletons / sizeof *skeletons };

#define TRY(call)                     \
    do {                              \
        const eff_status s_ = (call); \
        if (s_) return s_;            \
    } while (0)

/* ------------------------------------------------------------------------------------------ family */

static const char *const landmarks[][2] = { { "stem.conv", "weight" },     { "stem.bn", "weight" },
                                            { "stem.bn", "running_mean" }, { "head.conv", "weight" },
                                            { "head.bn", "weight" },       { "head.fc", "weight" },
                                            { "head.fc", "bias" } };
enum { NLANDMARKS = sizeof landmarks / sizeof *landmarks };

static void landmark_name(char name[EFF_TENSOR_NAME], eff_family f, int i)
{
    const bool stem = strncmp(landmarks[i][0], "stem", 4) == 0;
    const eff_place p = { .net = 1u << EFF_OP_MBCONV, .nstages = 7, .stage = stem ? EFF_STAGE_STEM : 7 };
    eff_name_format(name, f, &p, landmarks[i][0], landmarks[i][1]);
}

static int count_landmarks(const eff_index *x, eff_family f, const eff_tensor **first)
{
    char name[EFF_TENSOR_NAME];
    int n = 0;
    *first = NULL;
    for (int i = 0; i < NLANDMARKS; i++) {
        landmark_name(name, f, i);
        const eff_tensor *t = eff_index_find(x, name);
        if (t && !*first) *first = t;
        n += t != NULL;
    }
    return n;
}

/* "state_dict.module" when a tensor is called "state_dict.module.conv_stem.weight"; NULL when the file has no
 * such nesting. */
static const eff_tensor *find_nested(const eff_checkpoint *c, size_t *prefix_len)
{
    char tail[EFF_FAMILY_COUNT][EFF_TENSOR_NAME + 1];
    for (int f = 0; f < EFF_FAMILY_COUNT; f++) {
        tail[f][0] = '.';
        landmark_name(tail[f] + 1, (eff_family)f, 0);
    }
    for (size_t i = 0; i < c->count; i++) {
        const size_t n = strlen(c->tensor[i].name);
        for (int f = 0; f < EFF_FAMILY_COUNT; f++) {
            const size_t k = strlen(tail[f]);
            if (n > k && strcmp(c->tensor[i].name + n - k, tail[f]) == 0) {
                *prefix_len = n - k;
                return &c->tensor[i];
            }
        }
    }
    return NULL;
}

static eff_status fail_unknown(const eff_checkpoint *c, eff_error *err)
{
    size_t prefix;
    const eff_tensor *nested = find_nested(c, &prefix);
    if (nested)
        return eff_fail(
            err, EFF_EUNSUPPORTED,
            "a training checkpoint: the network lies under %.*s (tensor %.90s); such wrappers are not read yet",
            prefix > 60 ? 60 : (int)prefix, nested->name, nested->name);
    if (!c->count) return eff_fail(err, EFF_EFORMAT, "no known architecture fits: the file has no tensors");
    return eff_fail(
        err, EFF_EFORMAT,
        "no known architecture fits: none of the stem and head tensors of any family is among its %zu tensors"
        " (the first is %.90s)",
        c->count, c->tensor[0].name);
}

static bool starts_with(const char *s, const char *head) { return strncmp(s, head, strlen(head)) == 0; }

/* Fills naming and family; *sure = false when the names are timm's and nothing tells which of the two. */
static eff_status find_family(eff_recognised *out, bool *sure, const eff_index *x, const eff_claim *claim,
                              eff_error *err)
{
    const eff_tensor *first, *best_first = NULL;
    eff_family best = EFF_FAMILY_NEUTRAL;
    int most = 0;
    for (int f = 0; f < EFF_FAMILY_COUNT; f++) {
        const int n = count_landmarks(x, (eff_family)f, &first);
        if (n > most) {
            most = n;
            best = (eff_family)f;
            best_first = first;
        }
    }
    *sure = true;
    out->naming = out->family = best;
    if (claim->family) TRY(eff_family_parse(&out->family, claim->family, err));
    if (most == 0) return fail_unknown(x->file, err);
    if (claim->family) {
        if (count_landmarks(x, out->family, &first)) out->naming = out->family;
        else if (best != EFF_FAMILY_NEUTRAL)
            return eff_fail(err, EFF_EARG, "family %s does not fit: the names are those of %s (tensor %.90s)",
                            claim->family, best == EFF_FAMILY_TIMM ? "timm or timm_tf" : eff_family_name(best),
                            best_first->name);
    } else if (best == EFF_FAMILY_TIMM) {
        const char *hint = x->file->arch_hint;
        if (hint && starts_with(hint, "tf_")) out->naming = out->family = EFF_FAMILY_TIMM_TF;
        else *sure = hint && starts_with(hint, "efficientnet_");
    }
    return EFF_OK;
}

void eff_family_rules(eff_family f, const char *table_name, eff_pad *pad, double *bn_eps)
{
    const bool torch = f == EFF_FAMILY_TIMM || f == EFF_FAMILY_TORCHVISION;
    /* torchvision's B5, B6 and B7 are TensorFlow's weights run with symmetric padding (reference §1.7, §1.8) */
    const bool converted = f == EFF_FAMILY_TORCHVISION &&
                           (strcmp(table_name, "efficientnet-b5") == 0 || strcmp(table_name, "efficientnet-b6") == 0 ||
                            strcmp(table_name, "efficientnet-b7") == 0);
    *pad = torch ? EFF_PAD_SYMMETRIC : EFF_PAD_SAME;
    *bn_eps = torch && !converted ? 1e-5 : 1e-3;
}

/* -------------------------------------------------------------------------------------- measuring */

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

static int classes_of(const eff_index *x, eff_family f, eff_place p, int otherwise)
{
    p.stage = p.nstages;
    const eff_tensor *fc = part_at(x, f, &p, "head.fc", "bias");
    if (!fc) fc = part_at(x, f, &p, "head.fc", "weight");
    return fc && fc->ndim >= 1 && fc->dim[0] >= 1 && fc->dim[0] <= EFF_MAX_CLASSES ? (int)fc->dim[0] : otherwise;
}

static eff_place place_of(const eff_table *t)
{
    eff_place p = { .nstages = t->nstages, .stage = EFF_STAGE_STEM };
    for (int i = 0; i < t->nstages; i++) p.net |= 1u << t->stage[i].op;
    return p;
}

static bool block_exists(const eff_index *x, eff_family f, const eff_place *p)
{
    return part_at(x, f, p, "dw.conv", "weight") || part_at(x, f, p, "project.conv", "weight") ||
           part_at(x, f, p, "project.bn", "weight");
}

static void enter_stage(eff_place *p, const eff_table *t, int stage)
{
    p->stage = stage;
    p->block = 0;
    p->op = t->stage[stage].op;
    p->expand = t->stage[stage].expand != 1.0;
    p->se = t->stage[stage].se > 0;
}

static int sum_repeats(const eff_table *t)
{
    int n = 0;
    for (int i = 0; i < t->nstages; i++) n += t->stage[i].repeats;
    return n;
}

static void scale_repeats(eff_table *t, const eff_table *base, double depth)
{
    for (int i = 0; i < t->nstages; i++)
        t->stage[i].repeats = base->stage[i].fixed_repeats ? base->stage[i].repeats
                                                           : eff_round_repeats(base->stage[i].repeats, depth);
}

/* Depth coefficients in steps of 1/96: every vector of repeats that ceil() gives for base repeats up to 4 is
 * among them. */
enum { DEPTH_STEPS = 96, MAX_DEPTH = 32 };

/* Kernel and output of a block; what the file does not show keeps its value. */
static void look_at_block(const eff_index *x, eff_family f, const eff_place *p, int64_t *kernel, int64_t *out)
{
    const eff_tensor *dw = part_at(x, f, p, "dw.conv", "weight"), *bn = part_at(x, f, p, "project.bn", "weight");
    if (dw && dw->ndim == 4) *kernel = dw->dim[3];
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
            look_at_block(x, f, &p, &k, &o);
            if (j && (k != kernel || o != out)) return false;
            kernel = k;
            out = o;
        }
    }
    return true;
}

/* lukemelas numbers blocks over all stages, so only their total is seen. Each stage's repeats grow with the
 * depth, hence a total belongs to at most one vector of them. Where that does not agree with the blocks, they
 * are cut where their looks change. */
static void split_blocks(eff_table *t, const eff_table *base, const eff_index *x, eff_family f, eff_place p)
{
    int total = 0;
    for (p.index = 0; total < EFF_MAX_BLOCKS && block_exists(x, f, &p); p.index = ++total) {}
    for (int d = 1; d <= MAX_DEPTH * DEPTH_STEPS; d++) {
        scale_repeats(t, base, (double)d / DEPTH_STEPS);
        const int sum = sum_repeats(t);
        if (sum > total) break;
        if (sum == total && stages_are_even(t, x, f, p)) return;
    }
    memcpy(t->stage, base->stage, sizeof t->stage);
    int64_t kernel = 0, out = 0;
    int s = -1;
    for (p.index = 0; p.index < total; p.index++) {
        int64_t k = kernel, o = out;
        look_at_block(x, f, &p, &k, &o);
        if (s < 0 || k != kernel || o != out) {
            if (s + 1 == t->nstages) return;
            t->stage[++s].repeats = 0;
        }
        t->stage[s].repeats += t->stage[s].repeats < EFF_MAX_REPEATS;
        kernel = k;
        out = o;
    }
}

/* *t = `base` with the repeats, channels and classes that the file shows. */
static void measure(eff_table *t, const eff_table *base, const eff_index *x, eff_family f)
{
    eff_place p = place_of(base);
    *t = *base;
    t->stem_channels = channels_of(x, f, &p, "stem", base->stem_channels);
    const bool global = f == EFF_FAMILY_LUKEMELAS;
    if (global) {
        enter_stage(&p, base, 0);
        split_blocks(t, base, x, f, p);
    }
    int index = 0;
    for (int s = 0; s < base->nstages; s++) {
        enter_stage(&p, base, s);
        if (!global) {
            while (p.block < EFF_MAX_REPEATS && block_exists(x, f, &p)) p.block++;
            if (p.block) t->stage[s].repeats = p.block;
        }
        p.block = 0;
        p.index = index;
        t->stage[s].channels = channels_of(x, f, &p, "project", base->stage[s].channels);
        index += t->stage[s].repeats;
    }
    p.stage = p.nstages;
    t->head_channels = channels_of(x, f, &p, "head", base->head_channels);
    t->classes = classes_of(x, f, p, base->classes);
}

/* ----------------------------------------------------------------------------------------- naming */

static bool same_network(const eff_table *a, const eff_table *b)
{
    if (a->nstages != b->nstages || a->stem_channels != b->stem_channels || a->stem_kernel != b->stem_kernel ||
        a->stem_stride != b->stem_stride || a->stem_pool != b->stem_pool || a->head_channels != b->head_channels ||
        a->act != b->act)
        return false;
    for (int i = 0; i < a->nstages; i++) {
        const eff_stage *s = &a->stage[i], *r = &b->stage[i];
        if (s->op != r->op || s->kernel != r->kernel || s->stride != r->stride || s->expand != r->expand ||
            s->channels != r->channels || s->repeats != r->repeats || s->se != r->se || s->act != r->act ||
            s->skip != r->skip || s->expand_from != r->expand_from)
            return false;
    }
    return true;
}

static bool same_channels(const eff_table *a, const eff_table *b)
{
    if (a->stem_channels != b->stem_channels || a->head_channels != b->head_channels) return false;
    for (int i = 0; i < a->nstages; i++)
        if (a->stage[i].channels != b->stage[i].channels) return false;
    return true;
}

static bool same_repeats(const eff_table *a, const eff_table *b)
{
    for (int i = 0; i < a->nstages; i++)
        if (a->stage[i].repeats != b->stage[i].repeats) return false;
    return true;
}

/* Coefficients are tried in steps that people use, coarse first: many values give the same network. */
static const int steps[] = { 1, 2, 10, 20, 100, 1000 }; /* of one */
enum { NSTEPS = sizeof steps / sizeof *steps, MAX_COEF = 16 };

static double find_width(const eff_table *t, const eff_table *base)
{
    for (int k = 0; k < NSTEPS; k++)
        for (int i = 1; i <= MAX_COEF * steps[k]; i++) {
            const double width = (double)i / steps[k];
            eff_table trial = *base;
            if (width != 1) eff_table_round_channels(&trial, width);
            if (same_channels(t, &trial)) return width;
        }
    return 0;
}

/* The largest value of a step: ceil() makes it the one that loses nothing (0.5, not 0.4, for half the blocks). */
static double find_depth(const eff_table *t, const eff_table *base)
{
    for (int k = 0; k < NSTEPS; k++)
        for (int i = MAX_COEF * steps[k]; i >= 1; i--) {
            const double depth = (double)i / steps[k];
            eff_table trial = *base;
            scale_repeats(&trial, base, depth);
            if (same_repeats(t, &trial)) return depth;
        }
    return 0;
}

void eff_name_network(eff_table *t, const char *base_name)
{
    eff_table found;
    for (int i = 0; i < eff_builtin_count(); i++)
        if (eff_table_builtin(&found, eff_builtin_name(i), NULL) == EFF_OK && same_network(t, &found)) {
            found.classes = t->classes;
            *t = found;
            return;
        }
    eff_table base;
    char spec[EFF_NAME_LEN + 64];
    if (eff_table_builtin(&base, base_name, NULL) != EFF_OK) return;
    const double width = find_width(t, &base), depth = find_depth(t, &base);
    if (width == 0 || depth == 0) return;
    eff_number_print(spec, sizeof spec, "%s@width=%.6g,depth=%.6g", base_name, width, depth);
    if (eff_table_builtin(&found, spec, NULL) != EFF_OK || !same_network(t, &found)) return;
    found.classes = t->classes;
    *t = found;
}

/* ------------------------------------------------------------------------------------------ trial */

/* Does `t` fit? *right of *nparams parameters were as they should be, also on failure. */
static eff_status try_table(const eff_table *t, eff_fit *fit, int *right, int *nparams, const eff_index *x,
                            eff_family f, eff_error *err)
{
    eff_graph *g = NULL;
    *fit = (eff_fit){ 0 };
    *right = -1;
    *nparams = 0;
    eff_status s = eff_table_check(t, err);
    if (s == EFF_OK) s = eff_graph_build(&g, t, 0, 0, err);
    if (s == EFF_OK) {
        s = eff_fit_make(fit, x, f, t, g, err);
        *right = fit->right;
        *nparams = fit->nparams;
    }
    if (s != EFF_OK) eff_fit_free(fit);
    eff_graph_free(g);
    if (s != EFF_EARG) return s;
    if (err) err->code = EFF_EFORMAT; /* a measured table out of range is the file's fault */
    return EFF_EFORMAT;
}

static eff_status try_skeletons(eff_recognised *out, const eff_index *x, eff_error *err)
{
    eff_error nearest_error = { 0 };
    const char *nearest = NULL;
    int most = -2, missing = 0;
    for (int i = 0; i < NSKELETONS; i++) {
        eff_table base;
        eff_error e = { 0 };
        int right, nparams;
        TRY(eff_table_builtin(&base, skeletons[i], err));
        measure(&out->table, &base, x, out->naming);
        snprintf(out->table.name, sizeof out->table.name, "%s-custom", skeletons[i]);
        eff_name_network(&out->table, skeletons[i]);
        const eff_status s = try_table(&out->table, &out->fit, &right, &nparams, x, out->naming, &e);
        if (s == EFF_OK) return EFF_OK;
        if (s == EFF_ENOMEM) {
            if (err) *err = e;
            return s;
        }
        const bool mostly = 2 * right > nparams;
        if (right > most || (right == most && mostly && nparams - right < missing)) {
            most = right;
            missing = nparams - right;
            nearest_error = e;
            nearest = skeletons[i];
        }
    }
    eff_error_prefix(&nearest_error, "no known architecture fits; as a network like %s", nearest);
    nearest_error.code = EFF_EFORMAT;
    if (err) *err = nearest_error;
    return EFF_EFORMAT;
}

eff_status eff_recognise(eff_recognised *out, const eff_index *x, const eff_claim *claim, eff_error *err)
{
    bool sure;
    int right, nparams;
    *out = (eff_recognised){ 0 };
    TRY(find_family(out, &sure, x, claim, err));
    if (claim->table) {
        out->table = *claim->table;
        if (!out->table.classes) out->table.classes = classes_of(x, out->naming, place_of(&out->table), 1000);
        TRY(try_table(&out->table, &out->fit, &right, &nparams, x, out->naming, err));
    } else {
        TRY(try_skeletons(out, x, err));
    }
    if (!sure) {
        eff_recognised_free(out);
        return eff_fail(err, EFF_EARG, "the names fit timm and timm_tf alike, which pad differently (symmetric, SAME):"
                        " say which with --family");
    }
    eff_pad pad;
    double eps;
    eff_family_rules(out->family, out->table.name, &pad, &eps);
    if (!claim->keep_padding) out->table.pad = pad;
    if (!claim->keep_eps) out->table.bn_eps = eps;
    return EFF_OK;
}

void eff_recognised_free(eff_recognised *r) { eff_fit_free(&r->fit); }
