/* SPDX-License-Identifier: Apache-2.0 */
/* Tables as JSON: there and back without loss, short tables by hand, and texts that mean harm. */
#include "support.h"

#include "model/graph.h"
#include "model/table_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *parse(const char *text)
{
    json_error_t e;
    json_t *const j = json_loads(text, JSON_REJECT_DUPLICATES, &e);
    if (!j) fail_msg("%s: %s", e.text, text);
    return j;
}

static void there_and_back(const eff_table *t)
{
    json_t *const j = eff_table_to_json(t);
    assert_non_null(j);
    char *const text = json_dumps(j, JSON_INDENT(1));
    json_t *const again = parse(text);
    eff_table got;
    eff_error err = { 0 };
    T_OK(eff_table_from_json(&got, again, &err), err);
    assert_int_equal(got.nstages, t->nstages);
    json_t *const back = eff_table_to_json(&got);
    char *const text2 = json_dumps(back, JSON_INDENT(1));
    assert_string_equal(text, text2);
    for (int i = 0; i < t->nstages; i++) { /* field by field where a struct may have holes */
        const eff_stage *const a = &t->stage[i], *const b = &got.stage[i];
        assert_true(a->op == b->op && a->kernel == b->kernel && a->stride == b->stride && a->expand == b->expand);
        assert_true(a->channels == b->channels && a->repeats == b->repeats && a->se == b->se && a->act == b->act);
        assert_true(a->skip == b->skip && a->fixed_repeats == b->fixed_repeats && a->expand_from == b->expand_from);
    }
    assert_string_equal(got.name, t->name);
    assert_true(got.stem_channels == t->stem_channels && got.stem_kernel == t->stem_kernel && got.stem_stride == t->stem_stride);
    assert_true(got.stem_pool == t->stem_pool && got.stem_fixed == t->stem_fixed && got.head_fixed == t->head_fixed);
    assert_true(got.head_channels == t->head_channels && got.act == t->act && got.pad == t->pad && got.divisor == t->divisor);
    assert_true(got.bn_eps == t->bn_eps && got.bn_momentum == t->bn_momentum && got.round_up_90 == t->round_up_90);
    assert_true(got.height == t->height && got.width_px == t->width_px && got.classes == t->classes);
    assert_true(got.dropout == t->dropout && got.drop_path == t->drop_path && got.width == t->width && got.depth == t->depth);
    free(text);
    free(text2);
    json_decref(j);
    json_decref(again);
    json_decref(back);
}

static void test_round_trip(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_table t;
    for (int i = 0; i < eff_builtin_count(); i++) {
        T_OK(eff_table_builtin(&t, eff_builtin_name(i), &err), err);
        there_and_back(&t);
    }
    T_OK(eff_table_builtin(&t, "b3@width=0.333333333333,depth=1.7,resolution=97x131,classes=7,padding=symmetric,eps=1.2345e-7,"
                               "dropout=0.1,name=ন \"quoted\" \\ name", &err), err);
    t.depth = 1.0 / 3; /* needs all its digits */
    t.bn_momentum = 0.1 + 0.2;
    there_and_back(&t);
}

static void test_short_table(void **state)
{
    (void)state;
    json_t *const j = parse("{\"stages\": [{\"op\": \"mbconv\", \"channels\": 24, \"stride\": 2},"
                            " {\"op\": \"bottleneck\", \"channels\": 64}, {\"op\": \"dsconv\", \"channels\": 9, \"act\": \"relu\"}],"
                            " \"resolution\": 96, \"classes\": 9, \"act\": \"hswish\"}");
    eff_table t;
    eff_error err = { 0 };
    T_OK(eff_table_from_json(&t, j, &err), err);
    json_decref(j);
    assert_string_equal(t.name, "table");
    assert_true(t.height == 96 && t.width_px == 96 && t.classes == 9 && t.stem_channels == 32 && t.head_channels == 0);
    assert_true(t.stage[0].kernel == 3 && t.stage[0].expand == 6 && t.stage[0].repeats == 1 && t.stage[0].skip);
    assert_true(t.stage[1].expand == 4 && t.stage[1].skip && !t.stage[2].skip && t.stage[2].expand == 1);
    assert_true(t.stage[0].act == EFF_ACT_HSWISH && t.stage[2].act == EFF_ACT_RELU && t.act == EFF_ACT_HSWISH);
    assert_true(t.bn_eps == 1e-3 && t.pad == EFF_PAD_SAME && t.dropout == 0 && t.divisor == 8);
    eff_graph *g;
    T_OK(eff_graph_build(&g, &t, 0, 0, &err), err);
    eff_graph_free(g);
}

