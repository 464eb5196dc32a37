/* SPDX-License-Identifier: Apache-2.0 */
/* Pillow's Image.resize on 8-bit RGB, to the bit. Pillow computes the weights of every output pixel in double,
 * normalises them, rounds them to 22 fractional bits, and goes across and then down (the other way round where the
 * height shrinks much more) with 8-bit pixels between the two; a direction whose size does not change is skipped. All
 * sums are in int32 without overflow, so their order, and with it the CPU level, does not matter. Between the passes
 * only as many rows are held as one output row looks at. */
#include "image/resize.h"

#include "base/cpu.h"
#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The weights of one direction, for the outputs that are wanted: output i is the sum over t < count[i] of
 * coef[i * taps + t] * input[first[i] + t]; the unused coefficients are zero. */
typedef struct axis {
    int taps; /* allotted to each output */
    int32_t *first, *count, *coef;
} axis;

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x)
{
    if (x == 0.0) return 1.0;
    x *= M_PI;
    return sin(x) / x;
}

static double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

static const struct {
    double (*weight)(double);
    double radius;
} filters[] = {
    [EFF_FILTER_BILINEAR] = { bilinear, 1.0 },
    [EFF_FILTER_BICUBIC] = { bicubic, 2.0 },
    [EFF_FILTER_LANCZOS] = { lanczos, 3.0 },
};

static void axis_free(axis *a)
{
    eff_free(a->first);
    eff_free(a->count);
    eff_free(a->coef);
    *a = (axis){ 0 };
}

/** Weights for outputs from .. from + n - 1 of `out`, over `in` inputs. */
static eff_status axis_build(axis *a, int in, int out, int from, int n, eff_filter filter, eff_error *err)
{
    const double scale = (double)in / out, widen = scale < 1.0 ? 1.0 : scale; /* antialias only when shrinking */
    const double radius = filters[filter].radius * widen, step = 1.0 / widen;
    const int most = (int)ceil(radius) * 2 + 1;
    *a = (axis){ .taps = (int)eff_round_up((size_t)(most < in ? most : in), 4) };

    size_t cells = 0, bytes = 0;
    if (!eff_mul((size_t)n, (size_t)a->taps, &cells) || !eff_mul(cells, sizeof *a->coef, &bytes))
        return eff_fail_memory(err, SIZE_MAX);
    double *const k = eff_malloc((size_t)a->taps * sizeof *k);
    a->first = eff_malloc((size_t)n * sizeof *a->first);
    a->count = eff_malloc((size_t)n * sizeof *a->count);
    a->coef = eff_calloc(cells, sizeof *a->coef);
    if (!k || !a->first || !a->count || !a->coef) {
        eff_free(k);
        axis_free(a);
        return eff_fail_memory(err, bytes);
    }
    for (int i = 0; i < n; i++) {
        const double centre = ((double)from + i + 0.5) * scale;
        int lo = (int)(centre - radius + 0.5), hi = (int)(centre + radius + 0.5);
        if (lo < 0) lo = 0;
        if (hi > in) hi = in;
        const int count = hi - lo;
        double sum = 0.0;
        for (int t = 0; t < count; t++) {
            k[t] = filters[filter].weight((t + lo - centre + 0.5) * step);
            sum += k[t];
        }
        int32_t *const c = a->coef + (size_t)i * (size_t)a->taps;
        for (int t = 0; t < count; t++) {
            const double w = (sum != 0.0 ? k[t] / sum : k[t]) * (1 << EFF_PILLOW_BITS);
            c[t] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
        }
        a->first[i] = lo;
        a->count[i] = count;
    }
    eff_free(k);
    return EFF_OK;
}

static uint8_t narrow(int32_t sum)
{
    const int32_t v = (sum + (1 << (EFF_PILLOW_BITS - 1))) >> EFF_PILLOW_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void across_ref(uint8_t *const dst[2], const uint8_t *const src[2], const int32_t *coef, const int32_t *first,
                       int taps, int n)
{
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < n; i++) {
            const uint8_t *const p = src[j] + (size_t)first[i] * 3;
            const int32_t *const k = coef + (size_t)i * (size_t)taps;
            int32_t r = 0, g = 0, b = 0;
            for (int t = 0; t < taps; t++) {
                r += k[t] * p[3 * t];
                g += k[t] * p[3 * t + 1];
                b += k[t] * p[3 * t + 2];
            }
            dst[j][3 * (size_t)i] = narrow(r);
            dst[j][3 * (size_t)i + 1] = narrow(g);
            dst[j][3 * (size_t)i + 2] = narrow(b);
        }
}

