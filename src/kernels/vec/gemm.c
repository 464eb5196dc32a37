/* SPDX-License-Identifier: Apache-2.0 */
/* Pointwise GEMM: a register tile of rows by vectors, A broadcast from where it lies (NHWC, planes of one vector, or the rows under
 * a convolution), B in packed groups. An element is one chain of multiply-adds over k from its start value (bias and residual),
 * whatever tile it falls in. A word of A and B is one float32, or, compiled with EFF_BF16, a pair of bfloat16. */
#include "kernels/vec/vec.h"

#include "kernels/groups.h"

/* Tiles that fill the registers without spilling: 21 to 24 of 32 accumulators with AVX-512, 20 to 21 with NEON, where a scalar
 * of each row has a register too, 12 of 16 with AVX2. */
#if REGISTERS == 32
enum { NV = 3, MR3 = 7, MR2 = VL == 16 ? 12 : 10, MR1 = 14, ROW_BLOCK = 7 };
#else
enum { NV = 2, MR2 = 6, MR1 = 12, ROW_BLOCK = 6 };
#endif

enum {
    LINE = 64,              /* bytes of a cache line                                          */
    BLOCK_BYTES = 32 * 1024 /* of a panel, at once: beside a few rows of A and C it stays in L1 */
};

typedef struct tile_args {
    const float *a, *b, *bias, *res;
    float *c;
    size_t lda, a_step, ldr, ldc, c_step;
    int k, run;
    int last;         /* columns of the last vector that exist, VL when all do        */
    int resumes;      /* C holds the sums so far: the block of k before this one's    */
    int bounded;      /* ReLU, ReLU6: results are held between these                  */
    float low, high;
    const char *next; /* a line is fetched a step of k, next_step bytes further on    */
    size_t next_step;
} tile_args;

/* `plane`: the rows of A are one vector apart, which the compiler must know to address them without a register each. */
INLINE void tile(const int mr, const int nv, const int plane, const tile_args *t)
{
    const float *restrict b = t->b;
    const size_t lda = plane ? VL : t->lda;
    const int last = t->last;
    vf acc[16][3];
    UNROLL for (int i = 0; i < mr; i++)
    {
        UNROLL for (int v = 0; v < nv; v++)
        {
            if (t->resumes) {
                const float *c = t->c + (size_t)i * t->ldc + (size_t)v * t->c_step;
                acc[i][v] = v == nv - 1 && last < VL ? vload_part(c, last) : vload(c);
                continue;
            }
            acc[i][v] = vload(t->bias + v * VL);
            if (t->res) {
                const float *r = t->res + (size_t)i * t->ldr + v * VL;
                acc[i][v] += v == nv - 1 && last < VL ? vload_part(r, last) : vload(r);
            }
        }
    }
    const char *next = t->next;
    const float *from = t->a;
    for (int left = t->k; left > 0; left -= t->run, from += t->a_step) {
        const float *a = from, *const end = from + (left < t->run ? left : t->run);
        if (plane) /* the rows of the tile below, which lie on in this plane: of a large map they are far away */
        {
            UNROLL for (int i = 0; i < mr; i++) __builtin_prefetch(from + (size_t)(mr + i) * VL, 0, 3);
        }
        for (; a != end; a++, b += nv * VL, next += t->next_step) {
            vf bv[3];
            __builtin_prefetch(next, 0, 2);
            UNROLL for (int v = 0; v < nv; v++) bv[v] = *(const vf *)(b + v * VL);
            UNROLL for (int i = 0; i < mr; i++)
            {
                const vf av = vset1(a[(size_t)i * lda]);
                UNROLL for (int v = 0; v < nv; v++) acc[i][v] = vmac(av, bv[v], acc[i][v]);
            }
        }
    }
    if (t->bounded) {
        const vf low = vset1(t->low), high = vset1(t->high);
        UNROLL for (int i = 0; i < mr; i++)
        {
            UNROLL for (int v = 0; v < nv; v++) acc[i][v] = vbound(acc[i][v], low, high);
        }
    }
    UNROLL for (int i = 0; i < mr; i++)
    {
        float *c = t->c + (size_t)i * t->ldc;
        UNROLL for (int v = 0; v < nv; v++)
        {
            if (v == nv - 1 && last < VL) vstore_part(c + (size_t)v * t->c_step, acc[i][v], last);
            else vstore(c + (size_t)v * t->c_step, acc[i][v]);
        }
    }
}

