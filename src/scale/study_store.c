/* SPDX-License-Identifier: Apache-2.0 */
/* A study in its store: what all trials have in common (the spec), what was settled when the first process began, the
 * key of a trial, and its result read back. Texts are JSON with sorted keys, so that the same thing is the same text.
 */
#include "scale/study_internal.h"

#include "base/json.h"
#include "base/mem.h"
#include "model/table_json.h"
#include "scale/trial_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *kind_of(const eff_study *s) { return s->o.kind == EFF_STUDY_FIT ? "scale fit" : "scale study"; }

static eff_status spec_text(const eff_study *s, char **out, eff_error *err)
{
    json_t *const j = json_object();
    eff_table base = s->base;
    const bool good = j && eff_json_put(j, "data", json_string(s->print)) &&
                      eff_json_put(j, "cpu", json_string(s->level)) &&
                      eff_json_put(j, "multiple", json_integer(s->o.multiple)) &&
                      eff_json_put(j, "base", eff_table_to_json(&base)) && eff_json_put(j, "recipe", eff_trial_recipe_json(&s->recipe));
    if (good) return eff_trial_dump(out, j, err);
    json_decref(j);
    return eff_fail_memory(err, 0);
}

static eff_status key_text(const eff_study *s, const eff_network *n, int repeat, char **out, eff_error *err)
{
    json_t *const j = json_object();
    const bool good = j && eff_json_put(j, "table", eff_table_to_json(&n->table)) &&
                      eff_json_put(j, "seed", eff_json_seed(s->o.seed + (unsigned)repeat)) &&
                      eff_json_put(j, "epochs", json_integer(eff_study_epochs(s))) &&
                      eff_json_put(j, "source", json_pack("[i, i]", s->source_h, s->source_w)) &&
                      eff_json_put(j, "recipe", eff_trial_recipe_json(&s->recipe));
    if (good) return eff_trial_dump(out, j, err);
    json_decref(j);
    return eff_fail_memory(err, 0);
}

/* ------------------------------------------------------------------------------------------------- settled */

static eff_status whole(int *out, const json_t *j, const char *name, int lo, int hi, eff_error *err)
{
    const json_t *const v = json_object_get(j, name);
    const json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < lo || n > hi)
        return eff_fail(err, EFF_EFORMAT, "damaged trial store: settled: %s: expected %d..%d", name, lo, hi);
    *out = (int)n;
    return EFF_OK;
}

/* What was settled holds; a number asked for that is compatible with it comes first. */
static eff_status obey(eff_study *s, const char *text, eff_error *err)
{
    json_t *j = NULL;
    int epochs = 0, asked = 0, points = 0, repeats = 0, figure = 0;
    eff_status e = eff_json_parse(&j, text, strlen(text), "settled", err);
    if (e == EFF_OK && !json_is_object(j))
        e = eff_fail(err, EFF_EFORMAT, "damaged trial store: settled: expected an object");
    if (e == EFF_OK) e = whole(&epochs, j, "epochs", 1, 100000, err);
    if (e == EFF_OK) e = whole(&asked, j, "asked", 1, 100000, err);
    if (e == EFF_OK) e = whole(&points, j, "points", 0, EFF_MAX_POINTS, err);
    if (e == EFF_OK) e = whole(&repeats, j, "repeats", 1, EFF_MOST_SEEDS, err);
    if (e == EFF_OK) e = whole(&figure, j, "figure4", 0, 1, err);
    if (e == EFF_OK) e = whole(&s->source_h, j, "source_height", 1, 2 * EFF_MAX_SIDE, err);
    if (e == EFF_OK) e = whole(&s->source_w, j, "source_width", 1, 2 * EFF_MAX_SIDE, err);
    if (e == EFF_OK && json_is_string(json_object_get(j, "cuts")))
        snprintf(s->cuts, sizeof s->cuts, "%s", json_string_value(json_object_get(j, "cuts")));
    json_decref(j);
    if (e != EFF_OK) return e;
    const int now = eff_study_epochs(s);
    if (now != asked && now != epochs)
        return eff_fail(err, EFF_EARG,
                        "epochs: the trials of this store have %d, found %d: another number needs a store of its own",
                        epochs, now);
    s->recipe.v[EFF_KEY_EPOCHS] = epochs;
    s->asked_epochs = asked;
    if (!s->o.points) s->o.points = points;
    if (!s->o.repeats) s->o.repeats = repeats;
    if (s->o.figure4 < 0) s->o.figure4 = figure;
    s->settled = true;
    return EFF_OK;
}

