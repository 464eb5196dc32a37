/* SPDX-License-Identifier: Apache-2.0 */
/* Search spaces: what a file may say and what is refused with which words; the sizes of those that ship, by hand; that
 * children are equal in canonical form exactly when the graphs of their tables are. */
#include "support.h"

#include "base/rng.h"
#include "model/graph.h"
#include "model/table_json.h"
#include "search/space.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const shipped[] = { "bench", "mnasnet", "small" };

/* A plain base of three stages, then one with everything that can interact: a stage of stride 1 whose shortcut and
 * squeeze depend on the filters of the stage before, repeats that fall to one, an inherited expand_from, channels that
 * are no multiple of the divisor. */
#define STEM "\"name\":\"t\",\"stem\":{\"channels\":8},\"divisor\":4,\"resolution\":32,\"classes\":3"
#define BASE3                                                                                                          \
    "\"base\":{" STEM ",\"stages\":[{\"op\":\"mbconv\",\"channels\":8},{\"op\":\"mbconv\",\"channels\":16,"            \
    "\"stride\":2,\"repeats\":2},{\"op\":\"fused\",\"channels\":16}]}"
#define BASE4                                                                                                          \
    "\"base\":{" STEM                                                                                                  \
    ",\"drop_path\":0.2,\"stages\":[{\"op\":\"fused\",\"channels\":8,\"se\":0.25,\"expand_from\":12},"                 \
    "{\"op\":\"conv\",\"channels\":12,\"repeats\":2},{\"op\":\"mbconv\",\"channels\":14,\"expand\":1},"                \
    "{\"op\":\"dsconv\",\"channels\":16,\"stride\":2,\"skip\":true}]}"

static json_t *parsed(const char *text)
{
    json_error_t e;
    json_t *const j = json_loads(text, JSON_REJECT_DUPLICATES, &e);
    if (!j) fail_msg("%s: %s", e.text, text);
    return j;
}

static eff_space read_space(const char *text)
{
    eff_space s;
    eff_error err = { 0 };
    json_t *const j = parsed(text);
    if (eff_space_from_json(&s, j, NULL, &err) != EFF_OK) fail_msg("%s\nsays: %s", text, err.msg);
    json_decref(j);
    return s;
}

static eff_space load(const char *name)
{
    eff_space s;
    eff_error err = { 0 };
    T_OK(eff_space_load(&s, name, NULL, &err), err);
    return s;
}

/* Spaces in which choices interact. */
static int synthetic(eff_space *s)
{
    static const char *const texts[] = {
        "{\"name\":\"cross\"," BASE4 ",\"choices\":{\"skip\":[true,false],\"filters\":[0.75,1,1.5],\"layers\":[-1,0]}}",
        "{\"name\":\"ops\"," BASE4
        ",\"choices\":{\"op\":[\"fused\",\"dsconv\",\"mbconv\",\"conv\"],\"expand\":[1,1.01,1.05,4]},"
        "\"stages\":[{\"se\":[0,0.25,0.26]},{\"kernel\":[3]},{},{\"fixed\":true}]}",
        "{\"name\":\"rounds\"," BASE4
        ",\"choices\":{\"filters\":[1,1.01,0.99,2],\"se\":[0.1,0.05,0],\"op\":[\"mbconv\","
        "\"conv\"]},\"stages\":[{\"fixed\":true},{\"layers\":[-2,-1,0]},{\"layers\":[0,-3]},{}]}",
        "{\"name\":\"heads\"," BASE3 ",\"choices\":{\"skip\":[false,true]},\"stages\":[{\"filters\":[1,1.5]},"
        "{\"layers\":[0,-1]},{\"expand\":[4,6],\"op\":[\"conv\",\"fused\"]}]}",
    };
    enum { N = sizeof texts / sizeof *texts };
    for (int i = 0; s && i < N; i++) s[i] = read_space(texts[i]);
    return N;
}

/* ------------------------------------------------------------------------------------------ reading */

#define SPACE(more) "{" BASE3 "," more "}"

