/* SPDX-License-Identifier: Apache-2.0 */
/* The pickle machine: what each opcode makes, what is refused, and that hostile streams cost little. */
#include "checkpoints.h"

#include "base/mem.h"
#include "formats/pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define P2 "\x80\x02"

/* Python-like text of a value, so that expectations can be written down. Depth is cut, since trees may be cyclic. */
static size_t show(const eff_pickle *p, const eff_pk_value *v, char *out, size_t n, int depth)
{
    static const char *const open[] = { [EFF_PK_LIST] = "[", [EFF_PK_TUPLE] = "(", [EFF_PK_SET] = "<", [EFF_PK_DICT] = "{",
                                        [EFF_PK_GLOBAL] = "G(", [EFF_PK_PERSID] = "P(", [EFF_PK_OBJECT] = "O(" };
    if (depth > 6) return (size_t)snprintf(out, n, "...");
    switch (v->kind) {
    case EFF_PK_NONE: return (size_t)snprintf(out, n, "None");
    case EFF_PK_BOOL: return (size_t)snprintf(out, n, v->u.i ? "True" : "False");
    case EFF_PK_INT: return (size_t)snprintf(out, n, "%lld", (long long)v->u.i);
    case EFF_PK_FLOAT: return (size_t)snprintf(out, n, "%g", v->u.f);
    case EFF_PK_STR: return (size_t)snprintf(out, n, "'%.*s'", (int)v->n, (const char *)v->u.s);
    case EFF_PK_BYTES: return (size_t)snprintf(out, n, "b'%.*s'", (int)v->n, (const char *)v->u.s);
    case EFF_PK_BIGINT: return (size_t)snprintf(out, n, "big%u", v->n);
    default: break;
    }
    const uint32_t count = v->kind == EFF_PK_PERSID ? 1 : v->n;
    size_t at = (size_t)snprintf(out, n, "%s", open[v->kind]);
    for (uint32_t i = 0; i < count && at < n - 16; i++) {
        if (i) out[at++] = v->kind == EFF_PK_DICT && i % 2 ? ':' : ',';
        at += show(p, eff_pk_get(p, v, i), out + at, n - at, depth + 1);
    }
    out[at++] = '.';
    out[at] = 0;
    return at;
}

#define B(literal) literal, sizeof literal - 1