eff_status eff_study_open_store(eff_study *s, eff_error *err)
{
    char *spec = NULL, *text = NULL;
    if (!s->store_path) return EFF_OK;
    eff_status e = spec_text(s, &spec, err);
    if (e == EFF_OK && (e = eff_store_open(&s->store, s->store_path, kind_of(s), spec, err)))
        eff_error_prefix(err, "%s", s->store_path);
    if (e == EFF_OK) e = eff_store_get_note(s->store, "settled", &text, err);
    if (e == EFF_OK && text) e = obey(s, text, err);
    eff_free(text);
    free(spec);
    return e;
}

eff_status eff_study_settle(eff_study *s, eff_error *err)
{
    char *mine = NULL, *holds = NULL;
    if (s->settled) return EFF_OK;
    json_t *const j =
        json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s}", "epochs", eff_study_epochs(s), "asked", s->asked_epochs,
                  "points", s->o.points, "repeats", s->o.repeats, "figure4", s->o.figure4 != 0, "source_height",
                  s->source_h, "source_width", s->source_w, "cuts", s->cuts);
    eff_status e = eff_trial_dump(&mine, j, err);
    if (e == EFF_OK) e = eff_store_settle(s->store, "settled", mine, &holds, err);
    if (e == EFF_OK && strcmp(mine, holds) != 0) { /* another process was first, and measured otherwise */
        s->recipe.v[EFF_KEY_EPOCHS] = s->asked_epochs;
        s->o.points = s->o.repeats = 0;
        s->o.figure4 = -1;
        e = obey(s, holds, err);
        if (e == EFF_OK) e = eff_study_lay_out(s, err);
        if (e == EFF_OK) e = eff_study_measure(s, err);
    }
    eff_free(holds);
    free(mine);
    return e;
}

/* -------------------------------------------------------------------------------------------------- trials */

eff_status eff_study_enter(eff_study *s, eff_error *err)
{
    const int k = s->o.repeats, n = s->nworks * k;
    char **const key = eff_calloc((size_t)n + 1, sizeof *key);
    int *const at = eff_calloc((size_t)n + 1, sizeof *at);
    int64_t *const id = eff_calloc((size_t)n + 1, sizeof *id);
    s->id = eff_calloc((size_t)n + 1, sizeof *s->id);
    s->top1 = eff_malloc(((size_t)n + 1) * sizeof *s->top1);
    s->seconds = eff_calloc((size_t)n + 1, sizeof *s->seconds);
    eff_status e = key && at && id && s->id && s->top1 && s->seconds
                       ? EFF_OK
                       : eff_fail_memory(err, (size_t)n * 3 * sizeof(double));
    int m = 0;
    for (int i = 0; e == EFF_OK && i < n; i++) {
        s->top1[i] = NAN;
        if (!s->store || !s->work[i / k].counts) continue;
        e = key_text(s, &s->work[i / k].net, i % k, &key[m], err);
        at[m++] = i;
    }
    if (e == EFF_OK && s->store) e = eff_store_add(s->store, (const char *const *)key, m, id, err);
    for (int i = 0; e == EFF_OK && i < m; i++) s->id[at[i]] = id[i];
    for (int i = 0; key && i < m; i++) free(key[i]);
    eff_free(id);
    eff_free(at);
    eff_free(key);
    return e;
}

eff_status eff_study_refresh(eff_study *s, eff_error *err)
{
    const int k = s->o.repeats;
    double took = 0, thought = 0;
    s->finished = s->failed = 0;
    s->left = s->spent = 0;
    for (int i = 0; i < s->nworks * k; i++) {
        eff_trial t = { .state = EFF_TRIAL_WAITING };
        if (!s->work[i / k].counts) continue;
        eff_status e = s->id[i] ? eff_store_get(s->store, s->id[i], &t, err) : EFF_OK;
        const bool over = t.state == EFF_TRIAL_DONE || t.state == EFF_TRIAL_FAILED;
        if (e == EFF_OK && t.state == EFF_TRIAL_DONE) e = eff_trial_result_read(&s->top1[i], NULL, t.result, err);
        if (e == EFF_OK && t.state == EFF_TRIAL_FAILED && s->failed++ == 0)
            snprintf(s->failure, sizeof s->failure, "%s: %.120s", s->work[i / k].what, t.result ? t.result : "?");
        eff_free(t.result);
        if (e != EFF_OK) return e;
        s->finished += over;
        s->left += over ? 0 : s->work[i / k].seconds;
        s->spent += over ? t.seconds : 0;
        s->seconds[i] = over ? t.seconds : 0;
        if (t.state == EFF_TRIAL_DONE) took += t.seconds, thought += s->work[i / k].seconds;
    }
    if (thought > 0 && took > 0) s->pace = took / thought;
    return EFF_OK;
}
