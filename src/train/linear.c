/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax regression on cached features by L-BFGS (Liu & Nocedal 1989). Images are cut into a fixed number of groups
 * whose sums are joined in order, so the result has the same bits at any thread count. Parameters are one vector: W
 * [classes][d], then b. */
#include "train/transfer.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "kernels/train.h"
#include "train/loss.h"

#include <math.h>
#include <string.h>

enum { GROUPS = 8, HISTORY = 10, MAX_STEPS = 200, CHUNK = 64, MOST_FOLDS = 4 };
#define TOLERANCE 1e-5 /* of the gradient's norm, against the first one */

typedef struct problem {
    const float *x; /* [n][d] standardised */
    const int *label;
    const float *weight; /* sums to 1 */
    const size_t *row;   /* which rows take part */
    size_t n;
    int d, classes;
    double l2;
    eff_kernels k;
    eff_train_kernels tk;
    eff_pool *pool;
    float *packed, *bias;
    float *grad[GROUPS]; /* [classes][d] and [classes] */
    float *gathered[GROUPS], *logits[GROUPS], *target[GROUPS], *w[GROUPS];
    double loss[GROUPS];
    size_t size; /* of the parameter vector */
    float *block;
} problem;

/* Loss and gradient of one group's rows, chunk by chunk. */
static void task_group(void *ctx, int group, int worker)
{
    (void)worker;
    problem *p = ctx;
    const size_t from = (size_t)group * p->n / GROUPS, to = (size_t)(group + 1) * p->n / GROUPS;
    const size_t d = (size_t)p->d, classes = (size_t)p->classes;
    float *gw = p->grad[group], *gb = gw + classes * d;
    memset(gw, 0, p->size * sizeof *gw);
    p->loss[group] = 0;
    for (size_t at = from; at < to; at += CHUNK) {
        const int n = (int)(to - at < CHUNK ? to - at : CHUNK);
        float *x = p->gathered[group], *logits = p->logits[group], *target = p->target[group];
        for (int i = 0; i < n; i++) {
            const size_t r = p->row[at + (size_t)i];
            memcpy(x + (size_t)i * d, p->x + r * d, d * sizeof *x);
            eff_target(target + (size_t)i * classes, p->label[r], p->classes, 0);
            p->w[group][i] = p->weight[r];
        }
        const eff_gemm g = { .a = x,
                             .b = p->packed,
                             .bias = p->bias,
                             .c = logits,
                             .lda = d,
                             .ldc = classes,
                             .m = n,
                             .k = p->d,
                             .n = p->classes,
                             .groups = eff_gemm_groups(&p->k, p->classes) };
        p->k.gemm(&g);
        float *dl = logits; /* the gradient takes their place */
        p->loss[group] += eff_cross_entropy(dl, logits, target, p->w[group], n, p->classes);
        const eff_outer o = {
            .a = dl, .b = x, .c = gw, .lda = classes, .ldb = d, .ldc = d, .m = p->classes, .n = p->d, .k = n
        };
        p->tk.outer(&o);
        p->tk.column_dot(dl, NULL, (size_t)n, p->classes, gb);
    }
}

static double evaluate(problem *p, const double *theta, double *grad)
{
    const size_t weights = (size_t)p->classes * (size_t)p->d;
    float *flat = p->grad[0]; /* free until the groups run */
    for (size_t i = 0; i < p->size; i++) flat[i] = (float)theta[i];
    eff_gemm_pack_conv(&p->k, p->packed, flat, p->classes, p->d, 1, NULL);
    memcpy(p->bias, flat + weights, (size_t)p->classes * sizeof(float));
    eff_pool_run(p->pool, task_group, p, GROUPS);
    double loss = 0;
    for (int g = 0; g < GROUPS; g++) loss += p->loss[g];
    for (size_t i = 0; i < p->size; i++) {
        double sum = 0;
        for (int g = 0; g < GROUPS; g++) sum += (double)p->grad[g][i];
        const double pull = i < weights ? p->l2 * theta[i] : 0;
        loss += 0.5 * pull * theta[i];
        grad[i] = sum + pull;
    }
    return loss;
}

/* --------------------------------------------------------------------------------------------- L-BFGS */

static double dot(const double *a, const double *b, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++) s += a[i] * b[i];
    return s;
}

typedef struct memory {
    double *s[HISTORY], *y[HISTORY], rho[HISTORY];
    int count, next;
} memory;

