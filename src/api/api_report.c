/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions of reports. */
#include "report/report.h"

#include "base/file.h"
#include "base/mem.h"
#include "report/svg.h"

EFF_API void eff_report_init(eff_report *r) { eff_report_defaults(r); }

static eff_status missing(const char *what, eff_error *err)
{
    return eff_fail(err, EFF_EARG, "report: expected %s, found NULL", what);
}

EFF_API eff_status eff_report_save(const eff_report *r, const char *path, eff_error *err)
{
    if (!r || !path) return missing("a report and a path", err);
    if ((r->nfacts && !r->facts) || (r->nepochs && !r->epochs)) return missing("facts and epochs", err);
    if (r->nimages && (!r->images || !r->metrics)) return missing("images and the metrics that counted them", err);
    if (r->nexcluded && !r->excluded) return missing("the files left out", err);
    return eff_report_write(r, path, err);
}

EFF_API size_t eff_report_worst(const eff_report_image *images, size_t n, size_t *index, size_t most)
{
    return eff_report_mistakes(images, n, index, most);
}

enum { MOST_CHARTS = 16, MOST_SERIES = 6, MOST_POINTS = 1 << 20 };

static eff_status check_chart(const eff_chart *c, eff_error *err)
{
    if (!c->series || c->nseries < 1 || c->nseries > MOST_SERIES)
        return eff_fail(err, EFF_EARG, "chart: expected 1..%d series, found %zu", MOST_SERIES,
                        c->series ? c->nseries : 0);
    for (size_t k = 0; k < c->nseries; k++) {
        const eff_chart_series *const s = &c->series[k];
        if (!s->name || s->n > MOST_POINTS || (s->n && (!s->x || !s->y)))
            return eff_fail(err, EFF_EARG, "chart: series %zu: expected a name and at most %d points", k, MOST_POINTS);
    }
    return EFF_OK;
}

static eff_status save_text(const eff_text *t, const char *path, eff_error *err)
{
    eff_save f = { 0 };
    if (t->failed) return eff_fail_memory(err, t->n);
    eff_status s = eff_save_begin(&f, path, err);
    if (s != EFF_OK) return s;
    fwrite(t->s, 1, t->n, f.f); /* an error stays with the stream until the commit */
    return eff_save_commit(&f, err);
}

EFF_API eff_status eff_chart_save(const eff_chart *charts, size_t n, const char *heading, const char *path,
                                  eff_error *err)
{
    eff_svg_panel panel[MOST_CHARTS] = { 0 };
    eff_svg_series series[MOST_CHARTS][MOST_SERIES] = { 0 };
    if (!charts || !path) return missing("charts and a path", err);
    if (n < 1 || n > MOST_CHARTS)
        return eff_fail(err, EFF_EARG, "expected 1..%d charts, found %zu", MOST_CHARTS, n);
    for (size_t i = 0; i < n; i++) {
        const eff_chart *const c = &charts[i];
        const eff_status s = check_chart(c, err);
        if (s != EFF_OK) return s;
        for (size_t k = 0; k < c->nseries; k++) {
            const eff_chart_series *const from = &c->series[k];
            series[i][k] = (eff_svg_series){ .name = from->name,
                                             .x = from->x,
                                             .y = from->y,
                                             .lo = from->lo,
                                             .hi = from->hi,
                                             .n = (int)from->n,
                                             .labels = from->labels };
        }
        panel[i] = (eff_svg_panel){ .lines = { .title = c->title ? c->title : "",
                                               .x_label = c->x_label ? c->x_label : "",
                                               .y_label = c->y_label,
                                               .series = series[i],
                                               .nseries = (int)c->nseries,
                                               .log_x = c->log_x != 0,
                                               .percent = c->percent != 0 },
                                    .note = c->note };
    }
    eff_text t = { 0 };
    eff_svg_panels_draw(&t, heading, panel, (int)n);
    const eff_status s = save_text(&t, path, err);
    eff_text_free(&t);
    return s;
}
