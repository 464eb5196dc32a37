/* SPDX-License-Identifier: Apache-2.0 */
/* From cloth to photograph: how it hangs, where the camera stands, the light, the lens and the sensor. Nothing here
 * depends on the class but through the stream of random numbers. Shading and averages are taken of stored values, not
 * of linear light, so that a texture with mean zero keeps the colour of its ground at any size. */
#include "data/synth.h"

#include <math.h>

enum {
    FOLDS = 512, /* steps of the profile of the folds                                             */
    SAMPLES = 256
}; /* a side at least: the finest texture has 116 periods, of which none may be folded back */

static const float profile_length = 4; /* in cloth */

typedef struct scene {
    eff_cloth cloth;
    int size, sub; /* pixels a side; samples a pixel and direction */
    float zoom, sin_tilt, cos_tilt, flip_x, flip_y, edge,
        pallu;                                /* camera: edge, pallu: where v and u are 0 in the picture */
    float lean_x, lean_y;                     /* perspective                                             */
    float fold_x, fold_y, fold_at;            /* direction and phase of the folds                        */
    float shift[FOLDS + 1], slope[FOLDS + 1]; /* their profile: displacement, and light from -1 to 1     */
    float shade;
    float light_x, light_y, gain[3], lift;
    eff_rgb table;
    float soft, noise, chroma;
} scene;

/* ---------------------------------------------------------------------------------------------- drawing lots */

static void draw_folds(scene *s, float strength, eff_synth_draw *draw)
{
    enum { WAVES = 4 };
    float rate[WAVES], size[WAVES], phase[WAVES];
    const float turn = 6.28318530718f;
    for (int k = 0; k < WAVES; k++) {
        rate[k] = eff_synth_uniform(draw, 0.6f, 1.1f) * (float)(k + 1);
        size[k] = eff_synth_uniform(draw, 0.3f, 1.0f) / (float)(k + 1);
        phase[k] = eff_synth_uniform(draw, 0, 1);
    }
    const float angle = eff_synth_uniform(draw, -0.5f, 0.5f) + (eff_synth_pick(draw, 3) ? 0 : 1.2f);
    s->fold_x = cosf(angle);
    s->fold_y = sinf(angle);
    s->fold_at = eff_synth_uniform(draw, 1.2f, 2.8f);
    const float move = 0.016f * strength;
    for (int i = 0; i <= FOLDS; i++) {
        const float w = profile_length * (float)i / FOLDS;
        float height = 0, slope = 0;
        for (int k = 0; k < WAVES; k++) {
            const float t = turn * (w * rate[k] + phase[k]);
            height += size[k] * sinf(t);
            slope += size[k] * cosf(t) * rate[k] * 0.8f;
        }
        s->shift[i] = move * height;
        s->slope[i] = slope / (1 + fabsf(slope)); /* creases stay soft */
    }
    s->shade = eff_synth_uniform(draw, 0.18f, 0.36f) * strength;
}

static void draw_camera(scene *s, float strength, eff_synth_draw *draw)
{
    const float tilt = 0.16f * strength * eff_synth_uniform(draw, -1, 1);
    s->zoom = expf(0.10f * strength * eff_synth_uniform(draw, -1, 1));
    s->sin_tilt = sinf(tilt);
    s->cos_tilt = cosf(tilt);
    s->flip_x = eff_synth_pick(draw, 2) ? 1 : -1;
    s->flip_y = eff_synth_pick(draw, 2) ? 1 : -1;
    s->edge = eff_synth_uniform(draw, 0.34f, 0.53f);
    s->pallu = eff_synth_uniform(draw, 0.12f, 0.55f);
    s->lean_x = 0.10f * strength * eff_synth_uniform(draw, -1, 1);
    s->lean_y = 0.10f * strength * eff_synth_uniform(draw, -1, 1);
}

static void draw_light(scene *s, float strength, eff_synth_draw *draw)
{
    s->light_x = 0.28f * strength * eff_synth_uniform(draw, -1, 1);
    s->light_y = 0.28f * strength * eff_synth_uniform(draw, -1, 1);
    const float exposure = 1 + 0.12f * strength * eff_synth_uniform(draw, -1, 1);
    const float warm = 0.08f * strength * eff_synth_uniform(draw, -1, 1),
                tint = 0.03f * strength * eff_synth_uniform(draw, -1, 1);
    s->gain[0] = exposure * (1 + warm);
    s->gain[1] = exposure * (1 + tint);
    s->gain[2] = exposure * (1 - warm);
    s->lift = 0.02f * strength * eff_synth_uniform(draw, 0, 1);
    const float gray = eff_synth_uniform(draw, 0.25f, 0.75f);
    s->table =
        (eff_rgb){ gray * eff_synth_uniform(draw, 0.95f, 1.15f), gray, gray * eff_synth_uniform(draw, 0.75f, 1.05f) };
    s->soft = 0.22f * strength * eff_synth_uniform(draw, 0, 1);
    s->noise = 0.016f * strength * eff_synth_uniform(draw, 0.3f, 1);
    s->chroma = 0.5f * s->noise;
}

static void scene_draw(scene *s, const eff_synth_kit *kit, const eff_synth_opts *o, int c, eff_part part,
                       uint32_t number)
{
    eff_synth_draw draw = { o->seed, ((uint64_t)c * 4 + (uint64_t)part) << 32 | number, 0 };
    const float strength = 0.5f + (float)o->difficulty;
    const eff_synth_design d = eff_synth_design_of(c);
    eff_cloth_draw(&s->cloth, kit, &d, o->difficulty, &draw);
    s->size = o->size;
    s->sub = o->size >= SAMPLES / 2 ? 2 : (SAMPLES + o->size - 1) / o->size;
    draw_camera(s, strength, &draw);
    draw_folds(s, strength, &draw);
    draw_light(s, strength, &draw);
    s->cloth.blur = s->zoom / (float)(s->size * s->sub) * 1.5f;
}