/* dir = -H grad by the two-loop recursion. */
static void direction(double *dir, const double *grad, const memory *m, size_t n)
{
    double alpha[HISTORY];
    for (size_t i = 0; i < n; i++) dir[i] = -grad[i];
    for (int j = 0; j < m->count; j++) {
        const int k = (m->next - 1 - j + 2 * HISTORY) % HISTORY;
        alpha[k] = m->rho[k] * dot(m->s[k], dir, n);
        for (size_t i = 0; i < n; i++) dir[i] -= alpha[k] * m->y[k][i];
    }
    if (m->count) {
        const int k = (m->next - 1 + HISTORY) % HISTORY;
        const double scale = 1 / (m->rho[k] * dot(m->y[k], m->y[k], n));
        for (size_t i = 0; i < n; i++) dir[i] *= scale;
    }
    for (int j = m->count - 1; j >= 0; j--) {
        const int k = (m->next - 1 - j + 2 * HISTORY) % HISTORY;
        const double beta = m->rho[k] * dot(m->y[k], dir, n);
        for (size_t i = 0; i < n; i++) dir[i] += (alpha[k] - beta) * m->s[k][i];
    }
}

/* Minimise from theta. `work` has room for (4 + 2 * HISTORY) vectors. */
static void minimise(problem *p, double *theta, double *work)
{
    const size_t n = p->size;
    double *grad = work, *next = work + n, *ngrad = work + 2 * n, *dir = work + 3 * n;
    memory m = { .count = 0 };
    for (int j = 0; j < HISTORY; j++) {
        m.s[j] = work + (4 + 2 * (size_t)j) * n;
        m.y[j] = m.s[j] + n;
    }
    double loss = evaluate(p, theta, grad);
    const double first = sqrt(dot(grad, grad, n));
    for (int step = 0; step < MAX_STEPS && sqrt(dot(grad, grad, n)) > TOLERANCE * fmax(first, 1e-12); step++) {
        direction(dir, grad, &m, n);
        const double slope = dot(grad, dir, n);
        if (!(slope < 0)) break;
        double t = m.count ? 1.0 : fmin(1.0, 1.0 / first), nloss = loss;
        bool found = false;
        for (int tries = 0; tries < 25 && !found; tries++) { /* Armijo; the problem is convex, curvature follows */
            if (tries) t *= 0.5;
            for (size_t i = 0; i < n; i++) next[i] = theta[i] + t * dir[i];
            nloss = evaluate(p, next, ngrad);
            found = nloss <= loss + 1e-4 * t * slope;
        }
        if (!found) break;
        double *s = m.s[m.next], *y = m.y[m.next];
        for (size_t i = 0; i < n; i++) {
            s[i] = next[i] - theta[i];
            y[i] = ngrad[i] - grad[i];
        }
        const double sy = dot(s, y, n);
        if (sy > 1e-12 * dot(y, y, n)) {
            m.rho[m.next] = 1 / sy;
            m.next = (m.next + 1) % HISTORY;
            if (m.count < HISTORY) m.count++;
        }
        memcpy(theta, next, n * sizeof *theta);
        memcpy(grad, ngrad, n * sizeof *grad);
        const double gained = loss - nloss;
        loss = nloss;
        if (gained < 1e-9 * fmax(1, fabs(loss))) break;
    }
}

/* ------------------------------------------------------------------------------------ cross-validation */

/* Rows of fold `fold` last, the others first, each in order: where a row goes depends on its number and the seed alone.
 * @return how many are first */
static size_t split(size_t *row, size_t n, int fold, int folds, uint64_t seed)
{
    size_t first = 0;
    for (int held = 0; held < 2; held++)
        for (size_t i = 0, at = 0; i < n; i++) {
            const bool out = eff_rng_bits(seed, 0xF01D, i) % (uint64_t)folds == (uint64_t)fold;
            if (out != (held == 1)) continue;
            row[(held ? first : 0) + at++] = i;
            if (!held) first = at;
        }
    return first;
}

/* Loss and hits of theta on rows, added up; right[] of each row that is right (NULL: not wanted). Scores are made one
 * after the other and not kept, so the sum of their exponentials is held relative to the largest so far. */
