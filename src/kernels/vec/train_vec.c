/* SPDX-License-Identifier: Apache-2.0 */
/* Training kernels over vectors of channels. What changes every element walks memory in order. Sums over pixels run in blocks of
 * a few rows: a block's partial sum stays in a register and is then added to the total, which keeps the rounding error small,
 * and the rows of a block are so few streams that the prefetcher follows them all. */
#include "kernels/train.h"
#include "kernels/vec/vec.h"

enum { PIXEL_BLOCK = 8 };

/* ------------------------------------------------------------------------------------ weight gradient */

#if REGISTERS == 32
enum { OUTER_ROWS = 8, OUTER_NV = 3 };
#else
enum { OUTER_ROWS = 4, OUTER_NV = 2 };
#endif

/* c[mr][nv vectors] += a^T b (fresh: =) over `k` pixels; `last` columns of the last vector exist */
INLINE void outer_tile(const int mr, const int nv, const int whole, const eff_outer *g, const float *a, const float *b, float *c,
                       int k, int last, int fresh)
{
    vf acc[OUTER_ROWS][OUTER_NV];
    UNROLL for (int i = 0; i < mr; i++)
    {
        UNROLL for (int v = 0; v < nv; v++)
        {
            const float *at = c + (size_t)i * g->ldc + v * VL;
            if (fresh) acc[i][v] = vset1(0.0f);
            else acc[i][v] = !whole && v == nv - 1 ? vload_part(at, last) : vload(at);
        }
    }
    for (int p = 0; p < k; p++, a += g->lda, b += g->ldb) {
        vf bv[OUTER_NV];
        UNROLL for (int v = 0; v < nv; v++) bv[v] = !whole && v == nv - 1 ? vload_part(b + v * VL, last) : vload(b + v * VL);
        UNROLL for (int i = 0; i < mr; i++)
        {
            const vf av = vset1(a[i]);
            UNROLL for (int v = 0; v < nv; v++) acc[i][v] += av * bv[v];
        }
    }
    UNROLL for (int i = 0; i < mr; i++)
    {
        UNROLL for (int v = 0; v < nv; v++)
        {
            float *at = c + (size_t)i * g->ldc + v * VL;
            if (!whole && v == nv - 1) vstore_part(at, acc[i][v], last);
            else vstore(at, acc[i][v]);
        }
    }
}

typedef void outer_tile_fn(const eff_outer *g, const float *a, const float *b, float *c, int k, int last, int fresh);
#define OUTER(MR, NV) \
    static void outer_##MR##x##NV(const eff_outer *g, const float *a, const float *b, float *c, int k, int last, int fresh) \
    { \
        if (last == VL) outer_tile(MR, NV, 1, g, a, b, c, k, last, fresh); \
        else outer_tile(MR, NV, 0, g, a, b, c, k, last, fresh); \
    }
#define OUTERS(NV) OUTER(1, NV) OUTER(2, NV) OUTER(3, NV) OUTER(4, NV)
#define OUTER_NAMES(NV) outer_1x##NV, outer_2x##NV, outer_3x##NV, outer_4x##NV
#if REGISTERS == 32
#define OUTERS8(NV) OUTERS(NV) OUTER(5, NV) OUTER(6, NV) OUTER(7, NV) OUTER(8, NV)
OUTERS8(1)
OUTERS8(2)
OUTERS8(3)
#define OUTER_NAMES8(NV) OUTER_NAMES(NV), outer_5x##NV, outer_6x##NV, outer_7x##NV, outer_8x##NV
static outer_tile_fn *const outers[OUTER_NV][OUTER_ROWS] = { { OUTER_NAMES8(1) }, { OUTER_NAMES8(2) }, { OUTER_NAMES8(3) } };
#else
OUTERS(1)
OUTERS(2)
static outer_tile_fn *const outers[OUTER_NV][OUTER_ROWS] = { { OUTER_NAMES(1) }, { OUTER_NAMES(2) } };
#endif

