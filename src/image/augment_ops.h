/* SPDX-License-Identifier: Apache-2.0 */
/* What augmentation is made of: Pillow's operations on 8-bit RGB, to the bit (augment_colour.c, augment_geometry.c),
 * the levels and policies of AutoAugment and RandAugment as timm has them (augment_policy.c), and what
 * eff_augment_apply() draws (augment.c). Nothing here allocates or fails: a canvas brings the second buffer that an
 * operation may need. */
#ifndef EFF_IMAGE_AUGMENT_OPS_H
#define EFF_IMAGE_AUGMENT_OPS_H

#include "image/augment.h"
#include "image/resize.h"

#include <stdbool.h>

/* --------------------------------------------------------------------------------------------- the canvas */

enum { EFF_CANVAS_SLACK = 4 }; /* bytes after a buffer's last pixel: pixels are read four bytes at a time */

/** The inner loops, one table a CPU level; all give the same bits. */
typedef struct eff_augment_kernels {
    /** Pixels x0..x0 + n - 1 of the row at py of an affine view; all of them lie in src. */
    void (*bilinear)(uint8_t *dst, int x0, int n, double py, const uint8_t *src, int w, int h, const double a[6]);
    void (*bicubic)(uint8_t *dst, int x0, int n, double py, const uint8_t *src, int w, int h, const double a[6]);
    /** n pixels at (x, y), (x + dx, y + dy), ... in 1/65536 pixel, by the weights of their 1/256 parts; edges are
     * repeated */
    void (*turned)(uint8_t *dst, int n, const int64_t at[2], const int64_t step[2], const int16_t weight[256][4],
                   const uint8_t *src, int w, int h);
    /** v = plain + factor * (v - plain), clamped and truncated; n bytes */
    void (*blend)(uint8_t *v, const uint8_t *plain, size_t n, float factor);
    /** Pillow's grey of each pixel */
    void (*grey)(uint8_t *grey, const uint8_t *rgb, size_t pixels);
} eff_augment_kernels;

extern const eff_augment_kernels eff_augment_kernels_plain;
void eff_turned_plain(uint8_t *dst, int n, const int64_t at[2], const int64_t step[2], const int16_t weight[256][4],
                      const uint8_t *src, int w, int h);
void eff_blend_plain(uint8_t *v, const uint8_t *plain, size_t n, float factor);
void eff_grey_plain(uint8_t *grey, const uint8_t *rgb, size_t pixels);
#if defined(__x86_64__)
extern const eff_augment_kernels eff_augment_kernels_avx2;
#endif
/** The table for these EFF_CPU_* features. */
const eff_augment_kernels *eff_augment_kernels_for(unsigned cpu);

/** A picture that operations change. */
typedef struct eff_canvas {
    uint8_t *rgb;   /* [height][width][3] and EFF_CANVAS_SLACK bytes                      */
    uint8_t *spare; /* as large; some operations write there and exchange the two         */
    int width, height;
    const eff_augment_kernels *k;
} eff_canvas;

/* ------------------------------------------------------------------------- colour: tables and blends */

void eff_aug_autocontrast(eff_canvas *c);
void eff_aug_equalize(eff_canvas *c);
void eff_aug_invert(eff_canvas *c);
void eff_aug_posterize(eff_canvas *c, int bits);       /* bits kept; 0 gives black, 8 changes nothing */
void eff_aug_solarize(eff_canvas *c, int threshold);   /* from it on 255 - v                          */
void eff_aug_solarize_add(eff_canvas *c, int add);     /* below 128 v + add                           */
void eff_aug_color(eff_canvas *c, double factor);      /* 0 grey, 1 nothing, more: stronger           */
void eff_aug_contrast(eff_canvas *c, double factor);   /* 0 the mean grey                             */
void eff_aug_brightness(eff_canvas *c, double factor); /* 0 black                                    */
void eff_aug_sharpness(eff_canvas *c, double factor);  /* 0 smoothed by 3x3; the frame stays          */
void eff_aug_hue(eff_canvas *c, double turns);         /* -0.5..0.5, through Pillow's 8-bit HSV       */

/* ------------------------------------------------------------------------------------------- geometry */

typedef enum eff_sampling { EFF_SAMPLE_NEAREST, EFF_SAMPLE_BILINEAR, EFF_SAMPLE_BICUBIC } eff_sampling;

/** How pixels between pixels, and those from outside, are made. */
typedef struct eff_sampler {
    eff_sampling sampling;
    uint8_t fill[3];
} eff_sampler;

/** dst pixel (x, y) is what src shows at (a[0] x + a[1] y + a[2], a[3] x + a[4] y + a[5]), pixel centres at one half:
 * Pillow's transform(AFFINE). src has EFF_CANVAS_SLACK bytes after it. */
