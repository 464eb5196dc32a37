/* SPDX-License-Identifier: Apache-2.0 */
/* AutoAugment and RandAugment as timm runs them: what a level means to each operation, the two tables of 25 pairs, and
 * the draws. A level is 0..10; an operation of a pair, or of RandAugment, is run with its probability and, where it has
 * a direction, a random sign. docs/recipes.md says where TensorFlow's code differs. */
#include "image/augment_ops.h"

#include <math.h>

/* --------------------------------------------------------------------------------------------- the levels */

#define TOP_LEVEL 10.0

typedef enum scale {
    S_NONE,      /* takes no argument                                         */
    S_SIGNED,    /* +- limit                                                  */
    S_PART,      /* 0 .. limit                                                */
    S_ENHANCE,   /* 0.1 .. 0.1 + limit: level 5 changes nothing               */
    S_AWAY,      /* 1 +- limit, at least 0.1: level 0 changes nothing         */
    S_STEPS,     /* whole numbers 0 .. limit                                  */
    S_STEPS_INC, /* limit .. 0                                                */
    S_STEPS_UP   /* limit .. 2 limit                                          */
} scale;

/* Cutout's 40 pixels belong to images of 224. */
static const struct {
    const char *name;
    scale scale;
    double limit;
} ops[EFF_AUG_COUNT] = {
    [EFF_AUG_AUTOCONTRAST] = { "AutoContrast", S_NONE, 0 },
    [EFF_AUG_EQUALIZE] = { "Equalize", S_NONE, 0 },
    [EFF_AUG_INVERT] = { "Invert", S_NONE, 0 },
    [EFF_AUG_ROTATE] = { "Rotate", S_SIGNED, 30 },
    [EFF_AUG_POSTERIZE] = { "Posterize", S_STEPS, 4 },
    [EFF_AUG_POSTERIZE_INCREASING] = { "PosterizeIncreasing", S_STEPS_INC, 4 },
    [EFF_AUG_POSTERIZE_ORIGINAL] = { "PosterizeOriginal", S_STEPS_UP, 4 },
    [EFF_AUG_SOLARIZE] = { "Solarize", S_STEPS, 256 },
    [EFF_AUG_SOLARIZE_INCREASING] = { "SolarizeIncreasing", S_STEPS_INC, 256 },
    [EFF_AUG_SOLARIZE_ADD] = { "SolarizeAdd", S_STEPS, 110 },
    [EFF_AUG_COLOR] = { "Color", S_ENHANCE, 1.8 },
    [EFF_AUG_COLOR_INCREASING] = { "ColorIncreasing", S_AWAY, 0.9 },
    [EFF_AUG_CONTRAST] = { "Contrast", S_ENHANCE, 1.8 },
    [EFF_AUG_CONTRAST_INCREASING] = { "ContrastIncreasing", S_AWAY, 0.9 },
    [EFF_AUG_BRIGHTNESS] = { "Brightness", S_ENHANCE, 1.8 },
    [EFF_AUG_BRIGHTNESS_INCREASING] = { "BrightnessIncreasing", S_AWAY, 0.9 },
    [EFF_AUG_SHARPNESS] = { "Sharpness", S_ENHANCE, 1.8 },
    [EFF_AUG_SHARPNESS_INCREASING] = { "SharpnessIncreasing", S_AWAY, 0.9 },
    [EFF_AUG_SHEAR_X] = { "ShearX", S_SIGNED, 0.3 },
    [EFF_AUG_SHEAR_Y] = { "ShearY", S_SIGNED, 0.3 },
    [EFF_AUG_TRANSLATE_X] = { "TranslateX", S_SIGNED, 250 },
    [EFF_AUG_TRANSLATE_Y] = { "TranslateY", S_SIGNED, 250 },
    [EFF_AUG_TRANSLATE_X_REL] = { "TranslateXRel", S_SIGNED, 0.45 },
    [EFF_AUG_TRANSLATE_Y_REL] = { "TranslateYRel", S_SIGNED, 0.45 },
    [EFF_AUG_CUTOUT] = { "Cutout", S_PART, 40.0 / 224.0 },
};

const char *eff_aug_op_name(eff_aug_op op) { return ops[op].name; }

double eff_aug_argument(eff_aug_op op, double level, bool negate)
{
    const double part = (level < 0.0 ? 0.0 : level > TOP_LEVEL ? TOP_LEVEL : level) / TOP_LEVEL, limit = ops[op].limit;
    const double sign = negate ? -1.0 : 1.0;
    switch (ops[op].scale) {
    case S_SIGNED: return sign * (part * limit);
    case S_PART: return part * limit;
    case S_ENHANCE: return part * limit + 0.1;
    case S_AWAY: return fmax(0.1, 1.0 + sign * (part * limit));
    case S_STEPS: return (int)(part * limit);
    case S_STEPS_INC: return limit - (int)(part * limit);
    case S_STEPS_UP: return limit + (int)(part * limit);
    default: return 0.0;
    }
}

