/* SPDX-License-Identifier: Apache-2.0 */
/* Opening looks at every image once, which can take a while. */
#include "open_set.h"

#include "common.h"
#include "interrupt.h"
#include "progress.h"

static int on_file(void *ctx, size_t done, size_t total)
{
    (void)ctx;
    (void)total;
    cli_progress_update(done);
    return cli_stopped();
}

int cli_open_set(const cli_args *a, eff_dataset **out)
{
    eff_dataset_opts o;
    eff_error err = { 0 };
    eff_dataset_opts_init(&o);
    o.val_fraction = cli_number(a, "val");
    o.seed = cli_seed(a, "seed");
    o.threads = cli_int(a, "threads");
    o.progress = on_file;
    cli_progress_begin(a, "images looked at", 0);
    const eff_status s = eff_dataset_open(out, a->files[0], &o, &err);
    cli_progress_end();
    return s == EFF_OK ? CLI_OK : cli_fail(&err, a->files[0]);
}