static void test_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        /* a text, and the whole message */
        { "[]", "space: expected an object, found an array" },
        { "{}", "base: missing; expected the name of a built-in or a table" },
        { "{\"base\":3}", "base: expected the name of a built-in or a table, found an integer" },
        { "{\"base\":\"efficentnet-b0\"}", "base: unknown model 'efficentnet-b0': did you mean efficientnet-b0?" },
        { "{\"base\":\"b0@width=x\"}", "base: width: expected a number in 0.01..100, found 'x'" },
        { "{\"base\":{\"stages\":[]}}", "base: stages: expected 1..32, found 0" },
        { "{" BASE3 "}", "space: nothing to decide: no stage has a list of two options or more" },
        { SPACE("\"choices\":{\"kernel\":[5]}"),
          "space: nothing to decide: no stage has a list of two options or more" },
        { SPACE("\"stages\":[{},{\"fixed\":true},{\"op\":[\"conv\"],\"expand\":[2,3]}]"),
          "space: nothing to decide: all 2 children are one network" },
        { SPACE("\"name\":\"\""), "name: expected 1..63 bytes, found 0" },
        { SPACE("\"name\":\"a\\nb\""), "name: expected text without control characters" },
        { SPACE("\"choises\":{}"), "choises: unknown key; did you mean choices?" },
        { SPACE("\"choices\":[]"), "choices: expected an object, found an array" },
        { SPACE("\"choices\":{\"kernels\":[3,5]}"), "choices.kernels: unknown key; did you mean kernel?" },
        { SPACE("\"choices\":{\"kernel\":3}"), "choices.kernel: expected a list of options, found an integer" },
        { SPACE("\"choices\":{\"kernel\":[]}"), "choices.kernel: expected 1..8 options, found 0" },
        { SPACE("\"choices\":{\"kernel\":[1,3,5,7,9,11,13,15,17]}"), "choices.kernel: expected 1..8 options, found 9" },
        { SPACE("\"choices\":{\"kernel\":[3,-3]}"), "choices.kernel[1]: expected an odd number in 1..31, found -3" },
        { SPACE("\"choices\":{\"kernel\":[3,4]}"), "choices.kernel[1]: expected an odd number in 1..31, found 4" },
        { SPACE("\"choices\":{\"kernel\":[33]}"), "choices.kernel[0]: expected an odd number in 1..31, found 33" },
        { SPACE("\"choices\":{\"kernel\":[3,5.0]}"), "choices.kernel[1]: expected an integer, found a real number" },
        { SPACE("\"choices\":{\"kernel\":[3,99999999999]}"), "choices.kernel[1]: 99999999999 is out of range" },
        { SPACE("\"choices\":{\"kernel\":[3,5,3]}"), "choices.kernel[2]: the same option as kernel[0]" },
        { SPACE("\"choices\":{\"op\":[\"mbconv\",\"fuse\"]}"),
          "choices.op[1]: unknown operator 'fuse'; did you mean fused?" },
        { SPACE("\"choices\":{\"op\":[\"attention\"]}"),
          "choices.op[0]: unknown operator 'attention'; expected conv, dsconv, mbconv or fused" },
        { SPACE("\"choices\":{\"op\":[\"bottleneck\"]}"),
          "choices.op[0]: bottleneck is not offered in a search; expected conv, dsconv, mbconv or fused" },
        { SPACE("\"choices\":{\"op\":[2]}"), "choices.op[0]: expected an operator, found an integer" },
        { SPACE("\"choices\":{\"expand\":[6,0.5]}"), "choices.expand[1]: expected 1..64, found 0.5" },
        { SPACE("\"choices\":{\"expand\":[\"6\"]}"), "choices.expand[0]: expected a number, found a string" },
        { SPACE("\"choices\":{\"se\":[0,-0.25]}"), "choices.se[1]: expected 0..16, found -0.25" },
        { SPACE("\"choices\":{\"se\":[0,0.0]}"), "choices.se[1]: the same option as se[0]" },
        { SPACE("\"choices\":{\"skip\":[true,0]}"), "choices.skip[1]: expected true or false, found an integer" },
        { SPACE("\"choices\":{\"filters\":[0,1]}"), "choices.filters[0]: expected 0.01..100, found 0" },
        { SPACE("\"choices\":{\"layers\":[0,1001]}"), "choices.layers[1]: expected -1000..1000, found 1001" },
        { SPACE("\"choices\":{\"layers\":[0,1000]}"),
          "the largest child: stages[0].repeats: expected 1..1000, found 1001" },
        { SPACE("\"stages\":{}"), "stages: expected an array, found an object" },
        { SPACE("\"stages\":[{},{},{},{}]"), "stages: expected 3, one for every stage of the base, found 4" },
        { SPACE("\"stages\":[{},{}]"), "stages: expected 3, one for every stage of the base, found 2" },
        { SPACE("\"stages\":[{},3,{}]"), "stages[1]: expected an object, found an integer" },
        { SPACE("\"stages\":[{},{\"fixd\":true},{}]"), "stages[1].fixd: unknown key; did you mean fixed?" },
        { SPACE("\"stages\":[{},{\"fixed\":1},{}]"), "stages[1].fixed: expected true or false, found an integer" },
        { SPACE("\"stages\":[{},{\"fixed\":true,\"se\":[0]},{}]"), "stages[1].se: a fixed stage has no options" },
        { SPACE("\"stages\":[{},{\"kernel\":[-1]},{}]"),
          "stages[1].kernel[0]: expected an odd number in 1..31, found -1" },
        { "{\"base\":\"resnet18\",\"choices\":{\"kernel\":[3,5]}}",
          "stages[0]: the base has basic here, which has no options; expected \"fixed\": true" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *const j = parsed(cases[i][0]);
        eff_error err = { 0 };
        eff_space s = { .ndecisions = -7 };
        assert_int_equal(eff_space_from_json(&s, j, NULL, &err), EFF_EFORMAT);
        assert_int_equal(err.code, EFF_EFORMAT);
        if (strcmp(err.msg, cases[i][1])) fail_msg("%s\nsays: %s", cases[i][0], err.msg);
        assert_int_equal(s.ndecisions, -7);
        assert_int_equal(eff_space_from_json(&s, j, NULL, NULL), EFF_EFORMAT);
        json_decref(j);
    }
}

