/* SPDX-License-Identifier: Apache-2.0 */
/* Training as commands see it. The program itself and its libraries take a few megabytes beside what the library plans. */
#include "training.h"

#include "bench_parts.h"
#include "interrupt.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRAM_BYTES = 6 << 20, MIN_STEPS = 5, WARM_STEPS = 1, MAX_STEPS = 100000 };

eff_session_opts cli_session_opts(const cli_args *a)
{
    eff_session_opts o;
    eff_session_opts_init(&o);
    o.batch = cli_int(a, "batch");
    o.threads = cli_int(a, "threads");
    o.cpu = cli_text(a, "cpu");
    o.seed = cli_seed(a, "seed");
    o.recompute = cli_flag(a, "recompute");
    o.frozen_bn = cli_flag(a, "frozen-bn");
    return o;
}

bool cli_read_size(const char *s, double *bytes)
{
    static const char units[] = "kMGT";
    char *end;
    double v = strtod(s, &end);
    const char *unit = *end ? strchr(units, *end == 'K' ? 'k' : *end) : NULL;
    if (end == s || !(v > 0) || (*end && (!unit || (end[1] && strcmp(end + 1, "B") != 0)))) return false;
    for (int i = 0; unit && i <= unit - units; i++) v *= 1000;
    *bytes = v;
    return true;
}

bool cli_read_time(const char *s, double *seconds)
{
    double total = 0;
    const char *at = s;
    while (*at) {
        char *end;
        const double v = strtod(at, &end);
        if (end == at || !(v >= 0)) return false;
        const double unit = *end == 'h' ? 3600 : *end == 'm' ? 60 : *end == 's' || !*end ? 1 : 0;
        if (unit == 0) return false;
        total += v * unit;
        at = *end ? end + 1 : end;
    }
    *seconds = total;
    return total > 0 && total < 1e9;
}

/* Bytes of training at this batch and size (0 = the model's), or a huge number when it cannot be. */
static double need(const eff_model *m, eff_session_opts o, int batch, int side)
{
    eff_train_memory t;
    o.batch = batch;
    o.height = o.width = side;
    return eff_train_memory_plan(m, &o, &t, NULL) == EFF_OK ? (double)t.total + PROGRAM_BYTES : 1e30;
}

/* Largest v in lo..hi for which need(...) fits; 0 when none does. */
static int largest(const eff_model *m, eff_session_opts o, double limit, int batch, bool vary_batch, int lo, int hi, int grain)
{
    int best = 0;
    while (lo <= hi) {
        const int mid = lo + (hi - lo) / 2;
        if (need(m, o, vary_batch ? mid : batch, vary_batch ? 0 : mid * grain) <= limit) best = mid, lo = mid + 1;
        else hi = mid - 1;
    }
    return best * grain;
}

int cli_check_memory(const cli_args *a, const eff_model *m, const eff_session_opts *o)
{
    const char *text = cli_text(a, "memory");
    double limit;
    if (!text) return CLI_OK;
    if (!cli_read_size(text, &limit)) {
        cli_error("--memory: expected a size such as 800M or 2G, found '%s'", cli_clean(text));
        return CLI_USAGE;
    }
    const eff_model_info *i = eff_model_get_info(m);
    const double wants = need(m, *o, o->batch, 0);
    if (wants <= limit) return CLI_OK;
    const int batch = largest(m, *o, limit, 0, true, 1, o->batch, 1);
    const int short_side = i->height < i->width_px ? i->height : i->width_px;
    const int side = largest(m, *o, limit, o->batch, false, 1, short_side / 32, 32);
    char fits[200] = "nothing of this network fits";
    if (batch && side) snprintf(fits, sizeof fits, "batch %d fits, or batch %d at %d pixels", batch, o->batch, side);
    else if (batch) snprintf(fits, sizeof fits, "batch %d fits", batch);
    else if (side) snprintf(fits, sizeof fits, "batch %d fits at %d pixels", o->batch, side);
    else {
        const int small = largest(m, *o, limit, 1, false, 1, short_side / 32, 32);
        if (small) snprintf(fits, sizeof fits, "batch 1 fits at %d pixels", small);
    }
    eff_session_opts again = *o;
    again.recompute = 1;
    const int more = o->recompute ? 0 : largest(m, again, limit, 0, true, 1, o->batch, 1);
    if (more > batch) {
        char with[80];
        const size_t used = batch || side ? strlen(fits) : 0;
        snprintf(with, sizeof with, "%sbatch %d fits with --recompute", used ? "; " : "", more);
        snprintf(fits + used, sizeof fits - used, "%s", with);
    }
    cli_error("training %s at %s, batch %d, needs %s, more than --memory %s: %s", cli_clean(i->name),
              cli_size_text(i->height, i->width_px), o->batch, cli_bytes(wants), cli_clean(text), fits);
    return CLI_USAGE;
}

void cli_print_train_memory(const eff_train_memory *t, int batch)
{
    printf("  training        %s at the peak with batch %d: activations %s, weights %s, gradients %s,\n"
           "                  optimiser %s, packed weights and buffers %s, input %s\n",
           cli_bytes((double)t->total + PROGRAM_BYTES), batch, cli_bytes((double)t->activations), cli_bytes((double)t->weights),
           cli_bytes((double)t->gradients), cli_bytes((double)t->optimizer), cli_bytes((double)t->scratch),
           cli_bytes((double)t->input));
}

