/* SPDX-License-Identifier: Apache-2.0 */
/* Weight averaging. What is averaged must be one network that computes in one way: the graphs are compared node by
 * node, so that neither padding nor epsilon may differ. A mean adds the values in ascending order, which makes it the
 * same to the bit whatever the order of the models. */
#include "model/average.h"

#include "base/mem.h"
#include "image/preprocess.h"

#include <string.h>

/* -------------------------------------------------------------------------------------- what fits together */

/* Whether two nodes compute the same; how often training drops them does not matter. */
static bool same_node(const eff_node *p, const eff_node *q)
{
    return p->op == q->op && p->h == q->h && p->w == q->w && p->c == q->c && p->kernel == q->kernel &&
           p->stride == q->stride && p->pad_top == q->pad_top && p->pad_left == q->pad_left &&
           p->pad_bottom == q->pad_bottom && p->pad_right == q->pad_right && p->act == q->act &&
           p->squeeze == q->squeeze && p->eps == q->eps && memcmp(p->in, q->in, sizeof p->in) == 0 &&
           memcmp(p->param, q->param, sizeof p->param) == 0;
}

static bool same_nodes(const eff_graph *a, const eff_graph *b)
{
    bool same = a->nnodes == b->nnodes;
    for (int i = 0; same && i < a->nnodes; i++) same = same_node(&a->node[i], &b->node[i]);
    return same;
}

static eff_status check_architecture(const eff_model *a, const eff_model *b, eff_error *err)
{
    const eff_table *s = &a->table, *t = &b->table;
    if (!eff_graph_same_params(a->graph, b->graph))
        return eff_fail(err, EFF_EARG, "architecture: expected %s as in the first, found %s", s->name,
                        strcmp(s->name, t->name) ? t->name : "other tensors under that name");
    if (s->height != t->height || s->width_px != t->width_px)
        return eff_fail(err, EFF_EARG, "resolution: expected %dx%d as in the first, found %dx%d", s->height,
                        s->width_px, t->height, t->width_px);
    if (!same_nodes(a->graph, b->graph))
        return eff_fail(err, EFF_EARG,
                        "architecture: expected %s padding, epsilon %g, %s as in the first, found %s, %g, %s",
                        eff_pad_name(s->pad), s->bn_eps, eff_act_name(s->act), eff_pad_name(t->pad), t->bn_eps,
                        eff_act_name(t->act));
    return EFF_OK;
}

