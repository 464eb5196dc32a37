/* SPDX-License-Identifier: Apache-2.0 */
/* Runs in process, on a few synthetic pictures: what the learning-rate finder, limits of memory and time, early
 * stopping and the kept epoch do; damaged states; and memory that ends at any moment, which is reported, leaks nothing
 * and loses nothing. */
#define _GNU_SOURCE
#include "support.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "formats/formats.h"
#include "train/run_internal.h"

#include <effnet/synth.h>

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NET "b0@width=0.1,depth=0.1,resolution=32"

static eff_dataset *set;
static eff_model *start;

static int set_up(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_synth_opts o;
    eff_dataset_opts d;
    eff_synth_opts_init(&o);
    o.classes = 2;
    o.train = 9;
    o.val = 3;
    o.size = 40;
    T_OK(eff_synth_write(t_tmp("cloth"), &o, NULL, NULL, &err), err);
    eff_dataset_opts_init(&d);
    T_OK(eff_dataset_open(&set, t_tmp("cloth"), &d, &err), err);
    T_OK(eff_model_load(&start, NET, NULL, &err), err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    eff_dataset_free(set);
    eff_model_free(start);
    return 0;
}

/* What the event function saw. */
typedef struct seen {
    long steps;
    int epochs, notes, stop_after; /* steps; 0 = never */
    char text[512];
} seen;

static int on_event(void *ctx, const eff_run_event *e)
{
    seen *s = ctx;
    if (e->phase == EFF_RUN_STEP) s->steps++;
    if (e->phase == EFF_RUN_EPOCH) s->epochs++;
    if (e->phase == EFF_RUN_NOTE) {
        s->notes++;
        snprintf(s->text, sizeof s->text, "%s", e->text);
    }
    return s->stop_after && s->steps >= s->stop_after;
}

static eff_status create(eff_run **r, const char *recipe, const char *values, eff_run_opts *o, eff_error *err)
{
    eff_recipe *p;
    *r = NULL;
    eff_status s = eff_recipe_create(&p, recipe, start, set, err);
    if (s == EFF_OK && values) s = eff_recipe_set(p, values, err);
    o->source = NET;
    if (s == EFF_OK) s = eff_run_create(r, start, set, p, o, err);
    eff_recipe_free(p);
    return s;
}

static eff_run_opts options(const char *out, seen *s)
{
    eff_run_opts o;
    eff_run_opts_init(&o);
    o.threads = 2;
    o.out = out;
    o.event = on_event;
    o.ctx = s;
    *s = (seen){ 0 };
    return o;
}

/* The finder trains and puts everything back: a run after it is the run without it. */
static void test_finder(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_run *r;
    seen s;
    const eff_lr_point *p;
    int n;
    double best;
    eff_run_opts o = options(NULL, &s);
    T_OK(create(&r, NULL, "batch=4", &o, &err), err);
    size_t floats = 0;
    for (int i = 0; i < r->m->graph->nparams; i++) floats += r->m->graph->param[i].count;
    float *before = malloc(floats * sizeof *before), *at = before;
    for (int i = 0; i < r->m->graph->nparams; at += r->m->graph->param[i].count, i++)
        memcpy(at, r->m->weights[i], r->m->graph->param[i].count * sizeof *at);
    T_OK(eff_run_find_lr(r, &p, &n, &best, &err), err);
    assert_true(n > 25 && p[0].lr == 1e-6);
    int least = 0;
    for (int i = 1; i < n; i++)
        if (p[i].loss < p[least].loss) least = i;
    assert_true(best == p[least].lr / 10);
    for (int i = 1; i < n; i++) assert_true(p[i].lr > p[i - 1].lr && isfinite(p[i].loss));
    at = before;
    for (int i = 0; i < r->m->graph->nparams; at += r->m->graph->param[i].count, i++)
        assert_memory_equal(at, r->m->weights[i], r->m->graph->param[i].count * sizeof *at);
    assert_true(r->p.epoch == 0 && r->p.step == 0 && eff_optim_steps(r->opt) == 0);
    assert_int_equal(eff_run_train(r, &err), EFF_EARG); /* it has no folder */
    free(before);
    eff_run_free(r);
}

static void test_limits(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_run *r;
    seen s;
    eff_run_opts o = options(t_tmp("small"), &s);
    o.memory = (size_t)4 << 20; /* the whole batch takes more */
    T_OK(create(&r, NULL, "epochs=1,batch=16", &o, &err), err);
    assert_true(r->micro < 16 && eff_run_memory(r)->total <= o.memory &&
                r->o.cache <= o.memory - eff_run_memory(r)->total);
    assert_true(r->r.v[EFF_KEY_RECOMPUTE] == 1 && r->r.v[EFF_KEY_MICRO_BATCH] == r->micro && s.notes > 0);
    T_OK(eff_run_train(r, &err), err);
    assert_non_null(strstr(eff_run_metrics(r), "\"top1\""));
    eff_run_free(r);
    o.memory = 100000;
    o.out = t_tmp("none");
    assert_int_equal(create(&r, NULL, NULL, &o, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "at least"));

    o = options(t_tmp("hasty"), &s);
    o.seconds = 1e-3;
    T_OK(create(&r, NULL, "epochs=50,batch=4", &o, &err), err);
    T_OK(eff_run_train(r, &err), err);
    assert_int_equal(s.epochs, 1);
    assert_int_equal(eff_recipe_int(&r->r, EFF_KEY_EPOCHS), 1);
    assert_true(eff_schedule_at(&r->sched, r->steps) <=
                0.02 * r->r.v[EFF_KEY_LR]); /* the schedule was fitted, not cut */
    eff_run_free(r);
}

/* With a rate of nothing no epoch is better than the first; and the last one is kept where that is asked. */
static void test_patience_and_keep(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_run *r;
    seen s;
    eff_run_opts o = options(t_tmp("patient"), &s);
    T_OK(create(&r, NULL, "epochs=30,batch=8,lr=0,frozen-bn=1,ema=0,patience=3", &o, &err), err);
    T_OK(eff_run_train(r, &err), err);
    assert_int_equal(s.epochs, 4);
    assert_int_equal(r->p.best_epoch, 1);
    assert_non_null(strstr(s.text, "without a better one"));
    eff_run_free(r);
    o = options(t_tmp("last"), &s);
    T_OK(create(&r, NULL, "epochs=3,batch=8,lr=0,frozen-bn=1,keep=last", &o, &err), err);
    T_OK(eff_run_train(r, &err), err);
    assert_int_equal(r->p.best_epoch, 3);
    eff_run_free(r);
}

/* A run that was stopped, and whose state was then cut or changed, is refused in one line; a second process is kept
 * out. */
static void test_damaged(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_run *r, *second;
    seen s;
    eff_run_opts o = options(t_tmp("stopped"), &s);
    s.stop_after = 2;
    T_OK(create(&r, NULL, "epochs=2,batch=4", &o, &err), err);
    assert_int_equal(eff_run_train(r, &err), EFF_ECANCELLED);
    assert_int_equal(s.steps, 2);
    assert_int_equal(eff_run_resume(&second, &o, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "another process"));
    eff_run_free(r);

    char path[512], *bytes;
    snprintf(path, sizeof path, "%s/last.state", t_tmp("stopped"));
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    const size_t n = (size_t)ftell(f);
    rewind(f);
    bytes = malloc(n);
    assert_int_equal(fread(bytes, 1, n, f), n);
    fclose(f);
    const size_t cuts[] = { 0, 7, 100, n / 2, n - 1 };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        f = fopen(path, "wb");
        fwrite(bytes, 1, cuts[i], f);
        fclose(f);
        assert_int_equal(eff_run_resume(&r, &o, &err), EFF_EFORMAT);
        assert_non_null(strstr(err.msg, "last.state"));
    }
    f = fopen(path, "wb");
    fwrite(bytes, 1, n, f);
    fclose(f);
    free(bytes);
    s.stop_after = 0;
    T_OK(eff_run_resume(&r, &o, &err), err);
    T_OK(eff_run_train(r, &err), err);
    eff_run_free(r);
}