json_t *cli_train_memory_json(const eff_train_memory *t, int batch)
{
    json_t *j = cli_json_object();
    cli_json_set(j, "batch", cli_json_count((uint64_t)batch));
    cli_json_set(j, "total_bytes", cli_json_count(t->total + PROGRAM_BYTES));
    cli_json_set(j, "activation_bytes", cli_json_count(t->activations));
    cli_json_set(j, "weight_bytes", cli_json_count(t->weights));
    cli_json_set(j, "gradient_bytes", cli_json_count(t->gradients));
    cli_json_set(j, "optimizer_bytes", cli_json_count(t->optimizer));
    cli_json_set(j, "buffer_bytes", cli_json_count(t->scratch));
    cli_json_set(j, "input_bytes", cli_json_count(t->input));
    return j;
}

static int print_steps(const cli_args *a, const eff_model *m, const eff_session *s, double *seconds, int n, double loss)
{
    const eff_model_info *i = eff_model_get_info(m);
    const int batch = cli_int(a, "batch");
    bench_sort(seconds, n);
    const double median = bench_median(seconds, n), p99 = seconds[(99 * n - 1) / 100];
    /* forward, and backward to the inputs and to the weights: three times the multiply-adds */
    const double gflops = 6.0 * (double)i->macs * batch / median / 1e9;
    const double mb = bench_rss_mb();
    if (cli_flag(a, "json")) {
        json_t *j = cli_json_object();
        cli_json_set(j, "model", cli_json_text(i->name));
        cli_json_set(j, "batch", cli_json_count((uint64_t)batch));
        cli_json_set(j, "threads", cli_json_count((uint64_t)eff_session_threads(s)));
        cli_json_set(j, "cpu", cli_json_text(eff_session_cpu(s)));
        cli_json_set(j, "dtype", cli_json_text("f32"));
        cli_json_set(j, "resolution", cli_json_size(i->height, i->width_px));
        cli_json_set(j, "steps", cli_json_count((uint64_t)n));
        cli_json_set(j, "min_ms", cli_json_number(1e3 * seconds[0]));
        cli_json_set(j, "median_ms", cli_json_number(1e3 * median));
        cli_json_set(j, "p99_ms", cli_json_number(1e3 * p99));
        cli_json_set(j, "images_per_s", cli_json_number(batch / median));
        cli_json_set(j, "gflops", cli_json_number(gflops));
        cli_json_set(j, "rss_mb", cli_json_number(mb));
        cli_json_set(j, "loss", cli_json_number(loss));
        return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    }
    printf("training %s at %s, batch %d, %d thread%s, kernels %s\n", cli_clean(i->name), cli_size_text(i->height, i->width_px), batch,
           eff_session_threads(s), eff_session_threads(s) == 1 ? "" : "s", eff_session_cpu(s));
    printf("  a step          %.1f ms median, %.1f ms fastest of %d: forward, backward, RMSProp\n", 1e3 * median, 1e3 * seconds[0], n);
    printf("  throughput      %.1f images/s, %.1f GFLOP/s (backward counted twice forward)\n", batch / median, gflops);
    printf("  memory          %.0f MB at the peak\n", mb);
    return CLI_OK;
}

int cli_bench_train(const cli_args *a, eff_model *m)
{
    const eff_model_info *i = eff_model_get_info(m);
    const eff_session_opts o = cli_session_opts(a);
    int status = cli_check_memory(a, m, &o);
    if (status != CLI_OK) return status;
    eff_error err = { 0 };
    eff_session *s = NULL;
    if (eff_session_create(&s, m, &o, &err) != EFF_OK) return cli_fail(&err, "bench");
    const size_t image = (size_t)i->height * (size_t)i->width_px * 3;
    float *x = bench_input((size_t)o.batch * image);
    float *target = cli_alloc((size_t)o.batch * (size_t)i->classes, sizeof *target);
    for (int b = 0; b < o.batch; b++) target[(size_t)b * (size_t)i->classes + (size_t)(b % i->classes)] = 1.0f;
    const double least = cli_number(a, "min-time");
    double *seconds = NULL, loss = 0, start = 0;
    int n = -WARM_STEPS, room = 0;
    eff_status e = EFF_OK;
    cli_progress_begin(a, "steps", 0);
    for (; e == EFF_OK && !cli_stopped() && n < MAX_STEPS && (n < MIN_STEPS || cli_now() - start < least); n++) {
        if (n == 0) start = cli_now();
        if (n >= room) seconds = cli_realloc(seconds, (size_t)(room = 2 * room + 64), sizeof *seconds);
        const double before = cli_now();
        e = eff_session_step(s, x, target, o.batch, 1e-4, &loss, &err);
        if (n >= 0) seconds[n] = cli_now() - before;
        cli_progress_update((size_t)(n > 0 ? n : 0));
    }
    cli_progress_end();
    if (e != EFF_OK) status = cli_fail(&err, "bench");
    else if (n > 0) status = print_steps(a, m, s, seconds, n, loss);
    free(seconds);
    free(target);
    free(x);
    eff_session_free(s);
    return status;
}
