/* SPDX-License-Identifier: Apache-2.0 */
/* Opening models and engines from the command line, and printing what a model is. */
#define _GNU_SOURCE
#include "common.h"

#include "at_hand.h"
#include "paper.h"

#include <effnet/care.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------------------------------------- opening */

/* The rule follows --resolution: the same share of the picture at another size. */
static void fit_preprocess(eff_preprocess *p, int height, int width)
{
    if (p->height == height && p->width == width) return;
    const double old = p->height < p->width ? p->height : p->width, new = height < width ? height : width;
    if (p->geometry != EFF_GEOM_SQUARE) {
        p->side = (int)lround(p->side * new / old);
        const int least = p->geometry == EFF_GEOM_SQUASH && height > width ? height
                          : p->geometry == EFF_GEOM_SQUASH                 ? width
                                                                           : (int)new;
        if (p->side < least) p->side = least;
    }
    p->height = height;
    p->width = width;
}

static eff_status apply_options(const cli_args *a, eff_model *m, const char **what, eff_error *err)
{
    int h, w;
    eff_preprocess p = *eff_model_get_preprocess(m);
    if (cli_size(a, "resolution", &h, &w)) fit_preprocess(&p, h, w);
    const char *spec = cli_text(a, "preprocess");
    if (spec) {
        const eff_status s = eff_preprocess_parse(&p, spec, err);
        *what = "--preprocess";
        if (s != EFF_OK) return s;
    }
    eff_model_set_preprocess(m, &p);
    const char *names = cli_text(a, "classes");
    *what = names;
    /* a number is for the loader or (in `convert`) a new head */
    return names && !cli_int(a, "classes") ? eff_model_set_classes(m, names, err) : EFF_OK;
}

eff_status cli_try_model(const cli_args *a, const char *spec, eff_model **out, const char **what, eff_error *err)
{
    eff_model_opts o;
    eff_model_opts_init(&o);
    o.family = cli_text(a, "family");
    o.architecture = cli_text(a, "model");
    if (!cli_has(a, "head")) o.classes = cli_int(a, "classes"); /* there a number is a new head, which comes later */
    o.channels = cli_int(a, "channels");
    cli_size(a, "resolution", &o.height, &o.width);
    *out = NULL;
    *what = spec;
    eff_status s = eff_model_load(out, spec, &o, err);
    char pulled[4096];
    if (s == EFF_EARG && cli_pulled_weights(spec, pulled, sizeof pulled, err) == EFF_OK)
        s = eff_model_load(out, pulled, &o, err);
    if (s == EFF_OK) s = apply_options(a, *out, what, err);
    if (s != EFF_OK) {
        eff_model_free(*out);
        *out = NULL;
    }
    return s;
}

int cli_open_model(const cli_args *a, const char *spec, eff_model **out)
{
    eff_error err = { 0 };
    const char *what;
    const eff_status s = cli_try_model(a, spec, out, &what, &err);
    return s == EFF_OK ? CLI_OK : cli_fail(&err, what);
}

int cli_need_weights(const cli_args *a, const eff_model *m)
{
    const eff_model_info *i = eff_model_get_info(m);
    if (i->has_weights) return CLI_OK;
    char path[4096];
    if (cli_cached_weights(i->name, path, sizeof path))
        cli_error("%s: %s is an untrained architecture; give a model file, such as %s", a->cmd->name, i->name, cli_clean(path));
    else
        cli_error("%s: %s is an untrained architecture; give a model file, such as one that 'effnet convert' made",
                  a->cmd->name, i->name);
    return CLI_USAGE;
}

int cli_need_classes(const cli_args *a, const eff_model *m)
{
    const eff_model_info *i = eff_model_get_info(m);
    if (i->classes) return CLI_OK;
    cli_error("%s: %s has no classes, it gives %d features; 'effnet train --from' trains a classifier on it", a->cmd->name,
              i->name, eff_model_features(m));
    return CLI_USAGE;
}

const char *cli_outputs_text(const eff_model *m)
{
    static char text[40];
    const int classes = eff_model_get_info(m)->classes;
    if (classes)
        snprintf(text, sizeof text, "%d classes", classes);
    else
        snprintf(text, sizeof text, "%d features, no classes", eff_model_features(m));
    return text;
}