static void outer(const eff_outer *g)
{
    /* pixels a pass: both operands' rows of the pass stay in L2 while every tile reads them */
    int chunk = (192 * 1024) / (int)sizeof(float) / (g->m + g->n);
    chunk = chunk < 16 ? 16 : chunk;
    for (int p0 = 0; p0 < g->k; p0 += chunk) {
        const int k = g->k - p0 < chunk ? g->k - p0 : chunk;
        for (int j = 0; j < g->n; j += OUTER_NV * VL) {
            const int cols = g->n - j < OUTER_NV * VL ? g->n - j : OUTER_NV * VL, nv = (cols + VL - 1) / VL;
            for (int i = 0; i < g->m; i += OUTER_ROWS) {
                const int rows = g->m - i < OUTER_ROWS ? g->m - i : OUTER_ROWS;
                outers[nv - 1][rows - 1](g, g->a + (size_t)p0 * g->lda + i, g->b + (size_t)p0 * g->ldb + j,
                                         g->c + (size_t)i * g->ldc + j, k, cols - (nv - 1) * VL, g->fresh && p0 == 0);
            }
        }
    }
}

/* ------------------------------------------------------------------------- normalise and activate */

INLINE vf load(const float *p, int part) { return part < VL ? vload_part(p, part) : vload(p); }
INLINE void store(float *p, vf v, int part)
{
    if (part < VL) vstore_part(p, v, part);
    else vstore(p, v);
}

/* Add to a sum of two floats; what rounding loses is exact (Knuth's two-sum). */
INLINE void add_to(float *s, int c, int j, vf x, int part)
{
    const vf old = load(s + j, part), sum = old + x, back = sum - old;
    store(s + j, sum, part);
    store(s + c + j, load(s + c + j, part) + ((old - (sum - back)) + (x - back)), part);
}

/* For every vector of channels and block of pixels: BODY with j (first channel), part (channels), p0 and n (pixels). */
#define FOR_BLOCKS(pixels, c, BODY) \
    for (size_t p0 = 0; p0 < (pixels); p0 += PIXEL_BLOCK) { \
        const size_t n = (pixels) - p0 < PIXEL_BLOCK ? (pixels) - p0 : PIXEL_BLOCK; \
        for (int j = 0; j < (c); j += VL) { \
            const int part = (c) - j < VL ? (c) - j : VL; \
            const size_t at = p0 * (size_t)(c) + (size_t)j; \
            BODY \
        } \
    }

/* For every element in memory order: BODY with i (element), j (channel), part. */
#define FOR_ROWS(pixels, c, BODY) \
    for (size_t p = 0, i = 0; p < (pixels); p++) { \
        int j = 0; \
        for (; j + VL <= (c); j += VL, i += VL) { \
            const int part = VL; \
            BODY \
        } \
        if (j < (c)) { \
            const int part = (c) - j; \
            BODY \
            i += (size_t)part; \
        } \
    }

INLINE void affine_act_by(const eff_act act, float *y, const float *z, const float *scale, const float *shift, const float *gate,
                          size_t pixels, int c)
{
    if (gate) FOR_ROWS(pixels, c, {
        const vf x = vfma(load(z + i, part), load(scale + j, part), load(shift + j, part));
        store(y + i, vact(x, act) * load(gate + j, part), part);
    })
    else FOR_ROWS(pixels, c, {
        store(y + i, vact(vfma(load(z + i, part), load(scale + j, part), load(shift + j, part)), act), part);
    })
}

/* BODY with act as a constant. */
#define BY_ACT(act, BODY) \
    switch (act) { \
    case EFF_ACT_NONE: BODY(EFF_ACT_NONE); break; \
    case EFF_ACT_RELU: BODY(EFF_ACT_RELU); break; \
    case EFF_ACT_RELU6: BODY(EFF_ACT_RELU6); break; \
    case EFF_ACT_SILU: BODY(EFF_ACT_SILU); break; \
    case EFF_ACT_HSWISH: BODY(EFF_ACT_HSWISH); break; \
    case EFF_ACT_SIGMOID: BODY(EFF_ACT_SIGMOID); break; \
    }

static void affine_act(float *y, const float *z, const float *scale, const float *shift, const float *gate, size_t pixels, int c,
                       eff_act act)
{
#define BODY(A) affine_act_by(A, y, z, scale, shift, gate, pixels, c)
    BY_ACT(act, BODY)
#undef BODY
}

/* d where mask is set, else 0 */
INLINE vf keep(vi mask, vf d) { return (vf)(mask & (vi)d); }

