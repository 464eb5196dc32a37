/* SPDX-License-Identifier: Apache-2.0 */
/* What a run keeps in its folder while it runs: args.json (what it was asked and what was decided), last.state,
 * log.csv, model.effnet. Every file is written whole or not at all, and state last: a run that is cut off between two
 * of them does the work again, with the same result. */
#include "train/run_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/number.h"
#include "formats/modelfile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ARGS_SCHEMA "effnet-run"

enum { MAX_ARGS = 1 << 20, MOST_ROWS = 100000 };

/* --------------------------------------------------------------------------------------------- helpers */

static eff_status no_json(eff_error *err) { return eff_fail(err, EFF_ENOMEM, "out of memory for the run's JSON"); }

/* ------------------------------------------------------------------------------------------- args.json */

eff_status eff_run_save_args(const eff_run *r, bool settled, eff_error *err)
{
    json_t *o = json_object(), *values = json_object(), *why = json_object();
    eff_recipe copy = r->r; /* eff_recipe_value() writes into it */
    bool ok = o && values && why && eff_json_put(o, "schema", json_string(ARGS_SCHEMA)) &&
              eff_json_put(o, "version", json_integer(1)) && eff_json_put(o, "effnet", json_string(eff_version())) &&
              eff_json_put(o, "settled", json_boolean(settled)) &&
              eff_json_put(o, "data", r->data ? json_string(r->data) : json_null()) &&
              eff_json_put(o, "weights", r->source ? json_string(r->source) : json_null()) &&
              eff_json_put(o, "fingerprint", json_string(r->print)) &&
              eff_json_put(o, "seed", eff_json_seed(r->o.seed)) &&
              eff_json_put(o, "memory_bytes", json_integer((json_int_t)r->o.memory)) &&
              eff_json_put(o, "time_seconds", json_real(r->o.seconds)) &&
              eff_json_put(o, "recipe", json_string(r->r.name));
    for (int i = 0; ok && i < eff_recipe_count(); i++) {
        const char *reason, *value = eff_recipe_value(&copy, i, &reason);
        ok = eff_json_put(values, eff_recipe_key(i, NULL), json_string(value)) &&
             eff_json_put(why, eff_recipe_key(i, NULL), json_string(reason));
    }
    ok = ok && !json_object_set(o, "values", values) && !json_object_set(o, "why", why);
    char *text = ok ? json_dumps(o, JSON_INDENT(1)) : NULL;
    json_decref(values);
    json_decref(why);
    json_decref(o);
    if (!text) return no_json(err);
    const eff_status s = eff_save_text(r->out, "args.json", text, err);
    free(text);
    return s;
}

static eff_status read_values(eff_run *r, const json_t *o, eff_error *err)
{
    const json_t *values = json_object_get(o, "values"), *why = json_object_get(o, "why");
    for (int i = 0; i < eff_recipe_count(); i++) {
        const char *key = eff_recipe_key(i, NULL), *value = json_string_value(json_object_get(values, key));
        const char *reason = json_string_value(json_object_get(why, key));
        char text[EFF_AUGMENT_LEN + 32];
        if (!value) return eff_fail(err, EFF_EFORMAT, "values: %s is missing", key);
        if (snprintf(text, sizeof text, "%s=%s", key, value) >= (int)sizeof text)
            return eff_fail(err, EFF_EFORMAT, "values: %s is too long", key);
        const eff_status s = eff_recipe_set(&r->r, text, err);
        if (s != EFF_OK) return s == EFF_ENOMEM ? s : EFF_EFORMAT;
        char *at = i < EFF_KEYS ? r->r.why[i] : r->r.augment_why;
        snprintf(at, EFF_WHY_LEN, "%s", reason ? reason : "");
    }
    return EFF_OK;
}

