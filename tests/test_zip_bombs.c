/* SPDX-License-Identifier: Apache-2.0 */
/* Small files that ask for a lot: zip archives and pickles that grow when they are read. Each is refused by a process of its own,
 * whose CPU time and memory are measured. The aim is 50 ms and 64 MB on an idle machine; the test allows time for a busy one and
 * for sanitizers. */
#define _GNU_SOURCE
#include "checkpoints.h"
#include "pickles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

enum { MAX_MS = SANITIZED ? 10000 : 500, MAX_KB = 64 << 10 };

/* -------------------------------------------------------------------------------------- writing archives */

/* A zip by hand: libzip would not write what these claim. */
typedef struct archive {
    t_buffer file, directory;
    unsigned entries;
} archive;

typedef struct member {
    const char *name;
    const void *bytes;          /* as they lie in the file */
    uint32_t stored, claimed;   /* how many; bytes they are said to become */
    uint32_t crc;
    int deflated;
} member;

static void put2(t_buffer *b, unsigned v) { t_put(b, (const unsigned char[]){ v & 255, v >> 8 & 255 }, 2); }

static void put4(t_buffer *b, uint32_t v)
{
    put2(b, v & 0xffff);
    put2(b, v >> 16);
}

static void put_common(t_buffer *b, const member *m)
{
    put2(b, 20);
    put2(b, 0);
    put2(b, m->deflated ? 8 : 0);
    put4(b, 0x00210000); /* 1 January 1980 */
    put4(b, m->crc);
    put4(b, m->stored);
    put4(b, m->claimed);
    put2(b, (unsigned)strlen(m->name));
    put2(b, 0);
}

static void list_member(archive *a, const member *m, uint32_t where)
{
    T_PUT(&a->directory, "PK\1\2\x14\0");
    put_common(&a->directory, m);
    t_put(&a->directory, "\0\0\0\0\0\0\0\0\0\0", 10);
    put4(&a->directory, where);
    t_put(&a->directory, m->name, strlen(m->name));
    a->entries++;
}

static uint32_t add_member(archive *a, const member *m)
{
    const uint32_t where = (uint32_t)a->file.n;
    T_PUT(&a->file, "PK\3\4");
    put_common(&a->file, m);
    t_put(&a->file, m->name, strlen(m->name));
    t_put(&a->file, m->bytes, m->stored);
    list_member(a, m, where);
    return where;
}

static void finish(archive *a, const char *path)
{
    const uint32_t at = (uint32_t)a->file.n, size = (uint32_t)a->directory.n;
    t_put(&a->file, a->directory.p, a->directory.n);
    T_PUT(&a->file, "PK\5\6\0\0\0\0");
    put2(&a->file, a->entries);
    put2(&a->file, a->entries);
    put4(&a->file, size);
    put4(&a->file, at);
    put2(&a->file, 0);
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(a->file.p, 1, a->file.n, f), a->file.n);
    fclose(f);
    free(a->file.p);
    free(a->directory.p);
}

/* Raw deflate of n bytes. Not at level 9, which takes seconds to look for better matches and finds none. */
static member deflated(const char *name, const void *p, size_t n)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    const size_t room = deflateBound(&z, (uLong)n);
    unsigned char *const out = malloc(room);
    z.next_in = (Bytef *)(uintptr_t)p;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    const member m = { name, out, (uint32_t)z.total_out, (uint32_t)n, (uint32_t)crc32(0, p, (uInt)n), 1 };
    deflateEnd(&z);
    return m;
}

static member stored(const char *name, const void *p, size_t n)
{
    return (member){ name, p, (uint32_t)n, (uint32_t)n, (uint32_t)crc32(0, p, (uInt)n), 0 };
}

/* Bytes of which deflate makes about a 100th to a 200th: zeros with some noise. */
static unsigned char *nearly_zero(size_t n)
{
    unsigned char *const p = calloc(n, 1);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i += 400) {
        x = x * 1664525 + 1013904223;
        p[i] = (unsigned char)(x >> 24);
    }
    return p;
}

static void dict_open(t_buffer *b) { T_PUT(b, "\x80\x02}("); }
static void dict_close(t_buffer *b) { T_PUT(b, "u."); }

/* ------------------------------------------------------------------------------------------------ measuring */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Of this process or, RUSAGE_CHILDREN, of the largest of the workers that it waited for. */
static long peak_kb(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return u.ru_maxrss;
}

static double workers_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return 1e3 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-3 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

typedef struct outcome {
    eff_status status;
    double ms;
    long kb;
    char msg[252];
} outcome;