#define STAGE  "\"stages\":[{\"op\":\"mbconv\",\"channels\":8}]"
#define STAGES(more) "{\"stages\":[{\"op\":\"mbconv\",\"channels\":8},{\"op\":\"fused\",\"channels\":8," more "}]}"

static void test_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = { /* a text, and how the message begins */
        { "[]", "table: expected an object, found an array" },
        { "{}", "stages: missing" },
        { "{\"stages\":{}}", "stages: expected an array, found an object" },
        { "{\"stages\":[]}", "stages: expected 1..32, found 0" },
        { "{\"stages\":[1]}", "stages[0]: expected an object, found an integer" },
        { "{\"stages\":[{\"op\":\"mbconv\"}]}", "stages[0]: channels is missing" },
        { "{\"stages\":[{\"channels\":8}]}", "stages[0]: op is missing" },
        { "{\"stages\":[{\"op\":\"mbconf\",\"channels\":8}]}", "stages[0].op: expected conv, dsconv, mbconv" },
        { "{\"stages\":[{\"op\":3,\"channels\":8}]}", "stages[0].op: expected a string, found an integer" },
        { STAGES("\"kernl\":3"), "stages[1].kernl: unknown key; did you mean kernel?" },
        { STAGES("\"zzzzzzzz\":3"), "stages[1].zzzzzzzz: unknown key" },
        { STAGES("\"kernel\":2"), "stages[1].kernel: expected an odd number in 1..31, found 2" },
        { STAGES("\"kernel\":3.0"), "stages[1].kernel: expected an integer, found a real number" },
        { STAGES("\"kernel\":\"3\""), "stages[1].kernel: expected an integer, found a string" },
        { STAGES("\"kernel\":null"), "stages[1].kernel: expected an integer, found null" },
        { STAGES("\"kernel\":9223372036854775807"), "stages[1].kernel: 9223372036854775807 is out of range" },
        { STAGES("\"stride\":-4294967295"), "stages[1].stride: -4294967295 is out of range" },
        { STAGES("\"stride\":0"), "stages[1].stride: expected 1..8, found 0" },
        { STAGES("\"repeats\":1000000"), "stages[1].repeats: expected 1..1000, found 1000000" },
        { STAGES("\"expand\":true"), "stages[1].expand: expected a number, found true" },
        { STAGES("\"expand\":1e300"), "stages[1].expand: expected" },
        { STAGES("\"se\":-1"), "stages[1].se: expected" },
        { STAGES("\"skip\":1"), "stages[1].skip: expected true or false, found an integer" },
        { STAGES("\"act\":\"gelu\""), "stages[1].act: expected none, relu, relu6, silu or hswish, found 'gelu'" },
        { "{\"stages\":[{\"op\":\"basic\",\"channels\":8,\"skip\":false}]}", "stages[0].skip: expected true" },
        { "{\"stages\":[{\"op\":\"bottleneck\",\"channels\":9}]}", "stages[0].channels: expected a multiple of expand 4" },
        { "{" STAGE ",\"stem\":3}", "stem: expected an object, found an integer" },
        { "{" STAGE ",\"stem\":{\"chanels\":3}}", "stem.chanels: unknown key; did you mean channels?" },
        { "{" STAGE ",\"stem\":{\"channels\":0}}", "stem.channels: expected 1..65536, found 0" },
        { "{" STAGE ",\"stem\":{\"pool\":\"max\"}}", "stem.pool: expected true or false" },
        { "{" STAGE ",\"head\":{\"channels\":-1}}", "head.channels: expected 0..65536, found -1" },
        { "{" STAGE ",\"bn\":{\"epsilon\":1e-3}}", "bn.epsilon: unknown key" },
        { "{" STAGE ",\"bn\":{\"eps\":0}}", "bn.eps: expected" },
        { "{" STAGE ",\"bn\":[]}", "bn: expected an object, found an array" },
        { "{" STAGE ",\"padding\":\"valid\"}", "padding: expected same or symmetric, found 'valid'" },
        { "{" STAGE ",\"resolution\":0}", "resolution height: expected 1..16384, found 0" },
        { "{" STAGE ",\"resolution\":[64]}", "resolution: expected an integer or [height, width], found an array" },
        { "{" STAGE ",\"resolution\":[64,64,3]}", "resolution: expected" },
        { "{" STAGE ",\"resolution\":[64,\"x\"]}", "resolution[1]: expected an integer" },
        { "{" STAGE ",\"resolution\":224.5}", "resolution: expected" },
        { "{" STAGE ",\"classes\":-1}", "classes: expected 0..1000000, found -1" },
        { "{" STAGE ",\"dropout\":1}", "dropout: expected" },
        { "{" STAGE ",\"divisor\":0}", "divisor: expected 1..1024, found 0" },
        { "{" STAGE ",\"name\":7}", "name: expected a string" },
        { "{" STAGE ",\"name\":\"\"}", "name: expected 1..63 bytes, found 0" },
        { "{" STAGE ",\"name\":\"a\\nb\"}", "name: expected UTF-8" },
        { "{" STAGE ",\"width\":-1}", "width: expected" },
        { "{" STAGE ",\"weights\":1}", "weights: unknown key" },
        { "{" STAGE ",\"bad\\nkey\":1}", "bad?key: unknown key" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *const j = parse(cases[i][0]);
        eff_error err = { 0 };
        eff_table t;
        memset(&t, 0x5a, sizeof t);
        const eff_table before = t;
        assert_int_equal(eff_table_from_json(&t, j, &err), EFF_EFORMAT);
        assert_int_equal(err.code, EFF_EFORMAT);
        if (strncmp(err.msg, cases[i][1], strlen(cases[i][1]))) fail_msg("%s\nsays: %s", cases[i][0], err.msg);
        assert_memory_equal(&t, &before, sizeof t);
        assert_int_equal(eff_table_from_json(&t, j, NULL), EFF_EFORMAT);
        json_decref(j);
    }
    assert_int_equal(eff_table_from_json(&(eff_table){ .nstages = 0 }, NULL, NULL), EFF_EFORMAT);
}