static eff_status read_args(eff_run *r, const json_t *o, bool *settled, eff_error *err)
{
    const char *schema = json_string_value(json_object_get(o, "schema")),
               *seed = json_string_value(json_object_get(o, "seed"));
    const char *name = json_string_value(json_object_get(o, "recipe")), *text;
    const json_t *memory = json_object_get(o, "memory_bytes"), *seconds = json_object_get(o, "time_seconds");
    char *end = NULL;
    if (!schema || strcmp(schema, ARGS_SCHEMA) != 0)
        return eff_fail(err, EFF_EFORMAT, "expected schema \"" ARGS_SCHEMA "\"");
    if (json_integer_value(json_object_get(o, "version")) != 1)
        return eff_fail(err, EFF_EUNSUPPORTED, "version: expected 1");
    if (!seed || !*seed || (r->o.seed = strtoull(seed, &end, 10), *end))
        return eff_fail(err, EFF_EFORMAT, "seed: expected a whole number as text");
    if (!json_is_integer(memory) || json_integer_value(memory) < 0 || !json_is_number(seconds) ||
        json_number_value(seconds) < 0)
        return eff_fail(err, EFF_EFORMAT, "memory_bytes, time_seconds: expected numbers from 0 up");
    r->o.memory = (size_t)json_integer_value(memory);
    r->o.seconds = json_number_value(seconds);
    *settled = json_is_true(json_object_get(o, "settled"));
    const eff_facts any = { .pretrained = true, .images = 100, .classes = 2, .least = 50, .most = 50, .side = 224 };
    if (!name || eff_recipe_pick(&r->r, name, &any, err) != EFF_OK)
        return eff_fail(err, EFF_EFORMAT, "recipe: expected the name of a recipe");
    eff_status s = read_values(r, o, err);
    if (s == EFF_OK && (text = json_string_value(json_object_get(o, "data"))) && !(r->data = eff_strdup(text)))
        s = eff_fail_memory(err, 0);
    if (s == EFF_OK && (text = json_string_value(json_object_get(o, "weights"))) && !(r->source = eff_strdup(text)))
        s = eff_fail_memory(err, 0);
    return s;
}

eff_status eff_run_parse_args(eff_run *r, const char *text, size_t n, bool *settled, eff_error *err)
{
    json_t *o = NULL;
    eff_status s = eff_json_parse(&o, text, n, "args.json", err);
    if (s == EFF_OK) s = read_args(r, o, settled, err);
    json_decref(o);
    return s;
}

eff_status eff_run_load_args(eff_run *r, bool *settled, eff_error *err)
{
    unsigned char *text = NULL;
    size_t n;
    char *path = eff_run_path(r, "args.json");
    if (!path) return eff_fail_memory(err, 0);
    eff_status s = eff_file_read_all(path, MAX_ARGS, &text, &n, err);
    if (s == EFF_OK) s = eff_run_parse_args(r, (const char *)text, n, settled, err);
    if (s != EFF_OK) eff_error_prefix(err, "%s", path);
    eff_free(text);
    eff_free(path);
    return s;
}

/* ------------------------------------------------------------------------------------------ last.state */

static json_t *row_json(const eff_epoch_row *w)
{
    json_t *a = json_array();
    const double v[] = { w->epoch,    w->lr,       w->train_loss, w->train_top1,
                         w->val_loss, w->val_top1, w->seconds,    w->images_per_s };
    for (size_t i = 0; a && i < sizeof v / sizeof *v; i++) json_array_append_new(a, eff_json_real(v[i]));
    return a;
}

static json_t *progress_json(const eff_run *r)
{
    const eff_progress *p = &r->p;
    json_t *o = json_object(), *rows = json_array();
    bool ok = o && rows && eff_json_put(o, "begun", json_boolean(p->begun)) && eff_json_put(o, "epoch", json_integer(p->epoch)) &&
              eff_json_put(o, "step", json_integer(p->step)) && eff_json_put(o, "steps", json_integer(r->steps)) &&
              eff_json_put(o, "loss_sum", eff_json_real(p->loss_sum)) &&
              eff_json_put(o, "counted", json_integer(p->counted)) && eff_json_put(o, "seen", json_integer(p->seen)) &&
              eff_json_put(o, "hits", json_integer(p->hits)) && eff_json_put(o, "skipped", json_integer(p->skipped)) &&
              eff_json_put(o, "in_a_row", json_integer(p->in_a_row)) &&
              eff_json_put(o, "rollbacks", json_integer(p->rollbacks)) &&
              eff_json_put(o, "lr_factor", eff_json_real(p->lr_factor)) &&
              eff_json_put(o, "best_epoch", json_integer(p->best_epoch)) &&
              eff_json_put(o, "best_top1", eff_json_real(p->best_top1)) &&
              eff_json_put(o, "best_loss", eff_json_real(p->best_loss)) &&
              eff_json_put(o, "seconds", eff_json_real(p->seconds + eff_clock() - r->began)) &&
              eff_json_put(o, "head_accuracy", eff_json_real(p->head_accuracy)) &&
              eff_json_put(o, "head_l2", eff_json_real(p->head_l2)) &&
              eff_json_put(o, "fingerprint", json_string(r->print));
    for (int i = 0; ok && i < p->nrows; i++) ok = json_array_append_new(rows, row_json(&p->rows[i])) == 0;
    ok = ok && json_object_set(o, "rows", rows) == 0;
    json_decref(rows);
    if (ok) return o;
    json_decref(o);
    return NULL;
}

