/* SPDX-License-Identifier: Apache-2.0 */
/* The store's SQL. Every change is one transaction that begins by taking the write lock, so that what it read still
 * holds when it writes. The journal is a rollback journal, not a write-ahead log: that needs memory shared between
 * processes, which network file systems lack, and a store is written a few times a minute. Invariant: a trial is
 * running only while its worker is named in it. */
#include "trials/store.h"

#include "base/json.h"
#include "base/mem.h"
#include "trials/lease.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    APPLICATION = 0x65666674, /* "efft", in the header of the file                        */
    VERSION = 1,
    WAIT_MS = 60000,    /* for another process' transaction, milliseconds in all     */
    LONGEST = 16 << 20, /* bytes of a text in a store                                */
    BEAT_EVERY = 20     /* seconds */
};

struct eff_store {
    sqlite3 *db;
    eff_lease lease;
    bool looks; /* only */
    char *kind, *spec;
    double beaten;
};

static const char schema[] =
    "CREATE TABLE experiment(id INTEGER PRIMARY KEY CHECK(id = 1), kind TEXT NOT NULL, spec TEXT NOT NULL);"
    "CREATE TABLE note(name TEXT PRIMARY KEY, text TEXT NOT NULL);"
    "CREATE TABLE worker(id INTEGER PRIMARY KEY AUTOINCREMENT, host TEXT NOT NULL, pid INTEGER NOT NULL, beat REAL NOT "
    "NULL);"
    "CREATE TABLE trial(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, state INTEGER NOT NULL DEFAULT 0, worker "
    "INTEGER,"
    " claims INTEGER NOT NULL DEFAULT 0, result TEXT, seconds REAL);";

/* --------------------------------------------------------------------------------------------- statements */

/* What SQLite says, as a status: a full disk is the environment's fault, a broken file that of the input. */
static eff_status sql_failed(eff_store *s, eff_error *err)
{
    const int code = sqlite3_errcode(s->db) & 0xff;
    switch (code) {
    case SQLITE_NOMEM: return eff_fail_memory(err, 0);
    case SQLITE_NOTADB: return eff_fail(err, EFF_EFORMAT, "no trial store: expected an SQLite file");
    case SQLITE_BUSY: return eff_fail(err, EFF_EIO, "another process keeps the store locked");
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN: return eff_fail(err, EFF_EIO, "the store cannot be used: %s", sqlite3_errmsg(s->db));
    default: return eff_fail(err, EFF_EFORMAT, "damaged trial store: %s", sqlite3_errmsg(s->db));
    }
}