eff_precision cli_precision(const cli_args *a)
{
    return !strcmp(cli_text(a, "dtype"), "bf16") ? EFF_BFLOAT16 : EFF_FLOAT32;
}

int cli_open_engine(const cli_args *a, const eff_model *m, int batch, eff_precision precision, eff_engine **out)
{
    eff_engine_opts o;
    eff_engine_opts_init(&o);
    const eff_preprocess *p = eff_model_get_preprocess(m);
    o.threads = cli_int(a, "threads");
    o.cpu = cli_text(a, "cpu");
    o.max_batch = batch;
    o.precision = precision;
    o.height = p->height;
    o.width = p->width;
    eff_error err = { 0 };
    if (eff_engine_create(out, m, &o, &err) == EFF_OK) return CLI_OK;
    return cli_fail(&err, a->cmd->name);
}

void cli_say_engine(const cli_args *a, const eff_model *m, const eff_engine *e)
{
    if (!cli_flag(a, "verbose") || cli_flag(a, "quiet")) return;
    const eff_model_info *i = eff_model_get_info(m);
    const int n = eff_engine_threads(e);
    char rule[256];
    eff_preprocess_format(eff_model_get_preprocess(m), rule, sizeof rule);
    cli_error("%s, %s parameters; kernels %s, %d thread%s; images by %s", i->name, cli_human((double)i->params),
              eff_engine_cpu(e), n, n == 1 ? "" : "s", rule);
}

const char *cli_label(const eff_model *m, int i)
{
    static char ring[8][16];
    static int turn;
    const char *name = eff_model_class_name(m, i);
    if (name) return name;
    char *b = ring[turn++ % 8];
    snprintf(b, sizeof ring[0], "%d", i);
    return b;
}

const char *cli_base_name(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

const char *cli_suffix(const char *path)
{
    const char *const slash = strrchr(path, '/'), *const dot = strrchr(slash ? slash : path, '.');
    return dot ? dot : "";
}

const char *cli_size_text(int height, int width)
{
    static char ring[8][32];
    static int turn;
    char *b = ring[turn++ % 8];
    if (height == width)
        snprintf(b, sizeof ring[0], "%d", height);
    else
        snprintf(b, sizeof ring[0], "%dx%d", height, width);
    return b;
}

bool cli_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

double cli_file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (double)st.st_size : -1;
}

/* ------------------------------------------------------------------------------------------- for people */

static void number_or_dash(cli_table *t, double x)
{
    if (x > 0)
        cli_cell(t, "%g", x);
    else
        cli_cell(t, "-");
}

static void print_rows(const eff_model_info *i)
{
    static const char *const head[] = { "part",       "operator", "kernel", "expand", "channels", "repeats",    "SE",
                                        "activation", "in",       "out",    "params", "MACs",     "activations" };
    cli_table t;
    cli_table_begin(&t, "lllrrrrlllrrr");
    for (size_t c = 0; c < sizeof head / sizeof *head; c++) cli_cell(&t, "%s", head[c]);
    int stage = 0;
    for (int r = 0; r < i->nstages; r++) {
        const eff_stage_info *s = &i->stages[r];
        const bool linear = !strcmp(s->op, "linear") || !strcmp(s->op, "mean"); /* no window */
        if (!strcmp(s->role, "stage"))
            cli_cell(&t, "stage %d", ++stage);
        else
            cli_cell(&t, "%s", s->role);
        cli_cell(&t, "%s", s->op);
        if (linear)
            cli_cell(&t, "-");
        else
            cli_cell(&t, "%dx%d%s", s->kernel, s->kernel, s->stride == 1 ? "" : s->stride == 2 ? " /2" : " /4");
        number_or_dash(&t, strcmp(s->role, "stage") ? 0 : s->expand);
        cli_cell(&t, "%d", s->channels);
        cli_cell(&t, "%d", s->repeats);
        number_or_dash(&t, s->se);
        cli_cell(&t, "%s", linear ? "-" : s->act);
        cli_cell(&t, "%dx%dx%d", s->in[0], s->in[1], s->in[2]);
        cli_cell(&t, "%dx%dx%d", s->out[0], s->out[1], s->out[2]);
        cli_cell(&t, "%s", cli_exact(s->params));
        cli_cell(&t, "%s", cli_human((double)s->macs));
        cli_cell(&t, "%s", cli_bytes((double)s->activation_bytes));
    }
    cli_table_end(&t, 2);
}