void eff_affine(uint8_t *dst, int dst_w, int dst_h, const uint8_t *src, int src_w, int src_h, const double a[6],
                const eff_sampler *s, const eff_augment_kernels *k);

/** The same in integers, four times as fast, for what need not have Pillow's bits; the cubic is the resize's (a =
 * -0.5). Any sampling but nearest. */
void eff_turn(uint8_t *dst, int dst_w, int dst_h, const uint8_t *src, int src_w, int src_h, const double a[6],
              const eff_sampler *s, const eff_augment_kernels *k);

void eff_aug_rotate(eff_canvas *c, double degrees, const eff_sampler *s); /* counter-clockwise             */
void eff_aug_shear_x(eff_canvas *c, double v, const eff_sampler *s);
void eff_aug_shear_y(eff_canvas *c, double v, const eff_sampler *s);
void eff_aug_translate(eff_canvas *c, double dx, double dy, const eff_sampler *s); /* shows what is at x + dx, y + dy */
void eff_aug_cutout(eff_canvas *c, int half, int cx, int cy, const uint8_t fill[3]); /* a square of 2 half, clipped */
void eff_aug_flip(eff_canvas *c, bool horizontally, bool vertically);

/* ----------------------------------------------------------------------------------- levels and policies */

typedef enum eff_aug_op {
    EFF_AUG_AUTOCONTRAST,
    EFF_AUG_EQUALIZE,
    EFF_AUG_INVERT,
    EFF_AUG_ROTATE,
    EFF_AUG_POSTERIZE,
    EFF_AUG_POSTERIZE_INCREASING,
    EFF_AUG_POSTERIZE_ORIGINAL,
    EFF_AUG_SOLARIZE,
    EFF_AUG_SOLARIZE_INCREASING,
    EFF_AUG_SOLARIZE_ADD,
    EFF_AUG_COLOR,
    EFF_AUG_COLOR_INCREASING,
    EFF_AUG_CONTRAST,
    EFF_AUG_CONTRAST_INCREASING,
    EFF_AUG_BRIGHTNESS,
    EFF_AUG_BRIGHTNESS_INCREASING,
    EFF_AUG_SHARPNESS,
    EFF_AUG_SHARPNESS_INCREASING,
    EFF_AUG_SHEAR_X,
    EFF_AUG_SHEAR_Y,
    EFF_AUG_TRANSLATE_X, /* pixels             */
    EFF_AUG_TRANSLATE_Y,
    EFF_AUG_TRANSLATE_X_REL, /* parts of a side */
    EFF_AUG_TRANSLATE_Y_REL,
    EFF_AUG_CUTOUT, /* half the square, in parts of the shorter side */
    EFF_AUG_COUNT
} eff_aug_op;

/** timm's name. */
const char *eff_aug_op_name(eff_aug_op op);

/** Level 0..10 to what the operation takes; `negate` counts where timm draws a sign. */
double eff_aug_argument(eff_aug_op op, double level, bool negate);

/** One operation; at[] in [0, 1): where cutout's centre lies. */
void eff_aug_run(eff_canvas *c, eff_aug_op op, double argument, const double at[2], const eff_sampler *s);

/** One step of a sub-policy. */
typedef struct eff_policy_step {
    eff_aug_op op;
    double probability;
    int level;
} eff_policy_step;
enum { EFF_POLICY_PAIRS = 25 };

/** The table of EFF_AUTO_V0 or EFF_AUTO_ORIGINAL. */
typedef eff_policy_step eff_policy_pair[2];
const eff_policy_pair *eff_policy_table(eff_auto_policy policy);

/** The operations RandAugment chooses from, *n of them; EFF_AUTO_RAND or EFF_AUTO_RAND_INC. */
const eff_aug_op *eff_rand_ops(eff_auto_policy policy, int *n);

/** Draw and run the policy of `a`: its numbers come from counters from..from + EFF_POLICY_DRAWS - 1. */
enum { EFF_POLICY_DRAWS = 128 };
void eff_policy_run(eff_canvas *c, const eff_augment *a, const eff_draw *draw, int from, const eff_sampler *s);

/* ------------------------------------------------------------------------------------------- the draws */

/** Number `counter` of an image, uniform in [0, 1). */
double eff_draw_uniform(const eff_draw *d, int counter);

/** The part of src_w x src_h that becomes an image of `aspect` = width / height. */
eff_box eff_augment_crop(const eff_augment *a, int src_w, int src_h, double aspect, const eff_draw *draw);

/** The rectangle that is erased; w = 0 when none is. */
eff_box eff_augment_erased(const eff_augment *a, int width, int height, const eff_draw *draw);

#endif
