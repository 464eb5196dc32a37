/* SPDX-License-Identifier: Apache-2.0 */
/* The flat cloth: body with its weave and small motifs, the pallu with cross bands and large ones, the border along
 * both. Colours are drawn for each picture from one palette; what a class fixes is which parts share a colour, never
 * which colour. */
#include "data/synth.h"

#include <math.h>

static const eff_rgb dyes[] = {
    { 0.47f, 0.11f, 0.17f }, { 0.67f, 0.16f, 0.20f }, { 0.14f, 0.36f, 0.22f }, { 0.10f, 0.38f, 0.42f },
    { 0.18f, 0.19f, 0.45f }, { 0.40f, 0.17f, 0.42f }, { 0.31f, 0.34f, 0.42f }, { 0.80f, 0.43f, 0.18f },
    { 0.74f, 0.40f, 0.50f }, { 0.80f, 0.74f, 0.62f }, { 0.58f, 0.62f, 0.40f }, { 0.47f, 0.58f, 0.68f },
};
enum {
    DYES = sizeof dyes / sizeof *dyes,
    DARK = 7
}; /* the first DARK can be a contrast: metal is lighter than any of them */

static const eff_rgb metals[] = {
    { 0.84f, 0.70f, 0.36f },
    { 0.86f, 0.78f, 0.52f },
    { 0.80f, 0.80f, 0.78f },
    { 0.80f, 0.58f, 0.40f },
};
enum { METALS = sizeof metals / sizeof *metals };

/* ---------------------------------------------------------------------------------------------- colours */

static float distance(eff_rgb a, eff_rgb b)
{
    const float r = a.r - b.r, g = a.g - b.g, l = a.b - b.b;
    return sqrtf(r * r + g * g + l * l);
}

static eff_rgb vary(eff_rgb c, eff_synth_draw *draw)
{
    const float light = eff_synth_uniform(draw, 0.88f, 1.12f);
    c.r *= light * eff_synth_uniform(draw, 0.94f, 1.06f);
    c.g *= light * eff_synth_uniform(draw, 0.94f, 1.06f);
    c.b *= light * eff_synth_uniform(draw, 0.94f, 1.06f);
    return c;
}

/* Four colours that differ enough to be seen apart. The choice ends: after some tries the best so far is taken. */
static void draw_colours(eff_cloth *c, eff_synth_draw *draw)
{
    enum { TRIES = 24 };
    const float enough = 0.24f;
    float best = -1;
    for (int t = 0; t < TRIES && best < enough; t++) {
        const eff_rgb body = dyes[eff_synth_pick(draw, DYES)], ground = dyes[eff_synth_pick(draw, DYES)],
                      contrast = dyes[eff_synth_pick(draw, DARK)], metal = metals[eff_synth_pick(draw, METALS)];
        const eff_rgb pair[][2] = {
            { body, ground }, { body, contrast }, { ground, contrast }, { body, metal }, { ground, metal }
        };
        float least = 9;
        for (int i = 0; i < 5; i++) {
            const float d = distance(pair[i][0], pair[i][1]);
            if (d < least) least = d;
        }
        if (least <= best) continue;
        best = least;
        c->body = body, c->ground = ground, c->contrast = contrast, c->metal = metal;
    }
    c->body = vary(c->body, draw);
    c->ground = vary(c->ground, draw);
    c->contrast = vary(c->contrast, draw);
    c->metal = vary(c->metal, draw);
    const bool swapped = c->design.arrangement == 1;
    c->line = c->figure = swapped ? c->metal : c->contrast;
    c->band = c->core = swapped ? c->contrast : c->metal;
}

/* A value that goes from `easy` at difficulty 0 over `middle` to `hard` at 1. */
static float graded(double difficulty, float easy, float middle, float hard)
{
    const float d = (float)difficulty;
    return d < 0.5f ? easy + (middle - easy) * 2 * d : middle + (hard - middle) * (2 * d - 1);
}

/* Pitch and radius grow together: motifs cover the same part of the cloth at any scale. */
static eff_cloth_grid draw_grid(float scale, float grow, eff_synth_draw *draw)
{
    eff_cloth_grid g = {
        .pitch_u = 0.22f * scale, .pitch_v = 0.19f * scale, .radius = 0.074f * grow * scale, .dot = 0.011f * scale
    };
    g.phase_u = eff_synth_uniform(draw, 0, 1);
    g.phase_v = eff_synth_uniform(draw, 0, 1);
    return g;
}

void eff_cloth_draw(eff_cloth *c, const eff_synth_kit *kit, const eff_synth_design *d, double difficulty,
                    eff_synth_draw *draw)
{
    *c = (eff_cloth){ .kit = kit, .design = *d };
    draw_colours(c, draw);
    /* Periods in a picture. A picture reduced to n pixels shows up to n / 2 of them: at the middle difficulty the
     * border's texture is out of sight at 64 pixels, the motifs' at 96, the weave at 128; all are in sight at 192. */
    c->fill_rate = graded(difficulty, 30, 41, 50);
    c->hatch_rate = graded(difficulty, 44, 66, 74);
    c->weave_rate = graded(difficulty, 62, 92, 100);
    c->fill_depth = graded(difficulty, 1, 1, 0.5f);
    c->hatch_depth = graded(difficulty, 0.55f, 0.45f, 0.2f);
    c->weave_depth = graded(difficulty, 0.30f, 0.24f, 0.12f);
    c->thread_depth = graded(difficulty, 0.03f, 0.05f, 0.08f);
    const float grow = kit->tile[d->family].grow;
    c->small = draw_grid(d->scale ? 1.5f : 1, grow, draw);
    c->large = draw_grid(d->scale ? 2 : 1.35f, grow, draw);
    c->lean = eff_synth_pick(draw, 2) ? 1 : -1;
    c->first_thread = eff_synth_pick(draw, EFF_SYNTH_THREADS);
}

