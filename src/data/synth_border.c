/* SPDX-License-Identifier: Apache-2.0 */
/* The border: bands of fixed widths in one of four orders, and an edge towards the body. All orders have the same area
 * of every colour, and metal and contrast cover equal areas in either arrangement, so that amounts of colour tell
 * nothing of the class. */
#include "data/synth.h"

const float eff_border_width = 0.21f;

static const float edge_at = 0.195f, tooth_height = 0.034f, tooth_rate = 15;

typedef struct stripe {
    float from, to;
    bool wide; /* carries the texture, half of it ground; else plain */
} stripe;

enum { STRIPES = 4 };

static const stripe structures[EFF_SYNTH_STRUCTURES][STRIPES] = {
    { { 0.018f, 0.094f, true }, { 0.112f, 0.131f, false }, { 0.145f, 0.164f, false } },
    { { 0.018f, 0.037f, false }, { 0.051f, 0.070f, false }, { 0.088f, 0.164f, true } },
    { { 0.018f, 0.037f, false }, { 0.053f, 0.129f, true }, { 0.145f, 0.164f, false } },
    { { 0.018f, 0.056f, true }, { 0.070f, 0.089f, false }, { 0.102f, 0.121f, false }, { 0.135f, 0.173f, true } },
};

/* How far the edge reaches at `along`: 0..1 of a tooth, half of it on average in every form. */
static float tooth(int form, float along)
{
    const float turns = along * tooth_rate, t = turns - (float)(int)(turns + 1024) + 1024, d = t < 0.5f ? t : 1 - t;
    if (form == 0) return 2 * d;                               /* triangles, as on temple borders */
    if (form == 1) return 0.75f - 3 * (d - 0.5f) * (d - 0.5f); /* scallops: mean 1/2 */
    return d < 0.125f ? 0 : d < 0.375f ? 0.5f : 1;             /* steps */
}

static float cover(float x, float from, float to, float blur)
{
    const float a = eff_synth_clamp((x - from) / blur + 0.5f), b = eff_synth_clamp((to - x) / blur + 0.5f);
    return a < b ? a : b;
}

float eff_border_at(const eff_cloth *c, float along, float across, bool teeth, eff_rgb *colour, float *sheen)
{
    float end = edge_at;
    if (teeth) end += tooth_height * (tooth(c->design.teeth, along) - 0.5f);
    const float share = eff_synth_clamp((end - across) / c->blur + 0.5f);
    if (share <= 0) return 0;
    eff_rgb own = c->ground;
    float metal = 0;
    const stripe *const s = structures[c->design.structure];
    const bool metal_band = c->design.arrangement == 0;
    for (int i = 0; i < STRIPES; i++) {
        float a = cover(across, s[i].from, s[i].to, c->blur);
        if (a <= 0) continue;
        if (s[i].wide) {
            /* phases from the band's middle, so that bands of any order look alike */
            const float mid = 0.5f * (s[i].from + s[i].to);
            const float t = eff_cloth_texture(c->kit, c->design.fill, along, across - mid, c->fill_rate);
            a *= 0.5f + 0.5f * c->fill_depth * (2 * eff_synth_clamp(0.5f + 1.1f * t) - 1);
        }
        own = eff_rgb_mix(own, s[i].wide ? c->band : c->line, a);
        if (s[i].wide == metal_band) metal += a;
    }
    *colour = eff_rgb_mix(*colour, own, share);
    *sheen = *sheen * (1 - share) + metal * share;
    return share;
}
