/* SPDX-License-Identifier: Apache-2.0 */
/* The trial store: several processes on one file, killed at any moment; files that are none. */
#include "support.h"

#include "base/mem.h"
#include "trials/store.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KIND "test"
#define SPEC "{\"data\":\"abc\",\"lr\":1}"

enum { TRIALS = 24 };

static void pause_ms(long ms)
{
    const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

static eff_store *open_at(const char *path)
{
    eff_error err = { 0 };
    eff_store *s;
    T_OK(eff_store_open(&s, path, KIND, SPEC, &err), err);
    return s;
}

static void add_trials(eff_store *s, int64_t *id)
{
    eff_error err = { 0 };
    char text[TRIALS][32];
    const char *key[TRIALS];
    for (int i = 0; i < TRIALS; i++) {
        snprintf(text[i], sizeof text[i], "{\"trial\":%d}", i);
        key[i] = text[i];
    }
    T_OK(eff_store_add(s, key, TRIALS, id, &err), err);
}

/* A worker in a process of its own: claims until nothing is left, each trial taking `ms`. It logs what it finished
 * after the store has it. */
static pid_t start_worker(const char *path, long ms, int log)
{
    const pid_t pid = fork();
    if (pid) return pid;
    int64_t id[TRIALS];
    eff_store *const s = open_at(path);
    add_trials(s, id);
    for (;;) {
        eff_error err = { 0 };
        char result[32];
        int at;
        if (eff_store_claim(s, id, TRIALS, &at, &err) != EFF_OK) _exit(2);
        if (at < 0) break;
        pause_ms(ms);
        snprintf(result, sizeof result, "{\"r\":%d}", at * at);
        if (eff_store_done(s, id[at], result, 1, &err) != EFF_OK) _exit(3);
        const unsigned char mark = (unsigned char)at;
        if (write(log, &mark, 1) != 1) _exit(4);
    }
    eff_store_close(s);
    _exit(0);
}

static void check_all_done(const char *path, int most_claims)
{
    eff_error err = { 0 };
    int64_t id[TRIALS];
    int claims = 0;
    eff_store *const s = open_at(path);
    add_trials(s, id); /* the same keys: the same trials */
    for (int i = 0; i < TRIALS; i++) {
        char want[32];
        eff_trial t;
        T_OK(eff_store_get(s, id[i], &t, &err), err);
        snprintf(want, sizeof want, "{\"r\":%d}", i * i);
        assert_int_equal(t.state, EFF_TRIAL_DONE);
        assert_string_equal(t.result, want);
        claims += t.claims;
        eff_free(t.result);
    }
    assert_in_range(claims, TRIALS, most_claims);
    eff_store_close(s);
}

/* Processes that begin together share the trials out: each is done once. */
static void test_processes(void **state)
{
    (void)state;
    const char *const path = t_tmp("together.db");
    int log[2], done[TRIALS] = { 0 };
    unsigned char mark;
    pid_t pid[3];
    assert_int_equal(pipe(log), 0);
    for (int i = 0; i < 3; i++) pid[i] = start_worker(path, 1, log[1]);
    for (int i = 0; i < 3; i++) {
        int status;
        waitpid(pid[i], &status, 0);
        assert_int_equal(status, 0);
    }
    close(log[1]);
    while (read(log[0], &mark, 1) == 1) done[mark]++;
    for (int i = 0; i < TRIALS; i++) assert_int_equal(done[i], 1);
    close(log[0]);
    check_all_done(path, TRIALS);
}

/* Workers that are killed, at moments of all kinds, lose at most the trial that they were at; no result is lost. */
static void test_killed(void **state)
{
    (void)state;
    const char *const path = t_tmp("killed.db");
    int log[2], status, killed = 0, done[TRIALS] = { 0 };
    unsigned char mark;
    assert_int_equal(pipe(log), 0);
    for (int i = 0; i < 8; i++) {
        const pid_t pid = start_worker(path, 4, log[1]), other = i % 2 ? start_worker(path, 4, log[1]) : 0;
        pause_ms(5 + 7 * (i % 5));
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        killed += WIFSIGNALED(status);
        if (other) {
            kill(other, SIGKILL);
            waitpid(other, &status, 0);
            killed += WIFSIGNALED(status);
        }
    }
    const pid_t last = start_worker(path, 0, log[1]);
    waitpid(last, &status, 0);
    assert_int_equal(status, 0);
    close(log[1]);
    while (read(log[0], &mark, 1) == 1) done[mark]++;
    for (int i = 0; i < TRIALS; i++) assert_in_range(done[i], 0, 1); /* 0: killed between store and log */
    close(log[0]);
    check_all_done(path, TRIALS + killed);
}

/* A trial belongs to a living worker, is given back on request, when it closes, and when it dies. */
static void test_claims(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const char *const path = t_tmp("claims.db");
    int64_t id[TRIALS];
    int at, n;
    eff_trial t;
    eff_store *const a = open_at(path), *b = open_at(path);
    add_trials(a, id);
    T_OK(eff_store_claim(a, id, 2, &at, &err), err);
    assert_int_equal(at, 0);
    T_OK(eff_store_claim(b, id, 2, &at, &err), err);
    assert_int_equal(at, 1);
    T_OK(eff_store_claim(b, id, 2, &at, &err), err);
    assert_int_equal(at, -1);
    T_OK(eff_store_workers(a, &n, &err), err);
    assert_int_equal(n, 2);
    T_OK(eff_store_done(b, id[0], "{}", 1, &err), err); /* not its own: nothing changes */
    T_OK(eff_store_get(a, id[0], &t, &err), err);
    assert_int_equal(t.state, EFF_TRIAL_RUNNING);
    eff_store_close(b);
    T_OK(eff_store_claim(a, id, 2, &at, &err), err);
    assert_int_equal(at, 1);
    T_OK(eff_store_give_back(a, id[0], &err), err);
    T_OK(eff_store_get(a, id[0], &t, &err), err);
    assert_int_equal(t.claims, 0); /* it brought nobody down */
    T_OK(eff_store_failed(a, id[1], "diverged", 1, &err), err);
    T_OK(eff_store_claim(a, id, 2, &at, &err), err);
    assert_int_equal(at, 0);
    T_OK(eff_store_get(a, id[1], &t, &err), err);
    assert_int_equal(t.state, EFF_TRIAL_FAILED);
    assert_string_equal(t.result, "diverged");
    assert_int_equal(t.claims, 2);
    eff_free(t.result);
    eff_store_close(a);
}

static int run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    if (sqlite3_open(path, &db) != SQLITE_OK) return -1;
    const int r = sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_close(db);
    return r;
}

