/* SPDX-License-Identifier: Apache-2.0 */
/* Long jobs of many trials. The plan is said before the first of them; each is a line when it is done; Ctrl-C lets the
 * one that runs end when that is soon, and the same command goes on with the rest. */
#include "studying.h"

#include "amounts.h"
#include "interrupt.h"
#include "open_set.h"
#include "progress.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOON = 120, WIDTH = 96 }; /* seconds; columns */

/* ------------------------------------------------------------------------------------------------- fields */

double cli_field(const json_t *j, const char *key)
{
    const json_t *const v = json_object_get(j, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static char *buffer(void)
{
    static char text[8][64];
    static int next;
    return text[next++ % 8];
}

const char *cli_percent(const json_t *point)
{
    char *const b = buffer();
    const double v = cli_field(point, "top1");
    if (isnan(v)) return "-";
    snprintf(b, 64, "%.1f %%", 100 * v);
    return b;
}

const char *cli_interval(const json_t *point)
{
    char *const b = buffer();
    const json_t *const r = json_object_get(point, "interval");
    if (!json_is_array(r)) return "-";
    snprintf(b, 64, "%.1f-%.1f", 100 * json_number_value(json_array_get(r, 0)),
             100 * json_number_value(json_array_get(r, 1)));
    return b;
}

const char *cli_pixels(const json_t *point)
{
    const json_t *const r = json_object_get(point, "resolution");
    if (json_is_integer(r)) return cli_size_text((int)json_integer_value(r), (int)json_integer_value(r));
    return cli_size_text((int)json_integer_value(json_array_get(r, 0)), (int)json_integer_value(json_array_get(r, 1)));
}

const char *cli_duration(double seconds)
{
    char *const b = buffer();
    if (seconds < 9.95)
        snprintf(b, 64, "%.1f s", seconds);
    else
        cli_span(seconds, b, 64);
    return b;
}

/* Words on lines of at most WIDTH columns. */
static void wrap(const char *s)
{
    size_t column = 0;
    while (*s) {
        size_t n = strcspn(s, " ");
        if (s[n] == ' ' && s[n + 1] == '%') n += 1 + strcspn(s + n + 1, " "); /* "95 %" stays together */
        if (column && column + 1 + n > WIDTH) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column ? " " : "", (int)n, s);
        s += n;
        s += *s == ' ';
    }
    putchar('\n');
}

void cli_print_words(const json_t *results)
{
    size_t i;
    const json_t *v;
    json_array_foreach(json_object_get(results, "words"), i, v) wrap(cli_clean(json_string_value(v)));
}

/* ----------------------------------------------------------------------------------------- while it runs */

static void bar(cli_study *c, const eff_study_event *e)
{
    static const char *const what[] = { [EFF_STUDY_MEASURE] = "networks timed",
                                        [EFF_STUDY_DECODE] = "images decoded",
                                        [EFF_STUDY_STEP] = "trials",
                                        [EFF_STUDY_WAIT] = "trials" };
    if (c->phase != (int)e->phase) {
        cli_progress_end();
        cli_progress_begin(c->a, what[e->phase], e->total);
        c->phase = (int)e->phase;
    }
    if (e->phase == EFF_STUDY_MEASURE || e->phase == EFF_STUDY_DECODE) {
        cli_progress_update(e->done);
        return;
    }
    char line[120], left[32];
    cli_span(e->eta, left, sizeof left);
    snprintf(line, sizeof line, "%zu/%zu trials, %s left%s", e->done, e->total, left,
             e->phase == EFF_STUDY_WAIT ? ", the last elsewhere" : "");
    cli_progress_say(e->part, line);
}

int cli_study_event(void *ctx, const eff_study_event *e)
{
    cli_study *const c = ctx;
    char left[32];
    switch (e->phase) {
    case EFF_STUDY_NOTE:
        cli_progress_hide();
        if (c->talks) fprintf(stderr, "effnet: %s\n", cli_clean(e->text));
        break;
    case EFF_STUDY_TRIAL:
        cli_progress_hide();
        cli_span(e->eta, left, sizeof left);
        if (c->talks && e->text)
            fprintf(stderr, "effnet: %zu/%zu  %s; %s left\n", e->done, e->total, cli_clean(e->text), left);
        break;
    default: bar(c, e); break;
    }
    if (!cli_stopped()) return 0;
    if (e->phase != EFF_STUDY_STEP || !(e->left < SOON)) return 1;
    if (!c->finishing) {
        cli_progress_hide();
        cli_span(e->left, left, sizeof left);
        cli_error("stopping when this trial is done, in %s; again to stop now, without it", left);
        c->finishing = true;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ options */

int cli_study_recipe(const cli_args *a, const eff_model *base, const eff_dataset *d, eff_recipe **out)
{
    eff_error err = { 0 };
    char text[64];
    eff_status s = eff_study_recipe(out, base, d, &err);
    if (s == EFF_OK && cli_given(a, "set")) s = eff_recipe_set(*out, cli_text(a, "set"), &err);
    if (s == EFF_OK && cli_given(a, "epochs")) {
        snprintf(text, sizeof text, "epochs=%d", cli_int(a, "epochs"));
        s = eff_recipe_set(*out, text, &err);
    }
    if (s == EFF_OK && cli_given(a, "augment")) {
        const size_t room = strlen(cli_text(a, "augment")) + sizeof "augment=";
        char *const spec = cli_alloc(room, 1);
        snprintf(spec, room, "augment=%s", cli_text(a, "augment"));
        s = eff_recipe_set(*out, spec, &err);
        free(spec);
    }
    return s == EFF_OK ? CLI_OK : cli_fail(&err, a->cmd->name);
}

static int read_common(const cli_args *a, eff_study_opts *o)
{
    o->base = cli_text(a, "base");
    o->data = a->files[0];
    o->repeats = cli_given(a, "repeats") ? cli_int(a, "repeats") : 0;
    o->seed = cli_seed(a, "seed");
    o->threads = cli_int(a, "threads");
    o->cpu = cli_text(a, "cpu");
    o->multiple = cli_int(a, "multiple");
    const int status = cli_time_option(a, "time", &o->seconds);
    return status == CLI_OK ? cli_size_option(a, "image-cache", &o->cache) : status;
}

int cli_study_store(const cli_args *a, char **path)
{
    const char *const given = cli_text(a, "store"), *const out = cli_text(a, "out");
    const size_t room = strlen(given ? given : out) + sizeof "/trials.db";
    *path = cli_alloc(room, 1);
    snprintf(*path, room, given ? "%s" : "%s/trials.db", given ? given : out);
    if (cli_flag(a, "plan")) {
        if (cli_file_bytes(*path) >= 0) return CLI_OK;
        free(*path);
        *path = NULL;
        return CLI_OK;
    }
    if (mkdir(out, 0777) == 0 || errno == EEXIST) return CLI_OK;
    cli_error("%s: cannot be made: %s", cli_clean(out), strerror(errno));
    return CLI_FAILED;
}

/* --------------------------------------------------------------------------------------------- what is said */

json_t *cli_parsed(const char *text)
{
    json_t *const j = text ? json_loads(text, 0, NULL) : NULL;
    if (!j) cli_error("out of memory");
    return j;
}

static void say_plan(FILE *f, const json_t *p)
{
    const double total = cli_field(p, "trials_total"), done = cli_field(p, "trials_done");
    const char *const cuts = json_string_value(json_object_get(p, "cuts"));
    fprintf(f, "%s%.0f trials of %.0f epochs, %.0f seeds for each network: about %s in all with this process",
            f == stderr ? "effnet: " : "", total, cli_field(p, "epochs"), cli_field(p, "repeats"),
            cli_duration(cli_field(p, "seconds")));
    if (done > 0) fprintf(f, "; %.0f are done, %s left", done, cli_duration(cli_field(p, "seconds_left")));
    fprintf(f, "\n");
    if (cuts && *cuts) fprintf(f, "%scut to the time there is: %s\n", f == stderr ? "effnet: " : "", cuts);
}

void cli_print_recipe(const json_t *p)
{
    const char *key;
    json_t *v;
    printf("\nrecipe, the same for all\n");
    json_object_foreach((json_t *)json_object_get(p, "recipe"), key, v)
        printf("  %-16s %s\n", key, cli_clean(json_string_value(v)));
}

static int show_plan(const cli_args *a, eff_study *s, void (*print)(const json_t *, bool))
{
    json_t *const p = cli_parsed(eff_study_plan(s));
    if (!p) return CLI_FAILED;
    if (cli_flag(a, "json")) return cli_json_print(p) ? CLI_OK : CLI_FAILED;
    print(p, true);
    putchar('\n');
    say_plan(stdout, p);
    printf("training takes up to %s of memory, and %s for decoded images at most\n",
           cli_bytes(cli_field(p, "train_memory")), cli_text(a, "image-cache"));
    cli_print_recipe(p);
    json_decref(p);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int finish(const cli_args *a, eff_study *s, void (*print)(const json_t *, bool))
{
    eff_error err = { 0 };
    const char *const out = cli_text(a, "out");
    if (eff_study_save(s, out, &err) != EFF_OK) return cli_fail(&err, out);
    json_t *const j = cli_parsed(eff_study_results(s));
    if (!j) return CLI_FAILED;
    if (cli_flag(a, "json")) return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    print(j, false);
    putchar('\n');
    cli_print_words(j);
    printf("\n%s holds %s.html, .csv and .json\n", cli_clean(out), json_string_value(json_object_get(j, "kind")));
    json_decref(j);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

int cli_study_run(const cli_args *a, eff_study_opts *o, void (*print)(const json_t *, bool))
{
    cli_study c = { .a = a, .talks = !cli_flag(a, "quiet"), .phase = -1, .began = cli_now() };
    eff_error err = { 0 };
    eff_model *base = NULL;
    eff_dataset *d = NULL;
    eff_recipe *r = NULL;
    eff_study *s = NULL;
    char *store = NULL;
    int status = read_common(a, o);
    if (status == CLI_OK) status = cli_open_model(a, cli_text(a, "base"), &base);
    if (status == CLI_OK) status = cli_open_set(a, &d);
    if (status == CLI_OK) status = cli_study_recipe(a, base, d, &r);
    if (status == CLI_OK) status = cli_study_store(a, &store);
    if (status == CLI_OK) {
        eff_study_opts own = *o; /* what it holds besides is of this call only */
        own.store = store;
        own.event = cli_study_event;
        own.ctx = &c;
        const eff_status e = eff_study_create(&s, base, d, r, &own, &err);
        cli_progress_end();
        if (e != EFF_OK) {
            status = e == EFF_ECANCELLED ? CLI_FAILED : cli_fail(&err, a->cmd->name);
            if (!cli_flag(a, "plan")) rmdir(cli_text(a, "out")); /* if it is empty: nothing began */
        }
    }
    if (status == CLI_OK && cli_flag(a, "plan")) {
        status = show_plan(a, s, print);
    } else if (status == CLI_OK) {
        json_t *const p = cli_parsed(eff_study_plan(s));
        if (p && c.talks) say_plan(stderr, p);
        json_decref(p);
        const eff_status e = eff_study_run(s, &err);
        cli_progress_end();
        if (e == EFF_ECANCELLED) cli_error("%s; the same command goes on", err.msg);
        status = e == EFF_OK || e == EFF_ECANCELLED ? finish(a, s, print) : cli_fail(&err, a->cmd->name);
    }
    eff_study_free(s);
    free(store);
    eff_recipe_free(r);
    eff_dataset_free(d);
    eff_model_free(base);
    return status;
}