/* A run that was stopped in its second epoch and taken up again remembers all that it knew. */
static void test_remembers(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_run *r, *again;
    seen s;
    eff_run_opts o = options(t_tmp("remembers"), &s);
    const double from = eff_clock();
    s.stop_after = 7;
    T_OK(create(&r, NULL, "epochs=2,batch=4,ema=0.9", &o, &err), err);
    assert_int_equal(eff_run_train(r, &err), EFF_ECANCELLED);
    assert_true(r->p.epoch == 1 && r->p.step > 0 && r->p.best_epoch == 1 && r->p.nrows == 1);
    r->p.skipped = 3; /* what a healthy run does not come to */
    r->p.in_a_row = 2;
    r->p.rollbacks = 1;
    r->p.lr_factor = 0.5;
    T_OK(eff_run_save_state(r, &err), err);
    eff_progress was = r->p;
    eff_epoch_row row = r->p.rows[0];
    eff_run_release_folder(r);
    T_OK(eff_run_resume(&again, &o, &err), err);
    eff_progress is = again->p;
    assert_int_equal(eff_optim_steps(again->opt), eff_optim_steps(r->opt));
    int vectors = 0;
    for (int i = 0; i < r->m->graph->nparams;
         i++) { /* the weights, their averages, and what the optimiser keeps of each */
        const size_t n = r->m->graph->param[i].count * sizeof(float);
        assert_memory_equal(again->m->weights[i], r->m->weights[i], n);
        assert_memory_equal(eff_optim_ema(again->opt)[i], eff_optim_ema(r->opt)[i], n);
        for (int k = 0; k < 2 && eff_optim_state(r->opt, i, k); k++, vectors++)
            assert_memory_equal(eff_optim_state(again->opt, i, k), eff_optim_state(r->opt, i, k), n);
    }
    assert_true(vectors > 0);
    eff_run_free(r);
    assert_true(is.seconds > was.seconds && is.seconds < eff_clock() - from);
    assert_int_equal(is.rows->epoch, row.epoch); /* what follows has no padding */
    assert_memory_equal(&is.rows->lr, &row.lr, sizeof row - offsetof(eff_epoch_row, lr));
    assert_true(is.begun == was.begun && is.epoch == was.epoch && is.step == was.step && is.loss_sum == was.loss_sum &&
                is.counted == was.counted && is.seen == was.seen && is.hits == was.hits);
    assert_true(is.skipped == 3 && is.in_a_row == 2 && is.rollbacks == 1 && is.lr_factor == 0.5 && is.nrows == 1);
    assert_true(is.best_epoch == 1 && is.best_top1 == was.best_top1 && is.best_loss == was.best_loss &&
                is.head_accuracy == was.head_accuracy && is.head_l2 == was.head_l2);
    eff_run_free(again);
}