/* A worker on another machine counts as dead once it is silent for long, and not before. */
static void test_elsewhere(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const char *const path = t_tmp("elsewhere.db");
    int64_t id[TRIALS];
    int at;
    char sql[200];
    eff_store *const s = open_at(path);
    add_trials(s, id);
    snprintf(
        sql, sizeof sql,
        "INSERT INTO worker VALUES(99, 'far away', 1, %lld); UPDATE trial SET state = 1, worker = 99 WHERE id = %lld",
        (long long)time(NULL), (long long)id[0]);
    assert_int_equal(run_sql(path, sql), SQLITE_OK);
    T_OK(eff_store_claim(s, id, 1, &at, &err), err);
    assert_int_equal(at, -1);
    assert_int_equal(run_sql(path, "UPDATE worker SET beat = beat - 1000 WHERE id = 99"), SQLITE_OK);
    T_OK(eff_store_claim(s, id, 1, &at, &err), err);
    assert_int_equal(at, 0);
    eff_store_close(s);
}

static void test_notes(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const char *const path = t_tmp("notes.db");
    char *text;
    eff_store *const a = open_at(path), *const b = open_at(path);
    T_OK(eff_store_get_note(a, "plan", &text, &err), err);
    assert_null(text);
    T_OK(eff_store_settle(a, "plan", "first", &text, &err), err);
    assert_string_equal(text, "first");
    eff_free(text);
    T_OK(eff_store_settle(b, "plan", "second", &text, &err), err);
    assert_string_equal(text, "first");
    eff_free(text);
    T_OK(eff_store_put_note(b, "plan", "third", &err), err);
    T_OK(eff_store_get_note(a, "plan", &text, &err), err);
    assert_string_equal(text, "third");
    eff_free(text);
    eff_store_close(a);
    eff_store_close(b);
    eff_store *c;
    T_OK(eff_store_look(&c, path, &err), err);
    assert_string_equal(eff_store_kind(c), KIND);
    assert_int_equal(eff_store_put_note(c, "plan", "x", &err), EFF_EARG);
    eff_store_close(c);
}