static void opcodes(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t n; const char *want; } t[] = {
        { B(P2 "N."), "None" },
        { B(P2 "\x88."), "True" },
        { B(P2 "K\xff."), "255" },
        { B(P2 "M\xff\xff."), "65535" },
        { B(P2 "J\xff\xff\xff\xff."), "-1" },
        { B(P2 "\x8a\x00."), "0" },
        { B(P2 "\x8a\x01\x80."), "-128" },
        { B(P2 "\x8a\x02\x80\x00."), "128" },
        { B(P2 "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."), "9223372036854775807" },
        { B(P2 "\x8a\x0a" "0123456789."), "big10" },
        { B(P2 "\x8b\x01\0\0\0\x05."), "5" },
        { B(P2 "G\x3f\xf8\0\0\0\0\0\0."), "1.5" },
        { B(P2 "X\x02\0\0\0hi."), "'hi'" },
        { B("\x80\x04\x8c\x02hi."), "'hi'" },
        { B("\x80\x04\x8d\x02\0\0\0\0\0\0\0hi."), "'hi'" },
        { B(P2 "U\x02hi."), "'hi'" },
        { B(P2 "T\x02\0\0\0hi."), "'hi'" },
        { B("\x80\x03" "C\x02hi."), "b'hi'" },
        { B("\x80\x03" "B\x02\0\0\0hi."), "b'hi'" },
        { B(P2 ")."), "(." },
        { B(P2 "(t."), "(." },
        { B(P2 "(1N."), "None" },
        { B(P2 "K\1\x85."), "(1." },
        { B(P2 "K\1K\2\x86."), "(1,2." },
        { B(P2 "K\1K\2K\3\x87."), "(1,2,3." },
        { B(P2 "(K\1K\2K\3K\4t."), "(1,2,3,4." },
        { B(P2 "(K\1K\2l."), "[1,2." },
        { B(P2 "](K\1K\2e(K\3K\4K\5eK\6a."), "[1,2,3,4,5,6." },
        { B(P2 "(K\1K\2K\3K\4d."), "{1:2,3:4." },
        { B(P2 "}(K\1K\2u(K\3K\4K\5K\6uK\7K\x08s."), "{1:2,3:4,5:6,7:8." },
        { B("\x80\x04\x8f(K\1K\2\x90."), "<1,2." },
        { B(P2 "K\1K\2" "0."), "1" },
        { B(P2 "K\1(K\2K\3" "1."), "1" },
        { B(P2 "K\1(0."), "1" },
        { B(P2 "K\1" "2\x86."), "(1,1." },
        { B(P2 "K\1q\x05" "0h\x05."), "1" },
        { B(P2 "K\1r\x05\0\0\0" "0j\x05\0\0\0."), "1" },
        { B("\x80\x04\x95\x06\0\0\0\0\0\0\0K\1\x94" "0h\0."), "1" },
        { B(P2 "cos\nsystem\n."), "G('os','system'." },
        { B("\x80\x04\x8c\x02os\x8c\x06system\x93."), "G('os','system'." },
        { B(P2 "K\1Q."), "P(1." },
        { B(P2 "ca\nb\nK\1\x85R."), "O(G('a','b'.,(1.,None,None,None." },
        { B(P2 "ca\nb\n)\x81}K\1K\2sb."), "O(G('a','b'.,(.,{1:2.,None,None." },
        { B(P2 "ca\nb\n)R(K\1K\2uK\3K\4s."), "O(G('a','b'.,(.,None,{1:2,3:4.,None." },
        { B(P2 "ca\nb\n)R(K\1e."), "O(G('a','b'.,(.,None,None,[1.." },
        { B("\x80\x04" "ca\nb\n)}\x92."), "O(G('a','b'.,(.,None,None,None." },
        { B(P2 "]q\0h\0a."), "[[[[[[[....." "....." }, /* a list in itself; shown to a depth of six */
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        eff_pickle p;
        eff_error err = { 0 };
        char text[512];
        if (eff_pickle_parse(&p, (const unsigned char *)t[i].bytes, t[i].n, &err) != EFF_OK)
            fail_msg("%zu, %s: %s", i, t[i].want, err.msg);
        show(&p, eff_pk_at(&p, p.root), text, sizeof text, 0);
        assert_string_equal(text, t[i].want);
        assert_int_equal(p.end, t[i].n);
        eff_pickle_free(&p);
        /* every proper prefix is cut short, and says so; so does every prefix in a larger buffer that ends there */
        for (size_t n = 0; n < t[i].n; n++) {
            unsigned char *const part = malloc(n ? n : 1); /* its own block: the sanitizer sees a read past it */
            memcpy(part, t[i].bytes, n);
            assert_int_equal(eff_pickle_parse(&p, part, n, &err), EFF_EFORMAT);
            assert_true(p.cut);
            eff_pickle_free(&p);
            free(part);
        }
    }
}

