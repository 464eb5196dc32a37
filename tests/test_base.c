/* SPDX-License-Identifier: Apache-2.0 */
/* base/: the pool runs every task once at any size, saves are whole or not there, messages stay one line. */
#include "support.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct job {
    atomic_int hits[257];
    int threads;
} job;

static void count_task(void *ctx, int task, int worker)
{
    job *j = ctx;
    if (worker < 0 || worker >= j->threads) abort();
    atomic_fetch_add(&j->hits[task], 1);
}

#if defined(__x86_64__) || defined(__aarch64__)
/* Every task finds a product that is a denormal number to be 0; the caller does not, before or after. */
static void multiply_task(void *ctx, int task, int worker)
{
    (void)worker;
    const volatile float small = 1e-30f;
    ((volatile float *)ctx)[task] = small * 1e-10f;
}

static void test_denormals(void **state)
{
    (void)state;
    eff_error err;
    for (int threads = 0; threads <= 3; threads++) { /* 0: without a pool */
        eff_pool *p = NULL;
        if (threads) T_OK(eff_pool_create(&p, threads, &err), err);
        volatile float product[64], outside[1];
        for (int i = 0; i < 64; i++) product[i] = 1;
        eff_pool_run(p, multiply_task, (void *)product, 64);
        for (int i = 0; i < 64; i++) assert_true(product[i] == 0);
        multiply_task((void *)outside, 0, 0);
        assert_true(outside[0] > 0);
        eff_pool_free(p);
    }
}
#endif

static void test_pool(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        eff_error err = { 0 };
        eff_pool *p;
        T_OK(eff_pool_create(&p, threads, &err), err);
        for (int round = 0; round < 300; round++) {
            job j = { .threads = threads };
            const int tasks = round % 257;
            eff_pool_run(p, count_task, &j, tasks);
            for (int t = 0; t < 257; t++) assert_int_equal(atomic_load(&j.hits[t]), t < tasks);
            if (round == 150) usleep(2000); /* workers go to sleep and must wake again */
        }
        eff_pool_free(p);
    }
    eff_error err = { 0 };
    eff_pool *p;
    assert_int_equal(eff_pool_create(&p, 0, &err), EFF_EARG);
    assert_null(p);
    eff_pool_free(NULL);
}

static char *slurp(const char *path)
{
    unsigned char *b = NULL;
    size_t n;
    return eff_file_read_all(path, 1 << 20, &b, &n, NULL) == EFF_OK ? (char *)b : NULL;
}

static void save_text(const char *path, const char *text)
{
    eff_error err = { 0 };
    eff_save s;
    T_OK(eff_save_begin(&s, path, &err), err);
    fputs(text, s.f);
    T_OK(eff_save_commit(&s, &err), err);
}