/* d * act'(x), and act(x) in *y; the reference says which side a kink takes */
INLINE vf vslope(vf d, vf x, const eff_act act, vf *y)
{
    const vf zero = vset1(0.0f), one = vset1(1.0f);
    if (act == EFF_ACT_SILU || act == EFF_ACT_SIGMOID) {
        const vf s = one / (one + vexp(-x));
        *y = act == EFF_ACT_SILU ? x * s : s;
        return act == EFF_ACT_SILU ? d * (s * (one + x * (one - s))) : d * (s * (one - s));
    }
    *y = vact(x, act);
    switch (act) {
    case EFF_ACT_RELU: return keep(x > zero, d);
    case EFF_ACT_RELU6: return keep((x > zero) & (x < vset1(6.0f)), d);
    case EFF_ACT_HSWISH: {
        const vf inner = d * (x / vset1(3.0f) + vset1(0.5f));
        return keep(x >= vset1(3.0f), d) + keep((x > vset1(-3.0f)) & (x < vset1(3.0f)), inner);
    }
    default: return d;
    }
}

INLINE void act_back_by(const eff_act act, const int want_y, const int gated, const eff_act_back *k)
{
    const size_t pixels = k->pixels;
    const int c = k->c;
    float *d = k->d, *out = k->y;
    const float *z = k->z;
    FOR_BLOCKS(pixels, c, {
        const vf a = load(k->scale + j, part);
        const vf b = load(k->shift + j, part);
        const vf mu = load(k->mean + j, part);
        const vf gate = gated ? load(k->gate + j, part) : a;
        const vf add = gated ? load(k->add + j, part) : a;
        vf sum = vset1(0.0f);
        vf dot = vset1(0.0f);
        for (size_t p = 0, i = at; p < n; p++, i += (size_t)c) {
            const vf zv = load(z + i, part);
            vf dv = load(d + i, part);
            vf y;
            if (gated) dv = vfma(dv, gate, add);
            dv = vslope(dv, vfma(zv, a, b), act, &y);
            store(d + i, dv, part);
            if (want_y) store(out + i, y, part);
            sum += dv;
            dot += dv * (zv - mu);
        }
        add_to(k->s1, c, j, sum, part);
        add_to(k->s2, c, j, dot, part);
    })
}

static void act_back(const eff_act_back *k)
{
#define PLAIN(A) act_back_by(A, 0, 0, k)
#define WITH_Y(A) act_back_by(A, 1, 0, k)
#define GATED(A) act_back_by(A, 0, 1, k)
#define BOTH(A) act_back_by(A, 1, 1, k)
    if (k->gate && k->y) BY_ACT(k->act, BOTH)
    else if (k->gate) BY_ACT(k->act, GATED)
    else if (k->y) BY_ACT(k->act, WITH_Y)
    else BY_ACT(k->act, PLAIN)
#undef PLAIN
#undef WITH_Y
#undef GATED
#undef BOTH
}

static void affine2(float *dz, const float *d, const float *z, const float *a, const float *b, const float *c0, size_t pixels, int c)
{
    FOR_ROWS(pixels, c, {
        const vf tail = load(z + i, part) * load(b + j, part) + load(c0 + j, part);
        store(dz + i, load(d + i, part) * load(a + j, part) + tail, part);
    })
}

static void moments(const float *z, const float *pivot, size_t pixels, int c, float *s1, float *s2)
{
    FOR_BLOCKS(pixels, c, {
        const vf pv = load(pivot + j, part);
        vf sum = vset1(0.0f);
        vf square = vset1(0.0f);
        for (size_t p = 0, i = at; p < n; p++, i += (size_t)c) {
            const vf t = load(z + i, part) - pv;
            sum += t;
            square += t * t;
        }
        add_to(s1, c, j, sum, part);
        add_to(s2, c, j, square, part);
    })
}

static void column_dot(const float *x, const float *y, size_t pixels, int c, float *s)
{
    FOR_BLOCKS(pixels, c, {
        vf sum = vset1(0.0f);
        if (y)
            for (size_t p = 0, i = at; p < n; p++, i += (size_t)c) sum += load(x + i, part) * load(y + i, part);
        else
            for (size_t p = 0, i = at; p < n; p++, i += (size_t)c) sum += load(x + i, part);
        store(s + j, load(s + j, part) + sum, part);
    })
}