eff_status eff_run_save_state(eff_run *r, eff_error *err)
{
    char *path = eff_run_path(r, "last.state");
    json_t *j = progress_json(r);
    eff_status s = path && j ? eff_state_save(path, r->m, r->opt, j, err) : no_json(err);
    if (s != EFF_OK && path) eff_error_prefix(err, "%s", path);
    json_decref(j);
    eff_free(path);
    r->saved = eff_clock();
    return s;
}

static eff_status whole(long *out, const json_t *o, const char *key, long lo, eff_error *err)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_integer(v) || json_integer_value(v) < lo)
        return eff_fail(err, EFF_EFORMAT, "progress: %s: expected a whole number from %ld up", key, lo);
    *out = (long)json_integer_value(v);
    return EFF_OK;
}

static eff_status number(double *out, const json_t *o, const char *key, eff_error *err)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_number(v)) return eff_fail(err, EFF_EFORMAT, "progress: %s: expected a number", key);
    *out = json_number_value(v);
    return EFF_OK;
}

eff_status eff_run_add_row(eff_run *r, eff_epoch_row row, eff_error *err)
{
    eff_progress *p = &r->p;
    eff_epoch_row *more = eff_realloc(p->rows, ((size_t)p->nrows + 1) * sizeof *more);
    if (!more) return eff_fail_memory(err, ((size_t)p->nrows + 1) * sizeof *more);
    p->rows = more;
    p->rows[p->nrows++] = row;
    return EFF_OK;
}

static eff_status read_rows(eff_run *r, const json_t *rows, eff_error *err)
{
    if (!json_is_array(rows) || json_array_size(rows) > MOST_ROWS)
        return eff_fail(err, EFF_EFORMAT, "progress: rows: expected an array");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *a = json_array_get(rows, i);
        double v[8];
        if (!json_is_array(a) || json_array_size(a) != 8)
            return eff_fail(err, EFF_EFORMAT, "progress: row %zu: expected 8 numbers", i);
        for (size_t k = 0; k < 8; k++) {
            const json_t *x = json_array_get(a, k);
            if (!json_is_number(x) && !json_is_null(x))
                return eff_fail(err, EFF_EFORMAT, "progress: row %zu: expected 8 numbers", i);
            v[k] = json_is_null(x) ? (double)NAN : json_number_value(x);
        }
        if (!(v[0] >= 1 && v[0] <= MOST_ROWS))
            return eff_fail(err, EFF_EFORMAT, "progress: row %zu: expected an epoch first", i);
        const eff_epoch_row row = { (int)v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7] };
        const eff_status s = eff_run_add_row(r, row, err);
        if (s != EFF_OK) return s;
    }
    return EFF_OK;
}

