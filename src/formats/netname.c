/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a network by search: built-ins first, then coefficients in the steps that people use. A name is given
 * only if asking for it again yields the same network. */
#include "formats/netname.h"

#include "base/number.h"

#include <effnet/effnet.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool same_network(const eff_table *a, const eff_table *b)
{
    if (a->nstages != b->nstages || a->stem_channels != b->stem_channels || a->stem_kernel != b->stem_kernel ||
        a->stem_stride != b->stem_stride || a->stem_pool != b->stem_pool || a->head_channels != b->head_channels ||
        a->act != b->act)
        return false;
    for (int i = 0; i < a->nstages; i++)
        if (!eff_stage_same(&a->stage[i], &b->stage[i])) return false;
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
            eff_table_scale_repeats(&trial, base, depth);
            if (same_repeats(t, &trial)) return depth;
        }
    return 0;
}

/* Networks whose head keeps its channels at some widths in timm and torchvision, and the prefix under which the
 * built-ins have them so; the width follows in hundredths. */
static const char *const fixed_heads[][2] = {
    { "mobilenetv2-1.0", "mobilenetv2_" }, { "mnasnet-a1", "semnasnet_" }, { "mnasnet-b1", "mnasnet_" }
};

/* *t becomes the built-in `spec` if that is the same network. */
static bool adopt(eff_table *t, const char *spec)
{
    eff_table found;
    if (eff_table_builtin(&found, spec, NULL) != EFF_OK || !same_network(t, &found)) return false;
    found.classes = t->classes;
    *t = found;
    return true;
}

bool eff_name_network(eff_table *t, const char *base_name)
{
    for (int i = 0; i < eff_builtin_count(); i++)
        if (adopt(t, eff_builtin_name(i))) return true;
    eff_table base;
    char spec[EFF_NAME_LEN + 64];
    if (eff_table_builtin(&base, base_name, NULL) != EFF_OK) return false;
    const double depth = find_depth(t, &base);
    if (depth == 0) return false;
    const double width = find_width(t, &base);
    eff_number_print(spec, sizeof spec, "%s@width=%.6g,depth=%.6g", base_name, width, depth);
    if (width != 0 && adopt(t, spec)) return true;
    base.head_fixed = true;
    for (size_t i = 0; i < sizeof fixed_heads / sizeof *fixed_heads; i++) {
        if (strcmp(base_name, fixed_heads[i][0]) != 0) continue;
        const int percent = (int)lround(100 * find_width(t, &base));
        eff_number_print(spec, sizeof spec, "%s%03d@depth=%.6g", fixed_heads[i][1], percent, depth);
        if (percent && adopt(t, spec)) return true;
    }
    return false;
}