/* Other activations, over the rows just written, still in L1: inside the tile they would spill the accumulators. */
INLINE void finish(const int act, const tile_args *t, const float *res, int rows, int nv)
{
    for (int i = 0; i < rows; i++) {
        float *c = t->c + (size_t)i * t->ldc;
        for (int v = 0; v < nv; v++, c += t->c_step) {
            const int n = v == nv - 1 ? t->last : VL;
            vf x = n < VL ? vload_part(c, n) : vload(c);
            x = vact(x, (eff_act)act);
            if (res) {
                const float *r = res + (size_t)i * t->ldr + v * VL;
                x += n < VL ? vload_part(r, n) : vload(r);
            }
            if (n < VL) vstore_part(c, x, n);
            else vstore(c, x);
        }
    }
}

/* The same for planes: each vector of columns is one stretch. */
INLINE void finish_plane(const int act, float *c, size_t step, int rows, int nv)
{
    for (int v = 0; v < nv; v++, c += step)
        for (int i = 0; i < rows; i++) vstore(c + i * VL, vact(vload(c + i * VL), (eff_act)act));
}

#define TILE(MR, NVEC) \
    static void tile_##MR##x##NVEC(const tile_args *t) { tile(MR, NVEC, 0, t); } \
    static void plane_##MR##x##NVEC(const tile_args *t) { tile(MR, NVEC, 1, t); }
#define TILES_6(NVEC) TILE(1, NVEC) TILE(2, NVEC) TILE(3, NVEC) TILE(4, NVEC) TILE(5, NVEC) TILE(6, NVEC)
#define TILES_12(NVEC) TILES_6(NVEC) TILE(7, NVEC) TILE(8, NVEC) TILE(9, NVEC) TILE(10, NVEC) TILE(11, NVEC) TILE(12, NVEC)
#define NAMES_6(P, NVEC) P##_1x##NVEC, P##_2x##NVEC, P##_3x##NVEC, P##_4x##NVEC, P##_5x##NVEC, P##_6x##NVEC
#define NAMES_12(P, NVEC) \
    NAMES_6(P, NVEC), P##_7x##NVEC, P##_8x##NVEC, P##_9x##NVEC, P##_10x##NVEC, P##_11x##NVEC, P##_12x##NVEC
typedef void tile_fn(const tile_args *t);
#if REGISTERS == 32
TILES_12(1) TILE(13, 1) TILE(14, 1)
TILES_12(2)
TILES_6(3) TILE(7, 3)
static tile_fn *const tiles[2][NV + 1][MR1] = {
    { { NULL }, { NAMES_12(tile, 1), tile_13x1, tile_14x1 }, { NAMES_12(tile, 2) }, { NAMES_6(tile, 3), tile_7x3 } },
    { { NULL }, { NAMES_12(plane, 1), plane_13x1, plane_14x1 }, { NAMES_12(plane, 2) }, { NAMES_6(plane, 3), plane_7x3 } },
};
static const int tile_rows[NV + 1] = { 0, MR1, MR2, MR3 };
#else
TILES_12(1)
TILES_6(2)
static tile_fn *const tiles[2][NV + 1][MR1] = {
    { { NULL }, { NAMES_12(tile, 1) }, { NAMES_6(tile, 2) } },
    { { NULL }, { NAMES_12(plane, 1) }, { NAMES_6(plane, 2) } },
};
static const int tile_rows[NV + 1] = { 0, MR1, MR2 };
#endif

/* How the m rows of a band are cut: as few tiles as can be, of as equal height as can be. */
typedef struct cut {
    int tiles, rows, higher; /* the first `higher` have a row more than `rows` */
} cut;

/* One band of one group. */
static void band_rows(tile_args *t, const cut *in, eff_act act, const float *after, const eff_gemm *g, int nv)
{
    tile_fn *const *const fn = tiles[t->lda == VL && t->run == VL][nv];
    for (int i = 0; i < in->tiles; i++) {
        const int rows = in->rows + (i < in->higher);
        fn[rows - 1](t);
        t->next += t->next_step * (size_t)t->k;
        if (act != EFF_ACT_NONE || after) {
            if (g->c_step && g->ldc == VL) SWITCH_ACT(act, finish_plane, t->c, t->c_step, rows, nv)
            else SWITCH_ACT(act, finish, t, after, rows, nv)
        }
        t->a += (size_t)rows * t->lda;
        t->c += (size_t)rows * t->ldc;
        if (t->res) t->res += (size_t)rows * t->ldr;
        if (after) after += (size_t)rows * t->ldr;
    }
}

