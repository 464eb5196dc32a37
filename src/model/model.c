/* SPDX-License-Identifier: Apache-2.0 */
/* Models: a table with its graph, weights by parameter number in one aligned block, and facts that are kept in step with both.
 * m->info points only into the model itself or at static strings. */
#include "model/model.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

/* Full-size evaluation where no source of weights says otherwise: ImageNet statistics and the usual 0.875 crop. */
static eff_preprocess default_preprocess(int height, int width)
{
    const int longer = height > width ? height : width; /* so that the crop fits whatever the image's shape */
    return (eff_preprocess){ .geometry = EFF_GEOM_SHORT, .filter = EFF_FILTER_BICUBIC, .side = (int)lround(longer / 0.875),
                             .height = height, .width = width, .mean = { 123.675f, 116.28f, 103.53f },
                             .std = { 58.395f, 57.12f, 57.375f } };
}

eff_status eff_model_new(eff_model **out, const eff_table *t, eff_error *err)
{
    *out = NULL;
    eff_model *const m = eff_calloc(1, sizeof *m);
    if (!m) return eff_fail_memory(err, sizeof *m);
    m->table = *t;
    const eff_status s = eff_graph_build(&m->graph, t, 0, 0, err);
    if (s) {
        eff_free(m);
        return s;
    }
    m->meta.format = "table";
    m->meta.preprocess = default_preprocess(t->height, t->width_px);
    eff_model_refresh_info(m);
    *out = m;
    return EFF_OK;
}

void eff_model_destroy(eff_model *m)
{
    if (!m) return;
    eff_free_texts(m->meta.class_names, m->table.classes);
    eff_free_texts(m->meta.class_ids, m->table.classes);
    eff_free(m->meta.family);
    eff_free(m->meta.origin);
    eff_free(m->meta.licence);
    eff_free(m->meta.note);
    for (int i = 0; i < EFF_RECORDS; i++) eff_free(m->meta.records[i]);
    eff_free(m->meta.extra);
    eff_free(m->weights);
    eff_free(m->weight_block);
    eff_file_unmap(&m->map);
    eff_graph_free(m->graph);
    eff_free(m);
}

/* ------------------------------------------------------------------------------------------ weights */

static size_t aligned_count(const eff_param *p) { return eff_round_up(p->count, EFF_ALIGN / sizeof(float)); }

eff_status eff_model_alloc_weights(eff_model *m, eff_error *err)
{
    const eff_graph *const g = m->graph;
    if (m->weights) return EFF_OK;
    size_t floats = 0, bytes = 0;
    bool fits = true;
    for (int i = 0; i < g->nparams; i++) fits = fits && eff_add(floats, aligned_count(&g->param[i]), &floats);
    if (!fits || !eff_mul(floats, sizeof(float), &bytes)) return eff_fail_memory(err, SIZE_MAX);

    float **const weights = eff_calloc((size_t)g->nparams, sizeof *weights);
    float *const block = eff_malloc_aligned(bytes);
    if (!weights || !block) {
        eff_free(weights);
        eff_free(block);
        return eff_fail_memory(err, bytes);
    }
    float *at = block;
    for (int i = 0; i < g->nparams; i++) {
        const size_t n = g->param[i].count, room = aligned_count(&g->param[i]);
        weights[i] = at;
        memset(at + n, 0, (room - n) * sizeof *at); /* the gap is read by vector code that rounds up */
        at += room;
    }
    m->weights = weights;
    m->weight_block = block;
    m->info.has_weights = 1;
    return EFF_OK;
}

static void fill(float *w, size_t n, float v)
{
    for (size_t i = 0; i < n; i++) w[i] = v;
}

/* Variance 2 / fan_out; a depthwise filter has one output channel a group, so its fan_out is k * k. */
static void init_normal(float *w, const eff_param *p, uint64_t seed, uint64_t stream)
{
    const double fan_out = (double)p->dim[2] * p->dim[3] * (p->kind == EFF_PARAM_DWCONV ? 1 : p->dim[0]);
    const double sigma = sqrt(2.0 / fan_out);
    for (size_t i = 0; i < p->count; i++) w[i] = (float)(sigma * eff_rng_normal(seed, stream, i));
}

static void init_uniform(float *w, const eff_param *p, uint64_t seed, uint64_t stream)
{
    const double bound = 1.0 / sqrt((double)p->dim[0]);
    for (size_t i = 0; i < p->count; i++) w[i] = (float)(bound * (2.0 * eff_rng_uniform(seed, stream, i) - 1.0));
}