static void down_ref(uint8_t *dst, const uint8_t *const *rows, const int32_t *coef, int taps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t sum = 0;
        for (int t = 0; t < taps; t++) sum += coef[t] * rows[t][i];
        dst[i] = narrow(sum);
    }
}

eff_pillow_kernels eff_pillow_kernels_for(unsigned cpu)
{
#if defined(__x86_64__)
    if (cpu & EFF_CPU_AVX2) return eff_pillow_kernels_avx2;
#endif
    (void)cpu;
    return (eff_pillow_kernels){ across_ref, down_ref };
}

/* One resize. The two rows of `room` are as long as the kernels may read when they go across. */
typedef struct job {
    eff_pillow_kernels k;
    axis x, y;
    eff_box crop;
    const uint8_t *origin, *end; /* of `from`; of the whole picture */
    size_t pitch, row;           /* bytes from row to row; of `from` in a row */
    size_t reach;                /* bytes of a row that going across may read */
    uint8_t *room[2];
    uint8_t *ring;        /* rows between across and down */
    const uint8_t **rows; /* what goes down into one output row */
    uint8_t *dst;
    size_t out_pitch;
} job;

/* A source row to go across. The kernels read a little past its end; at the end of the picture they get a copy. */
static const uint8_t *source_row(const job *j, int y, int slot)
{
    const uint8_t *const s = j->origin + (size_t)y * j->pitch;
    if ((size_t)(j->end - s) >= j->reach) return s;
    memcpy(j->room[slot], s, j->row < j->reach ? j->row : j->reach);
    return j->room[slot];
}

/** Source rows y0 and y1 (the same twice for a single one) across. */
static void across_rows(const job *j, uint8_t *d0, int y0, uint8_t *d1, int y1)
{
    j->k.across((uint8_t *const[]){ d0, d1 }, (const uint8_t *const[]){ source_row(j, y0, 0), source_row(j, y1, 1) },
                j->x.coef, j->x.first, j->x.taps, j->crop.w);
}

static void only_across(const job *j)
{
    for (int i = 0; i < j->crop.h; i += 2) {
        const int more = i + 1 < j->crop.h;
        uint8_t *const d = j->dst + (size_t)i * j->out_pitch;
        across_rows(j, d, j->crop.y + i, more ? d + j->out_pitch : d, j->crop.y + i + more);
    }
}

static void copy(const job *j)
{
    for (int i = 0; i < j->crop.h; i++)
        memcpy(j->dst + (size_t)i * j->out_pitch,
               j->origin + (size_t)(j->crop.y + i) * j->pitch + (size_t)j->crop.x * 3, j->out_pitch);
}

/** Columns of the source from byte `at`, `n` bytes, down into output row i. */
static void down_row(const job *j, uint8_t *d, int i, size_t at, size_t n)
{
    for (int t = 0; t < j->y.count[i]; t++) j->rows[t] = j->origin + (size_t)(j->y.first[i] + t) * j->pitch + at;
    j->k.down(d, j->rows, j->y.coef + (size_t)i * (size_t)j->y.taps, j->y.count[i], n);
}

static void only_down(const job *j)
{
    for (int i = 0; i < j->crop.h; i++)
        down_row(j, j->dst + (size_t)i * j->out_pitch, i, (size_t)j->crop.x * 3, j->out_pitch);
}

static int ring_slots(const job *j) { return j->y.taps + 1; } /* rows come in pairs: one more than is looked at */

static void across_then_down(const job *j)
{
    const int n = j->crop.h, slots = ring_slots(j), end = j->y.first[n - 1] + j->y.count[n - 1];
    int next = j->y.first[0]; /* the first source row that is not in the ring yet */
    for (int i = 0; i < n; i++) {
        const int lo = j->y.first[i], count = j->y.count[i];
        while (next < lo + count) {
            const int more = next + 1 < end;
            across_rows(j, j->ring + (size_t)(next % slots) * j->out_pitch, next,
                        j->ring + (size_t)((next + more) % slots) * j->out_pitch, next + more);
            next += 1 + more;
        }
        for (int t = 0; t < count; t++) j->rows[t] = j->ring + (size_t)((lo + t) % slots) * j->out_pitch;
        j->k.down(j->dst + (size_t)i * j->out_pitch, j->rows, j->y.coef + (size_t)i * (size_t)j->y.taps, count,
                  j->out_pitch);
    }
}

