/* SPDX-License-Identifier: Apache-2.0 */
/* What a study leaves behind: a page, a table of all trials, and JSON. Each is whole or not there. */
#include "scale/study_internal.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/number.h"
#include "report/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static eff_status save(const char *dir, const char *stem, const char *suffix, const char *text, eff_error *err)
{
    char name[32];
    snprintf(name, sizeof name, "%s%s", stem, suffix);
    return eff_save_text(dir, name, text, err);
}

static void csv_rows(eff_text *t, const eff_study *s, const char *line, double target, eff_factors by, int work)
{
    const eff_network *const n = &s->work[work].net;
    for (int k = 0; k < s->o.repeats; k++) {
        const int i = work * s->o.repeats + k;
        eff_text_print(t, "\"%s\",%g,%.6g,%.6g,%.6g,%d,%d,%llu,%.6f,%llu,%llu,", line, target, by.depth, by.width,
                       by.resolution, n->table.height, n->table.width_px, (unsigned long long)n->macs, n->paid,
                       (unsigned long long)n->params, (unsigned long long)s->o.seed + (unsigned)k);
        if (!isnan(s->top1[i]))
            eff_text_print(t, "%.6f,%.1f", s->top1[i], s->seconds[i]);
        else
            eff_text_put(t, ",");
        eff_text_put(t, "\n");
    }
}

static eff_status save_csv(const eff_study *s, const char *dir, const char *stem, eff_error *err)
{
    eff_text t = { 0 };
    eff_text_put(&t, "line,target,depth,width,resolution_factor,height,width_px,macs,paid,params,seed,top1,seconds\n");
    if (s->o.kind == EFF_STUDY_FIT) {
        for (int c = 0; c < s->grid.ncandidates; c++) { /* candidates of one network have its results */
            const eff_grid_candidate *const k = &s->grid.candidate[c];
            csv_rows(&t, s, "grid", s->o.target, (eff_factors){ k->alpha, k->beta, k->gamma }, k->network);
        }
        csv_rows(&t, s, "paper", s->o.target, (eff_factors){ 1.2, 1.1, 1.15 }, s->paper);
    }
    for (int k = 0; s->o.kind != EFF_STUDY_FIT && k < EFF_LINES + s->nfigure; k++) {
        const eff_study_line *const l = k < EFF_LINES ? &s->line[k] : &s->figure[k - EFF_LINES];
        for (int i = 0; i < l->n; i++)
            csv_rows(&t, s, l->name, l->point[i].target, l->point[i].by, l->point[i].network);
    }
    const eff_status e = t.failed ? eff_fail_memory(err, t.n) : save(dir, stem, ".csv", t.s, err);
    eff_text_free(&t);
    return e;
}

EFF_API eff_status eff_study_save(eff_study *s, const char *dir, eff_error *err)
{
    if (!s || !dir || !*dir) return eff_fail(err, EFF_EARG, "eff_study_save: expected a study and a folder");
    const char *const stem = s->o.kind == EFF_STUDY_FIT ? "fit" : "study";
    json_t *const j = eff_study_results_json(s);
    char *const text = j ? json_dumps(j, JSON_INDENT(1)) : NULL, *const page = j ? eff_study_html(s, j) : NULL;
    eff_status e = text && page ? eff_make_folder(dir, err) : eff_fail_memory(err, 0);
    if (e == EFF_OK) e = save(dir, stem, ".json", text, err);
    if (e == EFF_OK) e = save_csv(s, dir, stem, err);
    if (e == EFF_OK) e = save(dir, stem, ".html", page, err);
    eff_free(page);
    free(text);
    json_decref(j);
    return e;
}
