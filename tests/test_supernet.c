/* SPDX-License-Identifier: Apache-2.0 */
/* The supernet: its tensors against a map made element by element, its training against that of a trial where there is
 * nothing to choose, and what a user relies on: the same bits after interruptions and at any thread count, scores that
 * depend on nothing but the child, files that are found to be damaged. */
#define _GNU_SOURCE
#include "fault.h"

#include "base/mem.h"
#include "base/rng.h"
#include "image/image.h"
#include "search/supernet_internal.h"

#include <effnet/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PICTURE = 32,
    SIDE = 24,
    CLASSES = 3,
    PER_CLASS = 16,
    SCORED = 8,
    BATCH = 8,
    STEPS = CLASSES * PER_CLASS / BATCH
};

static eff_dataset *set, *other_set;
static eff_pictures *pictures, *other_pictures;
static eff_space space; /* two stages of three are open, in ways that meet; channels are odd */
static eff_recipe recipe;

/* -------------------------------------------------------------------------------------------------- set-up */

/* Stripes across, stripes down, or both, somewhere, in some colours, and noise. */
static void draw_picture(const char *path, int label, uint64_t seed, uint64_t number)
{
    eff_error err = { 0 };
    eff_image *im;
    T_OK(eff_image_new(&im, PICTURE, PICTURE, &err), err);
    const int dx = (int)(eff_rng_bits(seed, number, 0) % 6), dy = (int)(eff_rng_bits(seed, number, 1) % 6);
    for (int y = 0; y < PICTURE; y++)
        for (int x = 0; x < PICTURE; x++)
            for (int c = 0; c < 3; c++) {
                const uint64_t at = 8 + 3 * (uint64_t)(y * PICTURE + x) + (uint64_t)c;
                const bool across = (y + dy) % 6 < 3, down = (x + dx) % 6 < 3;
                const bool on = label == 0 ? across : label == 1 ? down : across == down;
                const double tint = eff_rng_uniform(seed, number, 2 + (uint64_t)c);
                im->rgb[at - 8] = (uint8_t)(60 + 60 * tint + (on ? 90 : 0) + 40 * eff_rng_uniform(seed, number, at));
            }
    T_OK(eff_png_save(im, path, &err), err);
    eff_image_destroy(im);
}

static void open_set(eff_dataset **d, eff_pictures **p, const char *name, uint64_t seed)
{
    static const char *const parts[] = { "train", "val" };
    eff_error err = { 0 };
    eff_dataset_opts o;
    mkdir(t_tmp("%s", name), 0777);
    for (int part = 0; part < 2; part++) {
        mkdir(t_tmp("%s/%s", name, parts[part]), 0777);
        for (int c = 0; c < CLASSES; c++) {
            mkdir(t_tmp("%s/%s/%d", name, parts[part], c), 0777);
            for (int i = 0; i < (part ? SCORED : PER_CLASS); i++)
                draw_picture(t_tmp("%s/%s/%d/%02d.png", name, parts[part], c, i), c, seed,
                             (uint64_t)((part * CLASSES + c) * 1000 + i));
        }
    }
    eff_dataset_opts_init(&o);
    o.threads = 1;
    T_OK(eff_dataset_open(d, t_tmp("%s", name), &o, &err), err);
    T_OK(eff_pictures_create(p, *d, PICTURE, PICTURE, (size_t)1 << 24, &err), err);
}