static void print_macs(const eff_model_info *i)
{
    const struct {
        const char *name;
        uint64_t n;
    } part[] = { { "stem", i->macs_stem },    { "depthwise", i->macs_dw },
                 { "1x1", i->macs_pw },       { "full convolution", i->macs_full },
                 { "SE", i->macs_se },        { "head", i->macs_head },
                 { "classifier", i->macs_fc } };
    printf("  MACs            %s", cli_exact(i->macs));
    const char *sep = ": ";
    for (size_t k = 0; k < sizeof part / sizeof *part; k++) {
        if (!part[k].n) continue;
        printf("%s%s %s", sep, part[k].name, cli_human((double)part[k].n));
        sep = ", ";
    }
    putchar('\n');
}

static void print_classes(const eff_model *m, const eff_model_info *i)
{
    if (!i->classes) {
        printf("  classes         none: the model gives its %d pooled features\n", eff_model_features(m));
        return;
    }
    printf("  classes         %d", i->classes);
    if (i->has_class_names)
        for (int c = 0; c < i->classes && c < 3; c++) printf("%s%s", c ? "; " : ": ", cli_cut(cli_label(m, c), 40));
    puts(i->has_class_names && i->classes > 3 ? "; ..." : i->has_class_names ? "" : ", without names");
}

static void print_paper(const eff_model_info *i)
{
    const paper_model *p = paper_find(i);
    if (!p) return;
    printf("  the paper       %s parameters, %s FLOPS (multiply-adds) at %d; ImageNet top-1 %.1f %% in the earlier "
           "version\n"
           "                  (ICML 2019), %.1f %% in arXiv v5\n",
           p->params, p->flops, p->resolution, p->top1_earlier, p->top1_v5);
}

void cli_print_model(const eff_model *m, bool verbose)
{
    const eff_model_info *i = eff_model_get_info(m);
    char rule[256];
    eff_preprocess_format(eff_model_get_preprocess(m), rule, sizeof rule);
    printf("%s: %s parameters, %s multiply-adds at %dx%d, %s\n\n", cli_clean(i->name),
           cli_human((double)i->params), cli_human((double)i->macs), i->height, i->width_px, cli_outputs_text(m));
    print_rows(i);
    printf("\n  parameters      %s (%s as float32), %s running statistics beside them\n", cli_exact(i->params),
           cli_bytes(4.0 * (double)i->params), cli_exact(i->bn_buffers));
    print_macs(i);
    printf("  activations     %s at the peak of inference, one image", cli_bytes((double)i->activation_bytes));
    if (verbose) printf("; %s elements in all convolutions' outputs", cli_exact(i->conv_out_elems));
    printf("\n  layers          %d blocks, %d convolutions; width %g, depth %g\n", i->blocks, i->convs, i->width,
           i->depth);
    printf("  convolutions    %s padding, batch-norm epsilon %g, dropout %g\n", i->padding, i->bn_eps, i->dropout);
    printf("  preprocessing   %s\n", rule);
    print_classes(m, i);
    printf("  weights         %s", i->has_weights ? "yes" : "none: an untrained architecture");
    if (i->has_weights && i->family) printf(", which came in %s names", cli_clean(i->family));
    putchar('\n');
    if (i->note) printf("  taken           %s\n", cli_clean(i->note));
    if (i->origin) printf("  origin          %s\n", cli_clean(i->origin));
    if (i->licence) printf("  licence         %s\n", cli_clean(i->licence));
    print_paper(i);
}

/* ------------------------------------------------------------------------------------------ for scripts */

static json_t *shape_json(const int s[3])
{
    json_t *a = cli_json_array();
    for (int k = 0; k < 3; k++) cli_json_add(a, cli_json_count((uint64_t)s[k]));
    return a;
}