/* Prepare and bind: 'i' int64_t, 'd' double, 's' text or NULL. */
static eff_status prepare(eff_store *s, sqlite3_stmt **st, eff_error *err, const char *sql, const char *types, ...)
{
    va_list ap;
    if (sqlite3_prepare_v2(s->db, sql, -1, st, NULL) != SQLITE_OK) return sql_failed(s, err);
    va_start(ap, types);
    for (int i = 1; types[i - 1]; i++) {
        if (types[i - 1] == 'i')
            sqlite3_bind_int64(*st, i, va_arg(ap, int64_t));
        else if (types[i - 1] == 'd')
            sqlite3_bind_double(*st, i, va_arg(ap, double));
        else
            sqlite3_bind_text(*st, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
    }
    va_end(ap);
    return EFF_OK;
}

/* One step: *row tells whether there is a row. */
static eff_status step(eff_store *s, sqlite3_stmt *st, bool *row, eff_error *err)
{
    const int r = sqlite3_step(st);
    *row = r == SQLITE_ROW;
    return r == SQLITE_ROW || r == SQLITE_DONE ? EFF_OK : sql_failed(s, err);
}

/* A statement without rows, whose parameters are bound already. */
static eff_status finish(eff_store *s, sqlite3_stmt *st, eff_error *err)
{
    bool row = false;
    const eff_status e = step(s, st, &row, err);
    sqlite3_finalize(st);
    return e;
}

static eff_status exec(eff_store *s, const char *sql, eff_error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? EFF_OK : sql_failed(s, err);
}

static eff_status begin(eff_store *s, eff_error *err)
{
    if (s->looks) return eff_fail(err, EFF_EARG, "the store was opened to look at");
    return exec(s, "BEGIN IMMEDIATE", err);
}

/* Commit, or roll back what failed. */
static eff_status end(eff_store *s, eff_status e, eff_error *err)
{
    if (e == EFF_OK) e = exec(s, "COMMIT", err);
    if (e != EFF_OK && !sqlite3_get_autocommit(s->db)) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return e;
}

/* Text of column i, copied; NULL where it is null. */
static eff_status text_of(sqlite3_stmt *st, int i, char **out, eff_error *err)
{
    const unsigned char *const t = sqlite3_column_text(st, i);
    *out = NULL;
    if (!t) return EFF_OK;
    *out = eff_strdup((const char *)t);
    return *out ? EFF_OK : eff_fail_memory(err, strlen((const char *)t));
}

static double wall_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------ opening */

static eff_status pragma(eff_store *s, const char *sql, int64_t *v, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    bool row = false;
    eff_status e = prepare(s, &st, err, sql, "");
    if (e == EFF_OK) e = step(s, st, &row, err);
    *v = row ? sqlite3_column_int64(st, 0) : 0;
    sqlite3_finalize(st);
    return e;
}

/* Make the tables where nothing is, and see that what is there is ours. */
static eff_status check_or_make(eff_store *s, eff_error *err)
{
    char sql[80];
    int64_t app, version, tables;
    eff_status e;
    if ((e = pragma(s, "PRAGMA application_id", &app, err)) || (e = pragma(s, "PRAGMA user_version", &version, err)) ||
        (e = pragma(s, "SELECT count(*) FROM sqlite_master", &tables, err)))
        return e;
    if (app == 0 && version == 0 && tables == 0 && !s->looks) {
        snprintf(sql, sizeof sql, "PRAGMA application_id = %d", APPLICATION);
        if ((e = exec(s, schema, err)) || (e = exec(s, sql, err))) return e;
        snprintf(sql, sizeof sql, "PRAGMA user_version = %d", VERSION);
        return exec(s, sql, err);
    }
    if (app != APPLICATION) return eff_fail(err, EFF_EFORMAT, "an SQLite file, but no trial store");
    if (version != VERSION)
        return eff_fail(err, EFF_EFORMAT, "trial store of version %lld, this program reads version %d",
                        (long long)version, VERSION);
    sqlite3_stmt *st = NULL;
    bool row = false;
    e = prepare(s, &st, err, "PRAGMA quick_check(1)", "");
    if (e == EFF_OK) e = step(s, st, &row, err);
    if (e == EFF_OK && row && strcmp((const char *)sqlite3_column_text(st, 0), "ok") != 0)
        e = eff_fail(err, EFF_EFORMAT, "damaged trial store: %.120s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    return e;
}

static eff_status read_experiment(eff_store *s, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    bool row = false;
    eff_status e = prepare(s, &st, err, "SELECT kind, spec FROM experiment", "");
    if (e == EFF_OK) e = step(s, st, &row, err);
    if (e == EFF_OK && row) e = text_of(st, 0, &s->kind, err);
    if (e == EFF_OK && row) e = text_of(st, 1, &s->spec, err);
    if (e == EFF_OK && s->looks && (!s->kind || !s->spec)) e = eff_fail(err, EFF_EFORMAT, "an empty trial store");
    sqlite3_finalize(st);
    return e;
}

/* Go down to the first value in which a and b differ; its place is added to `name`. */
static void first_difference(const json_t **a, const json_t **b, char *name, size_t room)
{
    for (;;) {
        const json_t *x = NULL, *y = NULL;
        const size_t used = strlen(name);
        const char *key;
        json_t *v;
        if (json_is_object(*a) && json_is_object(*b)) {
            json_object_foreach((json_t *)*b, key, v)
            {
                x = json_object_get(*a, key), y = v;
                if (json_equal(x, y)) continue;
                snprintf(name + used, room - used, "%s%s", used ? "." : "", key);
                break;
            }
        } else if (json_is_array(*a) && json_is_array(*b) && json_array_size(*a) == json_array_size(*b)) {
            size_t i = 0;
            while (i < json_array_size(*b) && json_equal(json_array_get(*a, i), json_array_get(*b, i))) i++;
            x = json_array_get(*a, i), y = json_array_get(*b, i);
            snprintf(name + used, room - used, "[%zu]", i);
        }
        if (!y || json_equal(x, y)) {
            name[used] = '\0';
            return;
        }
        *a = x, *b = y;
    }
}

static void show(char *out, size_t room, const json_t *v)
{
    char *const text = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    snprintf(out, room, "%s", text ? text : "absent");
    free(text);
}

/* Two specs differ: say in what. */
static eff_status refuse(const char *there, const char *here, eff_error *err)
{
    json_t *const a = json_loads(there, 0, NULL), *const b = json_loads(here, 0, NULL);
    const json_t *x = a, *y = b;
    char was[40], is[40], name[80] = "";
    first_difference(&x, &y, name, sizeof name);
    show(was, sizeof was, x);
    show(is, sizeof is, y);
    json_decref(a);
    json_decref(b);
    return eff_fail(err, EFF_EFORMAT, "a trial store of another experiment: %s is %s there and %s here",
                    name[0] ? name : "its spec", was, is);
}

static eff_status join(eff_store *s, const char *kind, const char *spec, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    eff_status e = read_experiment(s, err);
    if (e == EFF_OK && !s->kind) {
        e = prepare(s, &st, err, "INSERT INTO experiment VALUES(1, ?, ?)", "ss", kind, spec);
        e = e == EFF_OK ? finish(s, st, err) : e;
        return e == EFF_OK ? read_experiment(s, err) : e;
    }
    if (e == EFF_OK && strcmp(s->kind, kind) != 0)
        return eff_fail(err, EFF_EFORMAT, "a trial store of another experiment: it is of a %.40s, expected a %.40s",
                        s->kind, kind);
    if (e == EFF_OK && (!s->spec || strcmp(s->spec, spec) != 0)) return refuse(s->spec ? s->spec : "", spec, err);
    return e;
}

static eff_status enlist(eff_store *s, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    eff_status e = prepare(s, &st, err, "INSERT INTO worker(host, pid, beat) VALUES(?, ?, ?)", "sid", s->lease.host,
                           (int64_t)getpid(), wall_clock());
    if (e == EFF_OK) e = finish(s, st, err);
    return e == EFF_OK ? eff_lease_hold(&s->lease, sqlite3_last_insert_rowid(s->db), err) : e;
}

static eff_status open_file(eff_store **out, const char *path, bool looks, eff_error *err)
{
    struct stat st;
    eff_store *const s = eff_calloc(1, sizeof *s);
    *out = s;
    if (!s) return eff_fail_memory(err, sizeof *s);
    s->lease.fd = -1;
    s->looks = looks;
    const bool there = stat(path, &st) == 0;
    if (looks && !there) return eff_fail(err, EFF_EFORMAT, "cannot be opened: no such file");
    if (there && !S_ISREG(st.st_mode)) return eff_fail(err, EFF_EFORMAT, "no trial store: expected a regular file");
    const int flags = looks ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK)
        return s->db ? sql_failed(s, err) : eff_fail_memory(err, 0);
    sqlite3_busy_timeout(s->db, WAIT_MS);
    sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, LONGEST);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    return EFF_OK;
}