/* --------------------------------------------------------------------------------- depthwise gradients */

static size_t padded(int c) { return ((size_t)c + VL - 1) / VL * VL; }

/* Input columns of one parity class read the same taps: column ix = first + m * stride takes output m + shift - i through tap
 * kx0 + i * stride. DX_TILE values of m share each weight. */
enum { DX_TILE = 6, DX_TAPS = 32 /* more than the largest kernel of a table */ };

typedef struct dx_row {
    const float *dy[DX_TAPS]; /* output rows that feed this input row, this vector's channels */
    const float *w[DX_TAPS];  /* their rows of taps                                           */
    int rows;
} dx_row;

INLINE void dx_columns(const int cols, const eff_dw_back *d, const dx_row *r, float *dx, int kx0, int ox, size_t pc, int part)
{
    const size_t c = (size_t)d->c, s = (size_t)d->stride;
    vf acc[DX_TILE];
    UNROLL for (int t = 0; t < cols; t++) acc[t] = vset1(0.0f);
    for (int i = 0; i < r->rows; i++) {
        int o = ox;
        for (int kx = kx0; kx < d->kernel; kx += d->stride, o--) {
            const vf w = vload(r->w[i] + (size_t)kx * pc);
            const float *dy = r->dy[i] + (ptrdiff_t)o * (ptrdiff_t)c;
            UNROLL for (int t = 0; t < cols; t++)
            {
                if (cols == 1 && (o < 0 || o >= d->out_w)) continue;
                acc[t] += load(dy + (size_t)t * c, part) * w;
            }
        }
    }
    UNROLL for (int t = 0; t < cols; t++) store(dx + (size_t)t * s * c, acc[t], part);
}

static void dw_dx(const eff_dw_back *d)
{
    const size_t pc = padded(d->c), c = (size_t)d->c;
    const int s = d->stride, k = d->kernel;
    for (int iy = 0; iy < d->h; iy++)
        for (int j = 0; j < d->c; j += VL) {
            const int part = d->c - j < VL ? d->c - j : VL;
            dx_row r = { .rows = 0 };
            for (int ky = (iy + d->pad_top) % s; ky < k; ky += s) {
                const int oy = (iy + d->pad_top - ky) / s;
                if (iy + d->pad_top < ky || oy >= d->out_h) continue;
                r.dy[r.rows] = d->dy + (size_t)oy * (size_t)d->out_w * c + (size_t)j;
                r.w[r.rows++] = d->w + (size_t)(ky * k) * pc + (size_t)j;
            }
            float *row = d->dx + (size_t)iy * (size_t)d->w_in * c + (size_t)j;
            for (int first = 0; first < s && first < d->w_in; first++) {
                const int kx0 = (first + d->pad_left) % s, ox0 = (first + d->pad_left - kx0) / s;
                const int count = (d->w_in - first + s - 1) / s, last_tap = k > kx0 ? (k - 1 - kx0) / s : 0;
                for (int m = 0; m < count;) { /* whole tiles where every tap of every column is inside */
                    const int ox = ox0 + m;
                    float *dx = row + (size_t)(first + m * s) * c;
                    if (part == VL && m + DX_TILE <= count && ox - last_tap >= 0 && ox + DX_TILE <= d->out_w) {
                        dx_columns(DX_TILE, d, &r, dx, kx0, ox, pc, VL);
                        m += DX_TILE;
                    } else dx_columns(1, d, &r, dx, kx0, ox, pc, part), m++;
                }
            }
        }
}

