/* SPDX-License-Identifier: Apache-2.0 */
/* Searches whole. Some train nothing: accuracies are a formula of the network, put into the store by the test in one
 * order or another, as other processes would. Others train for a blink: in one go and in pieces, networks that diverge
 * or do not fit, the supernet, latencies. */
#include "fault.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "search/search_internal.h"

#include <effnet/synth.h>

#include <ctype.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Six decisions, 96 ways to choose and 64 networks: 0.75 and 1 times four channels are the same. */
static const char space_text[] =
    "{\"name\": \"toy\", \"base\": \"b0@width=0.1,depth=0.1,resolution=32,divisor=4\", \"stages\": [{\"fixed\": true},"
    "{\"kernel\": [3, 5], \"expand\": [3, 6]}, {\"op\": [\"mbconv\", \"fused\"], \"filters\": [0.75, 1, 1.25]},"
    "{\"fixed\": true}, {\"se\": [0, 0.25], \"layers\": [0, 1]}, {\"fixed\": true}, {\"fixed\": true}]}";
enum { NETWORKS = 64 };

static eff_dataset *set, *other_set;
static eff_model *base, *rival;
static char space_path[256];

static eff_dataset *make_set(const char *name, uint64_t seed)
{
    eff_error err = { 0 };
    eff_synth_opts o;
    eff_dataset_opts d;
    eff_dataset *out;
    eff_synth_opts_init(&o);
    o.classes = 2;
    o.train = 8;
    o.val = 6;
    o.size = 32;
    o.seed = seed;
    T_OK(eff_synth_write(t_tmp("%s", name), &o, NULL, NULL, &err), err);
    eff_dataset_opts_init(&d);
    T_OK(eff_dataset_open(&out, t_tmp("%s", name), &d, &err), err);
    return out;
}