static void put_file(const char *path, const char *text)
{
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void refused(const char *path, const char *kind, const char *spec, const char *part)
{
    eff_error err = { 0 };
    eff_store *s;
    const eff_status e = eff_store_open(&s, path, kind, spec, &err);
    assert_int_equal(e, EFF_EFORMAT);
    assert_null(s);
    if (!strstr(err.msg, part)) fail_msg("%s: expected '%s' in '%s'", path, part, err.msg);
    assert_null(strchr(err.msg, '\n'));
}

/* What is no store of ours: one line, and the file stays as it is. */
static void test_foreign(void **state)
{
    (void)state;
    const char *const path = t_tmp("foreign.db");
    put_file(path, "this is not a database, but long enough that it could be taken for the header of one: 100 bytes "
                   "are needed for that, at least");
    refused(path, KIND, SPEC, "expected an SQLite file");
    unlink(path);
    assert_int_equal(run_sql(path, "CREATE TABLE mine(x)"), SQLITE_OK);
    refused(path, KIND, SPEC, "no trial store");
    assert_int_equal(run_sql(path, "INSERT INTO mine VALUES(1)"), SQLITE_OK);
    unlink(path);
    eff_store_close(open_at(path));
    refused(path, "other", SPEC, "it is of a test, expected a other");
    refused(path, KIND, "{\"data\":\"abc\",\"lr\":2}", "lr is 1 there and 2 here");
    assert_int_equal(run_sql(path, "PRAGMA user_version = 2"), SQLITE_OK);
    refused(path, KIND, SPEC, "version 2, this program reads version 1");
    refused("/dev/null", KIND, SPEC, "expected a regular file");
}

/* Bytes that changed anywhere in the file: an error or the same content, never a crash. */
static void test_damaged(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const char *const path = t_tmp("damaged.db");
    int64_t id[TRIALS];
    eff_store *s = open_at(path);
    add_trials(s, id);
    eff_store_close(s);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    static unsigned char bytes[1 << 20], changed[1 << 20];
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    int errors = 0;
    for (unsigned k = 0; k < 60; k++) {
        memcpy(changed, bytes, n);
        for (unsigned j = 0; j < 8; j++)
            changed[(k * 7919u + j * 104729u + 13) % n] ^= (unsigned char)(1 + (k * 31 + j * 17) % 255);
        f = fopen(path, "wb");
        assert_int_equal(fwrite(changed, 1, k % 5 ? n : n * (k + 1) / 61, f), k % 5 ? n : n * (k + 1) / 61);
        fclose(f);
        const eff_status e = eff_store_open(&s, path, KIND, SPEC, &err);
        if (e != EFF_OK) {
            assert_true(err.msg[0] && !strchr(err.msg, '\n'));
            errors++;
            continue;
        }
        eff_trial t;
        for (int i = 0; i < TRIALS; i++)
            if (eff_store_get(s, id[i], &t, &err) == EFF_OK) eff_free(t.result);
        eff_store_close(s);
    }
    assert_true(errors > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_processes), cmocka_unit_test(test_killed),
                                        cmocka_unit_test(test_claims),    cmocka_unit_test(test_elsewhere),
                                        cmocka_unit_test(test_notes),     cmocka_unit_test(test_foreign),
                                        cmocka_unit_test(test_damaged) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