static bool same_text(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

static eff_status check_classes(const eff_model *a, const eff_model *b, eff_error *err)
{
    char **const x = a->meta.class_names, **const y = b->meta.class_names;
    if (a->table.classes != b->table.classes)
        return eff_fail(err, EFF_EARG, "classes: expected %d as in the first, found %d", a->table.classes,
                        b->table.classes);
    for (int i = 0; x && y && i < a->table.classes; i++)
        if (strcmp(x[i], y[i]) != 0)
            return eff_fail(err, EFF_EARG, "class %d: expected \"%.60s\" as in the first, found \"%.60s\"", i, x[i],
                            y[i]);
    return EFF_OK;
}

static eff_status check_preprocess(const eff_model *a, const eff_model *b, eff_error *err)
{
    char p[256], q[256];
    eff_preprocess_write(&a->meta.preprocess, p, sizeof p);
    eff_preprocess_write(&b->meta.preprocess, q, sizeof q);
    if (strcmp(p, q) == 0) return EFF_OK;
    return eff_fail(err, EFF_EARG, "preprocessing: expected %.90s as in the first, found %.90s", p, q);
}

eff_status eff_average_fits(const eff_model *a, const eff_model *b, eff_error *err)
{
    const eff_model *const bare = !a->weights ? a : !b->weights ? b : NULL;
    if (bare)
        return eff_fail(err, EFF_EARG, "%s is an untrained architecture, there are no weights to average",
                        bare->table.name);
    eff_status s = check_classes(a, b, err);
    if (s == EFF_OK) s = check_architecture(a, b, err);
    return s == EFF_OK ? check_preprocess(a, b, err) : s;
}

/* ------------------------------------------------------------------------------------------- what is kept */

static eff_status keep(char **to, const char *const *said, int n, eff_error *err)
{
    const char *all = NULL;
    for (int i = 0; i < n; i++) {
        if (!said[i]) continue;
        if (all && strcmp(all, said[i]) != 0) return EFF_OK;
        all = said[i];
    }
    if (!all) return EFF_OK;
    *to = eff_strdup(all);
    return *to ? EFF_OK : eff_fail_memory(err, strlen(all));
}

static eff_status copy_lines(char ***to, char *const *from, int n, eff_error *err)
{
    if (!from || !n) return EFF_OK;
    *to = eff_calloc((size_t)n, sizeof **to); /* the model frees it, also when this stops half way */
    if (!*to) return eff_fail_memory(err, (size_t)n * sizeof **to);
    for (int i = 0; i < n; i++) {
        if (!from[i]) continue;
        (*to)[i] = eff_strdup(from[i]);
        if (!(*to)[i]) return eff_fail_memory(err, strlen(from[i]));
    }
    return EFF_OK;
}

/* A licence or an origin that only some have is kept; a contradiction is not decided here. */
static eff_status keep_meta(eff_model *m, const eff_model *const *models, int n, eff_error *err)
{
    const char **const said = eff_malloc((size_t)n * sizeof *said);
    if (!said) return eff_fail_memory(err, (size_t)n * sizeof *said);
    const eff_model *named = models[0];
    for (int i = n - 1; i >= 0; i--)
        if (models[i]->meta.class_names) named = models[i];
    eff_status s = copy_lines(&m->meta.class_names, named->meta.class_names, m->table.classes, err);
    if (s == EFF_OK) s = copy_lines(&m->meta.class_ids, named->meta.class_ids, m->table.classes, err);
    for (int i = 0; i < n; i++) said[i] = models[i]->meta.family;
    if (s == EFF_OK) s = keep(&m->meta.family, said, n, err);
    for (int i = 0; i < n; i++) said[i] = models[i]->meta.origin;
    if (s == EFF_OK) s = keep(&m->meta.origin, said, n, err);
    for (int i = 0; i < n; i++) said[i] = models[i]->meta.licence;
    if (s == EFF_OK) s = keep(&m->meta.licence, said, n, err);
    for (int i = 0; i < n; i++) said[i] = models[i]->meta.note;
    if (s == EFF_OK) s = keep(&m->meta.note, said, n, err);
    bool alike = true; /* how it came about is true of all only if all say so */
    for (int i = 0; i < n; i++) {
        said[i] = models[i]->meta.records[EFF_RECORD_TRAINING];
        alike = alike && same_text(said[i], said[0]);
    }
    if (s == EFF_OK && alike) s = keep(&m->meta.records[EFF_RECORD_TRAINING], said, n, err);
    eff_free(said);
    return s;
}

/* ----------------------------------------------------------------------------------------------- averaging */

static double mean(float *v, int n)
{
    for (int i = 1; i < n; i++) { /* few: checkpoints of a run */
        const float x = v[i];
        int j = i;
        for (; j > 0 && v[j - 1] > x; j--) v[j] = v[j - 1];
        v[j] = x;
    }
    double sum = (double)v[0];
    for (int i = 1; i < n; i++) sum += (double)v[i];
    return sum / n;
}

/* Equal values stay what they are, -0 too: nothing is added where there is no step. */
static double moving(const float *v, int n, double decay)
{
    double average = (double)v[0];
    for (int i = 1; i < n; i++) {
        const double step = (1 - decay) * ((double)v[i] - average);
        if (step != 0) average += step;
    }
    return average;
}

static void average_param(float *out, float *v, const eff_model *const *models, int n, int param, double decay)
{
    const size_t count = models[0]->graph->param[param].count;
    for (size_t e = 0; e < count; e++) {
        for (int i = 0; i < n; i++) v[i] = models[i]->weights[param][e];
        out[e] = (float)(decay < 0 ? mean(v, n) : moving(v, n, decay));
    }
}

eff_status eff_average_models(eff_model **out, const eff_model *const *models, int n, double decay, eff_error *err)
{
    eff_model *m = NULL;
    float *v = NULL;
    eff_status s = EFF_OK;
    *out = NULL;
    if (n < 1) return eff_fail(err, EFF_EARG, "average: expected at least one model, found %d", n);
    if (!(decay <= 1)) return eff_fail(err, EFF_EARG, "decay: expected a number in 0..1, found %g", decay);
    for (int i = 0; s == EFF_OK && i < n; i++) s = eff_average_fits(models[0], models[i], err);
    if (s == EFF_OK) s = eff_model_new(&m, &models[0]->table, err);
    if (s == EFF_OK) s = eff_model_alloc_weights(m, err);
    if (s != EFF_OK) goto fail;
    m->meta.format = "effnet";
    m->meta.preprocess = models[0]->meta.preprocess;
    if ((s = keep_meta(m, models, n, err)) != EFF_OK) goto fail;
    v = eff_malloc((size_t)n * sizeof *v);
    if (!v) {
        s = eff_fail_memory(err, (size_t)n * sizeof *v);
        goto fail;
    }
    for (int p = 0; p < m->graph->nparams; p++) average_param(m->weights[p], v, models, n, p, decay);
    eff_free(v);
    eff_model_refresh_info(m);
    *out = m;
    return EFF_OK;
fail:
    eff_model_destroy(m);
    return s;
}
