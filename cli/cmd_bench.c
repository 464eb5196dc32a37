/* SPDX-License-Identifier: Apache-2.0 */
/* effnet bench: how fast a model runs on this machine. A time is that of one run of the whole batch; the first runs, in
 * which caches and clocks settle, are not counted. */
#define _GNU_SOURCE
#include "bench_parts.h"
#include "commands.h"
#include "common.h"
#include "interrupt.h"
#include "progress.h"
#include "training.h"

#include <effnet/bench.h>
#include <effnet/care.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const cli_opt opts[] = {
    { 'b', "batch", "N", "images in one run", CLI_INT, "1", 1, 1024 },
    CLI_OPT_RESOLUTION,
    CLI_OPT_DTYPE,
    { 0, "min-time", "SECONDS", "measure at least so long, and at least ten runs", CLI_NUMBER, "2", 0, 3600 },
    { 0, "classes", "N", "number of classes of an untrained architecture [its own]", CLI_INT, NULL, 1, 1000000 },
    CLI_OPT_MODEL,
    CLI_OPT_FAMILY,
    { 0, "profile", NULL, "also time, rate and share of every layer", CLI_FLAG },
    { 0, "check", NULL, "also whether IMAGEs get the answers of f32, with --dtype bf16", CLI_FLAG },
    { 0, "machine", NULL, "no MODEL: what this machine can compute and read in a second", CLI_FLAG },
    { 0, "train", NULL, "training steps instead: forward, backward and the update", CLI_FLAG },
    CLI_OPT_MEMORY,
    CLI_OPT_RECOMPUTE,
    CLI_OPT_FROZEN_BN,
    { 0, "features", NULL, "", CLI_LATER },
    { 0 },
};

enum { MIN_RUNS = 10, WARM_RUNS = 3, MAX_RUNS = 1000000 };

typedef struct timing {
    double *seconds; /* of each run, then sorted */
    int n, room;
} timing;

static eff_status measure(const cli_args *a, eff_engine *e, int batch, const float *x, float *logits, timing *t,
                          eff_error *err)
{
    const double least = cli_number(a, "min-time");
    const double warm_end = cli_now() + (least < 5 ? least / 10 : 0.5);
    eff_status s = EFF_OK;
    for (int i = 0; s == EFF_OK && (i < WARM_RUNS || (cli_now() < warm_end && i < MAX_RUNS)) && !cli_stopped(); i++)
        s = eff_engine_run(e, x, batch, logits, err);
    if (s == EFF_OK && cli_flag(a, "profile")) s = eff_engine_profile(e, err);
    const double start = cli_now();
    cli_progress_begin(a, "runs", 0);
    while (s == EFF_OK && !cli_stopped() && t->n < MAX_RUNS && (t->n < MIN_RUNS || cli_now() - start < least)) {
        if (t->n == t->room) {
            t->room = t->room ? 2 * t->room : 256;
            t->seconds = cli_realloc(t->seconds, (size_t)t->room, sizeof *t->seconds);
        }
        const double before = cli_now();
        s = eff_engine_run(e, x, batch, logits, err);
        t->seconds[t->n++] = cli_now() - before;
        cli_progress_update((size_t)t->n);
    }
    cli_progress_end();
    bench_sort(t->seconds, t->n);
    return s;
}

static double mean(const timing *t)
{
    double sum = 0;
    for (int i = 0; i < t->n; i++) sum += t->seconds[i];
    return sum / t->n;
}