void eff_aug_run(eff_canvas *c, eff_aug_op op, double v, const double at[2], const eff_sampler *s)
{
    switch (op) {
    case EFF_AUG_AUTOCONTRAST: eff_aug_autocontrast(c); break;
    case EFF_AUG_EQUALIZE: eff_aug_equalize(c); break;
    case EFF_AUG_INVERT: eff_aug_invert(c); break;
    case EFF_AUG_ROTATE: eff_aug_rotate(c, v, s); break;
    case EFF_AUG_POSTERIZE:
    case EFF_AUG_POSTERIZE_INCREASING:
    case EFF_AUG_POSTERIZE_ORIGINAL: eff_aug_posterize(c, (int)v); break;
    case EFF_AUG_SOLARIZE:
    case EFF_AUG_SOLARIZE_INCREASING: eff_aug_solarize(c, (int)v); break;
    case EFF_AUG_SOLARIZE_ADD: eff_aug_solarize_add(c, (int)v); break;
    case EFF_AUG_COLOR:
    case EFF_AUG_COLOR_INCREASING: eff_aug_color(c, v); break;
    case EFF_AUG_CONTRAST:
    case EFF_AUG_CONTRAST_INCREASING: eff_aug_contrast(c, v); break;
    case EFF_AUG_BRIGHTNESS:
    case EFF_AUG_BRIGHTNESS_INCREASING: eff_aug_brightness(c, v); break;
    case EFF_AUG_SHARPNESS:
    case EFF_AUG_SHARPNESS_INCREASING: eff_aug_sharpness(c, v); break;
    case EFF_AUG_SHEAR_X: eff_aug_shear_x(c, v, s); break;
    case EFF_AUG_SHEAR_Y: eff_aug_shear_y(c, v, s); break;
    case EFF_AUG_TRANSLATE_X: eff_aug_translate(c, v, 0.0, s); break;
    case EFF_AUG_TRANSLATE_Y: eff_aug_translate(c, 0.0, v, s); break;
    case EFF_AUG_TRANSLATE_X_REL: eff_aug_translate(c, v * c->width, 0.0, s); break;
    case EFF_AUG_TRANSLATE_Y_REL: eff_aug_translate(c, 0.0, v * c->height, s); break;
    case EFF_AUG_CUTOUT: {
        const int half = (int)(v * (c->width < c->height ? c->width : c->height));
        eff_aug_cutout(c, half, (int)(at[0] * c->width), (int)(at[1] * c->height), s->fill);
        break;
    }
    default: break;
    }
}

/* ------------------------------------------------------------------------------------------- the policies */

static const eff_policy_pair policy_v0[EFF_POLICY_PAIRS] = {
    { { EFF_AUG_EQUALIZE, 0.8, 1 }, { EFF_AUG_SHEAR_Y, 0.8, 4 } },
    { { EFF_AUG_COLOR, 0.4, 9 }, { EFF_AUG_EQUALIZE, 0.6, 3 } },
    { { EFF_AUG_COLOR, 0.4, 1 }, { EFF_AUG_ROTATE, 0.6, 8 } },
    { { EFF_AUG_SOLARIZE, 0.8, 3 }, { EFF_AUG_EQUALIZE, 0.4, 7 } },
    { { EFF_AUG_SOLARIZE, 0.4, 2 }, { EFF_AUG_SOLARIZE, 0.6, 2 } },
    { { EFF_AUG_COLOR, 0.2, 0 }, { EFF_AUG_EQUALIZE, 0.8, 8 } },
    { { EFF_AUG_EQUALIZE, 0.4, 8 }, { EFF_AUG_SOLARIZE_ADD, 0.8, 3 } },
    { { EFF_AUG_SHEAR_X, 0.2, 9 }, { EFF_AUG_ROTATE, 0.6, 8 } },
    { { EFF_AUG_COLOR, 0.6, 1 }, { EFF_AUG_EQUALIZE, 1, 2 } },
    { { EFF_AUG_INVERT, 0.4, 9 }, { EFF_AUG_ROTATE, 0.6, 0 } },
    { { EFF_AUG_EQUALIZE, 1, 9 }, { EFF_AUG_SHEAR_Y, 0.6, 3 } },
    { { EFF_AUG_COLOR, 0.4, 7 }, { EFF_AUG_EQUALIZE, 0.6, 0 } },
    { { EFF_AUG_POSTERIZE, 0.4, 6 }, { EFF_AUG_AUTOCONTRAST, 0.4, 7 } },
    { { EFF_AUG_SOLARIZE, 0.6, 8 }, { EFF_AUG_COLOR, 0.6, 9 } },
    { { EFF_AUG_SOLARIZE, 0.2, 4 }, { EFF_AUG_ROTATE, 0.8, 9 } },
    { { EFF_AUG_ROTATE, 1, 7 }, { EFF_AUG_TRANSLATE_Y_REL, 0.8, 9 } },
    { { EFF_AUG_SHEAR_X, 0, 0 }, { EFF_AUG_SOLARIZE, 0.8, 4 } },
    { { EFF_AUG_SHEAR_Y, 0.8, 0 }, { EFF_AUG_COLOR, 0.6, 4 } },
    { { EFF_AUG_COLOR, 1, 0 }, { EFF_AUG_ROTATE, 0.6, 2 } },
    { { EFF_AUG_EQUALIZE, 0.8, 4 }, { EFF_AUG_EQUALIZE, 0, 8 } },
    { { EFF_AUG_EQUALIZE, 1, 4 }, { EFF_AUG_AUTOCONTRAST, 0.6, 2 } },
    { { EFF_AUG_SHEAR_Y, 0.4, 7 }, { EFF_AUG_SOLARIZE_ADD, 0.6, 7 } },
    { { EFF_AUG_POSTERIZE, 0.8, 2 }, { EFF_AUG_SOLARIZE, 0.6, 10 } },
    { { EFF_AUG_SOLARIZE, 0.6, 8 }, { EFF_AUG_EQUALIZE, 0.6, 1 } },
    { { EFF_AUG_COLOR, 0.8, 6 }, { EFF_AUG_ROTATE, 0.4, 5 } },
};