static eff_table tiny_table(void)
{
    return (eff_table){
        .name = "tiny",
        .nstages = 3,
        .stage = { { .op = EFF_OP_DSCONV,
                     .kernel = 3,
                     .stride = 1,
                     .expand = 1,
                     .channels = 7,
                     .repeats = 1,
                     .act = EFF_ACT_SILU,
                     .skip = true },
                   { .op = EFF_OP_MBCONV,
                     .kernel = 3,
                     .stride = 2,
                     .expand = 3,
                     .channels = 9,
                     .repeats = 2,
                     .se = 0.25,
                     .act = EFF_ACT_SILU,
                     .skip = true },
                   { .op = EFF_OP_MBCONV,
                     .kernel = 3,
                     .stride = 2,
                     .expand = 2,
                     .channels = 13,
                     .repeats = 1,
                     .act = EFF_ACT_RELU,
                     .skip = true } },
        .stem_channels = 6,
        .stem_kernel = 3,
        .stem_stride = 2,
        .head_channels = 24,
        .act = EFF_ACT_SILU,
        .pad = EFF_PAD_SAME,
        .bn_eps = 1e-3,
        .bn_momentum = 0.01,
        .divisor = 1,
        .round_up_90 = true,
        .height = SIDE,
        .width_px = SIDE,
        .classes = CLASSES,
        .width = 1,
        .depth = 1,
    };
}

static eff_space tiny_space(void)
{
    return (eff_space){
        .name = "tiny",
        .base = tiny_table(),
        .ndecisions = 9,
        .decision = { { 0, EFF_FIELD_FILTERS, 2, { 1, 1.5 } },
                      { 1, EFF_FIELD_OP, 3, { EFF_OP_MBCONV, EFF_OP_FUSED, EFF_OP_CONV } },
                      { 1, EFF_FIELD_KERNEL, 2, { 3, 5 } },
                      { 1, EFF_FIELD_EXPAND, 3, { 1, 3, 4 } },
                      { 1, EFF_FIELD_SE, 2, { 0, 0.5 } },
                      { 1, EFF_FIELD_FILTERS, 3, { 1, 0.75, 1.25 } },
                      { 1, EFF_FIELD_LAYERS, 2, { -1, 0 } },
                      { 2, EFF_FIELD_EXPAND, 2, { 1, 2 } },
                      { 2, EFF_FIELD_LAYERS, 2, { 0, 1 } } },
    };
}

static void make_recipe(eff_recipe *r, int epochs)
{
    const eff_facts f = { .images = CLASSES * PER_CLASS,
                          .classes = CLASSES,
                          .least = PER_CLASS,
                          .most = PER_CLASS,
                          .side = SIDE,
                          .blocks = 5 };
    eff_trial_recipe(r, &f);
    eff_recipe_put(r, EFF_KEY_EPOCHS, epochs, "a test");
    eff_recipe_put(r, EFF_KEY_BATCH, BATCH, "a test");
}

static int set_up(void **state)
{
    (void)state;
    open_set(&set, &pictures, "cloth", 1);
    open_set(&other_set, &other_pictures, "other", 2);
    space = tiny_space();
    make_recipe(&recipe, 3);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    eff_pictures_free(pictures);
    eff_pictures_free(other_pictures);
    eff_dataset_free(set);
    eff_dataset_free(other_set);
    return 0;
}

static eff_supernet_opts options(const eff_space *s, const eff_recipe *r, int threads)
{
    return (eff_supernet_opts){ .space = s, .recipe = r, .pixels = SIDE, .seed = 5, .threads = threads };
}

static eff_supernet *open_net(const eff_space *s, const eff_recipe *r, int threads)
{
    eff_error err = { 0 };
    eff_supernet *n;
    const eff_supernet_opts o = options(s, r, threads);
    T_OK(eff_supernet_create(&n, &o, &err), err);
    return n;
}

static const char *fresh(const char *name)
{
    const char *const path = t_tmp("%s", name);
    unlink(path);
    return path;
}

/* -------------------------------------------------------------------------------------------------- tensors */

/* Element (o, i, y, x) of a tensor, written out. */
static size_t element(const eff_param *p, int o, int i, int y, int x)
{
    return (((size_t)o * (size_t)p->dim[1] + (size_t)i) * (size_t)p->dim[2] + (size_t)y) * (size_t)p->dim[3] +
           (size_t)x;
}

