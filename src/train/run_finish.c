/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a run: what the kept model is worth, its temperature, and the files for people. Nothing here depends on
 * how often the run was interrupted, but for the seconds it took. */
#include "train/run_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "formats/formats.h"
#include "formats/modelfile.h"
#include "report/report.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MAX_FACTS = 64, FACT_LEN = 640 };

typedef struct verdict {
    eff_metrics *val, *test; /* test: NULL where the set has none */
    eff_scores val_scores, test_scores;
    eff_calibration fit;
} verdict;

static double peak_mb(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? (double)u.ru_maxrss / 1e3 : 0;
}

/* -------------------------------------------------------------------------------------------- figures */

/* The weights that are kept: those of the best epoch, or, where there was none, what the run has now. */
static eff_status take_best(eff_run *r, eff_error *err)
{
    if (!r->p.best_epoch) {
        eff_run_update_kept(r);
        return EFF_OK;
    }
    char *path = eff_run_path(r, "model.effnet");
    const eff_model_opts o = { 0 };
    eff_model *m = NULL;
    const eff_status s = path ? eff_formats_load(&m, path, &o, err) : eff_fail_memory(err, 0);
    if (s == EFF_OK) {
        eff_model_destroy(r->kept);
        r->kept = m;
    } else if (path)
        eff_error_prefix(err, "%s", path);
    eff_free(path);
    return s;
}

static eff_status measure(eff_metrics **out, const eff_scores *s, int classes, double temperature, eff_error *err)
{
    const eff_status status = eff_metrics_create(out, classes, err);
    if (status != EFF_OK) return status;
    eff_metrics_set_temperature(*out, temperature);
    for (size_t i = 0; i < s->n; i++) eff_metrics_add(*out, s->label[i], s->logits + i * (size_t)classes);
    return EFF_OK;
}

static eff_status judge(verdict *v, eff_run *r, eff_error *err)
{
    eff_status s = eff_run_score(&v->val_scores, r, r->kept, EFF_PART_VAL, err);
    /* a model whose scores are no numbers has no temperature: it stays 1 */
    if (s == EFF_OK)
        eff_temperature_fit(&v->fit, v->val_scores.logits, v->val_scores.label, v->val_scores.n, r->classes, NULL);
    if (s == EFF_OK) s = measure(&v->val, &v->val_scores, r->classes, v->fit.temperature, err);
    if (s != EFF_OK || !eff_dataset_count(r->d, EFF_PART_TEST)) return s;
    s = eff_run_score(&v->test_scores, r, r->kept, EFF_PART_TEST, err);
    return s == EFF_OK ? measure(&v->test, &v->test_scores, r->classes, v->fit.temperature, err) : s;
}

static void release(verdict *v)
{
    eff_metrics_free(v->val);
    eff_metrics_free(v->test);
    eff_scores_free(&v->val_scores);
    eff_scores_free(&v->test_scores);
}

/* -------------------------------------------------------------------------------------------- records */

/* top1, interval, n ... of a part. */
static json_t *figures(const eff_metrics_result *m, const char *set)
{
    json_t *o = json_object(), *interval = json_array();
    json_array_append_new(interval, eff_json_real(m->lo));
    json_array_append_new(interval, eff_json_real(m->hi));
    const bool ok = eff_json_put(o, "set", json_string(set)) && eff_json_put(o, "n", json_integer(m->n)) &&
                    eff_json_put(o, "top1", eff_json_real(m->top1)) && eff_json_put(o, "interval", interval) &&
                    eff_json_put(o, "top5", eff_json_real(m->top5)) &&
                    eff_json_put(o, "loss", eff_json_real(m->loss)) && eff_json_put(o, "ece", eff_json_real(m->ece)) &&
                    eff_json_put(o, "ece_uncalibrated", eff_json_real(m->plain_ece));
    if (ok) return o;
    json_decref(o);
    return NULL;
}

static json_t *training_record(eff_run *r)
{
    json_t *o = json_object(), *values = json_object();
    bool ok = o && values && eff_json_put(o, "effnet", json_string(eff_version())) &&
              eff_json_put(o, "recipe", json_string(r->r.name)) &&
              eff_json_put(o, "images", json_integer((json_int_t)eff_dataset_count(r->d, EFF_PART_TRAIN))) &&
              eff_json_put(o, "epochs", json_integer(r->p.epoch)) &&
              eff_json_put(o, "best_epoch", json_integer(r->p.best_epoch)) &&
              eff_json_put(o, "seed", eff_json_seed(r->o.seed)) &&
              eff_json_put(o, "data_fingerprint", json_string(r->print));
    for (int i = 0; ok && i < eff_recipe_count(); i++)
        ok = eff_json_put(values, eff_recipe_key(i, NULL), json_string(eff_recipe_value(&r->r, i, NULL)));
    ok = ok && !json_object_set(o, "values", values);
    json_decref(values);
    if (ok) return o;
    json_decref(o);
    return NULL;
}

