/* SPDX-License-Identifier: Apache-2.0 */
/* Golden forward passes (golden README, "forward/"). */
#include "forward.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

eff_table t_family_table(const char *model, const char *family)
{
    eff_table t = t_golden_table(model);
    const int symmetric = strncmp(family, "timm_tf", 7) && (!strncmp(family, "timm", 4) || !strncmp(family, "torchvision", 11));
    t.pad = symmetric ? EFF_PAD_SYMMETRIC : EFF_PAD_SAME;
    t.bn_eps = symmetric && !(model[0] == 'b' && model[1] >= '5') ? 1e-5 : 1e-3;
    return t;
}

float *t_forward(const eff_model *m, const float *x, int n, int h, int w, int threads, const char *cpu)
{
    eff_error err = { 0 };
    eff_engine_opts o;
    eff_engine_opts_init(&o);
    o.threads = threads, o.max_batch = n, o.height = h, o.width = w, o.cpu = cpu;
    eff_engine *e;
    T_OK(eff_engine_create(&e, m, &o, &err), err);
    float *y = malloc((size_t)n * (size_t)m->table.classes * sizeof *y);
    T_OK(eff_engine_run(e, x, n, y, &err), err);
    eff_engine_free(e);
    return y;
}

/* Column 4 of the row `name` in the summaries: max |float32 - float64| of the library itself; -1 when there is no such row. */
static double own_deviation(const char *name)
{
    static const char *const files[] = { "b0", "b1_b2_b3", "b4_b5", "b6", "b7", "lite0_lite1_lite2_lite3_lite4", "small" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FILE *f = fopen(t_data("golden/forward/summary_%s.tsv", files[i]), "r");
        assert_non_null(f);
        char line[512], row[128];
        double std, dev;
        while (fgets(line, sizeof line, f))
            if (line[0] != '#' && sscanf(line, "%127s %*s %lf %lf", row, &std, &dev) == 3 && !strcmp(row, name)) {
                fclose(f);
                return dev;
            }
        fclose(f);
    }
    return -1;
}

static t_deviation deviation(const float *got, const double *want, int classes, double own)
{
    double mean = 0, var = 0, worst = 0;
    for (int i = 0; i < classes; i++) mean += want[i] / classes;
    for (int i = 0; i < classes; i++) var += (want[i] - mean) * (want[i] - mean) / classes;
    for (int i = 0; i < classes; i++) {
        const double d = fabs((double)got[i] - want[i]);
        if (!(d <= worst)) worst = d; /* a NaN becomes the worst */
    }
    return (t_deviation){ worst / sqrt(var), fmax(1e-3, 10 * own / sqrt(var)) };
}

t_deviation t_synth_deviation(const eff_model *m, int h, int w, const double *want, int threads, const char *cpu)
{
    const int classes = m->table.classes;
    double own = 0;
    for (int i = 0; i < classes; i++) own = fmax(own, fabs(want[i] - want[classes + i]));
    uint8_t *u8 = t_synth_u8(h, w, 1);
    float *x = t_input(u8, h, w, 0);
    float *got = t_forward(m, x, 1, h, w, threads, cpu);
    const t_deviation d = deviation(got, want + classes, classes, own);
    free(got), free(x), free(u8);
    return d;
}

void t_check_logits(const float *got, const double *want, int rows, int classes, const char *summary)
{
    const double own = own_deviation(summary);
    if (own < 0) fail_msg("no row %s in the summaries", summary);
    for (int r = 0; r < rows; r++, got += classes, want += classes) {
        const t_deviation d = deviation(got, want, classes, own);
        t_figure(d.worst, d.bound, "largest difference over the deviation, %s row %d", summary, r);
    }
}

void t_check_synth(const char *model, const char *family, int h, int w, int threads, const char *cpu)
{
    char name[96];
    snprintf(name, sizeof name, "%s_%s_%dx%d_logits.npy", model, family, h, w);
    t_npy want = t_npy_load(t_data("golden/forward/%s", name)); /* rows: float32 run, float64 run */
    const eff_table t = t_family_table(model, family);
    eff_model *m = t_formula_model(model, &t);
    uint8_t *u8 = t_synth_u8(h, w, 1);
    float *x = t_input(u8, h, w, model[0] == 'l');
    float *got = t_forward(m, x, 1, h, w, threads, cpu);
    t_check_logits(got, (const double *)want.data + want.dim[1], 1, (int)want.dim[1], name);
    free(got), free(x), free(u8);
    t_npy_free(&want);
    eff_model_free(m);
}
