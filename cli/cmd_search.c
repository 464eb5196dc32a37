/* SPDX-License-Identifier: Apache-2.0 */
/* effnet search: find a network on one's own images, the way EfficientNet-B0 was found. */
#include "commands.h"

#include "amounts.h"
#include "interrupt.h"
#include "open_set.h"
#include "progress.h"
#include "studying.h"

#include <effnet/search.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_opt opts[] = {
    { 0, "space", "SPACE", "what may be chosen: small, mnasnet, bench, or a JSON file", CLI_PATH, "small" },
    { 'b', "base", "MODEL", "network that is varied: a built-in, with changes, or a table in JSON [the space's]",
      CLI_MODEL },
    { 'o', "out", "DIR", "folder for what is found", CLI_PATH, "search" },
    { 0, "store", "FILE", "file of the trials; several processes may share it [DIR/trials.db]", CLI_PATH },
    { 'n', "trials", "N", "children that are scored", CLI_INT, "100", 1, 100000 },
    { 0, "controller", "NAME", "who proposes children: evolution, ppo, random", CLI_CHOICE, "evolution", 0, 0,
      "evolution ppo random" },
    { 0, "evaluator", "NAME", "how they are scored: proxy (a short training each), supernet (shared weights)",
      CLI_CHOICE, "proxy", 0, 0, "proxy supernet" },
    { 0, "cost", "NAME", "what accuracy is weighed against: macs, latency, params, memory", CLI_CHOICE, "macs", 0, 0,
      "macs latency params memory" },
    { 0, "target", "T", "the reward is accuracy * (cost / T)^W: 20M, 3ms, 1.5G [what the base costs]", CLI_TEXT },
    { 0, "exponent", "W", "and its W", CLI_NUMBER, "-0.07", -100, 0 },
    { 0, "hard", NULL, "instead: cost is free up to T, and divides the accuracy above", CLI_FLAG },
    { 0, "limit", "COST=V,...", "never more than: macs=20M,latency=3ms,params=1M,memory=30M", CLI_TEXT },
    { 0, "control", "PART", "part of the children drawn by chance, to compare with", CLI_NUMBER, "0.2", 0, 0.99 },
    { 0, "ahead", "N", "children begun before an earlier one's result counts: so many processes and one side by side",
      CLI_INT, "3", 0, 1000 },
    { 0, "finalists", "N", "best children that are trained three times as long, a third of them nine times", CLI_INT,
      "9", 1, 1000 },
    { 0, "sample", "N", "children of all ranks trained to the full: is the brief score's order right?", CLI_INT, "8", 0,
      1000 },
    { 0, "repeats", "N", "seeds of the winner, the base and the rivals in the end", CLI_INT, "3", 1, 64 },
    { 0, "against", "MODEL,...", "up to four rivals, trained beside the base in the end", CLI_TEXT },
    { 'e', "epochs", "N", "passes of a brief training over the images [the recipe's]", CLI_INT, NULL, 1, 100000 },
    { 0, "supernet-epochs", "N", "passes of the supernet's training [ten times that]", CLI_INT, NULL, 1, 100000 },
    { 0, "time", "T", "fit the number of children to this time: 30m, 2h, 90s", CLI_TEXT },
    { 0, "memory", "SIZE", "a child whose training takes more is recorded as failed [what the machine has]", CLI_TEXT },
    { 0, "set", "KEY=V,...", "replace any value of the recipe; --plan lists them", CLI_TEXT },
    { 0, "augment", "SPEC", "how training images are varied: shifts, mirror, colours", CLI_TEXT },
    { 0, "val", "PART", "part of each class kept for validation, where DATA has no val/", CLI_NUMBER, "0.2", 0.01,
      0.9 },
    { 0, "image-cache", "SIZE", "memory for decoded images", CLI_TEXT, "1.5G" },
    { 0, "plan", NULL, "only say what would be done, and how long it takes", CLI_FLAG },
    { 0 },
};

/* ------------------------------------------------------------------------------------------------- amounts */

/* 20M, 3ms, 1.5e6 ... up to a comma or the end. */
static bool read_amount(const char *s, double *out, const char **end)
{
    static const struct {
        const char *unit;
        double by;
    } units[] = { { "us", 1e-6 }, { "ms", 1e-3 }, { "s", 1 }, { "k", 1e3 }, { "M", 1e6 }, { "G", 1e9 }, { "T", 1e12 } };
    char *at;
    const double v = strtod(s, &at);
    if (at == s || !(v > 0) || !isfinite(v)) return false;
    *out = v;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strncmp(at, units[i].unit, strlen(units[i].unit)) == 0) {
            *out *= units[i].by;
            at += strlen(units[i].unit);
            break;
        }
    *end = at;
    return *at == '\0' || *at == ',';
}

