/* SPDX-License-Identifier: Apache-2.0 */
/* effnet advise: which network at which resolution for a folder of photographs on this machine. What is measured and
 * decided is the library's; here is what is at hand, and how it is told. */
#include "amounts.h"
#include "commands.h"
#include "common.h"
#include "interrupt.h"
#include "open_set.h"
#include "progress.h"
#include "at_hand.h"

#include <effnet/advise.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const cli_opt opts[] = {
    { 0, "from", "PATH", "weights at hand: a file, several with commas between, or a folder [the cache]", CLI_PATH },
    { 't', "time", "T", "measure for about so long", CLI_TEXT, "60s" },
    { 0, "within", "T", "longest training that is acceptable", CLI_TEXT, "12h" },
    { 0, "memory", "SIZE", "memory that training may take [what the machine has]", CLI_TEXT },
    { 0, "val", "PART", "part of each class kept for validation, where DIR has no val/", CLI_NUMBER, "0.2", 0.01, 0.9 },
    { 0 },
};

/* Paths of files with weights. */
typedef struct paths {
    char **path;
    size_t n, room;
} paths;

typedef struct advising {
    const cli_args *a;
    eff_dataset *data;
    paths weights;
    eff_advice *advice;
    double began, seconds;
} advising;

/* -------------------------------------------------------------------------------------- weights at hand */

static void add_path(paths *p, const char *path)
{
    if (p->n == p->room) {
        p->room = p->room ? 2 * p->room : 16;
        p->path = cli_realloc(p->path, p->room, sizeof *p->path);
    }
    p->path[p->n] = cli_alloc(strlen(path) + 1, 1);
    strcpy(p->path[p->n++], path);
}

static int by_name(const void *x, const void *y) { return strcmp(*(char *const *)x, *(char *const *)y); }

/* A file nobody named is passed over when it cannot be read, with a line that says so. */
static void add_if_readable(const cli_args *a, paths *p, const char *path)
{
    eff_model *m = NULL;
    eff_error err = { 0 };
    if (eff_model_load(&m, path, NULL, &err) == EFF_OK)
        add_path(p, path);
    else if (!cli_flag(a, "quiet"))
        cli_error("%s: passed over: %s", path, err.msg);
    eff_model_free(m);
}

static int add_folder(const cli_args *a, paths *p, const char *folder)
{
    paths found = { 0 };
    DIR *const d = opendir(folder);
    char path[4096];
    if (!d) {
        cli_error("%s: cannot be read", folder);
        return CLI_DATA;
    }
    for (const struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.' && cli_weights_name(path)) add_path(&found, path);
    }
    closedir(d);
    if (found.n) qsort(found.path, found.n, sizeof *found.path, by_name);
    for (size_t i = 0; i < found.n; i++) {
        add_if_readable(a, p, found.path[i]);
        free(found.path[i]);
    }
    free(found.path);
    return CLI_OK;
}