eff_status eff_store_open(eff_store **out, const char *path, const char *kind, const char *spec, eff_error *err)
{
    eff_store *s = NULL;
    eff_status e = open_file(&s, path, false, err);
    if (e == EFF_OK) e = begin(s, err);
    if (e == EFF_OK) {
        e = check_or_make(s, err);
        if (e == EFF_OK) e = join(s, kind, spec, err);
        if (e == EFF_OK) e = eff_lease_open(&s->lease, path, err);
        if (e == EFF_OK) e = enlist(s, err);
        e = end(s, e, err);
    }
    if (e != EFF_OK) {
        eff_store_close(s);
        s = NULL;
    }
    *out = s;
    return e;
}

eff_status eff_store_look(eff_store **out, const char *path, eff_error *err)
{
    eff_store *s = NULL;
    eff_status e = open_file(&s, path, true, err);
    if (e == EFF_OK) e = check_or_make(s, err);
    if (e == EFF_OK) e = read_experiment(s, err);
    if (e != EFF_OK) {
        eff_store_close(s);
        s = NULL;
    }
    *out = s;
    return e;
}

void eff_store_close(eff_store *s)
{
    if (!s) return;
    sqlite3_stmt *st = NULL;
    if (s->lease.worker && begin(s, NULL) == EFF_OK) {
        eff_status e = prepare(s, &st, NULL, "UPDATE trial SET state = 0, worker = NULL WHERE state = 1 AND worker = ?",
                               "i", s->lease.worker);
        if (e == EFF_OK) e = finish(s, st, NULL);
        end(s, e, NULL);
    }
    sqlite3_close(s->db);
    eff_lease_close(&s->lease);
    eff_free(s->kind);
    eff_free(s->spec);
    eff_free(s);
}

