/* SPDX-License-Identifier: Apache-2.0 */
/* search_replay SPACE BENCH.tsv [NAME=VALUE ...]: what the controllers are worth, on children that are all trained
 * already. Every controller searches with every seed until it has evaluated `evaluations` distinct children (one that
 * is proposed again is answered, and not counted). Printed as TSV: how many evaluations it took to meet one of the best
 * `top` of all (one more than `evaluations` where none was met), with intervals over seeds, and against random search
 * with the same seed; what random search without a controller comes to by the hypergeometric distribution stands
 * beside. PREFIX.tsv and PREFIX.svg, when asked for by out=PREFIX, have the best reward so far after each evaluation.
 * Not installed. */
#include "search_bench.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/rng.h"
#include "model/count.h"
#include "report/svg.h"
#include "scale/compare.h"
#include "search/controller.h"
#include "search/rank.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 3, MOST_SEEDS = 1000, BOOTSTRAP = 2000, PATIENCE = 20, WHISKERS = 16 };

typedef struct settings {
    const char *out;
    double seeds, evaluations, target, exponent, hard, top; /* evaluations, target: 0 = the default */
    eff_cost cost;
} settings;

typedef struct replay {
    int seeds, n;    /* evaluations */
    double *reached; /* [KINDS][seeds]: evaluations until a top child, n + 1 = not within n */
    double *best;    /* [KINDS][seeds][n]: so far */
} replay;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "search_replay: %s: %s\n", what, why);
    exit(3);
}

static void usage(void)
{
    fputs("usage: search_replay SPACE BENCH.tsv [seeds=20] [evaluations=ALL] [cost=macs|params] [target=COST OF THE "
          "BASE]\n"
          "                     [exponent=-0.07] [hard=0] [top=0.02] [out=PREFIX]\n",
          stderr);
    exit(2);
}

static void *allocate(size_t n, size_t size)
{
    void *const p = eff_calloc(n, size);
    if (!p) die("memory", "none left");
    return p;
}

/* ------------------------------------------------------------------------------------------------------ options */

static void set(settings *s, const char *word)
{
    const struct {
        const char *name;
        double *value, lo, hi;
    } row[] = {
        { "seeds", &s->seeds, 2, MOST_SEEDS },
        { "evaluations", &s->evaluations, 1, 1 << 20 },
        { "target", &s->target, 1e-9, 1e15 },
        { "exponent", &s->exponent, -10, 0 },
        { "hard", &s->hard, 0, 1 },
        { "top", &s->top, 0, 1 },
    };
    const char *const value = strchr(word, '=') ? strchr(word, '=') + 1 : "";
    const size_t n = strcspn(word, "=");
    if (strncmp(word, "out=", 4) == 0 && *value) {
        s->out = value;
        return;
    }
    if (strcmp(word, "cost=macs") == 0 || strcmp(word, "cost=params") == 0) {
        s->cost = word[5] == 'm' ? EFF_COST_MACS : EFF_COST_PARAMS;
        return;
    }
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        if (strlen(row[i].name) != n || strncmp(word, row[i].name, n) != 0) continue;
        if (!eff_number_read(value, strlen(value), row[i].value) || *row[i].value < row[i].lo ||
            *row[i].value > row[i].hi) {
            fprintf(stderr, "search_replay: %s: expected a number in %g..%g, found '%s'\n", row[i].name, row[i].lo,
                    row[i].hi, value);
            exit(2);
        }
        return;
    }
    usage();
}

static double base_cost(const eff_space *s, eff_cost c)
{
    eff_error err = { 0 };
    eff_graph *g;
    if (eff_graph_build(&g, &s->base, s->base.height, s->base.width_px, &err) != EFF_OK) die("base", err.msg);
    eff_counts n;
    eff_count(&n, g);
    eff_graph_free(g);
    return c == EFF_COST_MACS ? (double)n.macs : (double)n.params;
}

/* -------------------------------------------------------------------------------------------------------- replay */