static const eff_bank_entry *entry_of(const eff_bank *b, const eff_model *m, const eff_param *p)
{
    int stage = -1;
    char name[128];
    snprintf(name, sizeof name, "%s", p->name);
    if (sscanf(p->name, "blocks.%d.", &stage) == 1)
        snprintf(name, sizeof name, "%s/%s%d", p->name, eff_op_name(m->table.stage[stage].op),
                 m->table.stage[stage].kernel);
    for (int e = 0; e < b->n; e++)
        if (!strcmp(b->entry[e].param.name, name)) return &b->entry[e];
    fail_msg("no place %s", name);
    return NULL;
}

/* Go through a child's elements, each with its element of the bank. */
static void each_element(const eff_bank *b, const eff_model *m, const eff_optim *opt,
                         void (*see)(float *bank, float *child))
{
    for (int i = 0; i < m->graph->nparams; i++) {
        const eff_param *const p = &m->graph->param[i];
        const eff_bank_entry *const e = entry_of(b, m, p);
        if (eff_param_is_buffer(p->kind)) continue;
        for (int v = 0; v < EFF_BANK_VECTORS; v++) {
            float *const child = v == 0 ? m->weights[i] : eff_optim_state(opt, i, v - 1);
            for (int o = 0; o < p->dim[0]; o++)
                for (int c = 0; c < p->dim[1]; c++)
                    for (int y = 0; y < p->dim[2]; y++)
                        for (int x = 0; x < p->dim[3]; x++)
                            see(e->v[v] + element(&e->param, o, c, y, x), child + element(p, o, c, y, x));
        }
    }
}

static long seen;
static void same(float *bank, float *child)
{
    if (*bank != *child) fail_msg("expected %g, found %g", (double)*bank, (double)*child);
    seen++;
}
static void negate_child(float *bank, float *child) { (void)bank, *child = -*child; }
static void negate_bank(float *bank, float *child) { (void)child, *bank = -*bank; }

static void test_tensors(void **state)
{
    (void)state;
    eff_supernet *const n = open_net(&space, &recipe, 1);
    eff_bank *const b = n->bank;
    const size_t bytes = b->floats * sizeof(float);
    float *const before = eff_malloc(bytes);
    for (size_t i = 0; i < b->floats; i++) b->block[i] = (float)(i + 1); /* all different, also their negatives */
    assert_true(b->floats < 1 << 24);
    for (long step = 0; step < 40; step++) {
        eff_error err = { 0 };
        eff_child c;
        eff_member k;
        eff_optim *opt;
        const eff_optim_opts oo = eff_recipe_optim(&recipe);
        memcpy(before, b->block, bytes);
        eff_supernet_draw(&c, &space, 9, step);
        T_OK(eff_member_open(&k, n, &c, &err), err);
        float **const grads = calloc((size_t)k.m->graph->nparams, sizeof *grads);
        for (int i = 0; i < k.m->graph->nparams; i++)
            grads[i] = eff_param_is_buffer(k.m->graph->param[i].kind) ? NULL : k.m->weights[i];
        T_OK(eff_optim_create(&opt, k.m, grads, &oo, &err), err);
        eff_bank_gather(b, k.place, k.m, opt);
        each_element(b, k.m, opt, same);
        each_element(b, k.m, opt, negate_child);
        eff_bank_scatter(b, k.place, k.m, opt);
        each_element(b, k.m, opt, same); /* what the child has arrived ... */
        each_element(b, k.m, opt, negate_bank);
        assert_memory_equal(before, b->block, bytes); /* ... and nothing else changed */
        eff_optim_free(opt);
        free(grads);
        eff_member_close(&k);
    }
    assert_true(seen > 100000);
    eff_free(before);
    eff_supernet_free(n);
}

/* Next child in the order of digits; false after the last. */
static bool next_child(eff_child *c, const eff_space *s)
{
    for (int d = 0; d < s->ndecisions; d++) {
        if (++c->choice[d] < s->decision[d].n) return true;
        c->choice[d] = 0;
    }
    return false;
}

