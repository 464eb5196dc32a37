/* SPDX-License-Identifier: Apache-2.0 */
/* Counter-based random numbers: value i of stream (seed, stream) is a pure function, so results do not depend on the
 * order or the number of threads that draw them. */
#ifndef EFF_BASE_RNG_H
#define EFF_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/** 64 random bits of counter i (SplitMix64's finaliser over a Weyl sequence, keyed twice). */
static inline uint64_t eff_rng_bits(uint64_t seed, uint64_t stream, uint64_t i)
{
    uint64_t z = seed + 0x9E3779B97F4A7C15u * (stream + 1);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z = (z ^ (z >> 31)) + 0x9E3779B97F4A7C15u * (i + 1);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/** Uniform in [0, 1), 53 bits. */
static inline double eff_rng_uniform(uint64_t seed, uint64_t stream, uint64_t i)
{
    return (double)(eff_rng_bits(seed, stream, i) >> 11) * 0x1.0p-53;
}

/** A whole number below n; n is at least 1. */
static inline uint64_t eff_rng_below(uint64_t n, uint64_t seed, uint64_t stream, uint64_t i)
{
    return (uint64_t)(((unsigned __int128)eff_rng_bits(seed, stream, i) * n) >> 64);
}

/** 0..n-1 in an order drawn from a stream (Fisher-Yates by counters). */
void eff_rng_order(size_t *order, size_t n, uint64_t seed, uint64_t stream);

/** Standard normal (Box-Muller; uses counters 2i and 2i+1). */
double eff_rng_normal(uint64_t seed, uint64_t stream, uint64_t i);

#endif