static int entries(const char *dir)
{
    char cmd[1100];
    snprintf(cmd, sizeof cmd, "ls -A '%s' | wc -l", dir);
    FILE *f = popen(cmd, "r");
    int n = -1;
    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

static void test_save(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const char *dir = t_tmp("save"), *path = t_tmp("save/model");
    assert_int_equal(mkdir(dir, 0777), 0);
    save_text(path, "first");
    save_text(path, "second");
    char *got = slurp(path);
    assert_string_equal(got, "second");
    eff_free(got);
    eff_save s; /* given up: the old file stays, nothing else does */
    T_OK(eff_save_begin(&s, path, &err), err);
    fputs("third", s.f);
    eff_save_abort(&s);
    got = slurp(path);
    assert_string_equal(got, "second");
    eff_free(got);
    assert_int_equal(entries(dir), 1);
    assert_int_equal(eff_save_begin(&s, t_tmp("no/such/folder"), &err), EFF_EIO);
    assert_int_equal(eff_save_begin(&s, dir, &err), EFF_EIO);
    /* a full disk, as a file-size limit: the write fails, the old file is whole */
    struct rlimit old, small = { 4096, 4096 };
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    T_OK(eff_save_begin(&s, path, &err), err);
    for (int i = 0; i < 100000; i++) fputs("too much ", s.f);
    const eff_status st = eff_save_commit(&s, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(st, EFF_EIO);
    got = slurp(path);
    assert_string_equal(got, "second");
    eff_free(got);
    assert_int_equal(entries(dir), 1);
}

static void test_read(void **state)
{
    (void)state;
    eff_error err = { 0 };
    unsigned char *b;
    size_t n;
    assert_int_equal(eff_file_read_all(t_tmp("missing"), 10, &b, &n, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "no such file");
    assert_int_equal(eff_file_read_all("/", 10, &b, &n, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "directory"));
    assert_int_equal(mkfifo(t_tmp("pipe"), 0600), 0);
    assert_int_equal(eff_file_read_all(t_tmp("pipe"), 10, &b, &n, &err), EFF_EFORMAT);
    save_text(t_tmp("long"), "twelve bytes");
    int fd; /* a program that is started does not inherit it */
    uint64_t bytes;
    T_OK(eff_file_open(t_tmp("long"), &fd, &bytes, &err), err);
    assert_true(bytes == 12 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    close(fd);
    assert_int_equal(eff_file_read_all(t_tmp("long"), 11, &b, &n, &err), EFF_EFORMAT);
    T_OK(eff_file_read_all(t_tmp("long"), 12, &b, &n, &err), err);
    assert_int_equal(n, 12);
    eff_free(b);
    save_text(t_tmp("empty"), ""); /* nothing to map: its reader reads it */
    eff_map map;
    T_OK(eff_file_open(t_tmp("empty"), &fd, &bytes, &err), err);
    assert_false(eff_file_map(&map, fd, bytes));
    close(fd);
    struct rlimit old, none; /* no descriptor is left: that is no fault of the file */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){ 0, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const eff_status s = eff_file_open(t_tmp("long"), &fd, &bytes, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(s, EFF_EIO);
}

static void test_messages(void **state)
{
    (void)state;
    eff_error err = { 0 };
    char name[600];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_int_equal(eff_fail(&err, EFF_EFORMAT, "tensor %s\n\x1b[31m", "a\nb"), EFF_EFORMAT);
    assert_string_equal(err.msg, "tensor a?b??[31m");
    eff_fail(&err, EFF_EARG, "%s", name);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    eff_error_prefix(&err, "field %d", 7);
    assert_memory_equal(err.msg, "field 7: xx", 11);
    assert_int_equal(eff_fail(NULL, EFF_EIO, "ignored"), EFF_EIO);
    eff_fail(&err, EFF_EARG, "%.3s|%s", "d\xc3\xa9\xc3\xa9", "\xff\xc3"); /* cut inside a character; no character at all */
    assert_string_equal(err.msg, "d\xc3\xa9|??");
}

static void test_sizes(void **state)
{
    (void)state;
    size_t r = 5;
    assert_false(eff_mul(SIZE_MAX / 2 + 1, 2, &r));
    assert_int_equal(r, 5);
    assert_true(eff_mul(SIZE_MAX, 1, &r));
    assert_false(eff_add(SIZE_MAX, 1, &r));
    assert_null(eff_malloc_aligned(SIZE_MAX - 3));
    void *p = eff_malloc_aligned(3);
    assert_int_equal((uintptr_t)p % EFF_ALIGN, 0);
    eff_free(p);
    eff_alloc_fail_after(1);
    p = eff_malloc(1);
    assert_non_null(p);
    assert_null(eff_calloc(1, 1));
    assert_int_equal(eff_alloc_count(), 2);
    eff_alloc_fail_after(-1);
    eff_free(p);
}

static void test_levels(void **state)
{
    (void)state;
    unsigned f;
    eff_error err = { 0 };
    assert_int_equal(eff_cpu_select("ref", &f, &err), EFF_OK);
    assert_int_equal(f, 0);
    assert_int_equal(eff_cpu_select("avx9", &f, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "avx9"));
    assert_int_equal(eff_cpu_select("avx512bf16", &f, &err), EFF_OK);
    assert_int_equal(f & ~eff_cpu_detect(), 0); /* a cap never adds what the machine lacks */
    assert_int_equal(strncmp(eff_cpu_levels(), "ref", 3), 0);
    assert_true(eff_cpu_count() >= 1);
}

static void test_save_text(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const char *const dir = t_tmp("texts");
    unsigned char *text;
    size_t n;
    T_OK(eff_make_folder(dir, &err), err);
    T_OK(eff_make_folder(dir, &err), err); /* it is there */
    for (int i = 0; i < 2; i++) {
        T_OK(eff_save_text(dir, "a.txt", i ? "new\n" : "old and longer\n", &err), err);
        T_OK(eff_file_read_all(t_tmp("texts/a.txt"), 100, &text, &n, &err), err);
        assert_string_equal((char *)text, i ? "new\n" : "old and longer\n");
        eff_free(text);
    }
    assert_int_equal(eff_save_text(t_tmp("no/such"), "a.txt", "", &err), EFF_EIO);
    assert_non_null(strstr(err.msg, "/no/such/a.txt: ")); /* which one, among a run's folders */
    assert_int_equal(eff_make_folder(t_tmp("texts/a.txt"), &err), EFF_EIO);
    assert_int_equal(symlink("nowhere", t_tmp("texts/link")), 0);
    assert_int_equal(eff_make_folder(t_tmp("texts/link"), &err), EFF_EIO);
    assert_int_equal(mkfifo(t_tmp("texts/pipe"), 0600), 0);
    assert_int_equal(eff_save_text(dir, "pipe", "", &err), EFF_EIO);
    assert_non_null(strstr(err.msg, "/texts/pipe: cannot write: a special file is there"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#if defined(__x86_64__) || defined(__aarch64__)
        cmocka_unit_test(test_denormals),
#endif
        cmocka_unit_test(test_pool),     cmocka_unit_test(test_save), cmocka_unit_test(test_save_text),  cmocka_unit_test(test_read),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_sizes), cmocka_unit_test(test_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