static void down_then_across(const job *j)
{
    const int last = j->crop.w - 1;
    const size_t at = (size_t)j->x.first[0] * 3, n = (size_t)(j->x.first[last] + j->x.count[last]) * 3 - at;
    for (int i = 0; i < j->crop.h; i += 2) {
        const int more = i + 1 < j->crop.h;
        uint8_t *const d = j->dst + (size_t)i * j->out_pitch;
        for (int r = 0; r <= more; r++) down_row(j, j->room[r] + at, i + r, at, n);
        j->k.across((uint8_t *const[]){ d, more ? d + j->out_pitch : d },
                    (const uint8_t *const[]){ j->room[0], j->room[more] }, j->x.coef, j->x.first, j->x.taps, j->crop.w);
    }
}

static bool inside(eff_box b, int w, int h)
{
    return b.w > 0 && b.h > 0 && b.x >= 0 && b.y >= 0 && b.x <= w - b.w && b.y <= h - b.h;
}

eff_status eff_resize_pillow(uint8_t *dst, eff_box crop, const uint8_t *src, int src_w, int src_h, eff_box from,
                             int out_w, int out_h, eff_filter filter, eff_error *err)
{
    if ((unsigned)filter > EFF_FILTER_LANCZOS || !inside(from, src_w, src_h) || !inside(crop, out_w, out_h))
        return eff_fail(err, EFF_EARG, "resize: the filter or the boxes do not fit %d x %d to %d x %d", src_w, src_h,
                        out_w, out_h);
    unsigned cpu = 0;
    eff_status s = eff_cpu_select(NULL, &cpu, err);
    if (s != EFF_OK) return s;
    const bool turn_x = out_w != from.w, turn_y = out_h != from.h;
    /* Pillow 13's choice; earlier versions always go across first */
    const bool down_first = from.h > out_h && (int64_t)from.h - out_h > 2 * ((int64_t)from.w - out_w);

    job j = { .k = eff_pillow_kernels_for(cpu),
              .crop = crop,
              .dst = dst,
              .out_pitch = (size_t)crop.w * 3,
              .pitch = (size_t)src_w * 3,
              .row = (size_t)from.w * 3 };
    j.origin = src + (size_t)from.y * j.pitch + (size_t)from.x * 3;
    j.end = src + (size_t)src_h * j.pitch;
    if (turn_x) {
        s = axis_build(&j.x, from.w, out_w, crop.x, crop.w, filter, err);
        if (s != EFF_OK) goto end;
        /* first[] never falls, so the last output reaches farthest */
        j.reach = 3 * ((size_t)j.x.first[crop.w - 1] + (size_t)j.x.taps) + 4;
        j.room[0] = eff_calloc(2, j.reach);
        if (!j.room[0]) {
            s = eff_fail_memory(err, 2 * j.reach);
            goto end;
        }
        j.room[1] = j.room[0] + j.reach;
    }
    if (turn_y) {
        s = axis_build(&j.y, from.h, out_h, crop.y, crop.h, filter, err);
        if (s != EFF_OK) goto end;
        j.rows = eff_malloc((size_t)j.y.taps * sizeof *j.rows);
        if (!j.rows) {
            s = eff_fail_memory(err, (size_t)j.y.taps * sizeof *j.rows);
            goto end;
        }
    }
    if (turn_x && turn_y && !down_first) {
        size_t bytes = SIZE_MAX;
        if (!eff_mul((size_t)ring_slots(&j), j.out_pitch, &bytes) || !(j.ring = eff_malloc(bytes))) {
            s = eff_fail_memory(err, bytes);
            goto end;
        }
        across_then_down(&j);
    } else if (turn_x && turn_y)
        down_then_across(&j);
    else if (turn_x)
        only_across(&j);
    else if (turn_y)
        only_down(&j);
    else
        copy(&j);
end:
    eff_free(j.ring);
    eff_free(j.rows);
    eff_free(j.room[0]);
    axis_free(&j.y);
    axis_free(&j.x);
    return s;
}