static int read_target(const cli_args *a, eff_search_opts *o)
{
    const char *const s = cli_text(a, "target"), *end;
    if (!s || (read_amount(s, &o->target, &end) && !*end)) return CLI_OK;
    return cli_usage(a, "--target: expected an amount such as 20M or 3ms, found '%s'", cli_clean(s));
}

static int read_limits(const cli_args *a, eff_search_opts *o)
{
    static const char *const names[EFF_SEARCH_COSTS] = { "macs", "latency", "params", "memory" };
    for (const char *s = cli_text(a, "limit"); s && *s;) {
        int i = 0;
        const size_t n = strcspn(s, "=,");
        const char *end;
        while (i < EFF_SEARCH_COSTS && (strncmp(s, names[i], n) != 0 || names[i][n])) i++;
        if (i == EFF_SEARCH_COSTS || s[n] != '=' || !read_amount(s + n + 1, &o->limit[i], &end))
            return cli_usage(a,
                             "--limit: expected macs, latency, params or memory and an amount (macs=20M), found '%s'",
                             cli_clean(s));
        s = *end ? end + 1 : end;
    }
    return CLI_OK;
}

static int open_rivals(const cli_args *a, eff_search_opts *o, eff_model **rival)
{
    int status = CLI_OK, n = 0;
    const char *const given = cli_text(a, "against");
    char *const all = given ? strcpy(cli_alloc(strlen(given) + 1, 1), given) : NULL;
    for (char *s = all; status == CLI_OK && s;) { /* changes after an @ have commas too: a rival begins where no = is */
        char *next = s;
        do {
            next = strchr(next + 1, ',');
        } while (next && memchr(next + 1, '=', strcspn(next + 1, ",@")));
        if (next) *next++ = '\0';
        if (n == EFF_SEARCH_MOST_RIVALS)
            status = cli_usage(a, "--against: expected at most %d networks", EFF_SEARCH_MOST_RIVALS);
        else
            status = cli_open_model(a, s, &rival[n]);
        if (status == CLI_OK) {
            o->rival[n] = rival[n];
            n++;
        }
        s = next;
    }
    free(all);
    return status;
}

static int read_options(const cli_args *a, eff_search_opts *o)
{
    int status;
    o->space = cli_text(a, "space");
    o->controller = cli_text(a, "controller");
    o->evaluator = cli_text(a, "evaluator");
    o->cost = cli_text(a, "cost");
    o->exponent = cli_number(a, "exponent");
    o->hard = cli_flag(a, "hard");
    o->trials = cli_int(a, "trials");
    o->control = cli_number(a, "control");
    o->ahead = cli_int(a, "ahead");
    o->finalists = cli_int(a, "finalists");
    o->sample = cli_int(a, "sample");
    o->repeats = cli_int(a, "repeats");
    o->supernet_epochs = cli_given(a, "supernet-epochs") ? cli_int(a, "supernet-epochs") : 0;
    o->seed = cli_seed(a, "seed");
    o->threads = cli_int(a, "threads");
    o->cpu = cli_text(a, "cpu");
    o->data = a->files[0];
    if ((status = read_target(a, o)) || (status = read_limits(a, o)) ||
        (status = cli_time_option(a, "time", &o->seconds)) || (status = cli_size_option(a, "memory", &o->memory)))
        return status;
    return cli_size_option(a, "image-cache", &o->cache);
}

/* ------------------------------------------------------------------------------------------ what is said */

static void say_amount(const char *what, double v, const char *unit)
{
    if (strcmp(unit, "s") == 0)
        printf("%s%.3f ms", what, 1e3 * v);
    else
        printf("%s%s", what, cli_human(v));
}

