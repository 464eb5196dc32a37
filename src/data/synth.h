/* SPDX-License-Identifier: Apache-2.0 */
/* The synthetic saree set from the inside: what a class is (synth_class.c), the figure of its motif (synth_motif.c),
 * the colour of the flat cloth at a point (synth_border.c, synth_cloth.c), how the cloth hangs and is photographed
 * (synth_scene.c), and the folder that is written (synth.c). A picture is a pure function of (seed, difficulty, size,
 * class, part, number).
 *
 * Cloth is measured in pictures: 1 is about the side of what a picture shows. u runs along the border, v from the
 * selvedge into the body; the pallu lies at u > 0. */
#ifndef EFF_DATA_SYNTH_H
#define EFF_DATA_SYNTH_H

#include "base/rng.h"

#include <effnet/synth.h>

#include <stdbool.h>

/* ---------------------------------------------------------------------------------------------- classes */

enum { EFF_SYNTH_FAMILIES = 6, EFF_SYNTH_STRUCTURES = 4, EFF_SYNTH_LAYOUTS = 3, EFF_SYNTH_TEXTURES = 3 };

/* What makes a class. The first six are coarse; fill, hatch and weave are the same three textures (along the border,
 * across it, oblique) at finer and finer scales: in the border's wide band, inside the motifs, in the weave of the
 * body. */
typedef struct eff_synth_design {
    int family;      /* of the motif                                                                 */
    int scale;       /* of the motifs: large ones are as much farther apart                          */
    int structure;   /* order of the wide band and the two narrow ones, from the selvedge inwards    */
    int arrangement; /* which of metal thread and contrast colour is where                           */
    int layout;      /* of the motifs on the body                                                    */
    int teeth;       /* form of the edge between border and body                                     */
    int fill, hatch, weave;
} eff_synth_design;

eff_synth_design eff_synth_design_of(int c);

/** Name of attribute `which`, 0..8 in the order of the struct, and of its value in `d`; NULL past the last. */
const char *eff_synth_attribute(const eff_synth_design *d, int which, const char **value);

/* -------------------------------------------------------------------------------------- what all pictures share */

enum { EFF_SYNTH_TILE = 64, EFF_SYNTH_SINES = 2048, EFF_SYNTH_THREADS = 1024 };

/* A motif's signed distance to its outline, positive inside, on a grid over [-1, 1]^2. */
typedef struct eff_synth_tile {
    float distance[EFF_SYNTH_TILE][EFF_SYNTH_TILE];
    float core; /* the distance within which half of its area lies */
    float grow; /* by this factor it covers as much cloth as any other                             */
} eff_synth_tile;
void eff_synth_tile_make(eff_synth_tile *t, int family);

typedef struct eff_synth_kit {
    eff_synth_tile tile[EFF_SYNTH_FAMILIES];
    float sine[EFF_SYNTH_SINES];     /* one turn                                           */
    float thread[EFF_SYNTH_THREADS]; /* brightness of neighbouring threads, about -1..1    */
} eff_synth_kit;
eff_status eff_synth_kit_create(eff_synth_kit **out, eff_error *err);

/** sin(2 pi turns), |turns| < 512: what is added keeps the sum positive and its last bit below a step of the table. */
static inline float eff_synth_sine(const eff_synth_kit *k, float turns)
{
    return k->sine[(unsigned)(int)((turns + 512.0f) * EFF_SYNTH_SINES) % EFF_SYNTH_SINES];
}

/* ------------------------------------------------------------------------------------------------ drawing */

/* Random numbers of one picture, one after the other. */
typedef struct eff_synth_draw {
    uint64_t seed, stream, at;
} eff_synth_draw;

static inline float eff_synth_uniform(eff_synth_draw *d, float lo, float hi)
{
    return lo + (hi - lo) * (float)eff_rng_uniform(d->seed, d->stream, d->at++);
}
static inline int eff_synth_pick(eff_synth_draw *d, int n)
{
    return (int)(eff_rng_bits(d->seed, d->stream, d->at++) % (unsigned)n);
}

typedef struct eff_rgb {
    float r, g, b; /* as stored (not linear light), 0..1 */
} eff_rgb;

static inline eff_rgb eff_rgb_mix(eff_rgb a, eff_rgb b, float t)
{
    return (eff_rgb){ a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t };
}
static inline eff_rgb eff_rgb_scale(eff_rgb a, float s) { return (eff_rgb){ a.r * s, a.g * s, a.b * s }; }
static inline float eff_synth_clamp(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

typedef struct eff_cloth_grid {
    float pitch_u, pitch_v, phase_u, phase_v, radius, dot;
} eff_cloth_grid;

/* One piece of cloth: a class in colours drawn for one picture. */
typedef struct eff_cloth {
    const eff_synth_kit *kit;
    eff_synth_design design;
    eff_rgb body, ground, contrast, metal;      /* of body, border and pallu; of figures                      */
    eff_rgb figure, core, band, line;           /* contrast and metal as the arrangement places them          */
    float fill_rate, hatch_rate, weave_rate;    /* periods in 1                                       */
    float fill_depth, hatch_depth, weave_depth; /* contrast, 0..1                                     */
    float thread_depth;
    float blur;                  /* width of the edges: a sample's, in cloth                   */
    eff_cloth_grid small, large; /* motifs of body and pallu                              */
    float lean;                  /* motifs look left or right: -1 or 1                         */
    int first_thread;
} eff_cloth;

void eff_cloth_draw(eff_cloth *c, const eff_synth_kit *kit, const eff_synth_design *d, double difficulty,
                    eff_synth_draw *draw);

/** Value of one of the three textures at (u, v), -1..1; mean zero. */
float eff_cloth_texture(const eff_synth_kit *k, int texture, float u, float v, float rate);

/** Colour of the flat cloth at (u, v), v >= 0. *sheen: how much of it is metal thread. */
eff_rgb eff_cloth_at(const eff_cloth *c, float u, float v, float *sheen);

/** The border's share: over what is there already, `across` from its outer edge, `along` it. @return how much of it is
 * border */
float eff_border_at(const eff_cloth *c, float along, float across, bool teeth, eff_rgb *colour, float *sheen);
extern const float eff_border_width;

/** Render picture `number` of a part of class `c` into rgb [size][size][3]. scratch: eff_scene_scratch(size) floats. */
void eff_scene_render(uint8_t *rgb, float *scratch, const eff_synth_kit *kit, const eff_synth_opts *o, int c,
                      eff_part part, uint32_t number);
size_t eff_scene_scratch(int size);

/** Write the set; o is checked. */
eff_status eff_synth_set_write(const char *dir, const eff_synth_opts *o, eff_synth_progress *progress, void *ctx,
                               eff_error *err);

#endif