/* Words of k at a time, of `all`: a block of the panel stays in L1 while all rows go over it, with their sums so far in C. Where the
 * panel is read only once anyway, and where it is small, all of them. */
static int block_words(int all, int run, int nv, int reads)
{
    const int most = BLOCK_BYTES / (nv * VL * (int)sizeof(float)), length = run < most ? all : run;
    if (reads == 1 || all <= most + most / 2) return all;
    const int blocks = (length + most - 1) / most, words = (length + blocks - 1) / blocks;
    return run < most ? (words + run - 1) / run * run : words; /* whole runs, or a part of one */
}

/* All rows of one group. */
static void group_rows(tile_args t, const eff_gemm *g, int nv, const char *next, const char *next_end)
{
    const int bands = g->bands ? g->bands : 1, tall = (g->m + tile_rows[nv] - 1) / tile_rows[nv], run = t.run;
    const cut in = { .tiles = tall, .rows = g->m / tall, .higher = g->m % tall };
    const float *after = g->res && g->res_after ? t.res : NULL, *const bias_res = after ? NULL : t.res;
    const int bounded = !after && vbounds(g->act, &t.low, &t.high);
    const int until = g->until ? g->until : g->k, words = block_words(until - g->from, run, nv, bands * tall);
    /* evenly over the tiles: requests in a burst would hold up those for the panel in use */
    if (next < next_end) {
        const size_t steps = (size_t)bands * (size_t)tall * (size_t)(until - g->from), want = (size_t)(next_end - next);
        t.next_step = want / steps < LINE ? want / steps + 1 : LINE;
    }
    t.next = next ? next : (const char *)t.bias;
    float *const c = t.c;
    t.b += g->from * nv * VL;
    for (int k0 = g->from; k0 < until; k0 += t.k) {
        const int begun = k0 % run, rest = until - k0, left = words < run && run - begun < rest ? run - begun : rest;
        t.k = words < left ? words : left;
        t.run = words < run ? t.k : run;
        t.resumes = k0 > 0;
        const int ends = k0 + t.k == g->k;
        t.bounded = ends && bounded;
        const eff_act act = ends && !bounded ? g->act : EFF_ACT_NONE;
        for (int b = 0; b < bands; b++) {
            const size_t below = (size_t)b * (size_t)g->m * t.ldr;
            t.a = g->a + (size_t)b * g->a_band + (size_t)(k0 / run) * t.a_step + begun;
            t.c = c + (size_t)b * g->c_band;
            t.res = bias_res ? bias_res + below : NULL;
            band_rows(&t, &in, act, ends && after ? after + below : NULL, g, nv);
        }
        t.b += t.k * nv * VL;
    }
}

static void gemm(const eff_gemm *g)
{
    if (g->m <= 0 || g->n <= 0) return;
    const int first = eff_group_start(g->n, VL, NV, g->group0), run = g->run ? g->run : g->k;
    for (int q = g->group0, j0 = first, end; q < g->group0 + g->groups && j0 < g->n; q++, j0 = end) {
        end = eff_group_start(g->n, VL, NV, q + 1);
        const int nv = (end - j0) / VL, last = g->c_step || g->n >= end ? VL : g->n - (end - VL);
        const size_t before = (size_t)(j0 - first);
        const tile_args t = { .a = g->a, .b = g->b + (size_t)j0 * (size_t)g->k, .bias = g->bias + j0,
                              .res = g->res ? g->res + j0 : NULL,
                              .c = g->c + (g->c_step ? before / VL * g->c_step : (size_t)j0), .lda = g->lda, .a_step = g->a_step,
                              .ldr = g->ldr, .ldc = g->ldc, .c_step = g->c_step ? g->c_step : VL, .k = g->k, .run = run,
                              .last = last };
        const float *next = g->next ? g->next + before * (size_t)g->k : NULL;
        const size_t share = g->next_floats / (size_t)g->groups;
        group_rows(t, g, nv, (const char *)next, (const char *)(g->next ? next + share : NULL));
    }
}

void LEVEL_NAME(eff_gemm_init)(eff_kernels *k)
{
    k->vl = VL;
    k->group = NV;
    k->mr = ROW_BLOCK;
#if defined(EFF_BF16)
    k->gemm_bf16 = gemm;
#else
    k->gemm = gemm;
#endif
}