/* Every child of the tiny space has its places, and no place is larger than the largest of them. */
static void test_places(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_bank *b;
    eff_child c = { { 0 } };
    T_OK(eff_bank_plan(&b, &space, EFF_ADAMW, &err), err);
    int(*const dim)[4] = calloc((size_t)b->n, sizeof *dim);
    do {
        eff_table t;
        eff_model *m;
        int place[256];
        T_OK(eff_space_table(&t, &space, &c, &err), err);
        T_OK(eff_model_new(&m, &t, &err), err);
        assert_true(m->graph->nparams <= 256);
        T_OK(eff_bank_places(place, b, m, &err), err);
        for (int i = 0; i < m->graph->nparams; i++)
            for (int k = 0; k < 4; k++)
                if (dim[place[i]][k] < m->graph->param[i].dim[k]) dim[place[i]][k] = m->graph->param[i].dim[k];
        eff_model_destroy(m);
    } while (next_child(&c, &space));
    for (int i = 0; i < b->n; i++) assert_memory_equal(dim[i], b->entry[i].param.dim, sizeof *dim);
    free(dim);
    eff_bank_free(b);
}

/* The same of children drawn from the spaces that ship, and one whose base has shortcuts with convolutions, which are
 * there only where channels change. */
static void test_shipped(void **state)
{
    (void)state;
    eff_space s[4];
    eff_error err = { 0 };
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = { "bench", "small", "mnasnet" };
        T_OK(eff_space_load(&s[i], names[i], NULL, &err), err);
    }
    s[3] = (eff_space){ .name = "residual", .ndecisions = 5 };
    T_OK(eff_table_builtin(&s[3].base, "resnet18@resolution=32,classes=3", &err), err);
    for (int d = 0; d < 4; d++) s[3].decision[d] = (eff_decision){ d, EFF_FIELD_FILTERS, 3, { 0.75, 1, 1.25 } };
    s[3].decision[4] = (eff_decision){ 3, EFF_FIELD_LAYERS, 2, { 0, 1 } };
    for (int i = 0; i < 4; i++) {
        eff_bank *b;
        T_OK(eff_bank_plan(&b, &s[i], EFF_SGD, &err), err);
        for (long step = 0; step < 60; step++) {
            eff_child c;
            eff_table t;
            eff_model *m;
            int place[4096];
            eff_supernet_draw(&c, &s[i], 3, step);
            T_OK(eff_space_table(&t, &s[i], &c, &err), err);
            T_OK(eff_model_new(&m, &t, &err), err);
            assert_true(m->graph->nparams <= 4096);
            T_OK(eff_bank_places(place, b, m, &err), err);
            eff_model_destroy(m);
        }
        eff_bank_free(b);
    }
}

/* Options come up equally often, whatever the other decisions and the step before chose. */
static void test_draw(void **state)
{
    (void)state;
    enum { DRAWS = 6000 };
    int count[3][3] = { { 0 } }, after[3][3] = { { 0 } }, last = 0; /* of decisions 1 and 5; of 1 after itself */
    for (long step = 0; step < DRAWS; step++) {
        eff_child c;
        eff_supernet_draw(&c, &space, 11, step);
        count[c.choice[1]][c.choice[5]]++;
        after[last][c.choice[1]]++;
        last = c.choice[1];
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) { /* 9 cells of DRAWS / 9: four standard deviations */
            assert_in_range(count[i][k], DRAWS / 9 - 98, DRAWS / 9 + 98);
            assert_in_range(after[i][k], DRAWS / 9 - 98, DRAWS / 9 + 98);
        }
}

/* ------------------------------------------------------------------------------------------------- training */