static void refusals(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t n; const char *says; } t[] = {
        { B("\x80\x01N."), "expected a pickle of protocol 2 to 5" },
        { B("\x80\x06N."), "expected a pickle of protocol 2 to 5" },
        { B("NN.."), "expected a pickle of protocol" },
        { B(P2 "."), "stops with 0 values" },
        { B(P2 "NN."), "stops with 2 values" },
        { B(P2 "N(."), "1 marks" },
        { B(P2 "0."), "pickle byte 2: nothing on the stack" },
        { B(P2 "2."), "nothing on the stack" },
        { B(P2 "N(2."), "nothing on the stack" },      /* nothing above the mark */
        { B(P2 "N(\x85."), "a tuple of 1, 0 on the stack" },
        { B(P2 "NN\x87."), "a tuple of 3, 2 on the stack" },
        { B(P2 "t."), "no mark on the stack" },
        { B(P2 "1."), "no mark on the stack" },
        { B(P2 "(Nd."), "a key without a value" },
        { B(P2 "}(Nu."), "a key without a value" },
        { B(P2 "Na."), "nothing on the stack" },
        { B(P2 "NNa."), "items added to what takes none" },
        { B(P2 "]NNs."), "pairs added to what takes none" },
        { B(P2 ")Na."), "items added to what takes none" },
        { B(P2 "(Nu."), "a key without a value" },
        { B(P2 "(u."), "nothing on the stack" },
        { B(P2 "h\0."), "memo entry 0 was never set" },
        { B(P2 "Nq\1h\0."), "memo entry 0 was never set" },
        { B(P2 "Nr\xff\xff\xff\xff."), "memo entry 4294967295" },
        { B(P2 "Nj\xff\xff\xff\xff."), "memo entry 4294967295 was never set" },
        { B(P2 "q\0."), "nothing on the stack" },
        { B(P2 "X\xff\xff\xff\xff."), "the pickle ends early: 4294967295 bytes needed" },
        { B("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), "a string of 18446744073709551615 bytes" },
        { B("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN."), "a frame of" },
        { B(P2 "NN\x93."), "a global whose name is no string" },
        { B(P2 "R."), "nothing on the stack" },
        { B(P2 "Nb."), "nothing on the stack" },
        { B(P2 "Q."), "nothing on the stack" },
        { B(P2 "I1\n."), "opcode 0x49 is not one that checkpoints use" },
        { B(P2 "(ios\nsystem\n."), "opcode 0x69" },
        { B(P2 "(cos\nsystem\no."), "opcode 0x6f" },
        { B(P2 "\x82\1."), "opcode 0x82" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        eff_pickle p;
        eff_error err = { 0 };
        if (eff_pickle_parse(&p, (const unsigned char *)t[i].bytes, t[i].n, &err) != EFF_EFORMAT)
            fail_msg("%s: was parsed", t[i].says);
        if (!strstr(err.msg, t[i].says)) fail_msg("\"%s\" does not say \"%s\"", err.msg, t[i].says);
        eff_pickle_free(&p);
    }
}

/* n times `unit` after a prefix, then `tail`. @return bytes the tables took for each byte parsed */
static double cost(const char *head, const char *unit, const char *tail, size_t n)
{
    const size_t h = strlen(head), u = strlen(unit), t = strlen(tail), size = 2 + h + n * u + t;
    unsigned char *const b = malloc(size);
    memcpy(b, "\x80\x04", 2);
    memcpy(b + 2, head, h);
    for (size_t i = 0; i < n; i++) memcpy(b + 2 + h + i * u, unit, u);
    memcpy(b + size - t, tail, t);
    eff_pickle p;
    eff_error err = { 0 };
    eff_pickle_parse(&p, b, size, &err);
    const double per_byte = (double)(p.values_cap * sizeof *p.value + p.refs_cap * sizeof *p.ref) / (double)size;
    eff_pickle_free(&p);
    free(b);
    return per_byte;
}

static void memory(void **state)
{
    (void)state;
    enum { N = 1000000 };
    static const char *const t[][3] = {
        { "", "]", "." },     { "", "(", "." },    { "(", "N", "t." },    { "", "c\n\n", "." },
        { "N", "\x85", "." }, { "]", "Na", "." },  { "]", "(NNe", "." },  { "](", "N", "e." },
        { "", ")]", "." },    { "N", "2", "." },   { "N", "2\x86", "." }, { "K\1", "\x94", "." },
        { "", "}NNs", "." },  { "}", "NNs", "." }, { "", "))R", "." },    { "", "))R]aNNs", "." },
        { "", "]Na", "." },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const double c = cost(t[i][0], t[i][1], t[i][2], N);
        if (c > 48) fail_msg("%s: %.0f bytes of memory a byte of pickle", t[i][1], c);
    }
    /* the hard limit on values */
    const size_t n = 9 << 20;
    unsigned char *const b = malloc(n);
    memset(b, ']', n);
    memcpy(b, P2, 2);
    eff_pickle p;
    eff_error err = { 0 };
    assert_int_equal(eff_pickle_parse(&p, b, n, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "more than 1048576 values"));
    assert_false(p.cut);
    eff_pickle_free(&p);
    free(b);
}

static void no_memory(void **state)
{
    (void)state;
    static const char bytes[] = P2 "](ca\nb\n)R(K\1K\2uq\0h\0X\1\0\0\0a}K\1K\2se.";
    eff_pickle p;
    eff_error err = { 0 };
    eff_status s = EFF_ENOMEM;
    long i = 0;
    for (; s != EFF_OK; i++) {
        eff_alloc_fail_after(i);
        s = eff_pickle_parse(&p, (const unsigned char *)bytes, sizeof bytes - 1, &err);
        eff_alloc_fail_after(-1);
        eff_pickle_free(&p);
        if (s != EFF_OK) assert_int_equal(s, EFF_ENOMEM);
        assert_true(i < 100);
    }
    assert_true(i > 4);
    eff_pickle_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opcodes),
        cmocka_unit_test(refusals),
        cmocka_unit_test(memory),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