/* What a progress that says something else is refused with; the run stays as it was. */
static void refuses(eff_run *r, const json_t *progress, const char *says)
{
    eff_error err = { 0 };
    const eff_progress was = r->p;
    const eff_status s = eff_run_read_progress(r, progress, &err);
    if (s != EFF_EFORMAT || !strstr(err.msg, says)) fail_msg("expected '%s', found %d '%s'", says, s, err.msg);
    r->p.rows = was.rows; /* read last: they may have begun */
    r->p.nrows = was.nrows;
}

/* Every entry of the progress in turn missing, of another type, below what it can be; and rows that are none. */
static void test_bad_progress(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "null",
        "{}",
        "[1]",
        "[[1,2,3,4,5,6,7]]",
        "[[1,2,3,4,5,6,7,\"8\"]]",
        "[[0,2,3,4,5,6,7,8]]",
        "[[null,2,3,4,5,6,7,8]]",
        "[[100001,2,3,4,5,6,7,8]]",
    };
    eff_error err = { 0 };
    eff_state *st;
    eff_run *r;
    seen s;
    eff_run_opts o = options(t_tmp("progress"), &s);
    T_OK(create(&r, NULL, "epochs=2,batch=4", &o, &err), err);
    T_OK(eff_run_save_state(r, &err), err);
    T_OK(eff_state_open(&st, t_tmp("progress/last.state"), &err), err);
    const json_t *const sound = eff_state_progress(st);
    const char *key;
    json_t *v;
    int wrong = 0;
    json_object_foreach((json_t *)sound, key, v)
    {
        json_t *const j = json_deep_copy(sound);
        if (!strcmp(key, "begun") || !strcmp(key, "updates"))
            goto next; /* read elsewhere, or false where it is missing */
        json_object_set_new(j, key, json_string("x"));
        refuses(r, j, strcmp(key, "fingerprint") ? key : "the images are not those");
        json_object_del(j, key);
        refuses(r, j, strcmp(key, "fingerprint") ? key : "the images are not those");
        wrong++;
        if (!json_is_integer(v)) goto next;
        json_object_set_new(j, key, json_integer(-1));
        refuses(r, j, key);
    next:
        json_decref(j);
    }
    assert_true(wrong >= 18);
    static const char *const far[] = { "steps", "epoch", "step" };
    for (size_t i = 0; i < 3; i++) {
        json_t *const j = json_deep_copy(sound);
        json_object_set_new(j, far[i], json_integer(1000));
        refuses(r, j, "do not fit this run");
        json_decref(j);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *const j = json_deep_copy(sound);
        json_object_set_new(j, "rows", json_loads(rows[i], JSON_DECODE_ANY, NULL));
        refuses(r, j, "row");
        json_decref(j);
    }
    eff_state_close(st);
    eff_run_free(r);
}

