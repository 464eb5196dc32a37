/* SPDX-License-Identifier: Apache-2.0 */
/* Event files read back by a decoder of the test's own: framing, checksums (bit by bit, after the published check
 * value), fields. */
#define _GNU_SOURCE
#include "support.h"

#include "base/mem.h"
#include "report/events.h"

#include <ctype.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint32_t crc32c(const unsigned char *p, size_t n)
{
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < 8 * n; i++) {
        const uint32_t bit = (c ^ (uint32_t)(p[i / 8] >> (i % 8))) & 1;
        c = (c >> 1) ^ (bit ? 0x82f63b78u : 0);
    }
    return ~c;
}

static uint32_t unmasked(uint32_t m)
{
    const uint32_t r = m - 0xa282ead8u;
    return (r >> 17) | (r << 15);
}

static uint64_t little(const unsigned char *p, int n)
{
    uint64_t v = 0;
    for (int i = n - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

/* ------------------------------------------------------------------------------- protocol buffers, any of them */

typedef struct field {
    int number, wire;
    uint64_t value; /* varint, 32 and 64 bits */
    const unsigned char *bytes;
    size_t n;
} field;

static const unsigned char *varint(const unsigned char *p, const unsigned char *end, uint64_t *v)
{
    *v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        assert_true(p < end);
        *v |= (uint64_t)(*p & 127) << shift;
        if (!(*p++ & 128)) return p;
    }
    fail_msg("a varint of more than ten bytes");
    return NULL;
}

static const unsigned char *next_field(const unsigned char *p, const unsigned char *end, field *f)
{
    uint64_t v;
    p = varint(p, end, &v);
    *f = (field){ .number = (int)(v >> 3), .wire = (int)(v & 7) };
    if (f->wire == 0) return varint(p, end, &f->value);
    f->n = f->wire == 1 ? 8 : 4;
    if (f->wire == 2) {
        p = varint(p, end, &v);
        f->n = (size_t)v;
    } else {
        assert_true(f->wire == 1 || f->wire == 5);
    }
    assert_true(f->n <= (size_t)(end - p));
    f->bytes = p;
    if (f->wire != 2) f->value = little(p, (int)f->n);
    return p + f->n;
}

typedef struct event {
    double time;
    int64_t step;
    char version[32], tag[256];
    float value;
    int fields;
} event;

static void read_value(event *e, const unsigned char *p, size_t n)
{
    field f;
    for (const unsigned char *end = p + n; p < end;) {
        p = next_field(p, end, &f);
        if (f.number == 1 && f.wire == 2) {
            assert_true(f.n < sizeof e->tag);
            memcpy(e->tag, f.bytes, f.n);
        } else {
            assert_true(f.number == 2 && f.wire == 5);
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&e->value, &bits, 4);
        }
    }
}

static event read_event(const unsigned char *p, size_t n)
{
    event e = { 0 };
    field f, v;
    for (const unsigned char *end = p + n; p < end; e.fields++) {
        p = next_field(p, end, &f);
        switch (f.number) {
        case 1:
            assert_int_equal(f.wire, 1);
            memcpy(&e.time, &f.value, 8);
            break;
        case 2:
            assert_int_equal(f.wire, 0);
            e.step = (int64_t)f.value;
            break;
        case 3:
            assert_true(f.wire == 2 && f.n < sizeof e.version);
            memcpy(e.version, f.bytes, f.n);
            break;
        case 5:
            assert_true(f.wire == 2 && next_field(f.bytes, f.bytes + f.n, &v) == f.bytes + f.n);
            assert_true(v.number == 1 && v.wire == 2);
            read_value(&e, v.bytes, v.n);
            break;
        default: fail_msg("field %d", f.number);
        }
    }
    return e;
}

/* Every record of a file, its checksums right and nothing left over. */
static int read_events(const char *path, event *out, int most)
{
    static unsigned char b[1 << 16];
    FILE *const f = fopen(path, "rb");
    assert_non_null(f);
    const size_t size = fread(b, 1, sizeof b, f);
    assert_true(feof(f));
    fclose(f);
    int n = 0;
    for (size_t at = 0; at < size; n++) {
        assert_true(size - at >= 16 && n < most);
        const size_t length = (size_t)little(b + at, 8);
        assert_true(length <= size - at - 16);
        assert_int_equal(unmasked((uint32_t)little(b + at + 8, 4)), crc32c(b + at, 8));
        assert_int_equal(unmasked((uint32_t)little(b + at + 12 + length, 4)), crc32c(b + at + 12, length));
        out[n] = read_event(b + at + 12, length);
        at += length + 16;
    }
    return n;
}

/* ------------------------------------------------------------------------------------------------ tests */

static const char *folder(void)
{
    static char path[512];
    static int k;
    snprintf(path, sizeof path, "%s", t_tmp("events%d", k++));
    assert_int_equal(mkdir(path, 0777), 0);
    return path;
}

static void checksum(void **state)
{
    (void)state;
    assert_int_equal(crc32c((const unsigned char *)"123456789", 9),
                     0xe3069283u); /* RFC 3720's polynomial: the published check value */
}