/* One row of taps over one output row: k accumulators twice, for output columns lo..hi-1 whose taps all lie inside. */
INLINE void dw_taps(const int k, const int s, const eff_dw_back *d, const float *x, const float *dy, int lo, int hi, int part, vf *total)
{
    const size_t c = (size_t)d->c;
    vf acc[2][7];
    UNROLL for (int t = 0; t < k; t++) acc[0][t] = acc[1][t] = vset1(0.0f);
    int ox = lo;
    for (; ox + 2 <= hi; ox += 2) {
        const float *x0 = x + (ptrdiff_t)(ox * s - d->pad_left) * (ptrdiff_t)c;
        const vf a = load(dy + (size_t)ox * c, part), b = load(dy + (size_t)(ox + 1) * c, part);
        UNROLL for (int t = 0; t < k; t++)
        {
            acc[0][t] += a * load(x0 + (size_t)t * c, part);
            acc[1][t] += b * load(x0 + (size_t)(s + t) * c, part);
        }
    }
    for (; ox < hi; ox++) {
        const float *x0 = x + (ptrdiff_t)(ox * s - d->pad_left) * (ptrdiff_t)c;
        const vf a = load(dy + (size_t)ox * c, part);
        UNROLL for (int t = 0; t < k; t++) acc[0][t] += a * load(x0 + (size_t)t * c, part);
    }
    UNROLL for (int t = 0; t < k; t++) total[t] += acc[0][t] + acc[1][t];
}

/* The output columns left out above: taps that fall outside are skipped. */
static void dw_border(const eff_dw_back *d, const float *x, const float *dy, int from, int to, int part, vf *total)
{
    const size_t c = (size_t)d->c;
    for (int ox = from; ox < to; ox++) {
        const vf a = load(dy + (size_t)ox * c, part);
        const int ix0 = ox * d->stride - d->pad_left, t0 = ix0 < 0 ? -ix0 : 0;
        const int t1 = ix0 + d->kernel > d->w_in ? d->w_in - ix0 : d->kernel;
        for (int t = t0; t < t1; t++) total[t] += a * load(x + (size_t)(ix0 + t) * c, part);
    }
}

static void dw_dw(const eff_dw_back *d)
{
    enum { MAX_KERNEL = 31 }; /* of a table */
    const size_t pc = padded(d->c), c = (size_t)d->c;
    const int k = d->kernel;
    int lo = (d->pad_left + d->stride - 1) / d->stride, hi = (d->w_in - k + d->pad_left) / d->stride + 1;
    if (d->w_in - k + d->pad_left < 0) hi = 0;
    if (hi > d->out_w) hi = d->out_w;
    if (lo > hi) lo = hi;
    for (int j = 0; j < d->c; j += VL) {
        const int part = d->c - j < VL ? d->c - j : VL;
        for (int ky = 0; ky < k; ky++) {
            vf total[MAX_KERNEL];
            for (int t = 0; t < k; t++) total[t] = vset1(0.0f);
            for (int oy = 0; oy < d->out_h; oy++) {
                const int iy = oy * d->stride - d->pad_top + ky;
                if (iy < 0 || iy >= d->h) continue;
                const float *x = d->x + (size_t)iy * (size_t)d->w_in * c + (size_t)j;
                const float *dy = d->dy + (size_t)oy * (size_t)d->out_w * c + (size_t)j;
                dw_border(d, x, dy, 0, lo, part, total);
                if (part == VL && k == 3 && d->stride == 1) dw_taps(3, 1, d, x, dy, lo, hi, VL, total);
                else if (part == VL && k == 3) dw_taps(3, d->stride, d, x, dy, lo, hi, VL, total);
                else if (part == VL && k == 5 && d->stride == 1) dw_taps(5, 1, d, x, dy, lo, hi, VL, total);
                else if (part == VL && k == 5) dw_taps(5, d->stride, d, x, dy, lo, hi, VL, total);
                else if (part == VL && k == 7) dw_taps(7, d->stride, d, x, dy, lo, hi, VL, total);
                else dw_border(d, x, dy, lo, hi, part, total);
                dw_border(d, x, dy, hi, d->out_w, part, total);
            }
            for (int t = 0; t < k; t++) {
                float *at = d->dw + (size_t)(ky * k + t) * pc + (size_t)j;
                vstore(at, vload(at) + total[t]);
            }
        }
    }
}

void LEVEL_NAME(eff_train_kernels_init)(eff_train_kernels *k)
{
    *k = (eff_train_kernels){ .name = EFF_TEXT(EFF_LEVEL), .outer = outer, .affine_act = affine_act,
                              .act_back = act_back, .affine2 = affine2, .moments = moments,
                              .column_dot = column_dot, .dw_dx = dw_dx, .dw_dw = dw_dw };
}