/* Loads `path` in a child. */
static outcome load(const char *path)
{
    int end[2];
    outcome o = { 0 };
    assert_int_equal(pipe(end), 0);
    fflush(stdout);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        eff_model *m;
        eff_error err = { 0 };
        const long kb = peak_kb(RUSAGE_SELF);
        const double start = now_ms();
        o.status = eff_model_load(&m, path, NULL, &err);
        o.ms = now_ms() - start + workers_ms();
        o.kb = peak_kb(RUSAGE_SELF) - kb;
        if (peak_kb(RUSAGE_CHILDREN) > kb) o.kb += peak_kb(RUSAGE_CHILDREN) - kb; /* it is counted from where we stood */
        memcpy(o.msg, err.msg, sizeof o.msg);
        if (write(end[1], &o, sizeof o) != sizeof o) _exit(1);
        _exit(0);
    }
    close(end[1]);
    int status;
    assert_int_equal(read(end[0], &o, sizeof o), sizeof o);
    waitpid(child, &status, 0);
    close(end[0]);
    assert_int_equal(status, 0);
    return o;
}

static void refused(const char *what, const char *path, const char *says)
{
    const outcome o = load(path);
    printf("%-28s %6.1f ms %6ld kB  %s\n", what, o.ms, o.kb, o.msg);
    if (o.status != EFF_EFORMAT && o.status != EFF_EUNSUPPORTED) fail_msg("%s: %d \"%s\"", what, o.status, o.msg);
    if (!strstr(o.msg, says)) fail_msg("%s: \"%s\", expected \"%s\"", what, o.msg, says);
    if (o.ms > MAX_MS) fail_msg("%s: refused after %.0f ms", what, o.ms);
    if (!SANITIZED) t_figure((double)o.kb, MAX_KB, "kB that refusing takes, %s", what);
}

/* ---------------------------------------------------------------------------------------------- the bombs */

enum { MB = 1 << 20 };

static void pickles_that_expand(void **state)
{
    (void)state;
    const char *const path = t_tmp("bomb.pth");
    /* 64 MB of zeros in 64 kB, as they are and claimed to be 100 bytes */
    unsigned char *const zeros = calloc(64, MB);
    member m = deflated("m/data.pkl", zeros, 64 * (size_t)MB);
    for (int lie = 0; lie < 2; lie++) {
        archive a = { 0 };
        if (lie) m.claimed = 100;
        add_member(&a, &m);
        finish(&a, path);
        refused(lie ? "pickle, 64 MB said to be 100" : "pickle, 64 MB", path, lie ? "data.pkl: " : "data.pkl: 67108864 bytes");
    }
    free((void *)(uintptr_t)m.bytes);
    free(zeros);
    /* no compression too good to be true, and as long as a pickle may be: all of it opcodes that make values, or references */
    static const char *const ops[] = { "]", "K\x01", "(", "N\x85", "2" };
    unsigned char *const p = nearly_zero(8 * (size_t)MB);
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
        const size_t step = strlen(ops[k]), n = 8 * (size_t)MB;
        memset(p, 0, n);
        for (size_t i = 0; i < n; i++) p[i] = (unsigned char)ops[k][(i + step - 3 % step) % step];
        memcpy(p, "\x80\x02N", 3);
        /* noise behind what the limits allow keeps the ratio below its own */
        uint32_t x = 1;
        for (size_t i = n / 2; i < n; i++) {
            x = x * 1664525 + 1013904223;
            if (x >> 28 == 0) p[i] = (unsigned char)(x >> 20);
        }
        archive a = { 0 };
        m = deflated("m/data.pkl", p, n);
        add_member(&a, &m);
        finish(&a, path);
        refused("pickle, 8 MB of opcodes", path, "data.pkl: ");
        free((void *)(uintptr_t)m.bytes);
    }
    free(p);
}

/* A legacy stream of the same opcodes: nothing is compressed, but a value takes more memory than an opcode. */
static void plain_pickle(void **state)
{
    (void)state;
    const char *const path = t_tmp("bomb.pth");
    unsigned char *const p = malloc(12 * (size_t)MB);
    memset(p, '}', 12 * (size_t)MB);
    memcpy(p, "\x80\x02", 2);
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, 12 * (size_t)MB, f), 12 * (size_t)MB);
    fclose(f);
    free(p);
    refused("legacy, 12 MB of opcodes", path, "more than 1048576 values");
}