/* With nothing to choose a supernet is a trial, to the bit, for every optimiser and what is drawn at random. */
static void test_alone(void **state)
{
    (void)state;
    for (int kind = EFF_RMSPROP; kind <= EFF_ADAMW; kind++) {
        eff_error err = { 0 };
        eff_recipe r;
        eff_trial_score plain, score;
        eff_space one = { .name = "one", .base = tiny_table(), .ndecisions = 1 };
        one.decision[0] = (eff_decision){ 1, EFF_FIELD_EXPAND, 1, { 3 } };
        make_recipe(&r, 3);
        r.v[EFF_KEY_OPTIMIZER] = kind;
        r.v[EFF_KEY_MIXUP] = kind == EFF_SGD ? 0.2 : 0;
        r.v[EFF_KEY_DROPOUT] = kind == EFF_ADAMW ? 0.2 : 0;
        r.v[EFF_KEY_DROP_PATH] = kind == EFF_ADAMW ? 0.2 : 0;
        const eff_trial_job job = { .table = &one.base, .recipe = &r, .pixels = SIDE, .seed = 5, .threads = 1 };
        const eff_child c = { { 0 } };
        eff_supernet *const n = open_net(&one, &r, 1);
        T_OK(eff_trial_train(&plain, &job, pictures, &err), err);
        T_OK(eff_supernet_train(n, pictures, fresh("one.state"), NULL, NULL, &err), err);
        T_OK(eff_supernet_score(&score, n, &c, pictures, &err), err);
        assert_memory_equal(&plain.train_loss, &score.train_loss, sizeof(double));
        assert_int_equal(plain.images, score.images);
        eff_supernet_free(n);
    }
}

typedef struct watched {
    const eff_supernet *n;
    double first; /* loss of the first epoch */
} watched;

static bool watch(void *ctx, long step, long steps)
{
    watched *const w = ctx;
    assert_true(step <= steps);
    if (step == STEPS + 1) w->first = w->n->at.train_loss;
    return false;
}

static eff_trial_score score_of(eff_supernet *n, const eff_child *c)
{
    eff_error err = { 0 };
    eff_trial_score s;
    T_OK(eff_supernet_score(&s, n, c, pictures, &err), err);
    assert_int_equal(s.images, CLASSES * SCORED);
    return s;
}

/* A child with the statistics that another one measured, where they have the same shape. */
static eff_trial_score stale_score(eff_supernet *n, const eff_child *c, const eff_child *from)
{
    eff_error err = { 0 };
    eff_member k, f;
    eff_trial_score s = { 0 };
    T_OK(eff_member_open(&k, n, c, &err), err);
    T_OK(eff_member_open(&f, n, from, &err), err);
    T_OK(eff_member_measure(&k, n, &err), err);
    T_OK(eff_member_measure(&f, n, &err), err);
    for (int i = 0; i < k.m->graph->nparams; i++) {
        const eff_param *const p = &k.m->graph->param[i];
        const int j = eff_graph_find_param(f.m->graph, p->name);
        if (!eff_param_is_buffer(p->kind) || j < 0) continue;
        const size_t most = f.m->graph->param[j].count;
        memcpy(k.m->weights[i], f.m->weights[j], (p->count < most ? p->count : most) * sizeof(float));
    }
    T_OK(eff_trial_batch_score(&s, &n->b, k.m, n->pool, &n->kept, &err), err);
    eff_member_close(&k);
    eff_member_close(&f);
    return s;
}

/* The loss falls, children are better than chance, and better than with another child's statistics; a score depends on
 * neither the scores before it nor how often it is asked for. */