void eff_param_init(float *w, const eff_param *p, uint64_t seed, int number)
{
    switch (p->kind) {
    case EFF_PARAM_CONV:
    case EFF_PARAM_DWCONV:
    case EFF_PARAM_SE_WEIGHT: init_normal(w, p, seed, (uint64_t)number); break;
    case EFF_PARAM_FC_WEIGHT: init_uniform(w, p, seed, (uint64_t)number); break;
    case EFF_PARAM_BN_GAMMA:
    case EFF_PARAM_BN_VAR: fill(w, p->count, 1.0f); break;
    case EFF_PARAM_BN_BETA:
    case EFF_PARAM_BN_MEAN:
    case EFF_PARAM_SE_BIAS:
    case EFF_PARAM_FC_BIAS: fill(w, p->count, 0.0f); break;
    }
}

eff_status eff_model_init_weights(eff_model *m, uint64_t seed, eff_error *err)
{
    const eff_status s = eff_model_alloc_weights(m, err);
    for (int i = 0; s == EFF_OK && i < m->graph->nparams; i++)
        eff_param_init(m->weights[i], &m->graph->param[i], seed, i);
    return s;
}

void eff_bn_fold(float *scale, float *shift, const eff_node *bn, float *const *weights)
{
    const float *const gamma = weights[bn->param[0]], *const beta = weights[bn->param[1]];
    const float *const mean = weights[bn->param[2]], *const var = weights[bn->param[3]];
    for (int i = 0; i < bn->c; i++) {
        const double s = (double)gamma[i] / sqrt((double)var[i] + (double)bn->eps);
        scale[i] = (float)s;
        shift[i] = (float)((double)beta[i] - (double)mean[i] * s);
    }
}

/* How many values from the first on are finite for sure, in whole runs: of a length that is known here, so that the
 * compiler makes vectors of it, and without a way out, which it could not. */
static size_t finite_runs(const float *v, size_t n)
{
    typedef uint32_t bits __attribute__((may_alias));
    enum { RUN = 256 };
    const uint32_t largest = 0x7f7fffff; /* bits of the largest finite float */
    size_t done = 0;
    for (; n - done >= RUN; done += RUN) {
        const bits *b = (const bits *)(const void *)(v + done);
        int32_t wrong = 0;
        for (int i = 0; i < RUN; i++) wrong |= (int32_t)(b[i] & 0x7fffffff) > (int32_t)largest;
        if (wrong) break;
    }
    return done;
}

eff_status eff_check_values(const char *name, eff_param_kind kind, const float *v, size_t n, eff_error *err)
{
    for (size_t i = kind == EFF_PARAM_BN_VAR ? 0 : finite_runs(v, n); i < n; i++) {
        if (!isfinite(v[i]))
            return eff_fail(err, EFF_EFORMAT, "%s: element %zu: expected a finite value, found %s", name, i,
                            isnan(v[i]) ? "nan" : v[i] > 0 ? "inf" : "-inf");
        if (kind == EFF_PARAM_BN_VAR && v[i] < 0)
            return eff_fail(err, EFF_EFORMAT, "%s: element %zu: expected a variance of at least 0, found %g", name, i,
                            (double)v[i]);
    }
    return EFF_OK;
}

/* --------------------------------------------------------------------------------------------- facts */

void eff_model_refresh_info(eff_model *m)
{
    const eff_table *const t = &m->table;
    const eff_meta *const meta = &m->meta;
    eff_counts c;
    eff_count(&c, m->graph);
    m->info = (eff_model_info){
        .name = t->name, .format = meta->format, .family = meta->family, .padding = eff_pad_name(t->pad), .origin = meta->origin,
        .licence = meta->licence, .note = meta->note, .bn_eps = t->bn_eps, .width = t->width, .depth = t->depth, .dropout = t->dropout,
        .height = t->height, .width_px = t->width_px, .classes = t->classes, .blocks = c.blocks, .convs = c.conv_layers,
        .has_weights = m->weights != NULL, .has_class_names = meta->class_names != NULL, .params = c.params, .macs = c.macs,
        .bn_buffers = c.bn_buffers, .activation_bytes = m->info.activation_bytes, .conv_out_elems = c.conv_out_elems,
        .macs_stem = c.macs_stem, .macs_dw = c.macs_dw, .macs_pw = c.macs_pw, .macs_full = c.macs_full, .macs_se = c.macs_se,
        .macs_head = c.macs_head, .macs_fc = c.macs_fc,
    };
    m->info.nstages = eff_count_rows(m->rows, t, m->graph);
    m->info.stages = m->rows;
}