static eff_status record(eff_run *r, eff_record which, json_t *j, eff_error *err)
{
    char **to = &r->kept->meta.records[which], *text = NULL;
    const eff_status s = j ? eff_modelfile_record(&text, which, j, EFF_EARG, err)
                           : eff_fail(err, EFF_ENOMEM, "out of memory for a record");
    if (s == EFF_OK) {
        eff_free(*to);
        *to = text;
    }
    json_decref(j);
    return s;
}

static eff_status save_metrics(eff_run *r, const verdict *v, double seconds, eff_error *err)
{
    const eff_metrics_result *val = eff_metrics_get(v->val), *test = v->test ? eff_metrics_get(v->test) : NULL;
    char *model = eff_run_path(r, "model.effnet"), *report = eff_run_path(r, "report.html");
    size_t excluded = 0;
    while (eff_dataset_excluded(r->d, excluded, NULL)) excluded++;
    json_t *o = figures(test ? test : val, test ? "test" : "validation");
    bool ok = o && model && report && eff_json_put(o, "temperature", eff_json_real(v->fit.temperature)) &&
              eff_json_put(o, "epochs", json_integer(r->p.epoch)) &&
              eff_json_put(o, "best_epoch", json_integer(r->p.best_epoch)) &&
              eff_json_put(o, "seconds", eff_json_real(seconds)) &&
              eff_json_put(o, "rss_mb", eff_json_real(peak_mb())) &&
              eff_json_put(o, "recipe", json_string(r->r.name)) &&
              eff_json_put(o, "images", json_integer((json_int_t)eff_dataset_count(r->d, EFF_PART_TRAIN))) &&
              eff_json_put(o, "classes", json_integer(r->classes)) &&
              eff_json_put(o, "left_out", json_integer((json_int_t)excluded)) &&
              eff_json_put(o, "skipped_steps", json_integer(r->p.skipped)) &&
              eff_json_put(o, "rollbacks", json_integer(r->p.rollbacks)) &&
              eff_json_put(o, "head_first_top1", r->p.head_l2 < 0 ? json_null() : eff_json_real(r->p.head_accuracy)) &&
              eff_json_put(o, "threads", json_integer(eff_trainer_threads(r->t))) &&
              eff_json_put(o, "cpu", json_string(eff_trainer_cpu(r->t))) &&
              eff_json_put(o, "validation", figures(val, "validation")) &&
              eff_json_put(o, "model", json_string(model)) && eff_json_put(o, "report", json_string(report));
    char *text = ok ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    eff_free(model);
    eff_free(report);
    if (!text) return eff_fail(err, EFF_ENOMEM, "out of memory for the metrics' JSON");
    eff_free(r->metrics);
    r->metrics = eff_strdup(text);
    free(text);
    if (!r->metrics) return eff_fail_memory(err, 0);
    return eff_save_text(r->out, "metrics.json", r->metrics, err);
}

/* --------------------------------------------------------------------------------------------- report */

typedef struct facts {
    eff_report_fact row[MAX_FACTS];
    char text[MAX_FACTS][FACT_LEN];
    size_t n;
} facts;

__attribute__((format(printf, 4, 5))) static void fact(facts *f, const char *key, const char *why, const char *fmt, ...)
{
    va_list ap;
    if (f->n == MAX_FACTS) return;
    va_start(ap, fmt);
    vsnprintf(f->text[f->n], FACT_LEN, fmt, ap);
    va_end(ap);
    f->row[f->n] = (eff_report_fact){ key, f->text[f->n], why };
    f->n++;
}

static void collect(facts *f, eff_run *r, const verdict *v, double seconds)
{
    const eff_model_info *i = &r->kept->info;
    const bool chosen = r->p.best_epoch && r->r.v[EFF_KEY_KEEP] == 0;
    fact(f, "accuracy is of",
         v->test  ? "images that nothing was chosen by"
         : chosen ? "the epoch was chosen by the same images: the figure is a little kind"
                  : "the last epoch: nothing was chosen by these images",
         "%zu %s images", v->test ? v->test_scores.n : v->val_scores.n, v->test ? "test" : "validation");
    if (v->test)
        fact(f, "validation top-1", "", "%.2f %% of %zu images", 100 * eff_metrics_get(v->val)->top1, v->val_scores.n);
    if (r->data) fact(f, "images from", "", "%s", r->data);
    fact(f, "training images", "", "%zu in %d classes; the split was %s", eff_dataset_count(r->d, EFF_PART_TRAIN),
         r->classes, eff_dataset_split_origin(r->d));
    fact(f, "network", "", "%s, %dx%d pixels, %.2f million parameters", i->name, i->height, i->width_px,
         (double)i->params / 1e6);
    if (r->source)
        fact(f, "started from", i->licence ? i->licence : "", "%s%s%s", r->source, i->origin ? ", " : "",
             i->origin ? i->origin : "");
    if (r->p.head_l2 >= 0)
        fact(f, "classifier on frozen features", "cross-validated on the training images, before fine-tuning",
             "%.1f %%", 100 * r->p.head_accuracy);
    fact(f, "time", "", "%.0f s on %d threads, kernels %s", seconds, eff_trainer_threads(r->t), eff_trainer_cpu(r->t));
    fact(f, "peak memory", "", "%.0f MB", peak_mb());
    if (r->p.skipped)
        fact(f, "steps left out", "their numbers were not finite", "%ld, with %d rollbacks", r->p.skipped,
             r->p.rollbacks);
    fact(f, "temperature", "fitted on the validation images; changes confidence, never the answer", "%.3g",
         v->fit.temperature);
    fact(f, "recipe", "", "%s", r->r.name);
    for (int k = 0; k < eff_recipe_count(); k++) {
        const char *why, *value = eff_recipe_value(&r->r, k, &why);
        if (!eff_recipe_matters(&r->r, k)) continue;
        fact(f, eff_recipe_key(k, NULL), why, "%s", value);
    }
}

