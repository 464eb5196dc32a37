/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, and that nothing the library reads or writes follows the locale of the program around it. */
#include "support.h"

#include "base/number.h"
#include "base/utf8.h"
#include "model/table_json.h"

#include <float.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_and_print(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double v;
    } good[] = { { "0", 0 },     { "1.5", 1.5 }, { "-2e3", -2000 }, { ".5", .5 }, { "5.", 5 }, { "+7", 7 }, { "1e-400", 0 },
                 { "1.7976931348623157e308", DBL_MAX } };
    static const char *const bad[] = { "", " 1", "1 ", "1,5", "0x10", "inf", "nan", "1e999", "-1e999", "1.2.3", "--1", "e5", ".", "1e", "+" };
    double v;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!eff_number_read(good[i].text, strlen(good[i].text), &v) || v != good[i].v) fail_msg("%s", good[i].text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (eff_number_read(bad[i], strlen(bad[i]), &v)) fail_msg("'%s' was read as %g", bad[i], v);
    assert_true(eff_number_read("12345", 2, &v) && v == 12); /* what lies behind does not count */
    assert_false(eff_number_read("1\0" "2", 3, &v));
    char long_text[200];
    memset(long_text, '0', sizeof long_text);
    assert_true(eff_number_read(long_text, 127, &v) && v == 0);
    assert_false(eff_number_read(long_text, 128, &v));
    char buf[8];
    assert_int_equal(eff_number_print(buf, sizeof buf, "%.2f|%d", 1234.5, 7), 9); /* as snprintf: what would be needed */
    assert_string_equal(buf, "1234.50");
}

/* A locale with a decimal comma, made here where the system has none. */
static int enter_comma_locale(void)
{
    static const char source[] = "LC_CTYPE\ncopy \"POSIX\"\nEND LC_CTYPE\nLC_COLLATE\ncopy \"POSIX\"\nEND LC_COLLATE\n"
                                 "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\ngrouping 3;3\nEND LC_NUMERIC\n";
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_ALL, names[i])) return 1;
    FILE *const f = fopen(t_tmp("comma.src"), "w");
    if (!f || fputs(source, f) < 0 || fclose(f) != 0) return 0;
    char command[512];
    snprintf(command, sizeof command, "localedef --no-archive -c -i '%s' -f ANSI_X3.4-1968 '%s' > /dev/null 2>&1", t_tmp("comma.src"),
             t_tmp("comma"));
    if (system(command) == -1) return 0; /* it warns of what the source leaves out and ends with 1 */
    setenv("LOCPATH", t_tmp("."), 1);
    return setlocale(LC_NUMERIC, "comma") != NULL;
}

static void under_a_comma(void **state)
{
    (void)state;
    if (!enter_comma_locale()) {
        puts("SKIPPED: no locale with a decimal comma, and none could be made");
        skip();
    }
    char text[256];
    snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5"); /* the test means what it says */

    double v;
    assert_true(eff_number_read("1.5", 3, &v) && v == 1.5);
    assert_false(eff_number_read("1,5", 3, &v));
    eff_number_print(text, sizeof text, "%g", 1.5);
    assert_string_equal(text, "1.5");
    snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5"); /* the program's locale is as it was */

    eff_table t, again;
    eff_error err = { 0 };
    T_OK(eff_table_builtin(&t, "b0@width=1.5,depth=0.5,dropout=0.25", &err), err);
    assert_string_equal(t.name, "efficientnet-b0@width=1.5,depth=0.5");
    assert_true(t.width == 1.5 && t.depth == 0.5 && t.dropout == 0.25);
    T_OK(eff_table_builtin(&again, t.name, &err), err);
    T_OK(eff_table_builtin(&t, "mobilenetv1-0.25", &err), err);
    assert_string_equal(t.name, "mobilenetv1-0.25");
    T_OK(eff_table_scale(&t, &again, 1.25, 1, 0, &err), err);
    assert_non_null(strstr(t.name, "-w1.25"));
    assert_int_equal(eff_table_builtin(&t, "b0@width=1,5", &err), EFF_EARG);
    assert_int_equal(eff_table_builtin(&t, "b0@width=0.001", &err), EFF_EARG);
    assert_string_equal(err.msg, "width: expected a number in 0.01..100, found '0.001'");

    eff_preprocess p = { .geometry = EFF_GEOM_SHORT, .side = 8, .height = 8, .width = 8, .std = { 1, 1, 1 } };
    T_OK(eff_preprocess_parse(&p, "square=0.875,mean=0.5:1.25:-3,std=1.5", &err), err);
    eff_preprocess_format(&p, text, sizeof text);
    assert_string_equal(text, "square=0.875,filter=bilinear,size=8,mean=0.5:1.25:-3,std=1.5");
    p.fraction = 1.5;
    assert_int_equal(eff_preprocess_parse(&p, "std=2", &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "found 1.5"));

    json_t *const j = eff_table_to_json(&again);
    T_OK(eff_table_from_json(&t, j, &err), err);
    json_decref(j);
    assert_true(t.width == again.width && t.bn_eps == again.bn_eps && t.stage[0].se == again.stage[0].se);

    eff_model *m, *back;
    T_OK(eff_model_load(&m, "b0@width=0.01,depth=0.01,resolution=32,classes=2", NULL, &err), err);
    T_OK(eff_model_init(m, 1, &err), err);
    T_OK(eff_preprocess_parse(&m->meta.preprocess, "square=0.5,size=32,mean=0.5,std=2.25", &err), err);
    T_OK(eff_model_save(m, t_tmp("comma.effnet"), &err), err);
    T_OK(eff_model_load(&back, t_tmp("comma.effnet"), NULL, &err), err);
    const eff_preprocess *const q = eff_model_get_preprocess(back);
    assert_true(q->fraction == 0.5 && q->mean[2] == 0.5f && q->std[0] == 2.25f);
    eff_model_free(m);
    eff_model_free(back);
    setlocale(LC_ALL, "C");
}

static void utf8(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        size_t n, length;
    } t[] = {
        { "a", 1, 1 },         { "\0", 1, 1 },          { "", 0, 0 },          { "\xc3\xa9", 2, 2 },         { "\xc3", 1, 0 },
        { "\xc1\xbf", 2, 0 },  { "\xe2\x82\xac", 3, 3 }, { "\xe0\x9f\xbf", 3, 0 }, { "\xe0\xa0\x80", 3, 3 },     { "\xed\x9f\xbf", 3, 3 },
        { "\xed\xa0\x80", 3, 0 }, { "\xf0\x8f\xbf\xbf", 4, 0 }, { "\xf0\x90\x80\x80", 4, 4 }, { "\xf4\x8f\xbf\xbf", 4, 4 },
        { "\xf4\x90\x80\x80", 4, 0 }, { "\xf5\x80\x80\x80", 4, 0 }, { "\x80", 1, 0 }, { "\xe2\x82z", 3, 0 },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        if (eff_utf8_length(t[i].s, t[i].n) != t[i].length) fail_msg("%zu: %zu", i, eff_utf8_length(t[i].s, t[i].n));
    assert_true(eff_utf8_is_line("caf\xc3\xa9 ", 6));
    assert_false(eff_utf8_is_line("a\nb", 3));
    assert_false(eff_utf8_is_line("a\x7f", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(read_and_print), cmocka_unit_test(under_a_comma), cmocka_unit_test(utf8) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