static void there_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *tag;
        int64_t step;
        double value;
    } in[] = { { "loss/train", 0, 2.302585 }, { "loss/train", 1, -0.0 },   { "top1/val", 127, 1 },
               { "top1/val", 128, 0.1 },      { "x", INT64_MAX, 1e-40 },   { "x", -1, 1e300 },
               { "loss/val", 300, NAN },      { "lr", 1 << 20, -INFINITY } };
    enum { N = sizeof in / sizeof *in };
    eff_error err = { 0 };
    eff_events *e;
    event got[N + 2];
    const double before = (double)time(NULL);
    T_OK(eff_events_open(&e, folder(), &err), err);
    assert_int_equal(read_events(eff_events_path(e), got, N + 2), 1); /* the first record is there at once */
    assert_string_equal(got[0].version, "brain.Event:2");
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_.", *c)) *c = '-';
    assert_non_null(strstr(eff_events_path(e), *host ? host : "localhost"));
    assert_int_equal(got[0].fields, 2);
    for (int i = 0; i < N; i++) T_OK(eff_events_scalar(e, in[i].tag, in[i].step, in[i].value, &err), err);
    assert_int_equal(read_events(eff_events_path(e), got, N + 2), 1);
    T_OK(eff_events_flush(e, &err), err);
    assert_int_equal(read_events(eff_events_path(e), got, N + 2), N + 1);
    for (int i = 0; i < N; i++) {
        const float want = (float)in[i].value;
        assert_string_equal(got[i + 1].tag, in[i].tag);
        assert_int_equal(got[i + 1].step, in[i].step);
        assert_memory_equal(&got[i + 1].value, &want, 4);
        assert_int_equal(got[i + 1].fields, 3);
        assert_true(got[i + 1].time >= before && got[i + 1].time < before + 600 && got[i + 1].time >= got[i].time);
    }
    eff_events_close(e);
    eff_events_close(NULL);
}

/* TensorBoard looks for "tfevents" and reads in the order of names. */
static void files_of_a_run(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_events *first, *second;
    char path[1024];
    event got[4];
    const char *const dir = folder();
    T_OK(eff_events_open(&first, dir, &err), err);
    T_OK(eff_events_scalar(first, "a", 1, 1, &err), err);
    snprintf(path, sizeof path, "%s", eff_events_path(first));
    eff_events_close(first); /* flushes */
    T_OK(eff_events_open(&second, dir, &err), err);
    assert_true(strcmp(path, eff_events_path(second)) < 0);
    assert_non_null(strstr(path, "/events.out.tfevents."));
    assert_int_equal(read_events(path, got, 4), 2);
    eff_events_close(second);
    assert_int_equal(eff_events_open(&first, t_tmp("no such folder"), &err), EFF_EIO);
    assert_null(first);
    assert_non_null(strstr(err.msg, "event file: cannot write"));
}

static void refused(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_events *e;
    event got[4];
    char tag[202];
    T_OK(eff_events_open(&e, folder(), &err), err);
    memset(tag, 't', sizeof tag);
    tag[201] = '\0';
    assert_int_equal(eff_events_scalar(e, tag, 1, 1, &err), EFF_EARG);
    assert_int_equal(eff_events_scalar(e, "", 1, 1, &err), EFF_EARG);
    tag[200] = '\0';
    T_OK(eff_events_scalar(e, tag, INT64_MIN, 1, &err), err); /* the longest record there is */
    T_OK(eff_events_flush(e, &err), err);
    assert_int_equal(read_events(eff_events_path(e), got, 4), 2);
    assert_string_equal(got[1].tag, tag);
    eff_events_close(e);
}

/* A disk that is full for a while: the error is said, nothing is lost and no record is written twice. */
static void full_disk(void **state)
{
    (void)state;
    enum { N = 100 };
    eff_error err = { 0 };
    eff_events *e;
    static event got[N + 2];
    struct rlimit old, small;
    T_OK(eff_events_open(&e, folder(), &err), err);
    for (int i = 0; i < N; i++) T_OK(eff_events_scalar(e, "loss", i, i, &err), err);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1001;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const eff_status s = eff_events_flush(e, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(s, EFF_EIO);
    assert_non_null(strstr(err.msg, "event file: cannot write"));
    T_OK(eff_events_flush(e, &err), err);
    assert_int_equal(read_events(eff_events_path(e), got, N + 2), N + 1);
    for (int i = 0; i < N; i++) assert_int_equal(got[i + 1].step, i);
    eff_events_close(e);
}

static void no_memory(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_events *e;
    const char *const dir = folder();
    long n = 0;
    for (;; n++) {
        eff_alloc_fail_after(n);
        eff_status s = eff_events_open(&e, dir, &err);
        for (int i = 0; s == EFF_OK && i < 100; i++) s = eff_events_scalar(e, "loss", i, i, &err); /* grows */
        eff_alloc_fail_after(-1);
        eff_events_close(e);
        if (s == EFF_OK) break;
        assert_int_equal(s, EFF_ENOMEM);
    }
    assert_true(n >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum), cmocka_unit_test(there_and_back), cmocka_unit_test(files_of_a_run),
        cmocka_unit_test(refused),  cmocka_unit_test(full_disk),      cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