/* --------------------------------------------------------------------------------------------- one sample */

static eff_rgb sample(const scene *s, float x, float y)
{
    const float w = 1 / (1 + s->lean_x * x + s->lean_y * y);
    const float rx = (x * s->cos_tilt - y * s->sin_tilt) * w * s->zoom,
                ry = (x * s->sin_tilt + y * s->cos_tilt) * w * s->zoom;
    float u = rx * s->flip_x - s->pallu, v = s->edge - ry * s->flip_y;
    const float at = (rx * s->fold_x + ry * s->fold_y + s->fold_at) * (FOLDS / profile_length);
    const int i = at < 0 ? 0 : at >= FOLDS ? FOLDS - 1 : (int)at;
    const float f = at - (float)i, slope = s->slope[i] + (s->slope[i + 1] - s->slope[i]) * f;
    const float shift = s->shift[i] + (s->shift[i + 1] - s->shift[i]) * f;
    u += shift * s->fold_x;
    v += shift * s->fold_y + 0.6f * shift; /* the selvedge waves with the folds */
    const float light = 1 + s->light_x * x + s->light_y * y;
    if (v < 0) { /* beside the cloth, in its shadow near the edge */
        const float near = eff_synth_clamp(1 + v * 22);
        const eff_rgb below = eff_rgb_scale(s->table, light * (1 - 0.55f * near * near));
        if (v < -s->cloth.blur) return below;
        float sheen;
        return eff_rgb_mix(eff_rgb_scale(eff_cloth_at(&s->cloth, u, 0, &sheen), light), below, -v / s->cloth.blur);
    }
    float sheen;
    const eff_rgb c = eff_cloth_at(&s->cloth, u, v, &sheen);
    const float shine = 1 + 0.9f * s->shade * sheen * slope; /* metal answers to the slope more than cotton */
    return eff_rgb_scale(c, light * (1 + s->shade * slope) * shine);
}

/* ------------------------------------------------------------------------------------- lens and sensor */

size_t eff_scene_scratch(int size) { return (size_t)size * (size_t)size * 3; }

/* A small blur, [a, 1 - 2a, a] in both directions; rows in place by keeping the one above. */
static void soften(float *p, int size, float a)
{
    const size_t row = (size_t)size * 3;
    for (int y = 0; y < size; y++) {
        float *const r = p + (size_t)y * row;
        for (int ch = 0; ch < 3; ch++) {
            float before = r[ch];
            for (int x = 0; x < size; x++) {
                const float here = r[x * 3 + ch], after = r[(x + 1 < size ? x + 1 : x) * 3 + ch];
                r[x * 3 + ch] = (1 - 2 * a) * here + a * (before + after);
                before = here;
            }
        }
    }
    for (size_t x = 0; x < row; x++) {
        float before = p[x];
        for (int y = 0; y < size; y++) {
            float *const q = p + (size_t)y * row + x;
            const float here = *q, after = y + 1 < size ? q[row] : here;
            *q = (1 - 2 * a) * here + a * (before + after);
            before = here;
        }
    }
}

static uint8_t stored(float x) { return (uint8_t)(255 * eff_synth_clamp(x) + 0.5f); }

/* Four sums of 16-bit pieces of random bits: noise of the light and of each colour, about normal. */
static void develop(const scene *s, uint8_t *rgb, const float *p, uint64_t seed, uint64_t stream)
{
    const size_t n = (size_t)s->size * (size_t)s->size;
    for (size_t i = 0; i < n; i++) {
        const uint64_t bits = eff_rng_bits(seed, stream, i);
        float piece[8];
        for (int k = 0; k < 8; k++) piece[k] = (float)(bits >> (8 * k) & 255) * (1.0f / 128) - 1;
        const float luma = (piece[0] + piece[1]) * s->noise;
        for (int ch = 0; ch < 3; ch++) {
            const float colour = (piece[2 + 2 * ch] + piece[3 + 2 * ch]) * s->chroma;
            rgb[i * 3 + (size_t)ch] =
                stored(p[i * 3 + (size_t)ch] * s->gain[ch] * (1 - s->lift) + s->lift + luma + colour);
        }
    }
}

void eff_scene_render(uint8_t *rgb, float *scratch, const eff_synth_kit *kit, const eff_synth_opts *o, int c,
                      eff_part part, uint32_t number)
{
    scene s;
    scene_draw(&s, kit, o, c, part, number);
    const float step = 1 / (float)s.size, part_of = 1 / (float)s.sub;
    float *p = scratch;
    for (int y = 0; y < s.size; y++)
        for (int x = 0; x < s.size; x++, p += 3) {
            p[0] = p[1] = p[2] = 0;
            for (int k = 0; k < s.sub * s.sub; k++) {
                const int column = k % s.sub, row = k / s.sub;
                const float sx = ((float)x + ((float)column + 0.5f) * part_of) * step - 0.5f;
                const float sy = ((float)y + ((float)row + 0.5f) * part_of) * step - 0.5f;
                const eff_rgb q = sample(&s, sx, sy);
                p[0] += q.r, p[1] += q.g, p[2] += q.b;
            }
            for (int ch = 0; ch < 3; ch++) p[ch] *= part_of * part_of;
        }
    soften(scratch, s.size, s.soft);
    const uint64_t stream = ((uint64_t)c * 4 + (uint64_t)part) << 32 | number;
    develop(&s, rgb, scratch, o->seed, stream ^ (uint64_t)1 << 63);
}