const char *eff_store_kind(const eff_store *s) { return s->kind; }
const char *eff_store_spec(const eff_store *s) { return s->spec; }

/* -------------------------------------------------------------------------------------------------- notes */

eff_status eff_store_get_note(eff_store *s, const char *name, char **out, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    bool row = false;
    *out = NULL;
    eff_status e = prepare(s, &st, err, "SELECT text FROM note WHERE name = ?", "s", name);
    if (e == EFF_OK) e = step(s, st, &row, err);
    if (e == EFF_OK && row) e = text_of(st, 0, out, err);
    sqlite3_finalize(st);
    return e;
}

static eff_status write_note(eff_store *s, const char *sql, const char *name, const char *text, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    eff_status e = begin(s, err);
    if (e != EFF_OK) return e;
    e = prepare(s, &st, err, sql, "ss", name, text);
    if (e == EFF_OK) e = finish(s, st, err);
    return end(s, e, err);
}

eff_status eff_store_settle(eff_store *s, const char *name, const char *text, char **out, eff_error *err)
{
    *out = NULL;
    const eff_status e = write_note(s, "INSERT OR IGNORE INTO note VALUES(?, ?)", name, text, err);
    return e == EFF_OK ? eff_store_get_note(s, name, out, err) : e;
}

eff_status eff_store_put_note(eff_store *s, const char *name, const char *text, eff_error *err)
{
    return write_note(s, "INSERT OR REPLACE INTO note VALUES(?, ?)", name, text, err);
}

/* ------------------------------------------------------------------------------------------------- trials */

eff_status eff_store_find(eff_store *s, const char *key, int64_t *id, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    bool row = false;
    *id = 0;
    eff_status e = prepare(s, &st, err, "SELECT id FROM trial WHERE key = ?", "s", key);
    if (e == EFF_OK) e = step(s, st, &row, err);
    if (row) *id = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return e;
}

eff_status eff_store_add(eff_store *s, const char *const *key, int n, int64_t *id, eff_error *err)
{
    eff_status e = begin(s, err);
    if (e != EFF_OK) return e;
    for (int i = 0; e == EFF_OK && i < n; i++) {
        sqlite3_stmt *st = NULL;
        e = prepare(s, &st, err, "INSERT OR IGNORE INTO trial(key) VALUES(?)", "s", key[i]);
        if (e == EFF_OK) e = finish(s, st, err);
        if (e == EFF_OK) e = eff_store_find(s, key[i], &id[i], err);
    }
    return end(s, e, err);
}

/* Is trial `id` free to take? A running one is when its worker is dead. */
static eff_status is_free(eff_store *s, int64_t id, double now, bool *yes, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    bool row = false;
    *yes = false;
    eff_status e =
        prepare(s, &st, err,
                "SELECT t.state, t.worker, w.host, w.beat FROM trial t LEFT JOIN worker w ON w.id = t.worker "
                "WHERE t.id = ?",
                "i", id);
    if (e == EFF_OK) e = step(s, st, &row, err);
    if (e == EFF_OK && row) {
        const char *const host = (const char *)sqlite3_column_text(st, 2);
        const int state = sqlite3_column_int(st, 0);
        *yes = state == EFF_TRIAL_WAITING ||
               (state == EFF_TRIAL_RUNNING && (!host || !eff_lease_alive(&s->lease, sqlite3_column_int64(st, 1), host,
                                                                         sqlite3_column_double(st, 3), now)));
    }
    sqlite3_finalize(st);
    return e;
}