eff_status eff_run_read_progress(eff_run *r, const json_t *o, eff_error *err)
{
    eff_progress p = { 0 };
    long epoch, steps, in_a_row, rollbacks, best;
    const char *had = json_string_value(json_object_get(o, "fingerprint"));
    if (!had || strcmp(had, r->print) != 0)
        return eff_fail(err, EFF_EFORMAT,
                        "the images are not those that the run began with: files were added, removed or changed");
    eff_status s;
    if ((s = whole(&epoch, o, "epoch", 0, err)) != EFF_OK || (s = whole(&p.step, o, "step", 0, err)) != EFF_OK ||
        (s = whole(&steps, o, "steps", 1, err)) != EFF_OK || (s = whole(&p.counted, o, "counted", 0, err)) != EFF_OK ||
        (s = whole(&p.seen, o, "seen", 0, err)) != EFF_OK || (s = whole(&p.hits, o, "hits", 0, err)) != EFF_OK ||
        (s = whole(&p.skipped, o, "skipped", 0, err)) != EFF_OK ||
        (s = whole(&in_a_row, o, "in_a_row", 0, err)) != EFF_OK ||
        (s = whole(&rollbacks, o, "rollbacks", 0, err)) != EFF_OK ||
        (s = whole(&best, o, "best_epoch", 0, err)) != EFF_OK ||
        (s = number(&p.loss_sum, o, "loss_sum", err)) != EFF_OK ||
        (s = number(&p.lr_factor, o, "lr_factor", err)) != EFF_OK ||
        (s = number(&p.best_top1, o, "best_top1", err)) != EFF_OK ||
        (s = number(&p.best_loss, o, "best_loss", err)) != EFF_OK ||
        (s = number(&p.seconds, o, "seconds", err)) != EFF_OK ||
        (s = number(&p.head_l2, o, "head_l2", err)) != EFF_OK ||
        (s = number(&p.head_accuracy, o, "head_accuracy", err)) != EFF_OK)
        return s;
    if (steps != r->steps || epoch > eff_recipe_int(&r->r, EFF_KEY_EPOCHS) || p.step > r->steps)
        return eff_fail(err, EFF_EFORMAT,
                        "progress: epoch %ld, step %ld of %ld do not fit this run of %ld steps an epoch", epoch, p.step,
                        steps, r->steps);
    p.begun = !json_is_false(json_object_get(o, "begun"));
    p.epoch = (int)epoch;
    p.in_a_row = (int)in_a_row;
    p.rollbacks = (int)rollbacks;
    p.best_epoch = (int)best;
    eff_free(r->p.rows);
    r->p = p;
    return read_rows(r, json_object_get(o, "rows"), err);
}

eff_status eff_run_load_state(eff_run *r, eff_error *err)
{
    eff_state *st = NULL;
    char *path = eff_run_path(r, "last.state");
    if (!path) return eff_fail_memory(err, 0);
    eff_status s = eff_state_open(&st, path, err);
    if (s == EFF_OK) s = eff_state_restore(st, r->m, r->opt, err);
    if (s == EFF_OK) s = eff_run_read_progress(r, eff_state_progress(st), err);
    if (s == EFF_OK)
        eff_loader_seek(r->loader, (uint32_t)r->p.epoch, r->p.step);
    else
        eff_error_prefix(err, "%s", path);
    r->began = r->saved = eff_clock();
    eff_state_close(st);
    eff_free(path);
    return s;
}

/* ------------------------------------------------------------------------------------ log.csv and model */

eff_status eff_run_save_log(const eff_run *r, eff_error *err)
{
    enum { LINE = 256 };
    char *text = eff_malloc(((size_t)r->p.nrows + 1) * LINE);
    if (!text) return eff_fail_memory(err, ((size_t)r->p.nrows + 1) * LINE);
    int at = snprintf(text, LINE, "epoch,lr,train_loss,train_top1,val_loss,val_top1,seconds,images_per_s\n");
    for (int i = 0; i < r->p.nrows; i++) {
        const eff_epoch_row *w = &r->p.rows[i];
        at += eff_number_print(text + at, LINE, "%d,%.6g,%.6g,%.6g,%.6g,%.6g,%.1f,%.1f\n", w->epoch, w->lr,
                               w->train_loss, w->train_top1, w->val_loss, w->val_top1, w->seconds, w->images_per_s);
    }
    const eff_status s = eff_save_text(r->out, "log.csv", text, err);
    eff_free(text);
    return s;
}

eff_status eff_run_add_events(eff_run *r, const eff_epoch_row *row, eff_error *err)
{
    const struct {
        const char *tag;
        double value;
    } figure[] = { { "loss/train", row->train_loss }, { "loss/validation", row->val_loss },
                   { "top1/train", row->train_top1 }, { "top1/validation", row->val_top1 },
                   { "learning rate", row->lr },      { "images per second", row->images_per_s } };
    eff_status s = r->events ? EFF_OK : eff_events_open(&r->events, r->out, err);
    for (size_t i = 0; s == EFF_OK && i < sizeof figure / sizeof *figure; i++)
        s = eff_events_scalar(r->events, figure[i].tag, row->epoch, figure[i].value, err);
    return s == EFF_OK ? eff_events_flush(r->events, err) : s;
}

eff_status eff_run_save_model(eff_run *r, eff_error *err)
{
    char *path = eff_run_path(r, "model.effnet");
    if (!path) return eff_fail_memory(err, 0);
    const eff_status s = eff_modelfile_save(r->kept, path, false, err);
    if (s != EFF_OK) eff_error_prefix(err, "%s", path);
    eff_free(path);
    return s;
}
