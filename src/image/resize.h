/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing. Pillow's filters on 8-bit images, equal to Pillow to the bit; TensorFlow's in float. Both resize the part
 * `from` of an RGB image [src_h][src_w][3] to out_w x out_h, seeing nothing outside `from`, and give the part `crop` of
 * the result: only the rows and columns that the crop needs are computed, so out_w x out_h may be far larger than
 * memory. `dst` is written only on EFF_OK. */
#ifndef EFF_IMAGE_RESIZE_H
#define EFF_IMAGE_RESIZE_H

#include "base/error.h"

typedef struct eff_box {
    int x, y, w, h;
} eff_box; /* pixels */

/** Pillow's crop(from).resize((out_w, out_h), filter).crop(crop). dst: [crop.h][crop.w][3]. Filter: one of the first
 * three. The environment's cap on the CPU level is honoured; every level gives the same bits. */
eff_status eff_resize_pillow(uint8_t *dst, eff_box crop, const uint8_t *src, int src_w, int src_h, eff_box from,
                             int out_w, int out_h, eff_filter filter, eff_error *err);

/** tf.image.resize, unrounded, on the 0..255 scale. dst: [crop.h][crop.w][3]. Filter: one of the EFF_FILTER_TF*. */
eff_status eff_resize_tf(float *dst, eff_box crop, const uint8_t *src, int src_w, int src_h, eff_box from, int out_w,
                         int out_h, eff_filter filter, eff_error *err);

/** The row kernels of eff_resize_pillow(). Coefficients have 22 fractional bits; a sum is rounded by half and clamped.
 */
typedef struct eff_pillow_kernels {
    /** Two rows across: pixel i of dst[j] = sum over t of coef[i * taps + t] * pixel (first[i] + t) of src[j]. `taps`
     * is a multiple of 4 (unused ones are zero), and src[j] is readable to byte 3 * (first[i] + taps) + 4 for every i.
     */
    void (*across)(uint8_t *const dst[2], const uint8_t *const src[2], const int32_t *coef, const int32_t *first,
                   int taps, int n);
    /** Down: dst[i] = sum over t of coef[t] * rows[t][i], i < n bytes. */
    void (*down)(uint8_t *dst, const uint8_t *const *rows, const int32_t *coef, int taps, size_t n);
} eff_pillow_kernels;

enum { EFF_PILLOW_BITS = 32 - 8 - 2 }; /* 8 bits of pixel, 2 of head room for sums that overshoot */

/** The kernels for these EFF_CPU_* features; 0 gives the plain C ones. */
eff_pillow_kernels eff_pillow_kernels_for(unsigned cpu);
#if defined(__x86_64__)
extern const eff_pillow_kernels eff_pillow_kernels_avx2;
#endif

#endif