/* Long names, long lists, depth: bounded messages, no crash. */
static void test_large(void **state)
{
    (void)state;
    enum { LONG = 100000 };
    char *const text = malloc(LONG + 4096);
    assert_non_null(text);
    eff_table t;
    eff_error err = { 0 };

    char *p = text + sprintf(text, "{\"stages\":[");
    for (int i = 0; i < 33; i++) p += sprintf(p, "%s{\"op\":\"conv\",\"channels\":1}", i ? "," : "");
    strcpy(p, "]}");
    json_t *j = parse(text);
    assert_int_equal(eff_table_from_json(&t, j, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "stages: expected 1..32, found 33");
    json_decref(j);

    p = text + sprintf(text, "{\"");
    memset(p, 'k', LONG);
    strcpy(p + LONG, "\":1}");
    j = parse(text);
    assert_int_equal(eff_table_from_json(&t, j, &err), EFF_EFORMAT);
    assert_true(strlen(err.msg) < sizeof err.msg && strstr(err.msg, "unknown key"));
    json_decref(j);

    p = text + sprintf(text, "{\"name\":\"");
    memset(p, 'n', LONG);
    strcpy(p + LONG, "\"}");
    j = parse(text);
    assert_int_equal(eff_table_from_json(&t, j, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "name: expected 1..63 bytes, found 100000");
    json_decref(j);

    const int deep = 1000; /* within the parser's limit */
    p = text + sprintf(text, "{\"stages\":");
    memset(p, '[', (size_t)deep);
    memset(p + deep, ']', (size_t)deep);
    strcpy(p + 2 * deep, "}");
    j = parse(text);
    assert_int_equal(eff_table_from_json(&t, j, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "stages[0]: expected an object, found an array");
    json_decref(j);
    free(text);
}

/* Every single-character change of a good text is either refused in one line or a table that can be built. */
static void test_mutations(void **state)
{
    (void)state;
    static const char with[] = "\0-\"{}[],:.0129eE+ntf\\ \xff";
    eff_table t;
    eff_error err = { 0 };
    T_OK(eff_table_builtin(&t, "lite0", &err), err);
    t.nstages = 2;
    json_t *j = eff_table_to_json(&t);
    char *const text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    const size_t n = strlen(text);
    int refused = 0, good = 0;
    for (size_t i = 0; i < n; i++) {
        const char keep = text[i];
        for (size_t k = 0; k < sizeof with - 1; k++) {
            text[i] = with[k];
            j = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
            if (!j) continue;
            eff_table got;
            err.msg[0] = '\0';
            if (eff_table_from_json(&got, j, &err) == EFF_OK) {
                assert_int_equal(eff_table_check(&got, &err), EFF_OK);
                good++;
            } else {
                assert_true(strlen(err.msg) > 0);
                refused++;
            }
            json_decref(j);
        }
        text[i] = keep;
    }
    assert_true(refused > 1000 && good > 100); /* both ways out were taken */
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_short_table), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_large),      cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