/* Names: a key of 1,000 bytes above a dict of very many tensors, which are one tensor. */
static void long_names(void **state)
{
    (void)state;
    const char *const path = t_tmp("bomb.pth");
    static const float x[6];
    char key[1001], name[16];
    t_buffer b = { 0 };
    memset(key, 'k', 1000);
    key[1000] = '\0';
    T_PUT(&b, "\x80\x02");
    t_put_tensor(&b, &t_vector);
    T_PUT(&b, "q\x01" "0}(");
    t_put_str(&b, key);
    T_PUT(&b, "}(");
    for (int i = 0; i < 120000; i++) {
        snprintf(name, sizeof name, "%x", i);
        t_put_str(&b, name);
        T_PUT(&b, "h\x01");
    }
    T_PUT(&b, "uu.");
    archive a = { 0 };
    const member pkl = deflated("m/data.pkl", b.p, b.n), data = stored("m/data/0", x, sizeof x);
    add_member(&a, &pkl);
    add_member(&a, &data);
    finish(&a, path);
    refused("long names", path, "names take more than");
    free((void *)(uintptr_t)pkl.bytes);
    free(b.p);
}

/* A storage of 64 MB that a member of little claims to hold; ratios beyond belief, and just below. */
static void storages_that_expand(void **state)
{
    (void)state;
    const char *const path = t_tmp("bomb.pth");
    for (int noisy = 0; noisy < 2; noisy++) {
        const size_t n = 64 * (size_t)MB;
        unsigned char *const p = noisy ? nearly_zero(n) : calloc(n, 1);
        t_buffer b = { 0 };
        archive a = { 0 };
        dict_open(&b);
        for (int i = 0; i < 2; i++) {
            char key[8];
            snprintf(key, sizeof key, "w%d", i);
            t_put_str(&b, key);
            t_put_tensor(&b, &(t_spec){ .numel = (int64_t)n / 4, .offset = (int64_t)n / 4 - 1 - i });
        }
        dict_close(&b);
        const member pkl = stored("m/data.pkl", b.p, b.n), data = deflated("m/data/0", p, n);
        add_member(&a, &pkl);
        add_member(&a, &data);
        finish(&a, path);
        refused(noisy ? "storage, believable ratio" : "storage, 64 MB of zeros", path, noisy ? "expands the file more than" : "data/0: 67108864 bytes compressed");
        free((void *)(uintptr_t)data.bytes);
        free(b.p);
        free(p);
    }
}

/* 10,000 names for the same megabyte: compressed or not, all tensors together would be 10 GB to read. */
static void overlapping_members(void **state)
{
    (void)state;
    const char *const path = t_tmp("bomb.pth");
    enum { N = 10000 };
    unsigned char *const p = nearly_zero(MB);
    for (int deflate_it = 0; deflate_it < 2; deflate_it++) {
        t_buffer b = { 0 };
        archive a = { 0 };
        member data = deflate_it ? deflated("m/data/00000", p, MB) : stored("m/data/00000", p, MB);
        const uint32_t where = add_member(&a, &data);
        T_PUT(&b, "\x80\x02}(");
        for (int i = 0; i < N; i++) {
            char name[24], key[16];
            snprintf(key, sizeof key, "%05d", i);
            snprintf(name, sizeof name, "m/data/%05d", i);
            t_put_str(&b, key);
            t_put_tensor(&b, &(t_spec){ .key = key, .numel = MB / 4 });
            data.name = name;
            if (i) list_member(&a, &data, where);
        }
        T_PUT(&b, "u.");
        const member pkl = deflated("m/data.pkl", b.p, b.n);
        add_member(&a, &pkl);
        finish(&a, path);
        refused(deflate_it ? "overlapping, compressed" : "overlapping, stored", path, "the members overlap");
        free((void *)(uintptr_t)pkl.bytes);
        if (deflate_it) free((void *)(uintptr_t)data.bytes);
        free(b.p);
    }
    free(p);
}

/* Views that repeat one element: every tensor is small in the file, reading them all is not. */
static void repeating_views(void **state)
{
    (void)state;
    const char *const path = t_tmp("bomb.pth");
    enum { N = 20000 };
    float *const x = calloc(1, 2 * (size_t)MB);
    t_buffer b = { 0 };
    archive a = { 0 };
    dict_open(&b);
    for (int i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        t_put_str(&b, key);
        t_put_tensor(&b, &(t_spec){ .numel = MB / 2, .ndim = 2, .nstride = 2, .dim = { 700, 700 }, .stride = { 0, 1 } });
    }
    dict_close(&b);
    const member pkl = stored("m/data.pkl", b.p, b.n), data = stored("m/data/0", x, 2 * (size_t)MB);
    add_member(&a, &pkl);
    add_member(&a, &data);
    finish(&a, path);
    refused("repeating views", path, "its tensors take 39200000000 bytes");
    free(b.p);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pickles_that_expand),  cmocka_unit_test(plain_pickle),        cmocka_unit_test(long_names),
        cmocka_unit_test(storages_that_expand), cmocka_unit_test(overlapping_members), cmocka_unit_test(repeating_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