static void score(problem *p, const double *theta, const size_t *row, size_t n, double *loss, size_t *hits,
                  uint8_t *right)
{
    const size_t d = (size_t)p->d;
    const double *b = theta + (size_t)p->classes * d;
    for (size_t i = 0; i < n; i++) {
        const float *x = p->x + row[i] * d;
        double top = -INFINITY, sum = 0, truth = 0;
        int best = 0;
        for (int c = 0; c < p->classes; c++) {
            double z = b[c];
            for (size_t j = 0; j < d; j++) z += theta[(size_t)c * d + j] * (double)x[j];
            if (z > top) {
                sum = sum * exp(top - z) + 1;
                top = z;
                best = c;
            } else
                sum += exp(z - top);
            if (c == p->label[row[i]]) truth = z;
        }
        *loss += top + log(sum) - truth;
        *hits += best == p->label[row[i]];
        if (right) right[row[i]] += best == p->label[row[i]];
    }
}

static const double ladder[] = { 1e-4, 1e-3, 1e-2, 1e-1 };
enum { RUNGS = sizeof ladder / sizeof *ladder };

/* Folds that are held out in turn: one quarter is enough where images are many. */
static int folds_used(const problem *p, size_t n) { return (double)n * p->d * p->classes > 2e9 ? 1 : MOST_FOLDS; }

/* Part of all images' weight: a penalty times this keeps its size beside the loss on these rows. */
static double weight_of(const problem *p, const size_t *row, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)p->weight[row[i]];
    return sum;
}

/* The rung with the least held-out loss; its accuracy. */
static void choose_l2(problem *p, double *theta, double *work, size_t *row, size_t n, uint64_t seed,
                      eff_linear_fit *fit)
{
    double loss[RUNGS] = { 0 };
    size_t hits[RUNGS] = { 0 }, seen = 0;
    const int folds = MOST_FOLDS, used = folds_used(p, n);
    for (int f = 0; f < used; f++) {
        const size_t train = split(row, n, f, folds, seed);
        p->row = row;
        p->n = train;
        seen += n - train;
        const double share = weight_of(p, row, train);
        memset(theta, 0, p->size * sizeof *theta);
        for (int r = RUNGS - 1; r >= 0; r--) { /* from the smoothest on, each starting where the last ended */
            p->l2 = ladder[r] * share;
            minimise(p, theta, work);
            score(p, theta, row + train, n - train, &loss[r], &hits[r], NULL);
        }
    }
    int best = RUNGS - 1;
    for (int r = RUNGS - 2; r >= 0; r--)
        if (loss[r] < loss[best]) best = r;
    fit->l2 = ladder[best];
    fit->accuracy = seen ? (double)hits[best] / (double)seen : 0;
}

/* Of each image the share of cross-validations, each with folds of its own, that were right about it while it was held
 * out at penalty `l2`; NaN where it never was. Which images are held out together moves the accuracy of a small set
 * by a point or two: the mean over several moves less. `count` has room for 2 n. */
static void share_held(problem *p, double l2, double *theta, double *work, size_t *row, size_t n, uint64_t seed,
                       uint8_t *count, float *share)
{
    enum { TIMES = 5 };
    uint8_t *right = count, *asked = count + n;
    double loss = 0;
    size_t hits = 0;
    const int used = folds_used(p, n);
    memset(count, 0, 2 * n);
    for (int t = 0; t < TIMES; t++)
        for (int f = 0; f < used; f++) {
            const size_t train = split(row, n, f, MOST_FOLDS, seed + (uint64_t)t);
            p->row = row;
            p->n = train;
            p->l2 = l2 * weight_of(p, row, train);
            memset(theta, 0, p->size * sizeof *theta);
            minimise(p, theta, work);
            score(p, theta, row + train, n - train, &loss, &hits, right);
            for (size_t i = train; i < n; i++) asked[row[i]]++;
        }
    for (size_t i = 0; i < n; i++) share[i] = asked[i] ? (float)right[i] / (float)asked[i] : NAN;
}

/* ---------------------------------------------------------------------------------------------- public */

/* x -> (x - mean) / std, column by column, in double. */
static void standardise(float *z, double *mean, double *std, const float *x, size_t n, size_t d)
{
    for (size_t j = 0; j < d; j++) {
        double m = 0, v = 0;
        for (size_t i = 0; i < n; i++) m += (double)x[i * d + j];
        m /= (double)n;
        for (size_t i = 0; i < n; i++) v += ((double)x[i * d + j] - m) * ((double)x[i * d + j] - m);
        mean[j] = m;
        std[j] = sqrt(v / (double)n) + 1e-6;
        for (size_t i = 0; i < n; i++) z[i * d + j] = (float)(((double)x[i * d + j] - m) / std[j]);
    }
}