eff_status eff_store_claim(eff_store *s, const int64_t *id, int n, int *index, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    *index = -1;
    eff_status e = begin(s, err);
    if (e != EFF_OK) return e;
    const double now = wall_clock();
    int found = -1;
    for (int i = 0; e == EFF_OK && found < 0 && i < n; i++) {
        bool yes = false;
        e = is_free(s, id[i], now, &yes, err);
        if (yes) found = i;
    }
    if (e == EFF_OK && found >= 0) {
        e = prepare(s, &st, err, "UPDATE trial SET state = 1, worker = ?, claims = claims + 1 WHERE id = ?", "ii",
                    s->lease.worker, id[found]);
        if (e == EFF_OK) e = finish(s, st, err);
    }
    e = end(s, e, err);
    if (e == EFF_OK) *index = found;
    return e;
}

eff_status eff_store_beat(eff_store *s, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    const double now = wall_clock();
    if (now - s->beaten < BEAT_EVERY && now >= s->beaten) return EFF_OK;
    eff_status e = begin(s, err);
    if (e != EFF_OK) return e;
    e = prepare(s, &st, err, "UPDATE worker SET beat = ? WHERE id = ?", "di", now, s->lease.worker);
    if (e == EFF_OK) e = finish(s, st, err);
    e = end(s, e, err);
    if (e == EFF_OK) s->beaten = now;
    return e;
}

static eff_status end_claim(eff_store *s, int64_t id, eff_trial_state state, const char *result, double seconds,
                            eff_error *err)
{
    sqlite3_stmt *st = NULL;
    eff_status e = begin(s, err);
    if (e != EFF_OK) return e;
    e = prepare(
        s, &st, err,
        "UPDATE trial SET state = ?, worker = NULL, claims = claims - ?, result = ?, seconds = ? WHERE id = ? AND "
        "state = 1 AND worker = ?",
        "iisdii", (int64_t)state, (int64_t)(state == EFF_TRIAL_WAITING), result, seconds, id, s->lease.worker);
    if (e == EFF_OK) e = finish(s, st, err);
    return end(s, e, err);
}

eff_status eff_store_done(eff_store *s, int64_t id, const char *result, double seconds, eff_error *err)
{
    return end_claim(s, id, EFF_TRIAL_DONE, result, seconds, err);
}

eff_status eff_store_failed(eff_store *s, int64_t id, const char *reason, double seconds, eff_error *err)
{
    return end_claim(s, id, EFF_TRIAL_FAILED, reason, seconds, err);
}

eff_status eff_store_give_back(eff_store *s, int64_t id, eff_error *err)
{
    return end_claim(s, id, EFF_TRIAL_WAITING, NULL, 0, err);
}

eff_status eff_store_get(eff_store *s, int64_t id, eff_trial *out, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    bool row = false;
    *out = (eff_trial){ .id = id };
    eff_status e = prepare(s, &st, err, "SELECT state, claims, seconds, result FROM trial WHERE id = ?", "i", id);
    if (e == EFF_OK) e = step(s, st, &row, err);
    if (e == EFF_OK && !row) e = eff_fail(err, EFF_EFORMAT, "the store has no trial %lld", (long long)id);
    if (e == EFF_OK) {
        const int state = sqlite3_column_int(st, 0);
        if (state < EFF_TRIAL_WAITING || state > EFF_TRIAL_FAILED)
            e = eff_fail(err, EFF_EFORMAT, "trial %lld: state: expected 0..3, found %d", (long long)id, state);
        out->state = (eff_trial_state)state;
        out->claims = sqlite3_column_int(st, 1);
        out->seconds = sqlite3_column_double(st, 2);
        if (e == EFF_OK) e = text_of(st, 3, &out->result, err);
    }
    sqlite3_finalize(st);
    return e;
}

eff_status eff_store_workers(eff_store *s, int *n, eff_error *err)
{
    sqlite3_stmt *st = NULL;
    bool row = false;
    const double now = wall_clock();
    *n = 0;
    eff_status e = prepare(
        s, &st, err,
        "SELECT DISTINCT w.id, w.host, w.beat FROM trial t JOIN worker w ON w.id = t.worker WHERE t.state = 1", "");
    for (;;) {
        if (e == EFF_OK) e = step(s, st, &row, err);
        if (e != EFF_OK || !row) break;
        const char *const host = (const char *)sqlite3_column_text(st, 1);
        *n += host && eff_lease_alive(&s->lease, sqlite3_column_int64(st, 0), host, sqlite3_column_double(st, 2), now);
    }
    sqlite3_finalize(st);
    return e;
}