static void run(replay *r, const bench *b, const eff_space *s, eff_controller_kind kind, int seed, double top)
{
    eff_error err = { 0 };
    eff_controller_opts o;
    eff_controller *c;
    eff_controller_opts_init(&o, kind);
    o.seed = (uint64_t)seed;
    if (eff_controller_create(&c, s, &o, &err) != EFF_OK) die(eff_controller_name(kind), err.msg);
    bool *const seen = allocate((size_t)b->n, sizeof *seen);
    double *const reached = &r->reached[(int)kind * r->seeds + seed];
    double *const best = &r->best[(size_t)((int)kind * r->seeds + seed) * (size_t)r->n];
    int done = 0;
    *reached = r->n + 1;
    for (long i = 0; done < r->n; i++) {
        if (i > (long)PATIENCE * b->n) die(eff_controller_name(kind), "proposes nothing new");
        eff_child child;
        eff_controller_propose(c, i, &child);
        const bench_row *const row = bench_find(b, &child);
        if (!row) die(eff_controller_name(kind), "proposed a child that is not in the bench");
        eff_controller_observe(c, i, &child, row->reward);
        if (seen[row - b->row]) continue;
        seen[row - b->row] = true;
        best[done] = done ? fmax(best[done - 1], row->reward) : row->reward;
        done++;
        if (*reached > r->n && row->reward >= top) *reached = done;
    }
    eff_free(seen);
    eff_controller_free(c);
}

/* ------------------------------------------------------------------------------------------------------- figures */

static int by_value(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return 0.5 * (v[(n - 1) / 2] + v[n / 2]);
}

/* The median over seeds, and where 95 % of those of samples with replacement are. */
static eff_estimate median_of(const double *v, int n)
{
    double some[MOST_SEEDS], many[BOOTSTRAP];
    memcpy(some, v, (size_t)n * sizeof *some);
    eff_estimate e = { .value = median(some, n) };
    for (int k = 0; k < BOOTSTRAP; k++) {
        for (int i = 0; i < n; i++) some[i] = v[(int)(eff_rng_uniform(1, (uint64_t)k, (uint64_t)i) * n)];
        many[k] = median(some, n);
    }
    qsort(many, BOOTSTRAP, sizeof *many, by_value);
    e.lo = many[(int)(0.025 * BOOTSTRAP)];
    e.hi = many[(int)(0.975 * BOOTSTRAP) - 1];
    return e;
}

/* The mean of a[i * stride] - b[i * stride] (b NULL: of a), by Student's distribution. */
static eff_estimate mean_of(const double *a, const double *b, int n, int stride)
{
    double mean = 0, square = 0;
    for (int i = 0; i < n; i++) mean += (a[(size_t)i * stride] - (b ? b[(size_t)i * stride] : 0)) / n;
    for (int i = 0; i < n; i++) {
        const double d = a[(size_t)i * stride] - (b ? b[(size_t)i * stride] : 0) - mean;
        square += d * d / (n - 1);
    }
    const double half = eff_student(n - 1) * sqrt(square / n);
    return (eff_estimate){ mean, mean - half, mean + half };
}

/* Evaluations until one of `wanted` among n is met, each order equally likely: median. */
static int exact_median(int n, int wanted)
{
    double none = 1;
    for (int e = 1; e <= n; e++) {
        none *= fmax(0, 1 - (double)wanted / (n - e + 1));
        if (none <= 0.5) return e;
    }
    return n;
}

