/* SPDX-License-Identifier: Apache-2.0 */
/* Element types of tensor files: conversion to float32, and from it with rounding to nearest, ties to even. */
#ifndef EFF_FORMATS_DTYPE_H
#define EFF_FORMATS_DTYPE_H

#include "formats/checkpoint.h"

/** out[i] = element i of `raw` (any alignment, little-endian). Exact where float32 can hold the value, else rounded. */
void eff_dtype_to_f32(eff_dtype t, const void *raw, size_t n, float *out);

/** Write n elements of the type to `raw`. Too large for F16 becomes infinite, for a whole number the farthest there is. */
void eff_dtype_from_f32(eff_dtype t, const float *x, size_t n, void *raw);

float eff_f16_to_f32(uint16_t h);
float eff_bf16_to_f32(uint16_t h);
uint16_t eff_f32_to_f16(float x);
uint16_t eff_f32_to_bf16(float x);

#endif
