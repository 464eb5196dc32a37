/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing. Pillow's filters on 8-bit images, equal to Pillow to the bit; TensorFlow's in float. The source comes row
 * by row, as it is stored, and may have to be turned upright (EXIF); only as many rows are held as one row of the
 * result looks at, and the bits are those of turning the whole picture first. Of the resized part `from` only a crop is
 * computed, so that the size resized to may be far larger than memory. */
#ifndef EFF_IMAGE_RESIZE_H
#define EFF_IMAGE_RESIZE_H

#include "base/error.h"

#include <stdbool.h>

typedef struct eff_box {
    int x, y, w, h;
} eff_box; /* pixels */

/* ----------------------------------------------------------------------------------------- row by row */

typedef struct eff_resize_spec {
    int width, height; /* of the rows that come */
    int orientation;   /* 1..8 as in EXIF; all that follows is of the upright picture */
    eff_box from;      /* the part that is resized; nothing outside it is seen */
    int out_w, out_h;
    eff_box crop; /* of the result */
    eff_filter filter;
} eff_resize_spec;

typedef struct eff_resizer eff_resizer;

eff_status eff_resizer_create(eff_resizer **out, const eff_resize_spec *spec, eff_error *err);
/** Where the next row is to be written: `width` RGB pixels. */
uint8_t *eff_resizer_row(eff_resizer *r);
/** That row is there. */
void eff_resizer_done(eff_resizer *r);
/** The crop, upright, once all rows came: [crop.h][crop.w][3], uint8_t for Pillow's filters, float on the 0..255 scale,
 * unrounded, for TensorFlow's. */
void eff_resizer_take_u8(const eff_resizer *r, uint8_t *dst);
void eff_resizer_take_f32(const eff_resizer *r, float *dst);
void eff_resizer_free(eff_resizer *r); /* NULL is fine */

/* ------------------------------------------------------------------------------------- a whole picture */

/** Pillow's crop(from).resize((out_w, out_h), filter).crop(crop) of src [src_h][src_w][3]. dst: [crop.h][crop.w][3],
 * written only on EFF_OK. Filter: one of the first three. The environment's cap on the CPU level is honoured; every
 * level gives the same bits. */
eff_status eff_resize_pillow(uint8_t *dst, eff_box crop, const uint8_t *src, int src_w, int src_h, eff_box from,
                             int out_w, int out_h, eff_filter filter, eff_error *err);

/** tf.image.resize likewise. Filter: one of the EFF_FILTER_TF*. */
eff_status eff_resize_tf(float *dst, eff_box crop, const uint8_t *src, int src_w, int src_h, eff_box from, int out_w,
                         int out_h, eff_filter filter, eff_error *err);

/* ------------------------------------------------------------------------------- weights and row kernels */

/** The weights of one direction: output i is the sum over t < count[i] of weight [i * taps + t] times input
 * first[i] + t. Unused weights are zero, first[] never falls. */
typedef struct eff_axis {
    int n, taps;
    int32_t *first, *count;
    int32_t *fixed; /* Pillow: 22 fractional bits */
    float *real;    /* TensorFlow */
    bool backward;  /* float sums go from the last term to the first, because the axis was mirrored */
} eff_axis;

/** Outputs from .. from + n - 1 of `out`, over `in` inputs. */
eff_status eff_axis_pillow(eff_axis *a, int in, int out, int from, int n, eff_filter filter, eff_error *err);
eff_status eff_axis_tf(eff_axis *a, int in, int out, int from, int n, eff_filter filter, eff_error *err);
void eff_axis_free(eff_axis *a);

/** The float rows: across from bytes or floats, and down into a row of n values. */
void eff_tf_across_u8(float *dst, const uint8_t *src, const eff_axis *x);
void eff_tf_across_f32(float *dst, const float *src, const eff_axis *x);
void eff_tf_down_u8(float *dst, const uint8_t *const *rows, const eff_axis *y, int i, size_t n);
void eff_tf_down_f32(float *dst, const float *const *rows, const eff_axis *y, int i, size_t n);

/** The row kernels of Pillow's filters. Coefficients have 22 fractional bits; a sum is rounded by half and clamped. */
typedef struct eff_pillow_kernels {
    /** Puts n weights, a multiple of 4, into the form in which across() takes them; NULL: it takes them as they are. */
    void (*order)(int32_t *coef, size_t n);
    /** Two rows across: pixel i of dst[j] = sum over t of weight i * taps + t times pixel (first[i] + t) of src[j].
     * `taps` is a multiple of 4 (unused ones are zero), and src[j] is readable to byte 3 * (first[i] + taps) + 4 for
     * every i. */
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