static void print_reached(const replay *r, const bench *b, int wanted)
{
    printf("controller\treached\tmedian\tlo\thi\tmean\tmean_lo\tmean_hi\tless_than_random\tless_lo\tless_hi\n");
    for (int k = 0; k < KINDS; k++) {
        const double *const v = &r->reached[k * r->seeds];
        const eff_estimate m = median_of(v, r->seeds), a = mean_of(v, NULL, r->seeds, 1);
        const eff_estimate d = mean_of(r->reached, v, r->seeds, 1);
        int reached = 0;
        for (int i = 0; i < r->seeds; i++) reached += v[i] <= r->n;
        printf("%s\t%d\t%g\t%g\t%g\t%.2f\t%.2f\t%.2f", eff_controller_name((eff_controller_kind)k), reached, m.value,
               m.lo, m.hi, a.value, a.lo, a.hi);
        if (k)
            printf("\t%.2f\t%.2f\t%.2f\n", d.value, d.lo, d.hi);
        else
            printf("\t\t\t\n");
    }
    printf("exact_random\t\t%d\t\t\t%.2f\t\t\t\t\t\n", exact_median(b->n, wanted), (b->n + 1.0) / (wanted + 1.0));
}

/* --------------------------------------------------------------------------------------------------------- curves */

typedef struct curves {
    double *x, *exact;                           /* [n] */
    double *mean[KINDS], *lo[KINDS], *hi[KINDS]; /* [n] */
} curves;

static curves make_curves(const replay *r, const bench *b)
{
    const size_t n = (size_t)r->n;
    curves c = { .x = allocate(n, sizeof(double)), .exact = allocate(n, sizeof(double)) };
    double *const reward = allocate((size_t)b->n, sizeof *reward);
    for (int i = 0; i < b->n; i++) reward[i] = b->row[i].reward;
    for (int i = 0; i < r->n; i++) {
        c.x[i] = i + 1;
        c.exact[i] = eff_expected_best(reward, b->n, i + 1);
    }
    eff_free(reward);
    for (int k = 0; k < KINDS; k++) {
        c.mean[k] = allocate(n, sizeof(double));
        c.lo[k] = allocate(n, sizeof(double));
        c.hi[k] = allocate(n, sizeof(double));
        for (int i = 0; i < r->n; i++) {
            const eff_estimate e =
                mean_of(&r->best[(size_t)k * (size_t)r->seeds * n + (size_t)i], NULL, r->seeds, r->n);
            c.mean[k][i] = e.value;
            c.lo[k][i] = e.lo;
            c.hi[k][i] = e.hi;
        }
    }
    return c;
}

static void free_curves(curves *c)
{
    eff_free(c->x);
    eff_free(c->exact);
    for (int k = 0; k < KINDS; k++) {
        eff_free(c->mean[k]);
        eff_free(c->lo[k]);
        eff_free(c->hi[k]);
    }
}

static void save(const char *prefix, const char *end, const eff_text *t)
{
    char path[4096];
    eff_error err = { 0 };
    eff_save s = { 0 };
    snprintf(path, sizeof path, "%s%s", prefix, end);
    if (t->failed) die(path, "no memory left");
    if (eff_save_begin(&s, path, &err) != EFF_OK) die(path, err.msg);
    fwrite(t->s, 1, t->n, s.f);
    if (eff_save_commit(&s, &err) != EFF_OK) die(path, err.msg);
}

static void save_table(const char *prefix, const curves *c, int n)
{
    eff_text t = { 0 };
    eff_text_put(&t, "evaluations\texact_random");
    for (int k = 0; k < KINDS; k++) {
        const char *const name = eff_controller_name((eff_controller_kind)k);
        eff_text_print(&t, "\t%s\t%s_lo\t%s_hi", name, name, name);
    }
    eff_text_put(&t, "\n");
    for (int i = 0; i < n; i++) {
        eff_text_print(&t, "%d\t%.6f", i + 1, c->exact[i]);
        for (int k = 0; k < KINDS; k++)
            eff_text_print(&t, "\t%.6f\t%.6f\t%.6f", c->mean[k][i], c->lo[k][i], c->hi[k][i]);
        eff_text_put(&t, "\n");
    }
    save(prefix, ".tsv", &t);
    eff_text_free(&t);
}

/* Whiskers at evenly spread evaluations only, each controller's a little beside the other's. */
static void thin_out(curves *c, int n)
{
    const int every = n / WHISKERS + 1;
    for (int k = 0; k < KINDS; k++)
        for (int i = 0; i < n; i++)
            if (i % every != every / 2 + (every > 8 ? k * every / 8 : 0)) c->lo[k][i] = c->hi[k][i] = NAN;
}

