/* SPDX-License-Identifier: Apache-2.0 */
/* Pointwise GEMM: a register tile of MR rows by NV vectors, A broadcast straight from NHWC, B in packed groups. An element is
 * one chain of multiply-adds over k from its start value (bias and residual), whatever tile it falls in. */
#include "kernels/vec/vec.h"

/* Tiles that fill the registers without spilling: 21 of 32 accumulators with AVX-512, 12 of 16 with AVX2. */
#if VL == 16
enum { NV = 3, MR3 = 7, MR2 = 12, MR1 = 14, ROW_BLOCK = 7 };
#else
enum { NV = 2, MR2 = 6, MR1 = 12, ROW_BLOCK = 6 };
#endif

typedef struct tile_args {
    const float *a, *b, *bias, *res;
    float *c;
    size_t lda, ldr, ldc;
    int k, last; /* last: columns of the last vector that exist, VL when all do */
    eff_act act;
    int res_after;
} tile_args;

INLINE void tile(const int mr, const int nv, const tile_args *t)
{
    const float *restrict a = t->a, *restrict b = t->b;
    const size_t lda = t->lda;
    const int k = t->k, last = t->last;
    vf acc[16][3];
    const int start_res = t->res && !t->res_after;
    UNROLL for (int i = 0; i < mr; i++)
    {
        UNROLL for (int v = 0; v < nv; v++)
        {
            acc[i][v] = vload(t->bias + v * VL);
            if (start_res) {
                const float *r = t->res + (size_t)i * t->ldr + v * VL;
                acc[i][v] += v == nv - 1 && last < VL ? vload_part(r, last) : vload(r);
            }
        }
    }
    for (int p = 0; p < k; p++, b += nv * VL) {
        vf bv[3];
        UNROLL for (int v = 0; v < nv; v++) bv[v] = *(const vf *)(b + v * VL);
        UNROLL for (int i = 0; i < mr; i++)
        {
            const vf av = vset1(a[(size_t)i * lda + (size_t)p]);
            UNROLL for (int v = 0; v < nv; v++) acc[i][v] = vfma(av, bv[v], acc[i][v]);
        }
    }
    UNROLL for (int i = 0; i < mr; i++)
    {
        float *c = t->c + (size_t)i * t->ldc;
        UNROLL for (int v = 0; v < nv; v++)
        {
            if (v == nv - 1 && last < VL) vstore_part(c + v * VL, acc[i][v], last);
            else vstore(c + v * VL, acc[i][v]);
        }
    }
}

/* Activation over the rows just written, still in L1: inside the tile it would spill the accumulators. */
INLINE void finish(const int act, const tile_args *t, int rows, int nv)
{
    for (int i = 0; i < rows; i++) {
        float *c = t->c + (size_t)i * t->ldc;
        const float *r = t->res && t->res_after ? t->res + (size_t)i * t->ldr : NULL;
        for (int v = 0; v < nv; v++, c += VL) {
            const int n = v == nv - 1 ? t->last : VL;
            vf x = n < VL ? vload_part(c, n) : vload(c);
            x = vact(x, (eff_act)act);
            if (r) x += n < VL ? vload_part(r + v * VL, n) : vload(r + v * VL);
            if (n < VL) vstore_part(c, x, n);
            else vstore(c, x);
        }
    }
}

static void finish_rows(const tile_args *t, int rows, int nv)
{
    switch (t->act) {
    case EFF_ACT_NONE:
        if (t->res && t->res_after) finish(EFF_ACT_NONE, t, rows, nv);
        break;
    case EFF_ACT_RELU: finish(EFF_ACT_RELU, t, rows, nv); break;
    case EFF_ACT_RELU6: finish(EFF_ACT_RELU6, t, rows, nv); break;
    case EFF_ACT_SILU: finish(EFF_ACT_SILU, t, rows, nv); break;
    case EFF_ACT_HSWISH: finish(EFF_ACT_HSWISH, t, rows, nv); break;
    case EFF_ACT_SIGMOID: finish(EFF_ACT_SIGMOID, t, rows, nv); break;
    }
}

#define TILE(MR, NVEC) \
    static void tile_##MR##x##NVEC(const tile_args *t) { tile(MR, NVEC, t); }
#define TILES_6(NVEC) TILE(1, NVEC) TILE(2, NVEC) TILE(3, NVEC) TILE(4, NVEC) TILE(5, NVEC) TILE(6, NVEC)
#define TILES_12(NVEC) TILES_6(NVEC) TILE(7, NVEC) TILE(8, NVEC) TILE(9, NVEC) TILE(10, NVEC) TILE(11, NVEC) TILE(12, NVEC)
#define NAMES_6(NVEC) tile_1x##NVEC, tile_2x##NVEC, tile_3x##NVEC, tile_4x##NVEC, tile_5x##NVEC, tile_6x##NVEC
#define NAMES_12(NVEC) \
    NAMES_6(NVEC), tile_7x##NVEC, tile_8x##NVEC, tile_9x##NVEC, tile_10x##NVEC, tile_11x##NVEC, tile_12x##NVEC
typedef void tile_fn(const tile_args *t);
#if VL == 16
TILES_12(1) TILE(13, 1) TILE(14, 1)
TILES_12(2)
TILES_6(3) TILE(7, 3)
static tile_fn *const tiles1[] = { NAMES_12(1), tile_13x1, tile_14x1 };
static tile_fn *const tiles2[] = { NAMES_12(2) };
static tile_fn *const tiles3[] = { NAMES_6(3), tile_7x3 };
static tile_fn *const *const tiles[NV + 1] = { NULL, tiles1, tiles2, tiles3 };
static const int tile_rows[NV + 1] = { 0, MR1, MR2, MR3 };
#else
TILES_12(1)
TILES_6(2)
static tile_fn *const tiles1[] = { NAMES_12(1) };
static tile_fn *const tiles2[] = { NAMES_6(2) };
static tile_fn *const *const tiles[NV + 1] = { NULL, tiles1, tiles2 };
static const int tile_rows[NV + 1] = { 0, MR1, MR2 };
#endif

static void gemm(const eff_gemm *g)
{
    const int width = NV * VL;
    for (int q = g->group0; q < g->group0 + g->groups; q++) {
        const int j0 = q * width;
        if (j0 >= g->n) return;
        const int cols = g->n - j0 < width ? g->n - j0 : width;
        const int nv = (cols + VL - 1) / VL, step = tile_rows[nv];
        tile_args t = { .a = g->a, .b = g->b + (size_t)j0 * (size_t)g->k, .bias = g->bias + j0, .res = g->res ? g->res + j0 : NULL,
                        .c = g->c + j0, .lda = g->lda, .ldr = g->ldr, .ldc = g->ldc, .k = g->k,
                        .last = cols - (nv - 1) * VL, .act = g->act, .res_after = g->res_after };
        for (int i = 0; i < g->m;) {
            const int rows = g->m - i < step ? g->m - i : step;
            tiles[nv][rows - 1](&t);
            finish_rows(&t, rows, nv);
            t.a += (size_t)rows * t.lda;
            t.c += (size_t)rows * t.ldc;
            if (t.res) t.res += (size_t)rows * t.ldr;
            i += rows;
        }
    }
}

void LEVEL_NAME(eff_gemm_init)(eff_kernels *k)
{
    k->vl = VL;
    k->group = NV;
    k->mr = ROW_BLOCK;
    k->gemm = gemm;
}