static int print_result(const cli_args *a, const eff_model *m, eff_engine *e, int batch, const timing *t)
{
    bench_check check = { 0 };
    const bool checks = cli_flag(a, "check");
    const eff_model_info *i = eff_model_get_info(m);
    eff_error err = { 0 };
    bench_ceiling c;
    const double min = t->seconds[0];
    const double median = bench_median(t->seconds, t->n);
    const double p99 = t->seconds[(int)ceil(0.99 * t->n) - 1];
    const double gflops = 2.0 * (double)i->macs * batch / median / 1e9, rate = batch / median, mb = bench_rss_mb();
    if (bench_find_ceiling(&c, m, e, batch, &err) != EFF_OK) return cli_fail(&err, "bench"); /* after the memory was read */
    const double of_peak = 2e-9 * c.computed * batch / median / c.gflops;
    int status = checks ? bench_check_images(a, m, &check) : CLI_OK;
    if (status != CLI_OK) return status;
    if (checks) status = bench_check_status(&check);
    if (cli_flag(a, "json")) {
        json_t *j = cli_json_object();
        cli_json_set(j, "model", cli_json_text(i->name));
        cli_json_set(j, "batch", cli_json_count((uint64_t)batch));
        cli_json_set(j, "threads", cli_json_count((uint64_t)eff_engine_threads(e)));
        cli_json_set(j, "cpu", cli_json_text(eff_engine_cpu(e)));
        cli_json_set(j, "dtype", cli_json_text(cli_text(a, "dtype")));
        cli_json_set(j, "resolution", cli_json_size(i->height, i->width_px));
        cli_json_set(j, "runs", cli_json_count((uint64_t)t->n));
        cli_json_set(j, "min_ms", cli_json_number(1e3 * min));
        cli_json_set(j, "median_ms", cli_json_number(1e3 * median));
        cli_json_set(j, "p99_ms", cli_json_number(1e3 * p99));
        cli_json_set(j, "images_per_s", cli_json_number(rate));
        cli_json_set(j, "gflops", cli_json_number(gflops));
        cli_json_set(j, "rss_mb", cli_json_number(mb));
        cli_json_set(j, "peak_gflops", cli_json_number(c.gflops));
        cli_json_set(j, "of_peak", cli_json_number(of_peak));
        cli_json_set(j, "bandwidth_gb", cli_json_number(c.gb));
        cli_json_set(j, "roofline_ms", cli_json_number(1e3 * c.seconds));
        cli_json_set(j, "of_roofline", cli_json_number(c.seconds / median));
        if (checks) cli_json_set(j, "check", bench_check_json(&check));
        if (cli_flag(a, "profile")) bench_profile_json(e, c.gflops, j);
        return cli_json_print(j) ? status : CLI_FAILED;
    }
    printf("%s at %dx%d, batch %d, %s, %d thread%s, kernels %s\n", cli_clean(i->name), i->height, i->width_px, batch,
           cli_text(a, "dtype"), eff_engine_threads(e), eff_engine_threads(e) == 1 ? "" : "s", eff_engine_cpu(e));
    printf("  a run           %.2f ms median, %.2f ms fastest, %.2f ms at the 99th percentile of %d\n", 1e3 * median,
           1e3 * min, 1e3 * p99, t->n);
    printf("  throughput      %.1f images/s, %.1f GFLOP/s (two to a multiply-add)\n", rate, gflops);
    printf("  memory          %.0f MB at the peak\n", mb);
    printf("  ceilings        %.0f %% of this machine's %.1f GFLOP/s, %.0f %% of the roofline over the steps, %.2f ms\n",
           100 * of_peak, c.gflops, 100 * c.seconds / median, 1e3 * c.seconds);
    if (checks) bench_check_print(&check, cli_text(a, "dtype"));
    if (cli_flag(a, "profile")) bench_profile_print(e, c.gflops, mean(t) / batch);
    return status;
}

/* The input is the model's own size, not that of its preprocessing, which only differs when someone asked for it. */
static int bench(const cli_args *a, const eff_model *m)
{
    const eff_model_info *i = eff_model_get_info(m);
    const int batch = cli_int(a, "batch");
    eff_error err = { 0 };
    eff_engine *e = NULL;
    eff_engine_opts o;
    eff_engine_opts_init(&o);
    o.threads = cli_int(a, "threads");
    o.cpu = cli_text(a, "cpu");
    o.max_batch = batch;
    o.precision = cli_precision(a);
    if (eff_engine_create(&e, m, &o, &err) != EFF_OK) return cli_fail(&err, "bench");
    timing t = { 0 };
    float *x = bench_input((size_t)batch * (size_t)i->height * (size_t)i->width_px * 3);
    float *logits = cli_alloc((size_t)batch * (size_t)(i->classes ? i->classes : eff_model_features(m)), sizeof *logits);
    int status = CLI_OK;
    if (measure(a, e, batch, x, logits, &t, &err) != EFF_OK)
        status = cli_fail(&err, "bench");
    else if (t.n)
        status = print_result(a, m, e, batch, &t);
    free(x);
    free(logits);
    free(t.seconds);
    eff_engine_free(e);
    return status;
}