/* -------------------------------------------------------------------------------------------- the weave */

float eff_cloth_texture(const eff_synth_kit *k, int texture, float u, float v, float rate)
{
    const float half_root = 0.70710678f;
    const float x = texture == 0 ? v : texture == 1 ? u : (u + v) * half_root;
    return eff_synth_sine(k, x * rate);
}

/* Neighbouring threads of hand-woven cloth differ in thickness and so in brightness. */
static float threads(const eff_cloth *c, float u, float v)
{
    const float per_unit = 120;
    float sum = 0;
    for (int k = 0; k < 2; k++) {
        const float x = (k ? v : u) * per_unit + 4096;
        const int i = (int)x;
        const float f = x - (float)i;
        const float *const t = c->kit->thread;
        const int at = i + c->first_thread + k * 357;
        sum += t[at % EFF_SYNTH_THREADS] * (1 - f) + t[(at + 1) % EFF_SYNTH_THREADS] * f;
    }
    return sum;
}

/* ------------------------------------------------------------------------------------------- the motifs */

static float tile_at(const eff_synth_tile *t, float x, float y)
{
    const float s = 0.5f * (EFF_SYNTH_TILE - 1), fx = (x + 1) * s, fy = (y + 1) * s;
    const int ix = (int)fx < EFF_SYNTH_TILE - 2 ? (int)fx : EFF_SYNTH_TILE - 2;
    const int iy = (int)fy < EFF_SYNTH_TILE - 2 ? (int)fy : EFF_SYNTH_TILE - 2;
    const float ax = fx - (float)ix, ay = fy - (float)iy;
    const float a = t->distance[iy][ix] * (1 - ax) + t->distance[iy][ix + 1] * ax;
    const float b = t->distance[iy + 1][ix] * (1 - ax) + t->distance[iy + 1][ix + 1] * ax;
    return a * (1 - ay) + b * ay;
}

static float floor_of(float x)
{
    const int i = (int)x;
    return (float)(x < (float)i ? i - 1 : i);
}

/* The motif whose middle is at (0, 0). @return how much of it is at (u, v) */
static float motif_at(const eff_cloth *c, const eff_cloth_grid *g, float u, float v, eff_rgb *colour, float *sheen)
{
    const float px = u / g->radius * c->lean, py = v / g->radius;
    if (px <= -1 || px >= 1 || py <= -1 || py >= 1) return 0;
    const eff_synth_tile *const t = &c->kit->tile[c->design.family];
    const float d = tile_at(t, px, py), edge = c->blur / g->radius;
    const float in = eff_synth_clamp(d / edge + 0.5f);
    if (in <= 0) return 0;
    const float core = eff_synth_clamp((d - t->core) / edge + 0.5f);
    const float hatch = c->hatch_depth * eff_cloth_texture(c->kit, c->design.hatch, u, v, c->hatch_rate);
    *colour = eff_rgb_mix(*colour, eff_rgb_scale(eff_rgb_mix(c->figure, c->core, core), 1 + hatch), in);
    *sheen = in * (c->design.arrangement == 0 ? core : 1 - core);
    return in;
}

/* Motifs on a grid whose columns are shifted against each other by the class's layout, and dots halfway between. */
static void motifs(const eff_cloth *c, const eff_cloth_grid *g, float u, float v, eff_rgb *colour, float *sheen)
{
    static const float shift[EFF_SYNTH_LAYOUTS] = { 0.5f, 0, 1.0f / 3 };
    const float x = u / g->pitch_u + g->phase_u, column = floor_of(x);
    const float y = v / g->pitch_v + g->phase_v + shift[c->design.layout] * column, row = floor_of(y);
    const float lu = (x - column - 0.5f) * g->pitch_u, lv = (y - row - 0.5f) * g->pitch_v;
    if (motif_at(c, g, lu, lv, colour, sheen) > 0) return;
    const float dv = lv < 0 ? lv + 0.5f * g->pitch_v : lv - 0.5f * g->pitch_v; /* within the column, which is not cut */
    const float in = eff_synth_clamp((g->dot - sqrtf(lu * lu + dv * dv)) / c->blur + 0.5f);
    if (in <= 0) return;
    *colour = eff_rgb_mix(*colour, c->metal, in);
    *sheen = in;
}

/* ------------------------------------------------------------------------------------------ all of it */

eff_rgb eff_cloth_at(const eff_cloth *c, float u, float v, float *sheen)
{
    const bool pallu = u > 0;
    *sheen = 0;
    eff_rgb colour = pallu ? c->ground : c->body;
    const bool in_border = v < eff_border_width;
    const float pallu_bands = eff_border_width;
    if (!in_border || v > 0.17f) { /* the rest is hidden by the border */
        colour =
            eff_rgb_scale(colour, 1 + c->weave_depth * eff_cloth_texture(c->kit, c->design.weave, u, v, c->weave_rate));
        if (!pallu) {
            motifs(c, &c->small, u, v, &colour, sheen);
        } else if (u < pallu_bands) {
            eff_border_at(c, v, u, false, &colour, sheen);
        } else {
            motifs(c, &c->large, u, v, &colour, sheen);
        }
    }
    if (in_border) eff_border_at(c, u, v, true, &colour, sheen);
    return eff_rgb_scale(colour, 1 + c->thread_depth * threads(c, u, v));
}