static void test_training(void **state)
{
    (void)state;
    enum { CHILDREN = 8 };
    eff_error err = { 0 };
    eff_recipe r;
    make_recipe(&r, 14);
    eff_supernet *const n = open_net(&space, &r, 2);
    eff_trial_score s[CHILDREN], again;
    eff_child c[CHILDREN];
    watched w = { .n = n };
    double top1 = 0, loss = 0, stale = 0;
    assert_int_equal(eff_supernet_score(s, n, c, pictures, &err), EFF_EARG);
    assert_string_equal(err.msg, "the supernet is not trained yet");
    const char *const path = fresh("net.state");
    T_OK(eff_supernet_train(n, pictures, path, watch, &w, &err), err);
    for (int i = 0; i < CHILDREN; i++) {
        eff_supernet_draw(&c[i], &space, 77, i);
        s[i] = score_of(n, &c[i]);
        top1 += s[i].top1 / CHILDREN;
        loss += s[i].loss / CHILDREN;
    }
    for (int i = 0; i < CHILDREN; i++) stale += stale_score(n, &c[i], &c[(i + 1) % CHILDREN]).loss / CHILDREN;
    print_message("loss %.3f, then %.3f; children %.3f of chance %.3f; loss %.3f, with another's statistics %.3f\n",
                  w.first, s[0].train_loss, top1, 1.0 / CLASSES, loss, stale);
    assert_true(s[0].train_loss < 0.85 * w.first);
    assert_true(top1 > 1.5 / CLASSES);
    assert_true(loss < 0.9 * stale);

    eff_supernet *const back = open_net(&space, &r, 1); /* taken up from the file, asked in another order */
    T_OK(eff_supernet_load(back, path, &err), err);
    for (int i = CHILDREN - 1; i >= 0; i--) {
        again = score_of(back, &c[i]);
        assert_memory_equal(&again.loss, &s[i].loss, sizeof(double));
        assert_int_equal(again.hits, s[i].hits);
    }
    again = score_of(back, &c[0]);
    assert_memory_equal(&again.loss, &s[0].loss, sizeof(double));
    assert_int_equal(eff_supernet_score(&again, back, c, other_pictures, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "the supernet was trained on other images"));
    eff_supernet_free(back);
    eff_supernet_free(n);
}

static unsigned char *bytes_of(const char *path, size_t *size)
{
    FILE *const f = fopen(path, "rb");
    unsigned char *const all = malloc(1 << 22);
    assert_non_null(f);
    *size = fread(all, 1, 1 << 22, f);
    assert_true(*size > 0 && *size < 1 << 22);
    fclose(f);
    return all;
}