static void print_space(const json_t *p)
{
    const json_t *const s = json_object_get(p, "space"), *const o = json_object_get(p, "objective");
    const char *const unit = json_string_value(json_object_get(o, "unit"));
    printf("space %s: %.0f decisions, %.6g choices, %.6g different networks; base %s\n",
           cli_clean(json_string_value(json_object_get(s, "name"))), cli_field(s, "decisions"), cli_field(s, "choices"),
           cli_field(s, "networks"), cli_clean(json_string_value(json_object_get(p, "base"))));
    printf("reward: top-1 * (%s / ", json_string_value(json_object_get(o, "cost")));
    say_amount("", cli_field(o, "target"), unit);
    if (json_is_true(json_object_get(o, "hard")))
        printf(")^-1 above that, top-1 below\n");
    else
        printf(")^%g\n", cli_field(o, "exponent"));
}

static const char *top1_text(double v)
{
    static char text[4][24];
    static int next;
    char *const b = text[next++ % 4];
    snprintf(b, sizeof text[0], isnan(v) ? "-" : "%.1f %%", 100 * v);
    return b;
}

static void print_results(const json_t *r)
{
    cli_table t;
    size_t i;
    const json_t *v;
    print_space(r);
    if (json_array_size(json_object_get(r, "final"))) {
        printf("\ntrained alike, to the full\n");
        cli_table_begin(&t, "lrrrrr");
        cli_cell(&t, "network");
        cli_cell(&t, "MACs");
        cli_cell(&t, "params");
        cli_cell(&t, "top-1");
        cli_cell(&t, "95 %%");
        cli_cell(&t, "found less this");
        json_array_foreach(json_object_get(r, "final"), i, v)
        {
            cli_cell(&t, "%s", cli_clean(json_string_value(json_object_get(v, "name"))));
            cli_cell(&t, "%s", cli_human(cli_field(v, "macs")));
            cli_cell(&t, "%s", cli_human(cli_field(v, "params")));
            cli_cell(&t, "%s", cli_percent(v));
            cli_cell(&t, "%s", cli_interval(v));
            cli_cell(&t, isnan(cli_field(v, "found_less_this")) ? "-" : "%+.1f", 100 * cli_field(v, "found_less_this"));
        }
        cli_table_end(&t, 0);
    }
    printf("\nthe front after brief scores\n");
    cli_table_begin(&t, "lrrrr");
    cli_cell(&t, "child");
    cli_cell(&t, "MACs");
    cli_cell(&t, "params");
    cli_cell(&t, "top-1");
    cli_cell(&t, "reward");
    json_array_foreach(json_object_get(r, "pareto"), i, v)
    {
        cli_cell(&t, "%s", json_string_value(json_object_get(v, "child")));
        cli_cell(&t, "%s", cli_human(cli_field(v, "macs")));
        cli_cell(&t, "%s", cli_human(cli_field(v, "params")));
        cli_cell(&t, "%s", top1_text(cli_field(v, "top1")));
        cli_cell(&t, "%.4f", cli_field(v, "reward"));
    }
    cli_table_end(&t, 0);
    putchar('\n');
    cli_print_words(r);
}

static void say_plan(FILE *f, const json_t *p)
{
    const char *const cuts = json_string_value(json_object_get(p, "cuts"));
    fprintf(f, "%s%.0f children of about %s each, then the finals: about %s in all with this process",
            f == stderr ? "effnet: " : "", cli_field(p, "trials_asked"), cli_duration(cli_field(p, "child_seconds")),
            cli_duration(cli_field(p, "seconds")));
    if (cli_field(p, "jobs_done") > 0) fprintf(f, "; %.0f trainings are done", cli_field(p, "jobs_done"));
    fprintf(f, "\n");
    if (cuts && *cuts) fprintf(f, "%scut to the time there is: %s\n", f == stderr ? "effnet: " : "", cuts);
}

