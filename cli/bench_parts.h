/* SPDX-License-Identifier: Apache-2.0 */
/* The two reports of `effnet bench` beside its own: what the machine can do, and where a model's time goes. */
#ifndef EFFNET_CLI_BENCH_PARTS_H
#define EFFNET_CLI_BENCH_PARTS_H

#include "options.h"
#include "output.h"

/** bench --machine: measure and print. @return the exit status */
int bench_machine(const cli_args *a);

/* bench --profile, of an engine that ran since eff_engine_profile(). `run` is the mean time of one image in seconds. */
eff_status bench_profile_print(const eff_engine *e, double run, eff_error *err);
/** Adds "peak_gflops", "layers" and "operators" to *j. */
eff_status bench_profile_json(const eff_engine *e, json_t *j, eff_error *err);

#endif