static const eff_policy_pair policy_original[EFF_POLICY_PAIRS] = {
    { { EFF_AUG_POSTERIZE_ORIGINAL, 0.4, 8 }, { EFF_AUG_ROTATE, 0.6, 9 } },
    { { EFF_AUG_SOLARIZE, 0.6, 5 }, { EFF_AUG_AUTOCONTRAST, 0.6, 5 } },
    { { EFF_AUG_EQUALIZE, 0.8, 8 }, { EFF_AUG_EQUALIZE, 0.6, 3 } },
    { { EFF_AUG_POSTERIZE_ORIGINAL, 0.6, 7 }, { EFF_AUG_POSTERIZE_ORIGINAL, 0.6, 6 } },
    { { EFF_AUG_EQUALIZE, 0.4, 7 }, { EFF_AUG_SOLARIZE, 0.2, 4 } },
    { { EFF_AUG_EQUALIZE, 0.4, 4 }, { EFF_AUG_ROTATE, 0.8, 8 } },
    { { EFF_AUG_SOLARIZE, 0.6, 3 }, { EFF_AUG_EQUALIZE, 0.6, 7 } },
    { { EFF_AUG_POSTERIZE_ORIGINAL, 0.8, 5 }, { EFF_AUG_EQUALIZE, 1, 2 } },
    { { EFF_AUG_ROTATE, 0.2, 3 }, { EFF_AUG_SOLARIZE, 0.6, 8 } },
    { { EFF_AUG_EQUALIZE, 0.6, 8 }, { EFF_AUG_POSTERIZE_ORIGINAL, 0.4, 6 } },
    { { EFF_AUG_ROTATE, 0.8, 8 }, { EFF_AUG_COLOR, 0.4, 0 } },
    { { EFF_AUG_ROTATE, 0.4, 9 }, { EFF_AUG_EQUALIZE, 0.6, 2 } },
    { { EFF_AUG_EQUALIZE, 0, 7 }, { EFF_AUG_EQUALIZE, 0.8, 8 } },
    { { EFF_AUG_INVERT, 0.6, 4 }, { EFF_AUG_EQUALIZE, 1, 8 } },
    { { EFF_AUG_COLOR, 0.6, 4 }, { EFF_AUG_CONTRAST, 1, 8 } },
    { { EFF_AUG_ROTATE, 0.8, 8 }, { EFF_AUG_COLOR, 1, 2 } },
    { { EFF_AUG_COLOR, 0.8, 8 }, { EFF_AUG_SOLARIZE, 0.8, 7 } },
    { { EFF_AUG_SHARPNESS, 0.4, 7 }, { EFF_AUG_INVERT, 0.6, 8 } },
    { { EFF_AUG_SHEAR_X, 0.6, 5 }, { EFF_AUG_EQUALIZE, 1, 9 } },
    { { EFF_AUG_COLOR, 0.4, 0 }, { EFF_AUG_EQUALIZE, 0.6, 3 } },
    { { EFF_AUG_EQUALIZE, 0.4, 7 }, { EFF_AUG_SOLARIZE, 0.2, 4 } },
    { { EFF_AUG_SOLARIZE, 0.6, 5 }, { EFF_AUG_AUTOCONTRAST, 0.6, 5 } },
    { { EFF_AUG_INVERT, 0.6, 4 }, { EFF_AUG_EQUALIZE, 1, 8 } },
    { { EFF_AUG_COLOR, 0.6, 4 }, { EFF_AUG_CONTRAST, 1, 8 } },
    { { EFF_AUG_EQUALIZE, 0.8, 8 }, { EFF_AUG_EQUALIZE, 0.6, 3 } },
};

