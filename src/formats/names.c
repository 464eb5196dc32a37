/* SPDX-License-Identifier: Apache-2.0 */
/* Name maps as one table: a row is a part of a block (or of stem and head), a column the spelling of one
 * family, and digits that depend on the place are written as %-codes. A name exists exactly if a row and column
 * for it does. */
#include "formats/names.h"

#include <stdio.h>
#include <string.h>

enum { SPELLINGS = 3 }; /* timm and timm_tf share a column */
enum { LUKEMELAS, TIMM, TORCHVISION };
enum { ANY, PLAIN, EXPANDED }; /* blocks a row is for: all, those without, those with an expansion */

/* Codes: %S stage, %T stage + 1, %H number of stages + 1, %J block in its stage, %G block over all stages; %0
 * %1 %2 that number plus one if the block expands (an expansion comes first and shifts what follows), %P = %1
 * plus one if there is an SE. */
typedef struct name_row {
    unsigned nets; /* the network may hold these operators and no others */
    const char *part;
    int when;
    const char *spelling[SPELLINGS];
} name_row;

#define MB (1u << EFF_OP_MBCONV)

static const name_row rows[] = {
    { MB, "stem.conv", ANY, { "_conv_stem", "conv_stem", "features.0.0" } },
    { MB, "stem.bn", ANY, { "_bn0", "bn1", "features.0.1" } },
    { MB, "expand.conv", EXPANDED, { "_blocks.%G._expand_conv", "blocks.%S.%J.conv_pw", "features.%T.%J.block.0.0" } },
    { MB, "expand.bn", EXPANDED, { "_blocks.%G._bn0", "blocks.%S.%J.bn1", "features.%T.%J.block.0.1" } },
    { MB, "dw.conv", ANY, { "_blocks.%G._depthwise_conv", "blocks.%S.%J.conv_dw", "features.%T.%J.block.%0.0" } },
    { MB, "dw.bn", ANY, { "_blocks.%G._bn1", "blocks.%S.%J.bn%1", "features.%T.%J.block.%0.1" } },
    { MB, "se.reduce", ANY, { "_blocks.%G._se_reduce", "blocks.%S.%J.se.conv_reduce", "features.%T.%J.block.%1.fc1" } },
    { MB, "se.expand", ANY, { "_blocks.%G._se_expand", "blocks.%S.%J.se.conv_expand", "features.%T.%J.block.%1.fc2" } },
    /* timm calls the projection of a block without expansion conv_pw, elsewhere that is the expansion */
    { MB, "project.conv", PLAIN, { "_blocks.%G._project_conv", "blocks.%S.%J.conv_pw", "features.%T.%J.block.%P.0" } },
    { MB, "project.conv", EXPANDED,
      { "_blocks.%G._project_conv", "blocks.%S.%J.conv_pwl", "features.%T.%J.block.%P.0" } },
    { MB, "project.bn", ANY, { "_blocks.%G._bn2", "blocks.%S.%J.bn%2", "features.%T.%J.block.%P.1" } },
    { MB, "head.conv", ANY, { "_conv_head", "conv_head", "features.%H.0" } },
    { MB, "head.bn", ANY, { "_bn1", "bn2", "features.%H.1" } },
    { MB, "head.fc", ANY, { "_fc", "classifier", "classifier.1" } },
};

static const char *const family_name[EFF_FAMILY_COUNT] = { "neutral", "lukemelas", "timm", "timm_tf", "torchvision" };
static const signed char column[EFF_FAMILY_COUNT] = { -1, LUKEMELAS, TIMM, TIMM, TORCHVISION };

const char *eff_family_name(eff_family f)
{
    return (unsigned)f < EFF_FAMILY_COUNT ? family_name[f] : "?";
}

eff_status eff_family_parse(eff_family *out, const char *s, eff_error *err)
{
    for (int i = 0; i < EFF_FAMILY_COUNT; i++)
        if (strcmp(s, family_name[i]) == 0) {
            *out = (eff_family)i;
            return EFF_OK;
        }
    if (strcmp(s, "keras") == 0 || strcmp(s, "tf") == 0)
        return eff_fail(err, EFF_EUNSUPPORTED, "family %s: checkpoints in its names are not read yet", s);
    const char *near = eff_nearest_name(s, family_name, EFF_FAMILY_COUNT);
    return eff_fail(err, EFF_EARG,
                    "unknown family \"%.40s\"%s%s%s: expected timm, timm_tf, torchvision, lukemelas or neutral", s,
                    near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

/* The number behind a code, or -1 for a character that is none. */
static int code_value(char code, const eff_place *p)
{
    switch (code) {
    case 'S': return p->stage;
    case 'T': return p->stage + 1;
    case 'H': return p->nstages + 1;
    case 'J': return p->block;
    case 'G': return p->index;
    case 'P': return 1 + p->expand + p->se;
    case '0':
    case '1':
    case '2': return code - '0' + p->expand;
    default: return -1;
    }
}

static bool expand_codes(char name[EFF_TENSOR_NAME], const char *pattern, const eff_place *p, const char *leaf)
{
    int n = 0;
    for (; *pattern; pattern++) {
        if (*pattern == '%')
            n += snprintf(name + n, (size_t)(EFF_TENSOR_NAME - n), "%d", code_value(*++pattern, p));
        else
            name[n++] = *pattern;
        if (n >= EFF_TENSOR_NAME - 1) return false;
    }
    return snprintf(name + n, (size_t)(EFF_TENSOR_NAME - n), ".%s", leaf) < EFF_TENSOR_NAME - n;
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
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const name_row *r = &rows[i];
        if (strcmp(r->part, part) != 0 || (p->net & ~r->nets)) continue;
        if (r->when == PLAIN ? p->expand : r->when == EXPANDED && !p->expand) continue;
        const char *pattern = r->spelling[column[f]];
        if (pattern && expand_codes(name, pattern, p, leaf)) return true;
    }
    name[0] = '\0';
    return false;
}

bool eff_name_of_param(char name[EFF_TENSOR_NAME], eff_family f, const eff_table *t, const eff_graph *g, int param)
{
    const eff_param *q = &g->param[param];
    const eff_node *node = &g->node[q->node];
    eff_place p = { .nstages = t->nstages, .stage = node->stage, .block = node->block, .index = node->index };
    name[0] = '\0';
    if (f == EFF_FAMILY_NEUTRAL) return snprintf(name, EFF_TENSOR_NAME, "%s", q->name) < EFF_TENSOR_NAME;
    for (int i = 0; i < t->nstages; i++) p.net |= 1u << t->stage[i].op;
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
