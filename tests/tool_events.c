/* SPDX-License-Identifier: Apache-2.0 */
/* Writes what a run and its continuation would write, two event files, and prints the same: `tool_events FOLDER`
 * (tools/check_events.py has TensorBoard read them). */
#include "report/events.h"

#include <math.h>
#include <stdio.h>

static int write_run(const char *folder, int first, int last)
{
    static const char *const tag[] = { "loss/train", "loss/val", "learning rate", "top1/val" };
    eff_error err = { 0 };
    eff_events *e;
    eff_status s = eff_events_open(&e, folder, &err);
    for (int step = first; s == EFF_OK && step < last; step++) {
        const double value[] = { exp(-step / 7.0), exp(-step / 9.0) + 0.1, 1e-5 * step, step == 3 ? NAN : step / 20.0 };
        for (int k = 0; s == EFF_OK && k < 4; k++) {
            s = eff_events_scalar(e, tag[k], step, value[k], &err);
            printf("%s %d %.9g\n", tag[k], step, (double)(float)value[k]);
        }
        if (s == EFF_OK) s = eff_events_flush(e, &err);
    }
    eff_events_close(e);
    if (s != EFF_OK) fprintf(stderr, "tool_events: %s\n", err.msg);
    return s != EFF_OK;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: tool_events FOLDER\n");
        return 2;
    }
    return write_run(argv[1], 0, 12) || write_run(argv[1], 12, 20);
}