static void test_load(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_space s;
    for (int i = 0; i < 3; i++) { /* what is in the library is the file */
        const eff_space a = load(shipped[i]), b = load(t_data("../../share/spaces/%s.json", shipped[i]));
        json_t *const ja = eff_space_to_json(&a), *const jb = eff_space_to_json(&b);
        assert_true(ja && json_equal(ja, jb));
        assert_string_equal(a.name, shipped[i]);
        json_decref(ja);
        json_decref(jb);
    }
    assert_int_equal(eff_space_load(&s, "smal", NULL, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "no such file or space; did you mean small?");
    assert_int_equal(eff_space_load(&s, "/no/such/space.json", NULL, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "no such file or space; expected bench, mnasnet or small, or a file");
    assert_int_equal(eff_space_load(&s, t_data("."), NULL, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "expected a file, found a directory");

    eff_table base; /* another base in its place */
    T_OK(eff_table_builtin(&base, "lite0@width=0.5,resolution=64,classes=5", &err), err);
    T_OK(eff_space_load(&s, "small", &base, &err), err);
    assert_true(s.base.height == 64 && s.base.classes == 5 && s.ndecisions == 36);
    T_OK(eff_table_builtin(&base, "v2-s", &err), err);
    assert_int_equal(eff_space_load(&s, "small", &base, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "stages: expected 6, one for every stage of the base, found 7");
}

static void there_and_back(const eff_space *s)
{
    eff_error err = { 0 };
    eff_space got;
    json_t *const j = eff_space_to_json(s);
    char *const text = json_dumps(j, JSON_INDENT(1));
    json_t *const again = parsed(text), *const table = eff_table_to_json(&s->base);
    T_OK(eff_space_from_json(&got, again, NULL, &err), err);
    json_t *const got_table = eff_table_to_json(&got.base);
    assert_true(json_equal(table, got_table));
    assert_string_equal(got.name, s->name);
    assert_int_equal(got.ndecisions, s->ndecisions);
    for (int d = 0; d < s->ndecisions; d++) {
        const eff_decision *const a = &s->decision[d], *const b = &got.decision[d];
        assert_true(a->stage == b->stage && a->field == b->field && a->n == b->n);
        for (int k = 0; k < a->n; k++) assert_true(a->option[k] == b->option[k]);
    }
    free(text);
    json_decref(j);
    json_decref(again);
    json_decref(table);
    json_decref(got_table);
}

static void test_round_trip(void **state)
{
    (void)state;
    eff_space s[8];
    const int n = synthetic(s);
    for (int i = 0; i < n; i++) there_and_back(&s[i]);
    for (int i = 0; i < 3; i++) {
        s[0] = load(shipped[i]);
        there_and_back(&s[0]);
    }
    s[0] = read_space(
        "{\"base\":\"b0\",\"choices\":{\"filters\":[0.3333333333333333,1],\"se\":[0.1,0.30000000000000004]}}");
    assert_string_equal(s[0].name, "space");
    assert_true(s[0].decision[1].field == EFF_FIELD_FILTERS && s[0].decision[1].option[0] == 1.0 / 3);
    there_and_back(&s[0]);
}

/* ----------------------------------------------------------------------------------------- children */

static uint64_t counter;

static eff_child random_child(const eff_space *s)
{
    eff_child c = { { 0 } };
    for (int d = 0; d < s->ndecisions; d++)
        c.choice[d] = (uint8_t)(eff_rng_bits(1, 2, counter++) % (uint64_t)s->decision[d].n);
    return c;
}

/* A child as the definition says it, without any rule about what has an effect. */
static eff_table plain_table(const eff_space *s, const eff_child *c)
{
    eff_table t = s->base;
    for (int d = 0; d < s->ndecisions; d++) {
        const eff_decision *const open = &s->decision[d];
        const double v = open->option[c->choice[d]];
        eff_stage *const st = &t.stage[open->stage];
        if (open->field == EFF_FIELD_OP) st->op = (eff_op)v;
        if (open->field == EFF_FIELD_KERNEL) st->kernel = (int)v;
        if (open->field == EFF_FIELD_EXPAND) st->expand = v;
        if (open->field == EFF_FIELD_SE) st->se = v;
        if (open->field == EFF_FIELD_SKIP) st->skip = v == 1;
        if (open->field == EFF_FIELD_FILTERS && v != 1)
            st->channels = eff_round_filters(st->channels, v, t.divisor, t.round_up_90);
        if (open->field == EFF_FIELD_LAYERS) st->repeats = (int)fmax(1, st->repeats + v);
    }
    for (int i = 0; i < t.nstages; i++)
        if (t.stage[i].op == EFF_OP_CONV || t.stage[i].op == EFF_OP_DSCONV) {
            t.stage[i].expand = 1;
            t.stage[i].se = t.stage[i].expand_from = 0;
        }
    return t;
}

static eff_graph *graph_of(const eff_table *t)
{
    eff_error err = { 0 };
    eff_graph *g = NULL;
    T_OK(eff_graph_build(&g, t, 0, 0, &err), err);
    return g;
}

static bool same_graph(const eff_graph *a, const eff_graph *b)
{
    if (a->nnodes != b->nnodes || a->nparams != b->nparams) return false;
    for (int i = 0; i < a->nnodes; i++) {
        const eff_node *const p = &a->node[i], *const q = &b->node[i];
        if (p->op != q->op || p->in[0] != q->in[0] || p->in[1] != q->in[1] || p->h != q->h || p->w != q->w ||
            p->c != q->c || p->kernel != q->kernel || p->stride != q->stride || p->act != q->act ||
            p->squeeze != q->squeeze || p->drop != q->drop || p->pad_top != q->pad_top || p->pad_left != q->pad_left)
            return false;
    }
    for (int i = 0; i < a->nparams; i++)
        if (strcmp(a->param[i].name, b->param[i].name) ||
            memcmp(a->param[i].dim, b->param[i].dim, sizeof a->param[i].dim))
            return false;
    return true;
}

static bool same_table(const eff_table *a, const eff_table *b)
{
    json_t *const ja = eff_table_to_json(a), *const jb = eff_table_to_json(b);
    assert_true(ja && jb && json_object_del(ja, "name") == 0 && json_object_del(jb, "name") == 0);
    const bool same = json_equal(ja, jb);
    json_decref(ja);
    json_decref(jb);
    return same;
}

/* Of a child and a near one: tables, graphs and canonical forms agree, or none of them does. @return whether they do */
static bool agree(const eff_space *s, const eff_child *a, const eff_child *b)
{
    eff_error err = { 0 };
    eff_child ca = *a, cb = *b, again;
    eff_table ta, tb;
    eff_space_canonical(s, &ca);
    eff_space_canonical(s, &cb);
    again = ca;
    eff_space_canonical(s, &again);
    assert_memory_equal(&again, &ca, sizeof ca);
    const bool same = memcmp(&ca, &cb, sizeof ca) == 0;

    T_OK(eff_space_table(&ta, s, a, &err), err);
    T_OK(eff_space_table(&tb, s, b, &err), err);
    assert_int_equal(same_table(&ta, &tb), same);
    assert_int_equal(strcmp(ta.name, tb.name) == 0, same);

    const eff_table pa = plain_table(s, a), pb = plain_table(s, b);
    eff_graph *const g[4] = { graph_of(&ta), graph_of(&tb), graph_of(&pa), graph_of(&pb) };
    assert_true(same_graph(g[0], g[2]) && same_graph(g[1], g[3])); /* the canonical child is the child */
    if (same_graph(g[2], g[3]) != same) {
        char x[EFF_CHILD_TEXT], y[EFF_CHILD_TEXT];
        eff_child_format(s, a, x, sizeof x);
        eff_child_format(s, b, y, sizeof y);
        fail_msg("%s: %s and %s are %s", s->name, x, y, same ? "alike only in canonical form" : "one network");
    }
    for (int i = 0; i < 4; i++) eff_graph_free(g[i]);
    return same;
}

static void test_canonical(void **state)
{
    (void)state;
    eff_space s[16];
    int n = synthetic(s), pairs = 0;
    const int nsynthetic = n;
    for (int i = 0; i < 3; i++) s[n++] = load(shipped[i]);
    for (int i = 0; i < n; i++) {
        int same = 0;
        for (int k = 0; k < (i < nsynthetic ? 400 : 60); k++) {
            const eff_child a = random_child(&s[i]);
            eff_child b = a;
            const int changes = 1 + (int)(eff_rng_bits(3, 4, counter++) % 2);
            for (int m = 0; m < changes; m++) {
                const uint64_t d = eff_rng_bits(3, 4, counter++) % (uint64_t)s[i].ndecisions;
                b.choice[d] = (uint8_t)((b.choice[d] + 1) % s[i].decision[d].n);
            }
            same += agree(&s[i], &a, &b);
            pairs++;
        }
        if (strcmp(s[i].name, "bench") != 0) assert_true(same > 0); /* there are pairs of either kind */
    }
    assert_true(pairs > 1000);
}

/* ------------------------------------------------------------------------------------------- sizes */

static eff_child nth_child(const eff_space *s, long i)
{
    eff_child c = { { 0 } };
    for (int d = 0; d < s->ndecisions; d++) {
        c.choice[d] = (uint8_t)(i % s->decision[d].n);
        i /= s->decision[d].n;
    }
    return c;
}

static int compare_children(const void *a, const void *b) { return memcmp(a, b, sizeof(eff_child)); }

/* Distinct canonical forms, by trying all children. */
static double enumerated(const eff_space *s, long choices)
{
    eff_child *const all = malloc((size_t)choices * sizeof *all);
    assert_non_null(all);
    for (long i = 0; i < choices; i++) {
        all[i] = nth_child(s, i);
        eff_space_canonical(s, &all[i]);
    }
    qsort(all, (size_t)choices, sizeof *all, compare_children);
    double n = 1;
    for (long i = 1; i < choices; i++) n += memcmp(&all[i - 1], &all[i], sizeof *all) != 0;
    free(all);
    return n;
}

static void test_sizes(void **state)
{
    (void)state;
    double choices, networks;
    /* small: 2 operators, 2 kernels, 2 expansions, 2 SE, 3 widths, 2 depths in six stages. Of the first open one's 6
     * channels three quarters round to 6 again. */
    eff_space s = load("small");
    eff_space_size(&s, &choices, &networks);
    assert_true(choices == pow(96, 6) && networks == 64 * pow(96, 5));

    /* mnasnet: 432 ways in each of five stages. On conv and dsconv expansion and SE say nothing: 2 + 4 operators, 2
     * kernels, 2 skips, 3 widths, 3 depths. In the first open stage 24 channels times 0.75 round up to 24, and with one
     * layer, that of stride 2, there is no shortcut to skip: 6 * 2 * 2 * (1 + 2 + 2). */
    s = load("mnasnet");
    eff_space_size(&s, &choices, &networks);
    assert_true(choices == pow(432, 5) && networks == 120 * pow(216, 4));

    /* bench: eight choices of two, each of which is felt */
    s = load("bench");
    eff_space_size(&s, &choices, &networks);
    assert_true(choices == 256 && networks == 256 && enumerated(&s, 256) == 256);

    eff_space made[8];
    const int n = synthetic(made);
    int fewer = 0;
    for (int i = 0; i < n; i++) {
        eff_space_size(&made[i], &choices, &networks);
        if (choices > 100000) fail_msg("%s: %.0f children are too many to try", made[i].name, choices);
        assert_true(enumerated(&made[i], (long)choices) == networks);
        fewer += networks < choices;
    }
    assert_int_equal(fewer, n);
    /* heads, where skip is open everywhere. First stage: 8 channels to 8, felt; to 12, not: 2 + 1. Second, of stride 2:
     * felt with two layers, not with one: 2 + 1. Third, 16 channels to 16: felt; conv, or fused with either expansion:
     * 2 * 3. */
    eff_space_size(&made[3], &choices, &networks);
    assert_true(choices == 4 * 4 * 8 && networks == (2 + 1) * (2 + 1) * (3 * 2));
}

/* ------------------------------------------------------------------------------------------- text */

static void test_text(void **state)
{
    (void)state;
    const eff_space s = load("bench");
    eff_error err = { 0 };
    eff_child c, back;
    char text[EFF_CHILD_TEXT];
    for (long i = 0; i < 256; i++) {
        c = nth_child(&s, i);
        assert_int_equal(eff_child_format(&s, &c, text, sizeof text), 12);
        T_OK(eff_child_parse(&back, &s, text, &err), err);
        assert_memory_equal(&back, &c, sizeof c);
    }
    assert_string_equal(text, "1-11-11-1-11");
    assert_int_equal(eff_child_format(&s, &c, text, 4), 12);
    assert_string_equal(text, "1-1");

    eff_table t;
    T_OK(eff_child_parse(&c, &s, "1-01-10-0-01", &err), err);
    T_OK(eff_space_table(&t, &s, &c, &err), err);
    assert_string_equal(t.name, "bench-1-01-10-0-01");
    assert_true(t.stage[1].op == EFF_OP_FUSED && t.stage[2].op == EFF_OP_MBCONV && t.stage[2].kernel == 5);
    assert_true(t.stage[3].expand == 6 && t.stage[3].channels == 16 && t.stage[4].expand == 3);
    assert_true(t.stage[5].channels == 38 && t.stage[5].repeats == 4 && t.classes == 10 && t.height == 16);
    T_OK(eff_child_parse(&c, &s, "0-01-10-1-01", &err), err); /* this child is the base */
    T_OK(eff_space_table(&t, &s, &c, &err), err);
    assert_true(same_table(&t, &s.base));

    static const char *const cases[][2] = {
        { "", "child: expected a digit in 0..1 for stages[1].op after 0 bytes, found ''" },
        { "2-01-10-0-01", "child: expected a digit in 0..1 for stages[1].op after 0 bytes, found '2-01-10-0-01'" },
        { "1-0x-10-0-01", "child: expected a digit in 0..1 for stages[2].kernel after 3 bytes, found 'x-10-0-01'" },
        { "1-0110-0-01", "child: expected '-' after 4 bytes, before the digits of stages[3], found '10-0-01'" },
        { "1-01", "child: expected '-' after 4 bytes, before the digits of stages[3], found ''" },
        { "1-01-10-0-0", "child: expected a digit in 0..1 for stages[5].layers after 11 bytes, found ''" },
        { "1-01-10-0-010", "child: expected its end after 12 bytes, found '0'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(eff_child_parse(&back, &s, cases[i][0], &err), EFF_EARG);
        assert_string_equal(err.msg, cases[i][1]);
    }
    c.choice[3] = 2;
    assert_int_equal(eff_space_table(&t, &s, &c, &err), EFF_EARG);
    assert_string_equal(err.msg, "stages[3].expand: expected an option in 0..1, found 2");

    /* a long name is cut, the longest child still has room */
    eff_space widest = read_space("{\"name\":\"a name of sixty-three bytes, which leaves no room for any digit\","
                                  "\"base\":\"b0@resolution=32\",\"choices\":{\"kernel\":[3,5]}}");
    T_OK(eff_space_table(&t, &widest, &(eff_child){ { 0 } }, &err), err);
    assert_string_equal(t.name, widest.name);
    widest.ndecisions = 0;
    for (int i = 0; i < EFF_MAX_STAGES; i++)
        for (int f = 0; f < EFF_FIELDS; f++)
            widest.decision[widest.ndecisions++] = (eff_decision){ .stage = i, .field = (eff_field)f, .n = 2 };
    assert_int_equal(eff_child_format(&widest, &(eff_child){ { 0 } }, text, sizeof text), EFF_CHILD_TEXT - 1);
    T_OK(eff_child_parse(&back, &widest, text, &err), err);
    for (int f = 0; f < EFF_FIELDS; f++) assert_string_equal(eff_field_name((eff_field)f), eff_field_names()[f]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_load),  cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_canonical), cmocka_unit_test(test_sizes), cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