/* A state in which one word is another; of the same length, so that the rest of the file stays in its place. */
static void test_bad_state(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *says;
    } bad[] = {
        { "\"effnet\"", "\"affnet\"", "it has no effnet metadata" },
        { "\\\"run\\\"", "\\\"ran\\\"", "its metadata has no progress" },
        { "\\\"updates\\\":", "\\\"apdates\\\":", "how many updates" },
        { "\\\"updates\\\":0", "\\\"updates\\\":x", "" },
        { "\\\"updates\\\":0", "\\\"updates\\\":{", "" },
        { "weight.stem.conv.weight", "weight.item.conv.weight", "has no tensor weight.stem.conv.weight" },
        { ",3,3,3]", ",3,9]  ", "expected" },
        { ",3,3,3]", ",3,3,3]", NULL },
    };
    eff_error err = { 0 };
    eff_run *r;
    seen s;
    size_t n;
    unsigned char *sound;
    char path[512];
    eff_run_opts o = options(t_tmp("damage"), &s);
    T_OK(create(&r, NULL, "epochs=2,batch=4", &o, &err), err);
    T_OK(eff_run_save_state(r, &err), err);
    snprintf(path, sizeof path, "%s/last.state", t_tmp("damage"));
    T_OK(eff_file_read_all(path, 1 << 24, &sound, &n, &err), err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        unsigned char *const bytes = malloc(n);
        memcpy(bytes, sound, n);
        unsigned char *const at = memmem(bytes, n, bad[i].old, strlen(bad[i].old));
        if (!at) fail_msg("the state has no %s", bad[i].old);
        assert_int_equal(strlen(bad[i].old), strlen(bad[i].new));
        memcpy(at, bad[i].new, strlen(bad[i].new));
        FILE *const f = fopen(path, "wb");
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        fclose(f);
        const eff_status got = eff_run_load_state(r, &err);
        if (bad[i].says ? got != EFF_EFORMAT || !strstr(err.msg, bad[i].says) || !strstr(err.msg, "last.state")
                        : got != EFF_OK)
            fail_msg("%s: %d '%s'", bad[i].new, got, err.msg);
        free(bytes);
    }
    eff_free(sound);
    assert_true(eff_state_save(t_tmp("none.state"), r->m, r->opt, NULL, &err) < 0); /* without a progress it is none */
    assert_int_not_equal(access(t_tmp("none.state"), F_OK), 0);
    eff_run_free(r);
}

