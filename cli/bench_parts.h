/* SPDX-License-Identifier: Apache-2.0 */
/* The two reports of `effnet bench` beside its own: what the machine can do, and where a model's time goes. */
#ifndef EFFNET_CLI_BENCH_PARTS_H
#define EFFNET_CLI_BENCH_PARTS_H

#include "options.h"
#include "output.h"

/** n values in -2..2 from a fixed sequence; release with free(). */
float *bench_input(size_t n);
/** Ascending; and the median of what is sorted, n above 0. */
void bench_sort(double *seconds, int n);
double bench_median(const double *sorted, int n);
/** Peak memory of the process, 1e6 bytes. */
double bench_rss_mb(void);

/** bench --machine: measure and print. @return the exit status */
int bench_machine(const cli_args *a);

/* bench --profile, of an engine that ran since eff_engine_profile(). `run` is the mean time of one image in seconds. */
eff_status bench_profile_print(const eff_engine *e, double run, eff_error *err);
/** Adds "peak_gflops", "layers" and "operators" to *j. */
eff_status bench_profile_json(const eff_engine *e, json_t *j, eff_error *err);

#endif