static eff_status prepare(problem *p, const char *cpu, eff_error *err)
{
    unsigned features;
    eff_status s = eff_cpu_select(cpu, &features, err);
    if (s != EFF_OK) return s;
    eff_kernels_init(&p->k, features);
    eff_train_kernels_init(&p->tk, features);
    const size_t classes = (size_t)p->classes, d = (size_t)p->d, line = EFF_ALIGN / sizeof(float);
    p->size = classes * d + classes;
    const size_t packed = eff_round_up(eff_gemm_packed_size(&p->k, p->classes, p->d), line),
                 bias = eff_padded(&p->k, p->classes) + line;
    const size_t part = eff_round_up(p->size, line), rows = CHUNK * (d + 2 * classes + 1) + 4 * line;
    const size_t floats = packed + eff_round_up(bias, line) + GROUPS * (part + eff_round_up(rows, line));
    p->block = eff_malloc_aligned(floats * sizeof(float));
    if (!p->block) return eff_fail_memory(err, floats * sizeof(float));
    memset(p->block, 0, floats * sizeof(float));
    float *at = p->block;
    p->packed = at, at += packed;
    p->bias = at, at += eff_round_up(bias, line);
    for (int g = 0; g < GROUPS; g++) {
        p->grad[g] = at, at += part;
        p->gathered[g] = at, at += eff_round_up(CHUNK * d, line);
        p->logits[g] = at, at += eff_round_up(CHUNK * classes, line);
        p->target[g] = at, at += eff_round_up(CHUNK * classes, line);
        p->w[g] = at, at += CHUNK;
    }
    return EFF_OK;
}

eff_status eff_linear_train(float *w, float *b, eff_linear_fit *fit, const float *x, const int *label,
                            const float *weight, size_t n, int d, int classes, double l2, uint64_t seed, eff_pool *pool,
                            const char *cpu, eff_error *err)
{
    problem p = { .label = label, .d = d, .classes = classes, .pool = pool };
    const size_t wide = (size_t)d;
    *fit = (eff_linear_fit){ .l2 = l2, .held = fit->held };
    uint8_t *count = fit->held ? eff_malloc(2 * n) : NULL;
    float *z = eff_malloc(n * wide * sizeof *z), *even = eff_malloc(n * sizeof *even);
    double *mean = eff_malloc(2 * wide * sizeof *mean);
    size_t *row = eff_malloc(n * sizeof *row);
    eff_status s = prepare(&p, cpu, err);
    double *work = s == EFF_OK ? eff_malloc((5 + 2 * HISTORY) * p.size * sizeof *work) : NULL;
    if (s == EFF_OK && (!z || !even || !mean || !row || !work || (fit->held && !count)))
        s = eff_fail_memory(err, (5 + 2 * HISTORY) * p.size * sizeof *work);
    if (s != EFF_OK) goto end;
    double *theta = work + (4 + 2 * HISTORY) * p.size, *std = mean + wide;
    standardise(z, mean, std, x, n, wide);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += weight ? (double)weight[i] : 1;
    for (size_t i = 0; i < n; i++) even[i] = (float)((weight ? (double)weight[i] : 1) / sum);
    p.x = z;
    p.weight = even;
    if (l2 < 0) choose_l2(&p, theta, work, row, n, seed, fit);
    if (fit->held) share_held(&p, fit->l2, theta, work, row, n, seed, count, fit->held);
    for (size_t i = 0; i < n; i++) row[i] = i;
    p.row = row;
    p.n = n;
    p.l2 = fit->l2;
    memset(theta, 0, p.size * sizeof *theta);
    minimise(&p, theta, work);
    for (int c = 0; c < classes; c++) { /* for the features as they are */
        double shift = theta[(size_t)classes * wide + (size_t)c];
        for (size_t j = 0; j < wide; j++) {
            const double v = theta[(size_t)c * wide + j] / std[j];
            w[(size_t)c * wide + j] = (float)v;
            shift -= v * mean[j];
        }
        b[c] = (float)shift;
    }
end:
    eff_free(count);
    eff_free(work);
    eff_free(row);
    eff_free(mean);
    eff_free(even);
    eff_free(z);
    eff_free(p.block);
    return s;
}
