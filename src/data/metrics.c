/* SPDX-License-Identifier: Apache-2.0 */
/* What a model's answers on labelled images are worth: accuracy with intervals, loss, calibration, confusion. Sums are
 * kept in double and in the order the images come, so the same answers give the same figures to the bit. Ties go to the
 * lower index everywhere, and a score that is not a number ranks below every number. */
#include "data/metrics.h"

#include "base/error.h"
#include "base/mem.h"

#include <effnet/eval.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { BINS = EFF_CALIBRATION_BINS, MAX_CONFUSION_CLASSES = 16384 };

/* Sums at one temperature. */
typedef struct calibration {
    double loss;
    int n[BINS], right[BINS];
    double confidence[BINS];
} calibration;

struct eff_metrics {
    int classes, n, top1, top5;
    double temperature;
    calibration plain, scaled; /* at temperature 1, and at the temperature when that is another */
    int *confusion;
    eff_class_metrics *per_class;
    eff_metrics_result result;
};

/* Does score a at index i come before score b at index j? */
static bool ranks_before(float a, int i, float b, int j)
{
    if (isnan(a) != isnan(b)) return isnan(b);
    if (a > b) return true;
    return !(a < b) && i < j;
}

void eff_wilson(int k, int n, double *lo, double *hi)
{
    if (n <= 0) {
        *lo = *hi = (double)NAN;
        return;
    }
    const double z = 1.959963984540054; /* two-sided 95 % of the normal */
    const double p = (double)k / n, z2n = z * z / n;
    const double centre = (p + z2n / 2) / (1 + z2n);
    const double half = z / (1 + z2n) * sqrt(p * (1 - p) / n + z2n / (4.0 * n));
    *lo = k <= 0 ? 0 : fmax(0, centre - half); /* exact at the ends, where rounding would leave a stray 1e-17 */
    *hi = k >= n ? 1 : fmin(1, centre + half);
}

/* log(sum(exp(v / t))) and the largest v / t, which is subtracted first so that nothing overflows. */
static double log_sum_exp(const float *v, int n, double t, double *max)
{
    double m = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        if (v[i] / t > m) m = v[i] / t;
    *max = m;
    for (int i = 0; i < n; i++) sum += exp(v[i] / t - m);
    return m + log(sum);
}

double eff_log_loss(const float *logits, int classes, int label)
{
    double max;
    return log_sum_exp(logits, classes, 1, &max) - logits[label];
}

void eff_softmax_at(const float *logits, int n, double temperature, float *prob)
{
    double max;
    const double lse = log_sum_exp(logits, n, temperature, &max);
    for (int i = 0; i < n; i++) prob[i] = (float)exp(logits[i] / temperature - lse);
}

void eff_softmax(const float *logits, int n, float *prob) { eff_softmax_at(logits, n, 1, prob); }

void eff_top_k(const float *v, int n, int k, int *index)
{
    int have = 0;
    for (int i = 0; i < n && k > 0; i++) {
        if (have == k && !ranks_before(v[i], i, v[index[k - 1]], index[k - 1])) continue;
        int lo = 0, hi = have; /* index[0..have) is in order: find where i belongs */
        while (lo < hi) {
            const int mid = lo + (hi - lo) / 2;
            if (ranks_before(v[i], i, v[index[mid]], index[mid]))
                hi = mid;
            else
                lo = mid + 1;
        }
        const int moved = (have < k ? have : k - 1) - lo;
        memmove(index + lo + 1, index + lo, (size_t)moved * sizeof *index);
        index[lo] = i;
        if (have < k) have++;
    }
    for (int i = have; i < k; i++) index[i] = -1; /* more were asked for than there are */
}

eff_status eff_metrics_create(eff_metrics **out, int classes, eff_error *err)
{
    *out = NULL;
    if (classes < 1 || classes > MAX_CONFUSION_CLASSES)
        return eff_fail(err, EFF_EARG, "classes: expected 1..%d for a table of confusions, found %d",
                        MAX_CONFUSION_CLASSES, classes);
    const size_t cells = (size_t)classes * (size_t)classes; /* at most 2^28 */
    eff_metrics *m = eff_calloc(1, sizeof *m);
    if (!m) return eff_fail_memory(err, sizeof *m);
    m->classes = classes;
    m->temperature = 1;
    m->confusion = eff_calloc(cells, sizeof *m->confusion);
    m->per_class = eff_calloc((size_t)classes, sizeof *m->per_class);
    if (!m->confusion || !m->per_class) {
        eff_metrics_free(m);
        return eff_fail_memory(err, cells * sizeof *m->confusion);
    }
    *out = m;
    return EFF_OK;
}