#define TEN       "1111111111"
#define HUNDRED   TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG_TEXT HUNDRED HUNDRED HUNDRED HUNDRED

/* args.json with one thing wrong. */
static void test_bad_args(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *says;
        eff_status want;
    } bad[] = {
        { "effnet-run", "effnet-runs", "expected schema", EFF_EFORMAT },
        { "\"version\": 1", "\"version\": 2", "version: expected 1", EFF_EUNSUPPORTED },
        { "\"seed\": \"7\"", "\"seed\": \"\"", "seed: expected a whole number", EFF_EFORMAT },
        { "\"seed\": \"7\"", "\"seed\": \"7x\"", "seed: expected a whole number", EFF_EFORMAT },
        { "\"seed\": \"7\"", "\"seed\": 7", "seed: expected a whole number", EFF_EFORMAT },
        { "\"memory_bytes\": 0", "\"memory_bytes\": -1", "expected numbers from 0 up", EFF_EFORMAT },
        { "\"memory_bytes\": 0", "\"memory_bytes\": 1.5", "expected numbers from 0 up", EFF_EFORMAT },
        { "\"time_seconds\": 0.0", "\"time_seconds\": -0.5", "expected numbers from 0 up", EFF_EFORMAT },
        { "\"time_seconds\": 0.0", "\"time_seconds\": \"0\"", "expected numbers from 0 up", EFF_EFORMAT },
        { "\"recipe\": \"", "\"recipe\": \"x", "expected the name of a recipe", EFF_EFORMAT },
        { "\"epochs\": \"", "\"epoch\": \"", "values: epochs is missing", EFF_EFORMAT },
        { "\"epochs\": \"", "\"epochs\": \"-", "epochs: expected", EFF_EFORMAT },
        { "\"epochs\": \"", "\"epochs\": \"" LONG_TEXT, "epochs is too long", EFF_EFORMAT },
        { "\"memory_bytes\": 0", "\"memory_bytes\": 0", NULL, EFF_OK },
    };
    eff_error err = { 0 };
    eff_run *r;
    seen s;
    eff_run_opts o = options(t_tmp("args"), &s);
    o.seed = 7;
    T_OK(create(&r, NULL, NULL, &o, &err), err);
    size_t n;
    unsigned char *bytes;
    T_OK(eff_file_read_all(t_tmp("args/args.json"), 1 << 16, &bytes, &n, &err), err);
    char *const text = (char *)bytes;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const at = memmem(text, n, bad[i].old, strlen(bad[i].old));
        if (!at) fail_msg("args.json has no %s", bad[i].old);
        char *changed;
        const int before = (int)(at - text), skip = before + (int)strlen(bad[i].old);
        assert_true(asprintf(&changed, "%.*s%s%.*s", before, text, bad[i].new, (int)n - skip, text + skip) > 0);
        eff_run *const again = eff_calloc(1, sizeof *again);
        bool settled = false;
        err = (eff_error){ 0 };
        const eff_status got = eff_run_parse_args(again, changed, strlen(changed), &settled, &err);
        if (got != bad[i].want || (bad[i].says && !strstr(err.msg, bad[i].says)))
            fail_msg("%s: %d '%s'", bad[i].new, got, err.msg);
        if (got == EFF_OK) assert_true(again->o.seed == 7 && again->o.memory == 0 && again->o.seconds == 0);
        eff_free(again->source);
        eff_free(again->data);
        eff_free(again);
        free(changed);
    }
    eff_free(text);
    eff_run_free(r);
}

/* Memory that ends at allocation n, for n over the whole of a run: ENOMEM (or, from libraries that cannot tell, another
 * failure), never a crash or a leak; and the run, taken up again, comes to its end. */
static eff_status read_state(eff_run *r, eff_error *err)
{
    eff_state *st = NULL;
    eff_model *m = NULL;
    eff_status s = eff_run_load_state(r, err);
    if (s == EFF_OK) s = eff_state_open(&st, t_tmp("ended/last.state"), err);
    if (s == EFF_OK) s = eff_state_model(&m, st, err);
    eff_model_destroy(m);
    eff_state_close(st);
    return s;
}