static void same_files(const char *a, const char *b)
{
    size_t n, m;
    unsigned char *const x = bytes_of(a, &n), *const y = bytes_of(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static bool stop_at(void *ctx, long step, long steps)
{
    (void)steps;
    return step == *(const long *)ctx;
}

/* Given up in every epoch and taken up each time, or with more threads: the file at the end is the same. */
static void test_interrupted(void **state)
{
    (void)state;
    eff_error err = { 0 };
    static const long stops[] = { 1, STEPS, STEPS + 3, 2 * STEPS - 1, 2 * STEPS, 3 * STEPS };
    char whole[256], parts[256];
    snprintf(whole, sizeof whole, "%s", fresh("whole.state"));
    snprintf(parts, sizeof parts, "%s", fresh("parts.state"));
    eff_supernet *n = open_net(&space, &recipe, 1);
    T_OK(eff_supernet_train(n, pictures, whole, NULL, NULL, &err), err);
    eff_supernet_free(n);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        long stop = stops[i];
        n = open_net(&space, &recipe, 1 + (int)i % 3);
        assert_int_equal(eff_supernet_train(n, pictures, parts, stop_at, &stop, &err), EFF_ECANCELLED);
        if (i == 2) { /* the same supernet again */
            stop = stops[++i];
            assert_int_equal(eff_supernet_train(n, pictures, parts, stop_at, &stop, &err), EFF_ECANCELLED);
        }
        if (i == 4) assert_int_equal(eff_supernet_load(n, parts, &err), EFF_EFORMAT);
        if (i == 4) assert_string_equal(err.msg, "the supernet is not trained yet: 6 of 18 steps");
        eff_supernet_free(n);
    }
    n = open_net(&space, &recipe, 1);
    T_OK(eff_supernet_train(n, pictures, parts, NULL, NULL, &err), err);
    T_OK(eff_supernet_train(n, pictures, parts, NULL, NULL, &err), err); /* nothing is left to do */
    eff_supernet_free(n);
    same_files(whole, parts);
    for (int threads = 2; threads <= 3; threads++) {
        n = open_net(&space, &recipe, threads);
        T_OK(eff_supernet_train(n, pictures, fresh("threads.state"), NULL, NULL, &err), err);
        same_files(whole, t_tmp("threads.state"));
        eff_supernet_free(n);
    }
}

/* ------------------------------------------------------------------------------------------------- failures */

static void refused(const char *path, const unsigned char *bytes, size_t n, const char *why)
{
    eff_error err = { 0 };
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
    eff_supernet *const net = open_net(&space, &recipe, 1);
    assert_int_equal(eff_supernet_train(net, pictures, path, NULL, NULL, &err), EFF_EFORMAT);
    if (why && !strstr(err.msg, why)) fail_msg("expected '%s' in '%s'", why, err.msg);
    assert_null(strchr(err.msg, '\n'));
    assert_int_equal(eff_supernet_load(net, path, &err), EFF_EFORMAT);
    eff_supernet_free(net);
}

/* Put `to` over the first `from` in the bytes, which is there. */
static void replace(unsigned char *bytes, size_t n, const char *from, const char *to)
{
    unsigned char *const at = memmem(bytes, n, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
}

static void test_damaged(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *why;
    } edits[] = {
        { "\\\"supernet\\\":1", "\\\"supernet\\\":2", "expected version 1, found 2" },
        { "\\\"supernet\\\"", "\\\"superset\\\"", "this is no supernet's state" },
        { "\\\"step\\\":18", "\\\"step\\\":19", "expected a step in 1..18, found 19" },
        { "\\\"step\\\":18", "\\\"step\\\":12", "damaged" },
        { "\\\"step\\\":18", "\\\"step\\\":-1", "expected a step in 1..18, found -1" },
        { "\\\"check\\\":\\\"", "\\\"check\\\":\\\"x", "hexadecimal" },
        { "\\\"print\\\":\\\"", "\\\"print\\\":\\\"x", "hexadecimal" },
        { "\\\"data\\\":\\\"", "\\\"data\\\":\\\"x", "hexadecimal" },
        { "{\\\"supernet\\\"", "[\\\"supernet\\\"", "metadata" },
        { "\"F32\"", "\"I32\"", "of F32, found" },
        { "weight.stem.conv.weight", "weight.item.conv.weight", "no tensor weight.stem.conv.weight" },
        { "\"effnet\"", "\"affnet\"", "no effnet metadata" },
    };
    eff_error err = { 0 };
    char whole[256], bad[256];
    size_t n;
    snprintf(whole, sizeof whole, "%s", fresh("sound.state"));
    snprintf(bad, sizeof bad, "%s", fresh("bad.state"));
    eff_supernet *net = open_net(&space, &recipe, 1);
    T_OK(eff_supernet_train(net, pictures, whole, NULL, NULL, &err), err);
    eff_supernet_free(net);
    unsigned char *const sound = bytes_of(whole, &n), *const b = malloc(n);
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        memcpy(b, sound, n);
        replace(b, n, edits[i].from, edits[i].to);
        refused(bad, b, n, edits[i].why);
    }
    memcpy(b, sound, n);
    b[n - 5] ^= 1; /* a bit of the last value */
    refused(bad, b, n, "the supernet's state is damaged: expected checksum");
    refused(bad, sound, n - 4, NULL);
    refused(bad, sound, 100, NULL);
    refused(bad, sound, 0, NULL);
    free(sound);
    free(b);

    eff_supernet_opts o = options(&space, &recipe, 1);
    o.seed++;
    T_OK(eff_supernet_create(&net, &o, &err), err);
    assert_int_equal(eff_supernet_load(net, whole, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "this is another supernet, by its space, recipe or seed: expected fingerprint"));
    eff_supernet_free(net);
    net = open_net(&space, &recipe, 1);
    assert_int_equal(eff_supernet_train(net, other_pictures, whole, NULL, NULL, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "this is a supernet of other images"));
    assert_int_equal(eff_supernet_load(net, "/nowhere/net.state", &err), EFF_EFORMAT);
    eff_supernet_free(net);
}

typedef struct saving {
    eff_supernet *n;
    const char *path;
} saving;

static eff_status save_net(void *ctx, eff_error *err)
{
    const saving *const s = ctx;
    return eff_supernet_save(s->n, s->path, err);
}

