/* SPDX-License-Identifier: Apache-2.0 */
/* effnet bench --machine: the ceilings that any network's speed on this machine stays below. */
#include "bench_parts.h"

#include <effnet/bench.h>

#include <stdio.h>

static const char *size_text(size_t bytes)
{
    static char ring[4][32];
    static int turn;
    char *b = ring[turn++ % 4];
    if (bytes >= 1u << 20)
        snprintf(b, sizeof ring[0], "%.4g MiB", (double)bytes / (1 << 20));
    else
        snprintf(b, sizeof ring[0], "%.4g KiB", (double)bytes / (1 << 10));
    return b;
}

static const char *dtype_name(eff_precision p) { return p == EFF_BFLOAT16 ? "bf16" : "f32"; }

static void print_machine(const eff_machine *m)
{
    cli_table t;
    char all[32];
    printf("%s, %d thread%s", cli_clean(m->cpu), m->threads, m->threads == 1 ? "" : "s");
    if (m->l1 && m->l2 && m->l3) printf("; caches of %s, %s, %s", size_text(m->l1), size_text(m->l2), size_text(m->l3));
    snprintf(all, sizeof all, "%d threads", m->threads);
    printf("\n\nmultiply-adds, GFLOP/s (two to a multiply-add)\n");
    cli_table_begin(&t, m->threads > 1 ? "llrr" : "llr");
    cli_cell(&t, "level");
    cli_cell(&t, "of");
    cli_cell(&t, "one thread");
    if (m->threads > 1) cli_cell(&t, "%s", all);
    for (int i = 0; i < m->npeaks; i++) {
        cli_cell(&t, "%s", m->peak[i].level);
        cli_cell(&t, "%s", dtype_name(m->peak[i].precision));
        cli_cell(&t, "%.1f", m->peak[i].gflops_one);
        if (m->threads > 1) cli_cell(&t, "%.1f", m->peak[i].gflops_all);
    }
    cli_table_end(&t, 2);
    printf("\nreading, GB/s\n");
    cli_table_begin(&t, m->threads > 1 ? "lrrr" : "lrr");
    cli_cell(&t, "from");
    cli_cell(&t, "block");
    cli_cell(&t, "one thread");
    if (m->threads > 1) cli_cell(&t, "%s", all);
    for (int i = 0; i < m->nbandwidths; i++) {
        const eff_bandwidth *b = &m->bandwidth[i];
        cli_cell(&t, "%s", b->where);
        cli_cell(&t, "%s", size_text(b->bytes));
        cli_cell(&t, "%.1f", b->gb_one);
        if (m->threads > 1) cli_cell(&t, "%.1f", b->gb_all);
    }
    cli_table_end(&t, 2);
}

static json_t *machine_json(const eff_machine *m)
{
    json_t *j = cli_json_object(), *peaks = cli_json_array(), *bandwidth = cli_json_array();
    for (int i = 0; i < m->npeaks; i++) {
        json_t *row = cli_json_object();
        cli_json_set(row, "level", cli_json_text(m->peak[i].level));
        cli_json_set(row, "dtype", cli_json_text(dtype_name(m->peak[i].precision)));
        cli_json_set(row, "gflops_one", cli_json_number(m->peak[i].gflops_one));
        cli_json_set(row, "gflops_all", cli_json_number(m->peak[i].gflops_all));
        cli_json_add(peaks, row);
    }
    for (int i = 0; i < m->nbandwidths; i++) {
        json_t *row = cli_json_object();
        cli_json_set(row, "where", cli_json_text(m->bandwidth[i].where));
        cli_json_set(row, "bytes", cli_json_count(m->bandwidth[i].bytes));
        cli_json_set(row, "gb_one", cli_json_number(m->bandwidth[i].gb_one));
        cli_json_set(row, "gb_all", cli_json_number(m->bandwidth[i].gb_all));
        cli_json_add(bandwidth, row);
    }
    cli_json_set(j, "cpu", cli_json_text(m->cpu));
    cli_json_set(j, "threads", cli_json_count((uint64_t)m->threads));
    cli_json_set(j, "l1_bytes", cli_json_count(m->l1));
    cli_json_set(j, "l2_bytes", cli_json_count(m->l2));
    cli_json_set(j, "l3_bytes", cli_json_count(m->l3));
    cli_json_set(j, "peaks", peaks);
    cli_json_set(j, "bandwidth", bandwidth);
    return j;
}

int bench_machine(const cli_args *a)
{
    eff_error err = { 0 };
    eff_machine m;
    const double seconds = cli_number(a, "min-time"), least = 0.05;
    if (eff_machine_measure(&m, cli_text(a, "cpu"), cli_int(a, "threads"), seconds < least ? least : seconds, &err) !=
        EFF_OK)
        return cli_fail(&err, "bench");
    if (cli_flag(a, "json")) return cli_json_print(machine_json(&m)) ? CLI_OK : CLI_FAILED;
    print_machine(&m);
    return CLI_OK;
}