/* What does not go together; CLI_OK when all does. */
static int check_options(const cli_args *a)
{
    const bool machine = cli_flag(a, "machine"), train = cli_flag(a, "train"), check = cli_flag(a, "check");
    if (machine) {
        if (a->nfiles) return cli_usage(a, "--machine measures no model, found '%s' too", a->files[0]);
        if (cli_flag(a, "profile")) return cli_usage(a, "--profile is of a model, --machine measures none");
        if (check) return cli_usage(a, "--check is of a model, --machine measures none");
        return CLI_OK;
    }
    if (!a->nfiles) return cli_usage(a, "expected MODEL, found too few");
    if (train && cli_flag(a, "profile")) return cli_usage(a, "--profile is of inference, not of --train");
    if (cli_given(a, "memory") && !train) return cli_usage(a, "--memory is a limit for --train");
    if (cli_flag(a, "recompute") && !train) return cli_usage(a, "--recompute is of --train");
    if (cli_flag(a, "frozen-bn") && !train) return cli_usage(a, "--frozen-bn is of --train");
    if (train && cli_precision(a) != EFF_FLOAT32) return cli_usage(a, "--train is in f32, found --dtype %s", cli_text(a, "dtype"));
    if (check && (train || cli_precision(a) == EFF_FLOAT32))
        return cli_usage(a, "--check holds another format against f32; give --dtype bf16");
    if (check && a->nfiles < 2) return cli_usage(a, "--check: expected IMAGEs after MODEL, found none");
    if (!check && a->nfiles > 1) return cli_usage(a, "expected MODEL, found '%s' too; IMAGEs are for --check", a->files[1]);
    return CLI_OK;
}

static int run_bench(cli_args *a)
{
    eff_error err = { 0 };
    eff_model *m = NULL;
    int status = check_options(a);
    if (status != CLI_OK || cli_flag(a, "machine")) return status == CLI_OK ? bench_machine(a) : status;
    status = cli_open_model(a, a->files[0], &m);
    if (status == CLI_OK && cli_flag(a, "check")) status = cli_need_weights(a, m);
    if (status == CLI_OK && !eff_model_get_info(m)->has_weights &&
        eff_model_init(m, cli_seed(a, "seed"), &err) != EFF_OK)
        status = cli_fail(&err, a->files[0]);
    if (status == CLI_OK) status = cli_flag(a, "train") ? cli_bench_train(a, m) : bench(a, m);
    eff_model_free(m);
    return status;
}

const cli_cmd cmd_bench = {
    .name = "bench",
    .summary = "how fast a model runs on this machine",
    .usage = "MODEL | MODEL --check IMAGE... | --machine",
    .operands = "mf",
    .about = "Runs the network again and again on made-up pictures and prints how long a run takes. An\n"
             "untrained architecture gets random weights, which are as fast as others. Reading and\n"
             "preparing image files is not part of it. --machine measures the machine itself instead: the\n"
             "multiply-adds of each CPU level, and reading from each cache and from memory. --dtype bf16\n"
             "rounds what is multiplied to 8 bits of precision: faster where the CPU multiplies it faster,\n"
             "as --machine tells. --check says on images (files or folders) what that changes; the exit\n"
             "status is 3 when one of them cannot be read, 4 when an answer is no longer a number.",
    .examples = "  effnet bench b0 --threads 1           latency of one picture on one core\n"
                "  effnet bench lite0.effnet --batch 16  throughput\n"
                "  effnet bench b0 --cpu avx2            without newer instructions\n"
                "  effnet bench b0 --profile             where the time goes, layer by layer\n"
                "  effnet bench b0 --train --batch 16    images a second in training, and its memory\n"
                "  effnet bench lite0.effnet --dtype bf16 --check photos/   speed and accuracy of bfloat16\n"
                "  effnet bench --machine                the ceilings of this machine\n",
    .opts = opts,
    .min_operands = 0, /* with --machine */
    .max_operands = -1,
    .run = run_bench,
};