/* Whatever fails while it is saved, the state of before is whole. */
static void test_saving(void **state)
{
    (void)state;
    char folder[256], path[300];
    snprintf(folder, sizeof folder, "%s", t_tmp("saving"));
    snprintf(path, sizeof path, "%s/net.state", folder);
    mkdir(folder, 0777);
    saving to = { open_net(&space, &recipe, 1), path };
    const t_saving s = { "supernet", save_net, &to, folder, NULL, 0 };
    t_saving_check(&s);
    t_saving_check_memory(&s, 5);
    eff_supernet_free(to.n);
}

static void test_diverged(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_recipe r = recipe;
    r.v[EFF_KEY_LR] = 1e30;
    eff_supernet *n = open_net(&space, &r, 1);
    assert_int_equal(eff_supernet_train(n, pictures, fresh("diverged.state"), NULL, NULL, &err), EFF_EFORMAT);
    if (strncmp(err.msg, "diverged: the loss was ", 23) != 0) fail_msg("%s", err.msg);
    assert_int_not_equal(access(t_tmp("diverged.state"), F_OK), 0);
    eff_supernet_free(n);
    r = recipe;
    r.v[EFF_KEY_EMA] = 0.99;
    const eff_supernet_opts o = options(&space, &r, 1);
    assert_int_equal(eff_supernet_create(&n, &o, &err), EFF_EARG);
    assert_string_equal(err.msg, "recipe: ema: expected 0, found 0.99: a supernet keeps no averaged weights");
}

/* What is announced is what the tensors and the largest child take. */
static void test_memory(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const eff_supernet_opts o = options(&space, &recipe, 1);
    eff_supernet *const n = open_net(&space, &recipe, 1);
    size_t bytes, most = 0;
    eff_child c = { { 0 } };
    do {
        eff_table t;
        size_t one;
        const eff_trial_job job = { .table = &t, .recipe = &recipe, .pixels = SIDE, .seed = 5, .threads = 1 };
        T_OK(eff_space_table(&t, &space, &c, &err), err);
        T_OK(eff_trial_memory(&one, &job, &err), err);
        most = one > most ? one : most;
    } while (next_child(&c, &space));
    T_OK(eff_supernet_memory(&bytes, &o, &err), err);
    assert_int_equal(bytes, n->bank->floats * sizeof(float) + most);
    eff_supernet_free(n);
}

/* Making, a step, and scoring, with memory ending at every so many-th allocation. */
static void test_no_memory(void **state)
{
    (void)state;
    eff_error err = { 0 };
    char whole[256];
    snprintf(whole, sizeof whole, "%s", t_tmp("sound.state")); /* of test_damaged() */
    long failed = 0;
    for (long at = 0;; at += 1 + at / 16) {
        const eff_child c = { { 0 } };
        eff_supernet *n;
        eff_trial_score s;
        long first = 1;
        eff_alloc_fail_after(at);
        const eff_supernet_opts o = options(&space, &recipe, 1);
        eff_status e = eff_supernet_create(&n, &o, &err);
        if (e == EFF_OK) e = eff_supernet_train(n, pictures, t_tmp("none.state"), stop_at, &first, &err);
        if (e == EFF_ECANCELLED) e = eff_supernet_load(n, whole, &err);
        if (e == EFF_OK) e = eff_supernet_score(&s, n, &c, pictures, &err);
        eff_alloc_fail_after(-1);
        eff_supernet_free(n);
        if (e == EFF_OK) break;
        assert_int_equal(e, EFF_ENOMEM);
        failed++;
    }
    assert_true(failed > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors),     cmocka_unit_test(test_places),    cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_draw),        cmocka_unit_test(test_alone),     cmocka_unit_test(test_training),
        cmocka_unit_test(test_interrupted), cmocka_unit_test(test_damaged),   cmocka_unit_test(test_diverged),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_no_memory), cmocka_unit_test(test_saving),
    };
    json_set_alloc_funcs(eff_malloc, eff_free);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
