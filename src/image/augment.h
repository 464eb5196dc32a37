/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation of training images. What is drawn is a pure function of (seed, epoch, sample), so a batch does not
 * depend on the number of threads or on where a run was resumed. The operations are Pillow's on 8-bit RGB, the policies
 * timm's over the tables of Cubuk et al. (AutoAugment 2019, RandAugment 2020). */
#ifndef EFF_IMAGE_AUGMENT_H
#define EFF_IMAGE_AUGMENT_H

#include "base/error.h"

typedef enum eff_auto_policy {
    EFF_AUTO_NONE,
    EFF_AUTO_V0,       /* AutoAugment's ImageNet policy as the official EfficientNet code has it
                          (reference/autoaugment_v0.tsv) */
    EFF_AUTO_ORIGINAL, /* the table of the AutoAugment paper */
    EFF_AUTO_RAND,     /* RandAugment: `rand_n` operations of magnitude `rand_m` (0..10)     */
    EFF_AUTO_RAND_INC  /* the same where a higher magnitude always changes more  */
} eff_auto_policy;

/** How a training image is made. Plain data that starts as a preset; its text form is read and written like
 * eff_preprocess. */
typedef struct eff_augment {
    double scale_lo, scale_hi; /* random-resized crop: part of the area; 1,1 = none: resize and centre crop           */
    double ratio_lo, ratio_hi; /* its aspect ratio, in aspect ratios of what is made (3/4, 4/3) */
    int pad;             /* pixels: then padded by so many and cropped again, anywhere; 0 = none                  */
    double hflip, vflip; /* probabilities                                                                        */
    double brightness, contrast, saturation, hue; /* colour jitter: factors within 1 +- v; hue within +- v turns */
    double rotate; /* degrees: within +- v about the middle of the crop, before it; 0 = none               */
    eff_auto_policy policy;
    int rand_n;
    double rand_m;
    double erase;      /* probability of random erasing (Zhong et al. 2017), area 0.02..1/3, after normalising */
    eff_filter filter; /* of crop, rotation and the policy's operations (Lanczos: bicubic for these); Pillow's  */
} eff_augment;

/** A preset by name: "none", "light" (flip and a generous crop), "cloth" (texture-safe: docs/recipes.md), "standard",
 * "autoaugment" (the paper's), "randaugment", "small" (32-pixel images: padded crop and flip).
 * @return EFF_EARG naming the nearest preset */
eff_status eff_augment_preset(eff_augment *a, const char *name, eff_error *err);
/** Presets by number, NULL past the end; and one line on what each is for. */
const char *eff_augment_preset_name(int i, const char **about);

/** "PRESET" or "PRESET,key=value,..." or "key=value,..." over what *a holds. Keys are documented in docs/recipes.md.
 * @return EFF_EARG naming the key, with *a unchanged */
eff_status eff_augment_read(eff_augment *a, const char *spec, eff_error *err);
/** Write as keys that eff_augment_read() reads back to the same rule. @return bytes needed, as snprintf */
int eff_augment_write(const eff_augment *a, char *buf, size_t size);

/** Who asks: the same draw gives the same image. */
typedef struct eff_draw {
    uint64_t seed;
    uint32_t epoch, sample;
} eff_draw;

/** One training image.
 * @param x        float32 [height][width][3], normalised by mean and std (0..255 scale)
 * @param rgb      uint8 [src_h][src_w][3], borrowed
 * @return EFF_ENOMEM only */
eff_status eff_augment_apply(float *x, int height, int width, const eff_augment *a, const float mean[3],
                             const float std[3], const uint8_t *rgb, int src_w, int src_h, eff_draw draw,
                             eff_error *err);

#endif