static int add_given(const cli_args *a, paths *p, char *list)
{
    struct stat st;
    if (stat(list, &st) == 0 && S_ISDIR(st.st_mode)) return add_folder(a, p, list);
    if (stat(list, &st) == 0) {
        add_path(p, list); /* a comma in the name of a file that exists is its own */
        return CLI_OK;
    }
    for (char *save = NULL, *one = strtok_r(list, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
        if (stat(one, &st) != 0) {
            cli_error("%s: no such file", one);
            return CLI_DATA;
        }
        const int status = S_ISDIR(st.st_mode) ? add_folder(a, p, one) : (add_path(p, one), CLI_OK);
        if (status != CLI_OK) return status;
    }
    return CLI_OK;
}

static int find_weights(advising *v)
{
    char path[4096];
    if (cli_given(v->a, "from")) {
        const char *const given = cli_text(v->a, "from");
        char *list = cli_alloc(strlen(given) + 1, 1);
        strcpy(list, given);
        const int status = add_given(v->a, &v->weights, list);
        free(list);
        if (status != CLI_OK) return status;
    }
    for (int i = 0; i < eff_builtin_count(); i++)
        if (cli_cached_weights(eff_builtin_name(i), path, sizeof path)) add_if_readable(v->a, &v->weights, path);
    return CLI_OK;
}

/* ---------------------------------------------------------------------------------------------- asking */

static int open_data(advising *v)
{
    const int status = cli_open_set(v->a, &v->data);
    if (status != CLI_OK) return status;
    const char *reason, *path;
    for (size_t i = 0; !cli_flag(v->a, "quiet") && (path = eff_dataset_excluded(v->data, i, &reason)); i++)
        if (i < 10) cli_error("left out: %s: %s", path, reason);
    return CLI_OK;
}

static int on_progress(void *ctx, double part, const char *what)
{
    advising *v = ctx;
    char line[120], left[32];
    cli_span(fmax(0, v->seconds - (cli_now() - v->began)), left, sizeof left);
    snprintf(line, sizeof line, "%s, about %s left", what, left);
    cli_progress_say(part, line);
    return cli_stopped();
}

static int ask(advising *v)
{
    eff_error err = { 0 };
    eff_advise_opts o;
    eff_advise_opts_init(&o);
    int status = cli_time_option(v->a, "time", &o.seconds);
    if (status == CLI_OK) status = cli_time_option(v->a, "within", &o.longest);
    if (status == CLI_OK) status = cli_size_option(v->a, "memory", &o.memory);
    if (status == CLI_OK) status = find_weights(v);
    if (status == CLI_OK) status = open_data(v);
    if (status != CLI_OK) return status;
    o.weights = (const char *const *)v->weights.path;
    o.nweights = v->weights.n;
    o.threads = cli_int(v->a, "threads");
    o.cpu = cli_text(v->a, "cpu");
    o.seed = cli_seed(v->a, "seed");
    o.progress = on_progress;
    o.ctx = v;
    v->began = cli_now();
    v->seconds = o.seconds;
    cli_progress_begin(v->a, "measuring", 0);
    const eff_status s = eff_advise(&v->advice, v->data, &o, &err);
    cli_progress_end();
    return s == EFF_OK ? CLI_OK : cli_fail(&err, "advise");
}

/* --------------------------------------------------------------------------------------------- telling */

/* A command line that grows; what a shell would take apart is quoted. */
typedef struct line {
    char text[16384];
    size_t n;
} line;

static void put(line *l, const char *s)
{
    const size_t n = strlen(s);
    if (l->n + n >= sizeof l->text) return;
    memcpy(l->text + l->n, s, n + 1);
    l->n += n;
}

static void put_word(line *l, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@=,:+-%";
    put(l, " ");
    if (*word && !word[strspn(word, plain)]) {
        put(l, word);
        return;
    }
    put(l, "'");
    for (; *word; word++) {
        const char one[2] = { *word, 0 };
        put(l, *word == '\'' ? "'\\''" : one);
    }
    put(l, "'");
}

/* The command that trains what is recommended. */
static const char *command(const advising *v, const eff_variant *r, line *l)
{
    char number[48];
    l->n = 0;
    put(l, "effnet train");
    put_word(l, v->a->files[0]);
    put(l, r->weights ? " --from" : " --model");
    put_word(l, r->weights ? r->weights : r->model);
    if (!r->native) {
        snprintf(number, sizeof number, " --resolution %d", r->resolution);
        put(l, number);
    }
    if (r->memory_option > 0) {
        snprintf(number, sizeof number, " --memory %.0fM", floor(r->memory_option / 1e6));
        put(l, number);
    }
    if (cli_number(v->a, "val") != 0.2) {
        snprintf(number, sizeof number, " --val %g", cli_number(v->a, "val"));
        put(l, number);
    }
    return l->text;
}

static const char *note(const eff_variant *x, char *out, size_t room)
{
    const char *const hint = cli_weights_hint(x->model);
    if (x->weights)
        *out = 0;
    else
        snprintf(out, room, "none at hand: from scratch%s%s", hint ? ", or " : "", hint ? hint : "");
    return out;
}

static json_t *variant_json(const eff_variant *x)
{
    char text[160];
    json_t *j = cli_json_object(), *interval = cli_json_array();
    cli_json_set(j, "model", cli_json_text(x->model));
    cli_json_set(j, "resolution", cli_json_count((uint64_t)x->resolution));
    cli_json_set(j, "pretrained", json_boolean(x->weights != NULL));
    cli_json_set(j, "train_hours", cli_json_number(x->train_seconds / 3600));
    cli_json_set(j, "memory_mb", cli_json_number(x->memory_bytes / 1e6));
    cli_json_set(j, "latency_ms", cli_json_number(x->latency_ms));
    cli_json_set(j, "latency_measured", json_boolean(x->latency_measured));
    cli_json_set(j, "weights", cli_json_text(x->weights));
    cli_json_set(j, "recipe", cli_json_text(x->recipe));
    cli_json_set(j, "epochs", cli_json_count((uint64_t)x->epochs));
    cli_json_set(j, "train_images_per_s", cli_json_number(x->images_per_s));
    cli_json_set(j, "train_measured", json_boolean(x->train_measured));
    cli_json_set(j, "probe_top1", cli_json_number(x->probe));
    cli_json_add(interval, cli_json_number(x->probe_lo));
    cli_json_add(interval, cli_json_number(x->probe_hi));
    cli_json_set(j, "probe_interval", interval);
    cli_json_set(j, "fits_memory", json_boolean(x->fits_memory));
    cli_json_set(j, "fits_time", json_boolean(x->fits_time));
    cli_json_set(j, "enlarges", json_boolean(x->enlarges));
    cli_json_set(j, "note", cli_json_text(note(x, text, sizeof text)));
    return j;
}

static int tell_scripts(const advising *v)
{
    const eff_variant *const best = eff_advice_variant(v->advice, 0), *x;
    const eff_advice_facts f = eff_advice_get_facts(v->advice);
    line l;
    const char *why;
    json_t *j = cli_json_object(), *variants = cli_json_array(), *reasons = cli_json_array();
    for (int i = 0; (x = eff_advice_variant(v->advice, i)); i++) cli_json_add(variants, variant_json(x));
    for (int i = 0; (why = eff_advice_reason(v->advice, i)); i++) cli_json_add(reasons, cli_json_text(why));
    cli_json_set(j, "recommended", cli_json_text(best->model));
    cli_json_set(j, "resolution", cli_json_count((uint64_t)best->resolution));
    cli_json_set(j, "command", cli_json_text(command(v, best, &l)));
    cli_json_set(j, "variants", variants);
    cli_json_set(j, "reasons", reasons);
    cli_json_set(j, "images", cli_json_count(eff_dataset_count(v->data, EFF_PART_TRAIN)));
    cli_json_set(j, "classes", cli_json_count((uint64_t)eff_dataset_classes(v->data)));
    cli_json_set(j, "native_side", cli_json_count((uint64_t)f.side));
    cli_json_set(j, "probed_images", cli_json_count(f.probed));
    cli_json_set(j, "memory_limit_mb", f.memory_bytes > 0 ? cli_json_number(f.memory_bytes / 1e6) : json_null());
    cli_json_set(j, "seconds", cli_json_number(f.seconds));
    return cli_json_print(j) ? CLI_OK : CLI_FAILED;
}

static void print_variants(const advising *v)
{
    static const char *const head[] = { "",         "network", "pixels",   "linear probe", "training",
                                        "images/s", "memory",  "an image", "weights" };
    const eff_variant *x;
    bool scaled = false;
    cli_table t;
    cli_table_begin(&t, "llrlrrrrl");
    for (size_t k = 0; k < sizeof head / sizeof *head; k++) cli_cell(&t, "%s", head[k]);
    for (int i = 0; (x = eff_advice_variant(v->advice, i)); i++) {
        char span[32], text[160];
        cli_span(x->train_seconds, span, sizeof span);
        cli_cell(&t, "%s", i ? " " : ">");
        cli_cell(&t, "%s", eff_brief_name(x->model));
        cli_cell(&t, "%d", x->resolution);
        if (isfinite(x->probe))
            cli_cell(&t, "%.1f %% (%.0f to %.0f)", 100 * x->probe, 100 * x->probe_lo, 100 * x->probe_hi);
        else
            cli_cell(&t, "-");
        cli_cell(&t, "%s%s%s", x->train_measured ? "" : "~", span, x->fits_time ? "" : " !");
        cli_cell(&t, x->images_per_s < 10 ? "%.1f" : "%.0f", x->images_per_s);
        cli_cell(&t, "%s%s", cli_bytes(x->memory_bytes), x->fits_memory ? "" : " !");
        cli_cell(&t, "%s%.1f ms", x->latency_measured ? "" : "~", x->latency_ms);
        cli_cell(&t, "%s", x->weights ? cli_base_name(x->weights) : note(x, text, sizeof text));
        scaled |= !x->train_measured;
    }
    cli_table_end(&t, 0);
    printf(
        "\nlinear probe: how many images a classifier on the network's untouched features gets right, with the 95 %%\n"
        "interval; training, images/s and memory: of 'effnet train' with its own recipe%s;\n"
        "an image: one prediction; !: more than there is\n",
        scaled ? ", ~ scaled from what was measured" : "");
}

/* Words of a sentence in lines of at most 100 characters. */
static void print_wrapped(const char *s)
{
    int column = 1;
    putchar('-');
    for (int n; *s; s += n + (s[n] != 0)) {
        n = (int)strcspn(s, " ");
        if (column + 1 + n > 100) {
            fputs("\n ", stdout);
            column = 1;
        }
        printf(" %.*s", n, s);
        column += n + 1;
    }
    putchar('\n');
}

static int tell_people(const advising *v)
{
    const eff_variant *const best = eff_advice_variant(v->advice, 0);
    const eff_advice_facts f = eff_advice_get_facts(v->advice);
    char span[32];
    line l;
    const char *why;
    cli_span(best->train_seconds, span, sizeof span);
    printf("recommended: %s at %d pixels%s%s, about %s of training and %s of memory\n\n  %s\n\n",
           eff_brief_name(best->model), best->resolution, best->weights ? ", from the weights in " : ", from scratch",
           best->weights ? cli_clean(cli_base_name(best->weights)) : "", span, cli_bytes(best->memory_bytes),
           cli_clean(command(v, best, &l)));
    puts("why:");
    for (int i = 0; (why = eff_advice_reason(v->advice, i)); i++) print_wrapped(cli_clean(why));
    putchar('\n');
    print_variants(v);
    cli_span(f.seconds, span, sizeof span);
    printf("\n%zu images in %d classes, half of them with a short side of %d pixels or less; %zu of them probed;\n"
           "%s of memory to train in; measured for %s\n",
           eff_dataset_count(v->data, EFF_PART_TRAIN), eff_dataset_classes(v->data), f.side, f.probed,
           f.memory_bytes > 0 ? cli_bytes(f.memory_bytes) : "an unknown amount", span);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int run_advise(cli_args *a)
{
    advising v = { .a = a };
    int status = ask(&v);
    if (status == CLI_OK) status = cli_flag(a, "json") ? tell_scripts(&v) : tell_people(&v);
    eff_advice_free(v.advice);
    eff_dataset_free(v.data);
    for (size_t i = 0; i < v.weights.n; i++) free(v.weights.path[i]);
    free(v.weights.path);
    return status;
}

const cli_cmd cmd_advise = {
    .name = "advise",
    .summary = "which network at which resolution, for these images on this machine",
    .usage = "DIR",
    .operands = "f",
    .about = "Looks at the images as 'train' would (DIR is the same), measures this machine for about a minute, and\n"
             "says what to train: with reasons that are computed from the measurements. Networks with\n"
             "pretrained weights at hand are compared by linear classifiers on their features, at two or three\n"
             "resolutions and on the same images; a costlier one is only recommended where it is better beyond\n"
             "chance. Without weights a network would start from scratch: it is listed with what to obtain, and\n"
             "never recommended while there are weights for another.",
    .examples = "  effnet advise sarees                          weights in the cache, all memory there is\n"
                "  effnet advise sarees --from ~/weights         a folder with more weights\n"
                "  effnet advise sarees --within 1h --memory 1G  what trains in an hour and a gigabyte\n"
                "  effnet advise sarees --time 5m --json         measured longer, for scripts\n",
    .opts = opts,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_advise,
};