json_t *cli_json_size(int height, int width)
{
    if (height == width) return cli_json_count((uint64_t)height);
    json_t *hw = cli_json_array();
    cli_json_add(hw, cli_json_count((uint64_t)height));
    cli_json_add(hw, cli_json_count((uint64_t)width));
    return hw;
}

static json_t *row_json(const eff_stage_info *s)
{
    json_t *j = cli_json_object();
    cli_json_set(j, "role", cli_json_text(s->role));
    cli_json_set(j, "op", cli_json_text(s->op));
    cli_json_set(j, "kernel", cli_json_count((uint64_t)s->kernel));
    cli_json_set(j, "stride", cli_json_count((uint64_t)s->stride));
    cli_json_set(j, "expand", cli_json_number(s->expand));
    cli_json_set(j, "channels", cli_json_count((uint64_t)s->channels));
    cli_json_set(j, "repeats", cli_json_count((uint64_t)s->repeats));
    cli_json_set(j, "se", cli_json_number(s->se));
    cli_json_set(j, "activation", cli_json_text(s->act));
    cli_json_set(j, "in", shape_json(s->in));
    cli_json_set(j, "out", shape_json(s->out));
    cli_json_set(j, "params", cli_json_count(s->params));
    cli_json_set(j, "macs", cli_json_count(s->macs));
    cli_json_set(j, "activation_bytes", cli_json_count(s->activation_bytes));
    return j;
}

static json_t *paper_json(const paper_model *p)
{
    json_t *j = cli_json_object();
    cli_json_set(j, "params", cli_json_text(p->params));
    cli_json_set(j, "flops", cli_json_text(p->flops));
    cli_json_set(j, "top1_earlier", cli_json_number(p->top1_earlier / 100));
    cli_json_set(j, "top1_v5", cli_json_number(p->top1_v5 / 100));
    return j;
}

json_t *cli_model_json(const eff_model *m)
{
    const eff_model_info *i = eff_model_get_info(m);
    json_t *j = cli_json_object(), *stages = cli_json_array();
    char rule[256];
    cli_json_set(j, "name", cli_json_text(i->name));
    cli_json_set(j, "format", cli_json_text(i->format));
    cli_json_set(j, "params", cli_json_count(i->params));
    cli_json_set(j, "macs", cli_json_count(i->macs));
    cli_json_set(j, "resolution", cli_json_size(i->height, i->width_px));
    cli_json_set(j, "classes", cli_json_count((uint64_t)i->classes));
    if (!i->classes) cli_json_set(j, "features", cli_json_count((uint64_t)eff_model_features(m)));
    cli_json_set(j, "activation_bytes", cli_json_count(i->activation_bytes));
    for (int r = 0; r < i->nstages; r++) cli_json_add(stages, row_json(&i->stages[r]));
    cli_json_set(j, "stages", stages);
    cli_json_set(j, "width", cli_json_number(i->width));
    cli_json_set(j, "depth", cli_json_number(i->depth));
    cli_json_set(j, "blocks", cli_json_count((uint64_t)i->blocks));
    cli_json_set(j, "convolutions", cli_json_count((uint64_t)i->convs));
    cli_json_set(j, "bn_buffers", cli_json_count(i->bn_buffers));
    cli_json_set(j, "padding", cli_json_text(i->padding));
    cli_json_set(j, "bn_eps", cli_json_number(i->bn_eps));
    cli_json_set(j, "dropout", cli_json_number(i->dropout));
    eff_preprocess_format(eff_model_get_preprocess(m), rule, sizeof rule);
    cli_json_set(j, "preprocess", cli_json_text(rule));
    cli_json_set(j, "weights", json_boolean(i->has_weights));
    cli_json_set(j, "family", cli_json_text(i->family));
    if (i->note) cli_json_set(j, "taken", cli_json_text(i->note));
    cli_json_set(j, "origin", cli_json_text(i->origin));
    cli_json_set(j, "licence", cli_json_text(i->licence));
    const paper_model *p = paper_find(i);
    if (p) cli_json_set(j, "paper", paper_json(p));
    return j;
}