static eff_status read_args(eff_run *r, eff_error *err)
{
    (void)r;
    bool settled;
    eff_run *const again = calloc(1, sizeof *again);
    again->out = (char *)t_tmp("ended");
    const eff_status s = eff_run_load_args(again, &settled, err);
    eff_free(again->source);
    eff_free(again->data);
    free(again);
    return s;
}

/* The same of what is read back, at every allocation. */
static void test_memory_ends_reading(void **state)
{
    (void)state;
    eff_status (*const op[])(eff_run * r, eff_error * err) = { read_args, read_state };
    eff_error err = { 0 };
    eff_run *r;
    seen s;
    eff_run_opts o = options(t_tmp("ended"), &s);
    o.threads = 1;
    o.data = "somewhere";
    T_OK(create(&r, NULL, "epochs=1,batch=8", &o, &err), err);
    T_OK(eff_run_add_row(r, (eff_epoch_row){ .epoch = 1 }, &err), err);
    T_OK(eff_run_save_state(r, &err), err);
    for (int i = 0; i < 2; i++) {
        int elsewhere = 0; /* the allocation that failed was one for a batch made ahead, by a thread of the loader */
        for (long n = 0, asked = LONG_MAX; asked > n;) {
            eff_alloc_fail_after(n);
            const eff_status got = op[i](r, &err);
            asked = eff_alloc_count();
            eff_alloc_fail_after(-1);
            if (got != EFF_OK && got != EFF_ENOMEM) fail_msg("allocation %ld: %d '%s'", n, got, err.msg);
            if (got == EFF_ENOMEM)
                asked = LONG_MAX, n += n < 100 || i == 0 ? 1 : 37;
            else if (asked > n)
                assert_true(++elsewhere <= 100);
            else
                assert_true(n > 20);
        }
    }
    eff_run_free(r);
}

static void test_memory_ends(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_run *r;
    seen s;
    eff_run_opts o = options(t_tmp("counted"), &s);
    o.threads = 1;
    eff_alloc_fail_after(-1);
    T_OK(create(&r, NULL, "epochs=1,batch=8", &o, &err), err);
    T_OK(eff_run_train(r, &err), err);
    eff_run_free(r);
    const long total = eff_alloc_count();
    assert_true(total > 500);
    int failed = 0;
    const int cuts = t_brief() ? 8 : 24;
    for (int k = 0; k < cuts; k++) {
        char out[32];
        snprintf(out, sizeof out, "out%d", k);
        o = options(t_tmp("%s", out), &s);
        o.threads = 1;
        eff_alloc_fail_after(total * k / cuts + k);
        eff_status status = create(&r, NULL, "epochs=1,batch=8", &o, &err);
        if (status == EFF_OK) status = eff_run_train(r, &err);
        eff_alloc_fail_after(-1);
        if (status != EFF_OK) {
            failed++;
            assert_true(err.msg[0] != '\0');
        }
        eff_run_free(r);
        if (eff_run_resume(&r, &o, &err) != EFF_OK) continue; /* it ended before there was a run */
        T_OK(eff_run_train(r, &err), err);
        eff_run_free(r);
    }
    assert_true(failed >= cuts - 4);
    for (int n = 0; n < 60; n += t_brief() ? 4 : 1) { /* and while a run is taken up */
        o = options(t_tmp("counted"), &s);
        o.threads = 1;
        eff_alloc_fail_after(n);
        const eff_status status = eff_run_resume(&r, &o, &err);
        eff_alloc_fail_after(-1);
        if (status == EFF_OK)
            eff_run_free(r);
        else
            assert_true(err.msg[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finder),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_patience_and_keep),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_memory_ends),
        cmocka_unit_test(test_bad_args),
        cmocka_unit_test(test_remembers),
        cmocka_unit_test(test_bad_progress),
        cmocka_unit_test(test_bad_state),
        cmocka_unit_test(test_memory_ends_reading),
    };
    json_set_alloc_funcs(eff_malloc, eff_free);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
