/* SPDX-License-Identifier: Apache-2.0 */
/* The two reports of `effnet bench` beside its own: what the machine can do, and where a model's time goes. */
#ifndef EFFNET_CLI_BENCH_PARTS_H
#define EFFNET_CLI_BENCH_PARTS_H

#include "options.h"
#include "output.h"

#include <effnet/bench.h>

/** n values in -2..2 from a fixed sequence; release with free(). */
float *bench_input(size_t n);
/** Ascending; and the median of what is sorted, n above 0. */
void bench_sort(double *seconds, int n);
double bench_median(const double *sorted, int n);
/** Peak memory of the process, 1e6 bytes. */
double bench_rss_mb(void);

/** bench --machine: measure and print. @return the exit status */
int bench_machine(const cli_args *a);

/** What bounds a run on this machine, with the engine's level and threads. */
typedef struct bench_ceiling {
    double gflops;     /* multiply-adds in registers, two operations each, of the engine's precision */
    double f32_gflops; /* in float32, which depthwise convolutions and SE are always in       */
    double computed;   /* multiply-adds of an image that are computed: fewer than its own in Winograd's form */
    double gb;         /* 1e9 bytes a second, of a block of the network's size       */
    double seconds;    /* of a run at best: the sum of its steps' bounds             */
} bench_ceiling;
/** Measure, for about half a second. An engine that was not profiled is from now on. */
eff_status bench_find_ceiling(bench_ceiling *c, const eff_model *m, eff_engine *e, int batch, eff_error *err);

/** bench --check: images through float32 and through --dtype. */
typedef struct bench_check {
    int images, agree, bad; /* compared, with the same class first, unreadable          */
    double worst, sum;      /* differences of probabilities: the largest, of float32's class */
    double seconds[2];      /* of an image at best: float32, --dtype                         */
} bench_check;
/** The operands after MODEL. Names files that it cannot read. @return CLI_OK unless there is nothing to report */
int bench_check_images(const cli_args *a, const eff_model *m, bench_check *out);
/** The exit status: CLI_DATA when an image was bad, CLI_REFUSED when an answer is no number. */
int bench_check_status(const bench_check *c);
void bench_check_print(const bench_check *c, const char *dtype);
json_t *bench_check_json(const bench_check *c);

/* bench --profile, of an engine that ran since eff_engine_profile(). `run` is the mean time of one image in seconds,
 * `peak` the ceiling's GFLOP/s. */
void bench_profile_print(const eff_engine *e, double peak, double run);
/** Adds "layers" and "operators" to *j. */
void bench_profile_json(const eff_engine *e, double peak, json_t *j);

#endif
