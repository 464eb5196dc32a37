/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of the motifs. Each is a closed outline of points in [-0.95, 0.95]^2; its tile holds the signed distance
 * to it, from which any size can be drawn with smooth edges. */
#include "data/synth.h"

#include "base/error.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

enum { POINTS = 96 };

typedef struct outline {
    float x[POINTS], y[POINTS];
} outline;

static const float turn = 6.28318530718f;
static const float coverage = 0.27f; /* of its square, by a motif at its nominal size: the same for all figures */

/* A drop whose tip curls over to one side. */
static void mango(outline *o, float t, int i)
{
    const float up = 0.5f + 0.5f * cosf(t),
                half = sinf(t / 2); /* t: once round, from the tip; up: 1 at the tip, 0 at the base */
    o->x[i] = 0.62f * sinf(t) * (0.25f + 0.75f * half) * (1 - 0.45f * up) + 0.75f * up * up * up - 0.12f;
    o->y[i] = 0.8f - 1.55f * up + 0.35f * up * up * up * up * up * up;
}

static void leaf(outline *o, float t, int i)
{
    const float s = sinf(t);
    o->x[i] = 0.52f * s * (0.35f + 0.65f * fabsf(s)) * (1 + 0.12f * cosf(7 * t));
    o->y[i] = 0.92f * cosf(t);
}

static void rosette(outline *o, float t, int i)
{
    const float r = 0.66f + 0.24f * cosf(8 * t);
    o->x[i] = r * sinf(t);
    o->y[i] = r * cosf(t);
}

static void lozenge(outline *o, float t, int i)
{
    const float c = cosf(t), s = sinf(t), r = 0.9f / (fabsf(c) + 1.25f * fabsf(s));
    const float step = 0.10f * cosf(12 * t); /* stepped sides, as woven ones are */
    o->x[i] = (r + step) * s;
    o->y[i] = (r + step) * c;
}

static void lotus(outline *o, float t, int i)
{
    const float up = 0.5f + 0.5f * cosf(t); /* petals above, a round base below */
    const float r = 0.55f + 0.36f * up * fabsf(cosf(2.5f * t)) - 0.12f * up;
    o->x[i] = 1.1f * r * sinf(t);
    o->y[i] = -r * cosf(t) + 0.12f;
}

static void star(outline *o, float t, int i)
{
    const float k = fabsf(fmodf(t / turn * 6, 1) - 0.5f) * 2, r = 0.38f + 0.54f * k * k;
    o->x[i] = r * sinf(t);
    o->y[i] = r * cosf(t);
}

static float distance_to(const outline *o, float x, float y)
{
    float best = 1e9f;
    bool inside = false;
    for (int i = 0, j = POINTS - 1; i < POINTS; j = i++) {
        const float ex = o->x[j] - o->x[i], ey = o->y[j] - o->y[i], px = x - o->x[i], py = y - o->y[i];
        const float len = ex * ex + ey * ey, at = len > 0 ? eff_synth_clamp((px * ex + py * ey) / len) : 0;
        const float dx = px - at * ex, dy = py - at * ey, d = dx * dx + dy * dy;
        if (d < best) best = d;
        if ((o->y[i] > y) != (o->y[j] > y) && px < ex * py / ey) inside = !inside;
    }
    return inside ? sqrtf(best) : -sqrtf(best);
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void eff_synth_tile_make(eff_synth_tile *t, int family)
{
    static void (*const figures[EFF_SYNTH_FAMILIES])(outline *, float, int) = { mango,   leaf,  rosette,
                                                                                lozenge, lotus, star };
    outline o;
    for (int i = 0; i < POINTS; i++) figures[family](&o, turn * (float)i / POINTS, i);
    for (int y = 0; y < EFF_SYNTH_TILE; y++)
        for (int x = 0; x < EFF_SYNTH_TILE; x++) {
            const float s = 2.0f / (EFF_SYNTH_TILE - 1);
            t->distance[y][x] = distance_to(&o, (float)x * s - 1, (float)y * s - 1);
        }
    float inside[EFF_SYNTH_TILE * EFF_SYNTH_TILE];
    size_t n = 0;
    for (int i = 0; i < EFF_SYNTH_TILE * EFF_SYNTH_TILE; i++) {
        const float d = t->distance[i / EFF_SYNTH_TILE][i % EFF_SYNTH_TILE];
        if (d > 0) inside[n++] = d;
    }
    qsort(inside, n, sizeof *inside, ascending);
    t->core = inside[n / 2];
    t->grow = sqrtf(coverage * EFF_SYNTH_TILE * EFF_SYNTH_TILE / (float)n);
}

eff_status eff_synth_kit_create(eff_synth_kit **out, eff_error *err)
{
    eff_synth_kit *const k = eff_malloc(sizeof *k);
    *out = k;
    if (!k) return eff_fail_memory(err, sizeof *k);
    for (int f = 0; f < EFF_SYNTH_FAMILIES; f++) eff_synth_tile_make(&k->tile[f], f);
    for (int i = 0; i < EFF_SYNTH_SINES; i++) k->sine[i] = sinf(turn * (float)i / EFF_SYNTH_SINES);
    for (int i = 0; i < EFF_SYNTH_THREADS;
         i++) /* fixed: the threads are the mill's, a picture takes a stretch of them */
        k->thread[i] = 0.6f * (float)eff_rng_normal(1, 1, (uint64_t)i);
    return EFF_OK;
}