/* Answers on the part that is reported. */
static eff_report_image *answers(const eff_run *r, const eff_scores *s, eff_part part, double temperature)
{
    eff_report_image *a = eff_malloc((s->n + 1) * sizeof *a);
    float *prob = eff_malloc((size_t)r->classes * sizeof *prob);
    for (size_t i = 0; a && prob && i < s->n; i++) {
        const float *z = s->logits + i * (size_t)r->classes;
        int best;
        eff_top_k(z, r->classes, 1, &best);
        eff_softmax_at(z, r->classes, temperature, prob);
        a[i] = (eff_report_image){ eff_dataset_item(r->d, part, i).path, s->label[i], best, prob[best],
                                   prob[s->label[i]] };
    }
    if (!prob) {
        eff_free(a);
        a = NULL;
    }
    eff_free(prob);
    return a;
}

static eff_status save_report(eff_run *r, const verdict *v, double seconds, eff_error *err)
{
    const eff_part part = v->test ? EFF_PART_TEST : EFF_PART_VAL;
    const eff_scores *scores = v->test ? &v->test_scores : &v->val_scores;
    size_t excluded = 0;
    while (eff_dataset_excluded(r->d, excluded, NULL)) excluded++;
    facts *f = eff_calloc(1, sizeof *f);
    eff_report_epoch *epochs = eff_calloc((size_t)r->p.nrows + 1, sizeof *epochs);
    eff_report_excluded *out = eff_calloc(excluded + 1, sizeof *out);
    eff_report_image *images = answers(r, scores, part, v->fit.temperature);
    char *path = eff_run_path(r, "report.html");
    eff_status s = f && epochs && out && images && path ? EFF_OK : eff_fail_memory(err, scores->n * sizeof *images);
    if (s == EFF_OK) {
        for (int i = 0; i < r->p.nrows; i++) {
            const eff_epoch_row *w = &r->p.rows[i];
            epochs[i] = (eff_report_epoch){ w->epoch, w->train_loss, w->val_loss, w->train_top1, w->val_top1, w->lr };
        }
        for (size_t i = 0; i < excluded; i++) out[i].path = eff_dataset_excluded(r->d, i, &out[i].reason);
        collect(f, r, v, seconds);
        eff_report rep;
        eff_report_defaults(&rep);
        rep.title = r->data ? r->data : r->kept->table.name;
        rep.subtitle = "what was trained, and what it is worth";
        rep.facts = f->row;
        rep.nfacts = f->n;
        rep.epochs = epochs;
        rep.nepochs = (size_t)r->p.nrows;
        rep.metrics = eff_metrics_get(v->test ? v->test : v->val);
        rep.class_names = (const char *const *)r->kept->meta.class_names;
        rep.images = images;
        rep.nimages = scores->n;
        rep.excluded = out;
        rep.nexcluded = excluded;
        s = eff_report_write(&rep, path, err);
    }
    if (s != EFF_OK && path) eff_error_prefix(err, "%s", path);
    eff_free(path);
    eff_free(images);
    eff_free(out);
    eff_free(epochs);
    eff_free(f);
    return s;
}

eff_status eff_run_finish(eff_run *r, eff_error *err)
{
    verdict v = { 0 };
    eff_status s = take_best(r, err);
    if (s == EFF_OK) s = judge(&v, r, err);
    if (s == EFF_OK) {
        const eff_metrics_result *m = eff_metrics_get(v.test ? v.test : v.val);
        r->kept->meta.temperature = v.fit.temperature;
        s = record(r, EFF_RECORD_METRICS, figures(m, v.test ? "test" : "validation"), err);
    }
    if (s == EFF_OK) s = record(r, EFF_RECORD_TRAINING, training_record(r), err);
    if (s == EFF_OK) s = eff_run_save_model(r, err);
    const double seconds = r->p.seconds + eff_clock() - r->began;
    if (s == EFF_OK) s = save_metrics(r, &v, seconds, err);
    if (s == EFF_OK) s = save_report(r, &v, seconds, err);
    release(&v);
    return s;
}