static void save_chart(const char *prefix, curves *c, int n)
{
    eff_svg_series series[KINDS + 1];
    thin_out(c, n);
    for (int k = 0; k < KINDS; k++)
        series[k] = (eff_svg_series){ .name = eff_controller_name((eff_controller_kind)k),
                                      .x = c->x,
                                      .y = c->mean[k],
                                      .lo = c->lo[k],
                                      .hi = c->hi[k],
                                      .n = n };
    series[KINDS] = (eff_svg_series){ .name = "random, expected", .x = c->x, .y = c->exact, .n = n };
    const eff_svg_lines chart = { .title =
                                      "Best reward so far against evaluations, mean over seeds with 95 % intervals",
                                  .x_label = "evaluations",
                                  .y_label = "best reward so far",
                                  .series = series,
                                  .nseries = KINDS + 1,
                                  .alone = true };
    eff_text t = { 0 };
    eff_svg_lines_draw(&t, &chart);
    save(prefix, ".svg", &t);
    eff_text_free(&t);
}

/* ----------------------------------------------------------------------------------------------------------- main */

static double threshold(const bench *b, int wanted)
{
    double *const v = allocate((size_t)b->n, sizeof *v);
    for (int i = 0; i < b->n; i++) v[i] = b->row[i].reward;
    qsort(v, (size_t)b->n, sizeof *v, by_value);
    const double t = v[b->n - wanted];
    eff_free(v);
    return t;
}

int main(int argc, char **argv)
{
    if (argc < 3) usage();
    settings o = { .seeds = 20, .exponent = -0.07, .top = 0.02, .cost = EFF_COST_MACS };
    for (int i = 3; i < argc; i++) set(&o, argv[i]);
    static eff_space s;
    bench b;
    eff_error err = { 0 };
    if (eff_space_load(&s, argv[1], NULL, &err) != EFF_OK) die(argv[1], err.msg);
    if (bench_load(&b, argv[2], &s, &err) != EFF_OK) die(argv[2], err.msg);

    const eff_objective goal = { .cost = o.cost,
                                 .target = o.target > 0 ? o.target : base_cost(&s, o.cost),
                                 .exponent = o.exponent,
                                 .hard = o.hard != 0 };
    for (int i = 0; i < b.n; i++) b.row[i].reward = eff_objective_reward(&goal, b.row[i].top1, b.row[i].cost[o.cost]);
    const int wanted = (int)fmax(1, ceil(o.top * b.n - 1e-9));
    const double top = threshold(&b, wanted);
    int tops = 0; /* with those that are as good as the last of them */
    for (int i = 0; i < b.n; i++) tops += b.row[i].reward >= top;

    replay r = { .seeds = (int)o.seeds, .n = o.evaluations > 0 && o.evaluations < b.n ? (int)o.evaluations : b.n };
    r.reached = allocate((size_t)KINDS * (size_t)r.seeds, sizeof *r.reached);
    r.best = allocate((size_t)KINDS * (size_t)r.seeds * (size_t)r.n, sizeof *r.best);
    for (int k = 0; k < KINDS; k++)
        for (int i = 0; i < r.seeds; i++) run(&r, &b, &s, (eff_controller_kind)k, i, top);

    printf("# %d children, %s target %g, exponent %g%s; top %d: reward %.6f or more; %d seeds, %d evaluations\n", b.n,
           eff_cost_name(o.cost), goal.target, goal.exponent, goal.hard ? ", hard" : "", tops, top, r.seeds, r.n);
    print_reached(&r, &b, tops);
    if (o.out) {
        curves c = make_curves(&r, &b);
        save_table(o.out, &c, r.n);
        save_chart(o.out, &c, r.n);
        free_curves(&c);
    }
    eff_free(r.reached);
    eff_free(r.best);
    bench_free(&b);
    return 0;
}