static int show_plan(const cli_args *a, eff_search *s)
{
    json_t *const p = cli_parsed(eff_search_plan(s));
    if (!p) return CLI_FAILED;
    if (cli_flag(a, "json")) return cli_json_print(p) ? CLI_OK : CLI_FAILED;
    print_space(p);
    say_plan(stdout, p);
    printf("a child has %s multiply-adds in the mean; training takes about %s of memory, and %s for decoded images at "
           "most\n",
           cli_human(cli_field(p, "mean_macs")), cli_bytes(cli_field(p, "train_memory")), cli_text(a, "image-cache"));
    cli_print_recipe(p);
    json_decref(p);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int finish(const cli_args *a, eff_search *s)
{
    eff_error err = { 0 };
    const char *const out = cli_text(a, "out");
    if (eff_search_save(s, out, &err) != EFF_OK) return cli_fail(&err, out);
    json_t *const j = cli_parsed(eff_search_results(s));
    if (!j) return CLI_FAILED;
    if (cli_flag(a, "json")) return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    print_results(j);
    printf("\n%s holds search.html, .csv, .json, best.json and tables/\n", cli_clean(out));
    json_decref(j);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

/* ------------------------------------------------------------------------------------------------- running */

static int search(const cli_args *a, eff_search *s, const cli_study *c)
{
    eff_error err = { 0 };
    if (cli_flag(a, "plan")) return show_plan(a, s);
    json_t *const p = cli_parsed(eff_search_plan(s));
    if (p && c->talks) say_plan(stderr, p);
    json_decref(p);
    const eff_status e = eff_search_run(s, &err);
    cli_progress_end();
    if (e == EFF_ECANCELLED) cli_error("%s; the same command goes on", err.msg);
    return e == EFF_OK || e == EFF_ECANCELLED ? finish(a, s) : cli_fail(&err, a->cmd->name);
}

static int run_search(cli_args *a)
{
    cli_study c = { .a = a, .talks = !cli_flag(a, "quiet"), .phase = -1, .began = cli_now() };
    eff_search_opts o;
    eff_error err = { 0 };
    eff_model *base = NULL, *rival[EFF_SEARCH_MOST_RIVALS] = { NULL };
    eff_dataset *d = NULL;
    eff_recipe *r = NULL;
    eff_search *s = NULL;
    char *store = NULL;
    eff_search_opts_init(&o);
    int status = read_options(a, &o);
    if (status == CLI_OK && cli_given(a, "base")) { /* so that what is wrong with it is not said of the space */
        status = cli_open_model(a, cli_text(a, "base"), &base);
        eff_model_free(base);
        base = NULL;
    }
    if (status == CLI_OK && eff_search_base(&base, o.space, cli_text(a, "base"), &err) != EFF_OK)
        status = cli_fail(&err, o.space);
    if (status == CLI_OK) status = open_rivals(a, &o, rival);
    if (status == CLI_OK) status = cli_open_set(a, &d);
    if (status == CLI_OK) status = cli_study_recipe(a, base, d, &r);
    if (status == CLI_OK) status = cli_study_store(a, &store);
    if (status == CLI_OK) {
        o.store = store;
        o.event = cli_study_event;
        o.ctx = &c;
        const eff_status e = eff_search_create(&s, base, d, r, &o, &err);
        cli_progress_end();
        if (e != EFF_OK) {
            status = e == EFF_ECANCELLED ? CLI_FAILED : cli_fail(&err, a->cmd->name);
            if (!cli_flag(a, "plan")) rmdir(cli_text(a, "out")); /* if it is empty: nothing began */
        }
    }
    if (status == CLI_OK) status = search(a, s, &c);
    eff_search_free(s);
    free(store);
    eff_recipe_free(r);
    eff_dataset_free(d);
    for (int i = 0; i < EFF_SEARCH_MOST_RIVALS; i++) eff_model_free(rival[i]);
    eff_model_free(base);
    return status;
}

const cli_cmd cmd_search = {
    .name = "search",
    .summary = "find a network for your own images: accuracy against cost",
    .usage = "DATA",
    .operands = "f",
    .about = "Looks for a network the way EfficientNet-B0 was found. A space says what may be chosen in every\n"
             "stage of a base network (operator, kernel, expansion, squeeze-and-excitation, filters, layers,\n"
             "skip). Children of it are scored, each by a brief training from random weights (or with the\n"
             "weights of a supernet that all share), and a controller proposes the next by what the earlier\n"
             "ones were worth: accuracy * (cost / T)^W.\n\n"
             "Then the best are trained longer, the winner beside the base and its rivals with several seeds;\n"
             "and a sample of all children is trained to the full, to see what brief scores are worth.\n"
             "Trials are kept in a store: the same command goes on after any stop, and several processes may\n"
             "work on one store at once, also on several machines (give each its share of --threads).\n"
             "DIR gets search.html (open it in a browser), search.csv, search.json, tables/ with the networks\n"
             "of the front, and best.json: a table that info, train, predict and scale --base take by its path.",
    .examples = "  effnet search sarees --plan                           what, and how long\n"
                "  effnet search sarees --trials 60 --time 1h            accuracy against multiply-adds\n"
                "  effnet search sarees --cost latency --limit params=1M on this machine's clock\n"
                "  effnet scale fit sarees --base search/best.json       then find how to scale it\n",
    .opts = opts,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_search,
};