const eff_policy_pair *eff_policy_table(eff_auto_policy policy)
{
    return policy == EFF_AUTO_ORIGINAL ? policy_original : policy_v0;
}

/* The 16 of the official list; translations in parts of a side, as timm has them. */
static const eff_aug_op rand_ops[] = {
    EFF_AUG_AUTOCONTRAST,    EFF_AUG_EQUALIZE,        EFF_AUG_INVERT,  EFF_AUG_ROTATE,
    EFF_AUG_POSTERIZE,       EFF_AUG_SOLARIZE,        EFF_AUG_COLOR,   EFF_AUG_CONTRAST,
    EFF_AUG_BRIGHTNESS,      EFF_AUG_SHARPNESS,       EFF_AUG_SHEAR_X, EFF_AUG_SHEAR_Y,
    EFF_AUG_TRANSLATE_X_REL, EFF_AUG_TRANSLATE_Y_REL, EFF_AUG_CUTOUT,  EFF_AUG_SOLARIZE_ADD,
};

/* The same where a higher magnitude always changes more. */
static const eff_aug_op rand_ops_increasing[] = {
    EFF_AUG_AUTOCONTRAST,
    EFF_AUG_EQUALIZE,
    EFF_AUG_INVERT,
    EFF_AUG_ROTATE,
    EFF_AUG_POSTERIZE_INCREASING,
    EFF_AUG_SOLARIZE_INCREASING,
    EFF_AUG_COLOR_INCREASING,
    EFF_AUG_CONTRAST_INCREASING,
    EFF_AUG_BRIGHTNESS_INCREASING,
    EFF_AUG_SHARPNESS_INCREASING,
    EFF_AUG_SHEAR_X,
    EFF_AUG_SHEAR_Y,
    EFF_AUG_TRANSLATE_X_REL,
    EFF_AUG_TRANSLATE_Y_REL,
    EFF_AUG_CUTOUT,
    EFF_AUG_SOLARIZE_ADD,
};

const eff_aug_op *eff_rand_ops(eff_auto_policy policy, int *n)
{
    *n = (int)(sizeof rand_ops / sizeof *rand_ops);
    return policy == EFF_AUTO_RAND_INC ? rand_ops_increasing : rand_ops;
}

/* ---------------------------------------------------------------------------------------------- the draws */

enum { D_CHOICE, D_WHETHER, D_SIGN, D_X, D_Y, STEP_DRAWS = 8 };

static const double rand_probability = 0.5; /* timm's; the paper's code always applies what it chose */

static double draw_step(const eff_draw *d, int from, int step, int what)
{
    return eff_draw_uniform(d, from + step * STEP_DRAWS + what);
}

static void run_step(eff_canvas *c, const eff_draw *d, int from, int step, eff_aug_op op, double probability,
                     double level, const eff_sampler *s)
{
    if (draw_step(d, from, step, D_WHETHER) >= probability) return;
    const double at[2] = { draw_step(d, from, step, D_X), draw_step(d, from, step, D_Y) };
    eff_aug_run(c, op, eff_aug_argument(op, level, draw_step(d, from, step, D_SIGN) < 0.5), at, s);
}

void eff_policy_run(eff_canvas *c, const eff_augment *a, const eff_draw *d, int from, const eff_sampler *s)
{
    switch (a->policy) {
    case EFF_AUTO_V0:
    case EFF_AUTO_ORIGINAL: {
        const eff_policy_step *const pair =
            eff_policy_table(a->policy)[(int)(draw_step(d, from, 0, D_CHOICE) * EFF_POLICY_PAIRS)];
        for (int i = 0; i < 2; i++) run_step(c, d, from, i, pair[i].op, pair[i].probability, pair[i].level, s);
        break;
    }
    case EFF_AUTO_RAND:
    case EFF_AUTO_RAND_INC: {
        int n;
        const eff_aug_op *const choice = eff_rand_ops(a->policy, &n);
        for (int i = 0; i < a->rand_n; i++)
            run_step(c, d, from, i, choice[(int)(draw_step(d, from, i, D_CHOICE) * n)], rand_probability, a->rand_m, s);
        break;
    }
    default: break;
    }
}