void eff_metrics_set_temperature(eff_metrics *m, double temperature)
{
    if (m->n == 0 && temperature > 0) m->temperature = temperature;
}

static void add_calibration(calibration *c, const float *logits, int classes, int label, bool right, double temperature)
{
    double max;
    const double lse = log_sum_exp(logits, classes, temperature, &max);
    const double confidence = exp(max - lse);
    c->loss += lse - logits[label] / temperature;
    if (!(confidence >= 0 && confidence <= 1)) return; /* scores that are not numbers */
    int b = (int)ceil(confidence * BINS) - 1;          /* bins are open below, closed above */
    if (b < 0) b = 0;
    c->n[b]++;
    c->right[b] += right;
    c->confidence[b] += confidence;
}

void eff_metrics_add(eff_metrics *m, int label, const float *logits)
{
    if (label < 0 || label >= m->classes) return;
    int best = 0, above = 0; /* above: classes ranked before the true one */
    for (int i = 0; i < m->classes; i++) {
        if (i && ranks_before(logits[i], i, logits[best], best)) best = i;
        if (i != label && ranks_before(logits[i], i, logits[label], label)) above++;
    }
    const bool right = best == label;
    m->n++;
    m->top1 += right;
    m->top5 += above < 5;
    m->confusion[(size_t)label * (size_t)m->classes + (size_t)best]++;
    add_calibration(&m->plain, logits, m->classes, label, right, 1);
    if (m->temperature != 1) add_calibration(&m->scaled, logits, m->classes, label, right, m->temperature);
}

static double finish_calibration(const calibration *c, double n, eff_calibration_bin *bins, double *ece)
{
    double gap = 0;
    for (int b = 0; b < BINS; b++) {
        const double k = c->n[b] ? c->n[b] : (double)NAN;
        bins[b] = (eff_calibration_bin){ c->n[b], c->right[b], c->confidence[b] / k, c->right[b] / k };
        gap += fabs(c->right[b] - c->confidence[b]);
    }
    *ece = gap / n;
    return c->loss / n;
}

static void finish_class(eff_metrics *m, int c)
{
    eff_class_metrics *k = &m->per_class[c];
    const size_t n = (size_t)m->classes;
    memset(k, 0, sizeof *k);
    for (size_t j = 0; j < n; j++) {
        k->n += m->confusion[(size_t)c * n + j];
        k->predicted += m->confusion[j * n + (size_t)c];
    }
    k->correct = m->confusion[(size_t)c * n + (size_t)c];
    k->recall = k->n ? (double)k->correct / k->n : (double)NAN;
    k->precision = k->predicted ? (double)k->correct / k->predicted : (double)NAN;
    eff_wilson(k->correct, k->n, &k->recall_lo, &k->recall_hi);
    eff_wilson(k->correct, k->predicted, &k->precision_lo, &k->precision_hi);
}

const eff_metrics_result *eff_metrics_get(eff_metrics *m)
{
    eff_metrics_result *r = &m->result;
    *r = (eff_metrics_result){ .n = m->n, .classes = m->classes, .per_class = m->per_class, .confusion = m->confusion };
    const double n = m->n ? m->n : (double)NAN;
    r->top1 = m->top1 / n;
    r->top5 = m->top5 / n;
    eff_wilson(m->top1, m->n, &r->lo, &r->hi);
    r->temperature = m->temperature;
    r->plain_loss = finish_calibration(&m->plain, n, r->plain_bins, &r->plain_ece);
    r->loss = finish_calibration(m->temperature == 1 ? &m->plain : &m->scaled, n, r->bins, &r->ece);
    for (int c = 0; c < m->classes; c++) finish_class(m, c);
    return r;
}

void eff_metrics_free(eff_metrics *m)
{
    if (!m) return;
    eff_free(m->confusion);
    eff_free(m->per_class);
    eff_free(m);
}