static int set_up(void **state)
{
    (void)state;
    eff_error err = { 0 };
    set = make_set("cloth", 1);
    other_set = make_set("other", 2);
    snprintf(space_path, sizeof space_path, "%s", t_tmp("space.json"));
    FILE *const f = fopen(space_path, "w");
    assert_non_null(f);
    fputs(space_text, f);
    fclose(f);
    T_OK(eff_search_base(&base, space_path, NULL, &err), err);
    T_OK(eff_model_load(&rival, "mobilenetv2-1.0@width=0.1,depth=0.2,resolution=32", NULL, &err), err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    eff_dataset_free(set);
    eff_dataset_free(other_set);
    eff_model_free(base);
    eff_model_free(rival);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- helpers */

static eff_search_opts options(const char *store, int trials)
{
    static char kept[32][256];
    static int n;
    eff_search_opts o;
    eff_search_opts_init(&o);
    assert_true(n < 32);
    snprintf(kept[n], sizeof *kept, "%s", t_tmp("%s", store));
    o.space = space_path;
    o.store = kept[n++];
    o.trials = trials;
    o.seed = 5;
    o.threads = 1;
    o.data = "cloth";
    return o;
}

static eff_status try_open(eff_search **s, const eff_search_opts *o, const eff_dataset *d, const char *values,
                           eff_error *err)
{
    eff_recipe *r;
    T_OK(eff_study_recipe(&r, base, d, err), *err);
    T_OK(eff_recipe_set(r, values, err), *err);
    const eff_status e = eff_search_create(s, base, d, r, o, err);
    eff_recipe_free(r);
    return e;
}

static eff_search *open_search(const eff_search_opts *o, const char *values)
{
    eff_error err = { 0 };
    eff_search *s;
    T_OK(try_open(&s, o, set, values, &err), err);
    return s;
}

static const char short_recipe[] = "epochs=1,batch=8";

/* All that follows from what the store holds, as eff_search_run() has it, but nothing is trained. */
static void look(eff_search *s)
{
    eff_error err = { 0 };
    T_OK(eff_search_refresh(s, &err), err);
    for (int before = -1; before != s->njobs;) {
        before = s->njobs;
        T_OK(eff_search_propose(s, &err), err);
        if (eff_search_children_over(s)) T_OK(eff_search_finals(s, &err), err);
        T_OK(eff_search_refresh(s, &err), err);
    }
}

static bool ended(const eff_search *s) { return s->complete && s->finished == s->njobs; }

/* What network and seed are worth after so many epochs: more with more multiply-adds, and a little chance. */
static double worth(const eff_job *j)
{
    eff_error err = { 0 };
    double cost[EFF_COSTS];
    T_OK(eff_search_count(cost, &j->table, &err), err);
    const double chance = eff_rng_normal(9, (uint64_t)cost[EFF_COST_MACS], j->seed * 8 + (uint64_t)j->level);
    return 0.9 - 0.3 * exp(-cost[EFF_COST_MACS] / 1e5) - 0.1 / (1 + j->level) + 0.01 * chance;
}

/* Answer a part of the trials that wait, drawn by chance: what workers in some order would have done by now. */
static int answer(eff_search *s, double part, uint64_t round)
{
    sqlite3 *db;
    int n = 0;
    assert_int_equal(sqlite3_open(s->store_path, &db), SQLITE_OK);
    for (int i = 0; i < s->njobs; i++) {
        char sql[160];
        if (s->jobs[i].over || eff_rng_uniform(77, round, (uint64_t)i) > part) continue;
        snprintf(sql, sizeof sql,
                 "UPDATE trial SET state = 2, seconds = 1, result = '{\"top1\":%.6f}' WHERE id = %lld AND state = 0",
                 worth(&s->jobs[i]), (long long)s->jobs[i].id);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        n += sqlite3_changes(db);
    }
    sqlite3_close(db);
    return n;
}

/* Answer everything, part by part. @return how many trials that were */
static int drive(eff_search *s, double part)
{
    int n = 0;
    for (uint64_t round = 0;; round++) {
        look(s);
        if (ended(s)) return n;
        n += answer(s, part, round);
        assert_true(round < 5000);
    }
}

static json_t *json_of(eff_search *s)
{
    json_t *const j = json_loads(eff_search_results(s), 0, NULL);
    assert_non_null(j);
    return j;
}

static void forget_clocks(json_t *j)
{
    static const char *const clock[] = { "seconds", "seconds_spent" };
    const char *key;
    json_t *v;
    size_t i;
    for (i = 0; i < 2; i++)
        if (json_is_object(j)) json_object_del(j, clock[i]);
    json_object_foreach(j, key, v) forget_clocks(v);
    json_array_foreach(j, i, v) forget_clocks(v);
}

/* All results but for what clocks say. Release with free(). */
static char *results_of(eff_search *s)
{
    json_t *const j = json_of(s);
    forget_clocks(j);
    char *const text = json_dumps(j, JSON_INDENT(1) | JSON_SORT_KEYS);
    json_decref(j);
    assert_non_null(text);
    return text;
}

static void check_same(char *text, const char *want)
{
    size_t at = 0;
    while (text[at] && text[at] == want[at]) at++;
    if (strcmp(text, want) != 0) fail_msg("other results: %.200s\nexpected: %.200s", text + at, want + at);
    free(text);
}

static long count_in(const char *store, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(store, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    const long n = (long)sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return n;
}

static const json_t *at(const json_t *j, const char *key) { return json_object_get(j, key); }
static double number(const json_t *j, const char *key) { return json_number_value(at(j, key)); }

/* --------------------------------------------------------------------------------- the order of the answers */

/* What is found depends neither on who answers what when, nor on where the search is left and taken up again. */
static void test_order(void **state)
{
    (void)state;
    static const char *const controllers[] = { "evolution", "ppo", "random" };
    for (int c = 0; c < 3; c++) {
        eff_error err = { 0 };
        char name[32];
        snprintf(name, sizeof name, "whole%d.db", c);
        eff_search_opts o = options(name, 30);
        o.controller = controllers[c];
        o.repeats = 2;
        o.sample = 5;
        eff_search *s = open_search(&o, short_recipe), *t;
        drive(s, 1);
        char *const want = results_of(s);
        int chance = 0;
        assert_int_equal(s->entered, 30);
        for (int i = 0; i < s->ntries; i++) { /* one in five of any beginning; nothing is entered twice */
            chance += s->tries[i].control;
            assert_int_equal(chance, (i + 1) / 5);
            for (int k = 0; k < i && s->tries[i].adds; k++) assert_int_not_equal(s->tries[k].job, s->tries[i].job);
        }
        T_OK(eff_search_run(s, &err), err); /* nothing is left */
        check_same(results_of(s), want);
        eff_search_free(s);

        snprintf(name, sizeof name, "slow%d.db", c);
        o.store = options(name, 1).store;
        s = open_search(&o, short_recipe);
        t = open_search(&o, short_recipe); /* two look at one store in turn */
        for (uint64_t round = 0; !ended(s) || !ended(t); round++) {
            look(round % 3 ? s : t);
            answer(round % 2 ? s : t, 0.3, round);
        }
        check_same(results_of(s), want);
        check_same(results_of(t), want);
        eff_search_free(t);
        eff_search_free(s);
        if (c == 0) {
            strcpy(name, "pieces.db");
            o.store = options(name, 1).store;
            bool over = false;
            for (uint64_t round = 0; !over; round++) {
                s = open_search(&o, short_recipe);
                for (int k = 0; k < 20; k++) {
                    look(s);
                    answer(s, 0.7, 20 * round + (uint64_t)k);
                }
                look(s);
                over = ended(s);
                if (over) check_same(results_of(s), want);
                eff_search_free(s);
            }
        }
        free(want);
    }
}

/* ------------------------------------------------------------------------------------------------ the finals */

typedef struct scored {
    double reward, top1;
    int job, try;
} scored;

static int by_reward(const void *a, const void *b)
{
    const scored *const x = a, *const y = b;
    return x->reward != y->reward ? (x->reward < y->reward) - (x->reward > y->reward) : x->try - y->try;
}

static int by_top1(const void *a, const void *b)
{
    const scored *const x = a, *const y = b;
    return x->top1 != y->top1 ? (x->top1 < y->top1) - (x->top1 > y->top1) : x->try - y->try;
}

static void test_finals(void **state)
{
    (void)state;
    eff_search_opts o = options("finals.db", 30);
    o.finalists = 7; /* 7, then 3, then one */
    o.sample = 6;
    o.repeats = 3;
    o.exponent = -0.3;
    o.rival[0] = rival;
    eff_search *const s = open_search(&o, short_recipe);
    drive(s, 1);
    scored r[64];
    int n = 0;
    for (int i = 0; i < s->ntries; i++) {
        if (!s->tries[i].adds) continue;
        const double top1 = s->jobs[s->tries[i].job].top1, cost = s->tries[i].cost[EFF_COST_MACS];
        r[n++] = (scored){ top1 * pow(cost / s->rival[0].cost[EFF_COST_MACS], -0.3), top1, s->tries[i].job, i };
        assert_float_equal(r[n - 1].top1, worth(&s->jobs[s->tries[i].job]), 1e-6);
    }
    assert_int_equal(n, 30);
    qsort(r, (size_t)n, sizeof *r, by_reward);
    scored third[7];
    assert_int_equal(s->nfinalists, 7);
    for (int k = 0; k < 7; k++) {
        assert_int_equal(s->finalist[k], r[k].try);
        const eff_job *const j = &s->jobs[s->finalist_job[1][k]];
        assert_true(j->level == 1 && j->seed == o.seed && eff_search_epochs(s, j->level) == 3);
        assert_memory_equal(&j->table, &s->tries[r[k].try].table, sizeof j->table);
        const double cost = s->tries[r[k].try].cost[EFF_COST_MACS] / s->rival[0].cost[EFF_COST_MACS];
        third[k] = (scored){ j->top1 * pow(cost, -0.3), j->top1, k, k };
    }
    qsort(third, 7, sizeof *third, by_reward);
    int best = -1;
    double most = -1;
    for (int k = 0; k < 7; k++) { /* the best three of the seven, and no other, go on */
        const int job = s->finalist_job[2][third[k].job];
        if (k >= 3) {
            assert_int_equal(job, -1);
            continue;
        }
        assert_int_equal(s->jobs[job].level, 2);
        const int child = s->finalist[third[k].job];
        const double reward =
            s->jobs[job].top1 * pow(s->tries[child].cost[EFF_COST_MACS] / s->rival[0].cost[EFF_COST_MACS], -0.3);
        if (reward > most) most = reward, best = child;
    }
    assert_int_equal(s->winner, best);
    for (int k = 0; k < 3; k++) { /* winner, base and rival have the same seeds */
        const int job[] = { s->winner_job[k], s->rival[0].job[k], s->rival[1].job[k] };
        for (int i = 0; i < 3; i++)
            assert_true(s->jobs[job[i]].seed == o.seed + (uint64_t)k && s->jobs[job[i]].level == 2);
    }
    qsort(r, (size_t)n, sizeof *r, by_top1);
    double brief[6], full[6];
    assert_int_equal(s->nsample, 6);
    for (int k = 0; k < 6; k++) { /* ranks 1, 6, 12, 18, 24, 30 */
        assert_int_equal(s->sample[k], r[k * 29 / 5].try);
        brief[k] = r[k * 29 / 5].top1;
        full[k] = s->jobs[s->sample_job[k]].top1;
        assert_int_equal(s->jobs[s->sample_job[k]].level, 2);
    }
    json_t *const j = json_of(s);
    const eff_tau tau = eff_kendall(brief, full, 6, o.seed);
    assert_float_equal(number(at(j, "sample"), "tau"), tau.value, 1e-12);
    assert_int_equal(json_array_size(at(j, "final")), 3);
    assert_int_equal(json_integer_value(at(j, "trials")), 30);
    assert_true(json_is_true(at(j, "complete")));
    const json_t *const won = at(j, "best");
    double mean = 0;
    for (int k = 0; k < 3; k++) mean += s->jobs[s->winner_job[k]].top1 / 3;
    assert_float_equal(number(won, "top1"), mean, 1e-9);
    assert_true(number(won, "macs") == s->tries[best].cost[EFF_COST_MACS]);
    assert_float_equal(number(won, "reward"), mean * pow(number(won, "macs") / s->rival[0].cost[EFF_COST_MACS], -0.3),
                       1e-9);
    size_t i, k;
    const json_t *a, *b;
    json_array_foreach(at(j, "pareto"), i, a) /* nothing of the front beats another of it */
        json_array_foreach(at(j, "pareto"), k, b)
            assert_true(i == k || number(a, "macs") < number(b, "macs") || number(a, "top1") > number(b, "top1"));
    assert_true(i >= 2);
    json_decref(j);
    eff_search_free(s);
}

/* Searches with other controllers share a store: what one has trained the other does not train. */
static void test_shared(void **state)
{
    (void)state;
    eff_search_opts o = options("shared.db", 40);
    eff_search *s = open_search(&o, short_recipe);
    const int first = drive(s, 1);
    assert_int_equal(first, s->njobs);
    eff_search_free(s);
    o.controller = "random";
    s = open_search(&o, short_recipe);
    const int second = drive(s, 1);
    assert_int_equal(count_in(o.store, "SELECT count(*) FROM trial"), first + second); /* keys are unique */
    assert_true(second < s->njobs && second > 0);
    char *const want = results_of(s);
    eff_search_free(s);
    o.store = options("alone.db", 1).store; /* and what the other left there changes nothing */
    s = open_search(&o, short_recipe);
    const int all = drive(s, 1);
    assert_int_equal(all, s->njobs);
    check_same(results_of(s), want);
    free(want);
    eff_search_free(s);
    eff_error err = { 0 };
    assert_int_equal(try_open(&s, &o, other_set, short_recipe, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "of another experiment: data is"));
    assert_int_equal(try_open(&s, &o, set, "epochs=1,batch=8,lr=1e-4", &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "of another experiment: recipe.lr is"));
}

/* A search for more children than there are ends; children above a limit are not trained, and known to be worth
 * nothing. */
static void test_limits(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_search_opts o = options("all.db", 1000);
    o.finalists = 2;
    o.sample = 0;
    o.repeats = 1;
    eff_search *s = open_search(&o, short_recipe);
    drive(s, 0.9);
    assert_true(s->exhausted && s->entered <= NETWORKS && s->entered > NETWORKS - 4);
    double macs[NETWORKS];
    int n = 0;
    for (int i = 0; i < s->ntries; i++)
        if (s->tries[i].adds) macs[n++] = s->tries[i].cost[EFF_COST_MACS];
    json_t *j = json_of(s);
    assert_true(json_is_true(at(j, "exhausted")));
    assert_int_equal(json_array_size(at(j, "children")), n);
    json_decref(j);
    eff_search_free(s);
    double sum = 0;
    for (int i = 0; i < n; i++) sum += macs[i] / n;
    int below = 0;
    for (int i = 0; i < n; i++) below += macs[i] <= sum;
    o.store = options("few.db", 1).store;
    o.limit[EFF_COST_MACS] = sum;
    s = open_search(&o, short_recipe);
    drive(s, 0.9);
    int refused = 0;
    for (int i = 0; i < s->ntries; i++) {
        const bool kept = s->tries[i].cost[EFF_COST_MACS] <= sum;
        assert_true(kept == (s->tries[i].job >= 0));
        if (kept) continue;
        refused++;
        assert_true(eff_search_reward(s, i) == 0);
    }
    assert_true(refused > 0 && s->entered <= below && s->exhausted);
    j = json_of(s);
    assert_non_null(strstr(json_string_value(json_array_get(at(j, "words"), 0)), "kept not to the limits"));
    json_decref(j);
    eff_search_free(s);
    o.limit[EFF_COST_MACS] = 1;
    assert_int_equal(try_open(&s, &o, set, short_recipe, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "macs: the smallest child found has"));
    double least = INFINITY; /* and that is said of the smallest there is */
    for (int i = 0; i < n; i++) least = fmin(least, macs[i]);
    char text[32];
    snprintf(text, sizeof text, "has %.6g", least);
    assert_non_null(strstr(err.msg, text));
    o.limit[EFF_COST_MACS] = 0;
    o.limit[EFF_COST_LATENCY] = 1e-9;
    assert_int_equal(try_open(&s, &o, set, short_recipe, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "latency: the child with the fewest multiply-adds takes"));
}

/* ------------------------------------------------------------------------------------------- with training */

typedef struct count {
    int trials, stop_after; /* 0: never  */
    double stop_part;       /* of the first trial's steps */
} count;

static int on_event(void *ctx, const eff_study_event *e)
{
    count *const c = ctx;
    if (e->phase == EFF_STUDY_TRIAL && e->text) c->trials++;
    return c->stop_after && c->trials >= c->stop_after;
}

static eff_search_opts brief_options(const char *store)
{
    eff_search_opts o = options(store, 5);
    o.finalists = 2;
    o.sample = 2;
    o.repeats = 1;
    o.ahead = 1;
    o.control = 0.4;
    return o;
}

static char *run_whole(eff_search_opts *o, const char *values, int *trials)
{
    eff_error err = { 0 };
    count c = { 0 };
    o->event = on_event;
    o->ctx = &c;
    eff_search *const s = open_search(o, values);
    T_OK(eff_search_run(s, &err), err);
    char *const text = results_of(s);
    *trials = c.trials;
    assert_int_equal(c.trials, s->njobs);
    eff_search_free(s);
    o->event = NULL;
    return text;
}

/* As it was, with threads, in pieces by two in turn: the same, and every trial was done once. */
static char *run_pieces(eff_search_opts *o, const char *values, int each, int *trials)
{
    eff_error err = { 0 };
    eff_search *s[2];
    bool over = false;
    *trials = 0;
    char *text = NULL;
    for (int i = 0; i < 2; i++) s[i] = open_search(o, values);
    for (int turn = 0; !over; turn++) {
        count c = { .stop_after = each };
        eff_search *const now = s[turn % 2];
        now->o.event = on_event;
        now->o.ctx = &c;
        const eff_status e = eff_search_run(now, &err);
        *trials += c.trials;
        over = e == EFF_OK;
        if (!over) assert_int_equal(e, EFF_ECANCELLED);
        if (over) text = results_of(now);
        if (turn == 2) { /* one of them is killed, another comes */
            eff_search_free(s[0]);
            s[0] = open_search(o, values);
        }
    }
    for (int i = 0; i < 2; i++) eff_search_free(s[i]);
    return text;
}

static void test_pieces(void **state)
{
    (void)state;
    int trials, n;
    eff_search_opts o = brief_options("one.db");
    char *const want = run_whole(&o, short_recipe, &trials);
    o = brief_options("two.db");
    o.threads = 2;
    check_same(run_pieces(&o, short_recipe, 3, &n), want);
    assert_int_equal(n, trials);
    assert_int_equal(count_in(o.store, "SELECT sum(claims) FROM trial"), trials);
    assert_int_equal(count_in(o.store, "SELECT count(*) FROM trial WHERE state = 2"), trials);
    free(want);
}

/* Every number ceases to be finite: all fail, the search ends, and says so. */
static void test_diverging(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_search_opts o = brief_options("nan.db");
    eff_search *s = open_search(&o, "epochs=3,batch=4,lr=1e6,warmup=0,optimizer=sgd");
    T_OK(eff_search_run(s, &err), err);
    assert_true(ended(s) && s->failures == s->njobs && s->winner < 0 && s->entered == 5);
    json_t *const j = json_of(s);
    size_t i;
    const json_t *v;
    json_array_foreach(at(j, "children"), i, v)
    {
        assert_string_equal(json_string_value(at(v, "state")), "failed");
        assert_non_null(strstr(json_string_value(at(v, "reason")), "diverged"));
        assert_true(json_is_null(at(v, "top1")));
    }
    assert_int_equal(i, 5);
    assert_true(json_is_null(at(j, "best")) && json_array_size(at(j, "pareto")) == 0);
    json_decref(j);
    T_OK(eff_search_save(s, t_tmp("nan"), &err), err);
    assert_int_not_equal(access(t_tmp("nan/best.json"), F_OK), 0);
    eff_search_free(s);
    o = brief_options("nan.db"); /* not tried again */
    count c = { 0 };
    o.event = on_event;
    o.ctx = &c;
    s = open_search(&o, "epochs=3,batch=4,lr=1e6,warmup=0,optimizer=sgd");
    T_OK(eff_search_run(s, &err), err);
    assert_int_equal(c.trials, 0);
    eff_search_free(s);
}

/* What does not fit is recorded with its reason; the rest goes on. */
static void test_memory_limit(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_search_opts o = brief_options("memory.db");
    size_t least = SIZE_MAX, most = 0;
    eff_search *s = open_search(&o, short_recipe);
    look(s);
    while (s->entered < 4) {
        answer(s, 1, 0);
        look(s);
    }
    eff_recipe r = s->recipe;
    for (int i = 0; i < s->ntries; i++) {
        size_t bytes;
        const eff_trial_job t = eff_search_trial(s, &s->tries[i].table, &r, 0, 0);
        T_OK(eff_trial_memory(&bytes, &t, &err), err);
        if (bytes < least) least = bytes;
        if (bytes > most) most = bytes;
    }
    eff_search_free(s);
    assert_true(least < most);
    o = brief_options("memory2.db");
    o.memory = (least + most) / 2;
    s = open_search(&o, short_recipe);
    T_OK(eff_search_run(s, &err), err);
    int failed = 0;
    for (int i = 0; i < s->ntries; i++) {
        const eff_job *const j = &s->jobs[s->tries[i].job];
        size_t bytes;
        const eff_trial_job t = eff_search_trial(s, &j->table, &r, 0, 0);
        T_OK(eff_trial_memory(&bytes, &t, &err), err);
        assert_true(j->failed == (bytes > o.memory));
        if (j->failed) assert_non_null(strstr(j->reason, "training takes"));
        failed += j->failed;
    }
    assert_true(failed > 0 && s->entered == 5 && ended(s));
    eff_search_free(s);
}

/* ---------------------------------------------------------------------------------- the supernet, latencies */

static int on_supernet(void *ctx, const eff_study_event *e)
{
    count *const c = ctx;
    if (e->phase == EFF_STUDY_TRIAL && e->text) c->trials++;
    return e->phase == EFF_STUDY_STEP && e->done == 0 && ++c->stop_after == 5; /* in its third epoch of four */
}

static void test_supernet(void **state)
{
    (void)state;
    eff_error err = { 0 };
    int trials;
    eff_search_opts o = brief_options("super.db");
    o.evaluator = "supernet";
    o.supernet_epochs = 4;
    char *const want = run_whole(&o, short_recipe, &trials), path[300];
    snprintf(path, sizeof path, "%s.supernet1", o.store);
    assert_int_equal(access(path, F_OK), 0);
    json_t *const j = json_loads(want, 0, NULL);
    assert_int_equal(json_array_size(at(j, "children")), 5);
    json_decref(j);

    eff_search_opts p = brief_options("super2.db"); /* stopped while the supernet is trained, and taken up again */
    count c = { 0 };
    p.evaluator = "supernet";
    p.supernet_epochs = 4;
    p.event = on_supernet;
    p.ctx = &c;
    eff_search *s = open_search(&p, short_recipe);
    assert_int_equal(eff_search_run(s, &err), EFF_ECANCELLED);
    assert_int_equal(c.trials, 0);
    eff_search_free(s);
    s = open_search(&p, short_recipe);
    c.stop_after = 100;
    T_OK(eff_search_run(s, &err), err);
    assert_int_equal(c.stop_after, 100 + 4); /* the third and fourth epoch's steps, two each */
    assert_int_equal(c.trials, trials);
    check_same(results_of(s), want);
    eff_search_free(s);
    free(want);

    o.seed = 6; /* another supernet has a file of its own */
    free(run_whole(&o, short_recipe, &trials));
    assert_int_equal(count_in(o.store, "SELECT count(*) FROM trial WHERE key LIKE '%train%' AND state = 2"), 2);

    o.seed = 5; /* more children, but the file is gone: said, nothing recorded */
    o.trials = 7;
    unlink(path);
    const long failed = count_in(o.store, "SELECT count(*) FROM trial WHERE state = 3");
    s = open_search(&o, short_recipe);
    assert_int_not_equal(eff_search_run(s, &err), EFF_OK);
    if (!strstr(err.msg, "super.db.supernet1")) fail_msg("%s", err.msg);
    assert_int_equal(count_in(o.store, "SELECT count(*) FROM trial WHERE state = 3"), failed);
    eff_search_free(s);
    o.seed = 7;
    o.memory = 1000;
    s = open_search(&o, short_recipe);
    assert_int_equal(eff_search_run(s, &err), EFF_ENOMEM);
    assert_non_null(strstr(err.msg, "training the supernet takes"));
    eff_search_free(s);
}

static void test_latency(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_search_opts o = brief_options("latency.db");
    o.cost = "latency";
    eff_search *s = open_search(&o, short_recipe);
    T_OK(eff_search_run(s, &err), err);
    const double target = s->objective.target;
    double shortest = INFINITY;
    for (int i = 0; i < s->ntries; i++) {
        const double took = eff_search_cost(s, i, EFF_COST_LATENCY);
        assert_true(took > 0);
        assert_float_equal(eff_search_reward(s, i), eff_search_top1(s, i) * pow(took / target, -0.07), 1e-12);
        shortest = fmin(shortest, took);
    }
    char *const want = results_of(s);
    eff_search_free(s);
    s = open_search(&o, short_recipe); /* what was measured holds */
    T_OK(eff_search_run(s, &err), err);
    assert_true(s->objective.target == target);
    check_same(results_of(s), want);
    free(want);
    eff_search_free(s);
    o.cost = "macs";
    o.limit[EFF_COST_LATENCY] = 0.5 * shortest; /* nothing keeps to it, though that cannot be told before */
    s = open_search(&o, short_recipe);
    T_OK(eff_search_run(s, &err), err);
    for (int i = 0; i < s->ntries; i++) {
        const eff_job *const j = &s->jobs[s->tries[i].job];
        assert_true(j->failed && strstr(j->reason, "an image takes"));
    }
    eff_search_free(s);
    o.limit[EFF_COST_LATENCY] = 1; /* the failures were that limit's */
    s = open_search(&o, short_recipe);
    T_OK(eff_search_run(s, &err), err);
    for (int i = 0; i < s->ntries; i++) assert_true(eff_search_cost(s, i, EFF_COST_LATENCY) > 0);
    assert_int_equal(s->failures, 0);
    eff_search_free(s);
}

/* ------------------------------------------------------------------------------------------------- files */

static char *read_text(const char *path)
{
    FILE *const f = fopen(path, "rb");
    if (!f) fail_msg("%s: not there", path);
    char *const text = calloc(1, 1 << 22);
    assert_true(text && fread(text, 1, (1 << 22) - 1, f) > 0);
    fclose(f);
    return text;
}

/* Every element is closed, in order, and every attribute has quotes. */
static void check_page(const char *s)
{
    char open[64][16];
    int depth = 0;
    assert_int_equal(strncmp(s, "<!DOCTYPE html>\n", 16), 0);
    for (s += 16; (s = strchr(s, '<'));) {
        const bool ends = *++s == '/';
        size_t n = 0;
        s += ends;
        while (isalnum((unsigned char)s[n])) n++;
        if (n == 0 || n > 15) fail_msg("no element: %.30s", s);
        if (ends) {
            if (!depth || strlen(open[depth - 1]) != n || memcmp(open[depth - 1], s, n))
                fail_msg("</%.*s> closes %s", (int)n, s, depth ? open[depth - 1] : "nothing");
            depth--;
            continue;
        }
        assert_true(depth < 64);
        snprintf(open[depth++], sizeof *open, "%.*s", (int)n, s);
        for (s += n; *s != '>'; s++) {
            assert_true(*s && *s != '<');
            if (*s == '=') assert_true(s[1] == '"');
            if (*s == '"') assert_non_null(s = strchr(s + 1, '"'));
        }
        depth -= s[-1] == '/';
    }
    assert_int_equal(depth, 0);
}

typedef struct saving {
    eff_search *s;
    const char *folder;
} saving;

static eff_status save_again(void *ctx, eff_error *err)
{
    const saving *const to = ctx;
    return eff_search_save(to->s, to->folder, err);
}

static void test_files(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_search_opts o = options("files.db", 25);
    o.rival[0] = rival;
    o.data = "cloth & <silk>";
    eff_search *const s = open_search(&o, short_recipe);
    look(s);
    answer(s, 1, 0);
    look(s);
    T_OK(eff_search_save(s, t_tmp("found"), &err), err); /* not finished yet */
    char *page = read_text(t_tmp("found/search.html"));
    check_page(page);
    free(page);
    drive(s, 1);
    T_OK(eff_search_save(s, t_tmp("found"), &err), err);
    page = read_text(t_tmp("found/search.html"));
    check_page(page);
    assert_non_null(strstr(page, "Kendall"));
    free(page);

    saving to = { s, t_tmp("again") };
    t_saving_check(&(t_saving){ "search", save_again, &to, to.folder, NULL, 0 });
    json_t *const j = json_of(s);
    eff_model *m;
    T_OK(eff_model_load(&m, t_tmp("found/best.json"), NULL, &err), err); /* a network like any other */
    assert_memory_equal(m->table.stage, s->tries[s->winner].table.stage, sizeof m->table.stage);
    assert_int_equal(m->table.classes, 2);
    eff_model_free(m);
    const char *child;
    const json_t *v;
    int tables = 0;
    json_object_foreach((json_t *)at(j, "tables"), child, v)
    {
        T_OK(eff_model_load(&m, t_tmp("found/tables/%s.json", child), NULL, &err), err);
        assert_int_equal(strncmp(m->table.name, "toy-", 4), 0);
        eff_model_free(m);
        tables++;
    }
    assert_true(tables >= s->nfinalists);
    char *const csv = read_text(t_tmp("found/search.csv"));
    int lines = 0;
    for (const char *at_line = csv; (at_line = strchr(at_line, '\n')); at_line++) lines++;
    assert_int_equal(lines, 1 + (int)json_array_size(at(j, "children")));
    assert_int_equal(strncmp(csv, "child,macs,params,memory,latency,top1,reward,", 45), 0);
    free(csv);
    json_decref(j);
    eff_search_free(s);
}

/* Memory that ends at any moment of a plan, of the results and of the files is reported and leaks nothing. */
static void test_memory_ends(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_recipe *r;
    eff_search *s;
    eff_search_opts o = options("ends.db", 12);
    T_OK(eff_study_recipe(&r, base, set, &err), err);
    T_OK(eff_recipe_set(r, short_recipe, &err), err);
    const eff_search_opts plan = { .space = o.space,
                                   .controller = "ppo",
                                   .evaluator = "proxy",
                                   .cost = "macs",
                                   .trials = 10,
                                   .finalists = 3,
                                   .repeats = 1,
                                   .cache = 1 << 20,
                                   .exponent = -0.07 };
    for (long n = 0; n < 40; n++) {
        eff_alloc_fail_after(n < 20 ? n : 20 + (n - 20) * 31);
        const eff_status e = eff_search_create(&s, base, set, r, &plan, &err);
        const long asked = eff_alloc_count();
        eff_alloc_fail_after(-1);
        if (e != EFF_ENOMEM) fail_msg("allocation %ld of %ld: %d \"%s\"", n, asked, e, err.msg);
    }
    s = open_search(&o, short_recipe);
    eff_recipe_free(r);
    bool whole = false;
    for (long n = 0; !whole; n++) { /* on the way: what failed is done when memory is there again */
        eff_alloc_fail_after(n % 4 ? n % 60 : -1);
        eff_status e = eff_search_refresh(s, &err);
        if (e == EFF_OK) e = eff_search_propose(s, &err);
        if (e == EFF_OK && eff_search_children_over(s)) e = eff_search_finals(s, &err);
        eff_alloc_fail_after(-1);
        assert_true(e == EFF_OK || e == EFF_ENOMEM);
        if (n % 3 == 0) answer(s, 1, 0);
        assert_true(n < 4000);
        whole = ended(s);
    }
    char *const want = results_of(s);
    for (long n = 0;; n += 1 + n / 20) {
        eff_alloc_fail_after(n);
        const bool there = eff_search_results(s) != NULL;
        const long asked = eff_alloc_count();
        eff_alloc_fail_after(-1);
        assert_true(there == (asked <= n));
        if (there) break;
    }
    for (long n = 0;; n += 1 + n / 20) {
        eff_alloc_fail_after(n);
        const eff_status e = eff_search_save(s, t_tmp("ends"), &err);
        const long asked = eff_alloc_count();
        eff_alloc_fail_after(-1);
        if (e == EFF_OK) {
            assert_true(asked <= n);
            break;
        }
        assert_int_equal(e, EFF_ENOMEM);
    }
    eff_search_free(s);
    o.store = options("ends2.db", 1).store;
    s = open_search(&o, short_recipe);
    drive(s, 1);
    check_same(results_of(s), want);
    free(want);
    eff_search_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),        cmocka_unit_test(test_finals),      cmocka_unit_test(test_shared),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_pieces),      cmocka_unit_test(test_diverging),
        cmocka_unit_test(test_memory_limit), cmocka_unit_test(test_supernet),    cmocka_unit_test(test_latency),
        cmocka_unit_test(test_files),        cmocka_unit_test(test_memory_ends),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
