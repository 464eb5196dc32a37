/* SPDX-License-Identifier: Apache-2.0 */
/* Faults by the linker's --wrap: every call below goes through here when the library makes it, and fails when its turn
 * has come. Only the thread that asked for it is counted, so that a server in the same program works on. */
#define _GNU_SOURCE
#include "fault.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* --------------------------------------------------------------------------------------------------- calls */

static _Thread_local bool armed, slow;
static _Thread_local long calls, fails_at, turn;
static _Thread_local const char *failed; /* that must be heard */

void t_fault_arm(long n)
{
    fails_at = n;
    calls = 0;
    failed = NULL;
    armed = true;
}

long t_fault_disarm(const char **must)
{
    armed = false;
    if (must) *must = failed;
    return calls;
}

void t_fault_slow(bool on) { slow = on; }

static bool fails(const char *name, bool must)
{
    if (!armed || calls++ != fails_at) return false;
    if (must) failed = name;
    errno = EIO;
    return true;
}

#define WRAP(result, name, parameters, ...)                                                                            \
    result __real_##name parameters;                                                                                   \
    result __wrap_##name parameters;                                                                                   \
    result __wrap_##name parameters

WRAP(int, open, (const char *path, int flags, mode_t mode))
{
    return fails("open", (flags & O_CREAT) != 0) ? -1
                                                 : __real_open(path, flags, mode); /* a mode too many does no harm */
}
WRAP(FILE *, fopen, (const char *path, const char *mode))
{
    return fails("fopen", *mode != 'r') ? NULL : __real_fopen(path, mode);
}
WRAP(int, mkostemp, (char *path, int flags)) { return fails("mkostemp", true) ? -1 : __real_mkostemp(path, flags); }
WRAP(FILE *, fdopen, (int fd, const char *mode)) { return fails("fdopen", true) ? NULL : __real_fdopen(fd, mode); }
WRAP(int, fchmod, (int fd, mode_t mode)) { return fails("fchmod", false) ? -1 : __real_fchmod(fd, mode); }
WRAP(int, mkdir, (const char *path, mode_t mode)) { return fails("mkdir", true) ? -1 : __real_mkdir(path, mode); }
WRAP(int, ftruncate, (int fd, off_t n)) { return fails("ftruncate", true) ? -1 : __real_ftruncate(fd, n); }
WRAP(int, fflush, (FILE * f)) { return fails("fflush", true) ? -1 : __real_fflush(f); }
WRAP(int, rename, (const char *from, const char *to)) { return fails("rename", true) ? -1 : __real_rename(from, to); }

WRAP(int, fstat, (int fd, struct stat *st)) { return fails("fstat", false) ? -1 : __real_fstat(fd, st); }

WRAP(void *, mmap, (void *at, size_t n, int protection, int flags, int fd, off_t offset))
{
    return fails("mmap", false) ? MAP_FAILED : __real_mmap(at, n, protection, flags, fd, offset);
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    struct stat st;
    const bool file = __real_fstat(fd, &st) == 0 && S_ISREG(st.st_mode); /* of a folder it is a wish */
    return fails("fsync", file) ? -1 : 0; /* no test pulls the plug, and thousands of true ones take minutes */
}

WRAP(int, fclose, (FILE * f))
{
    const bool fail = fails("fclose", __fwritable(f) != 0);
    const int closed = __real_fclose(f);
    if (!fail) return closed;
    errno = EIO;
    return EOF;
}

/* Of n bytes how many go at once; 0: a signal came. */
static size_t part(size_t n)
{
    if (!slow || !n) return n;
    return turn++ % 2 ? (n < 100 ? n : 100) : 0;
}

static ssize_t interrupted(void)
{
    errno = EINTR;
    return -1;
}

WRAP(ssize_t, write, (int fd, const void *p, size_t n))
{
    if (fails("write", true)) return -1;
    const size_t k = part(n);
    return k || !n ? __real_write(fd, p, k) : interrupted();
}

WRAP(ssize_t, pread, (int fd, void *p, size_t n, off_t at))
{
    if (fails("pread", false)) return -1;
    const size_t k = part(n);
    return k || !n ? __real_pread(fd, p, k, at) : interrupted();
}

/* ------------------------------------------------------------------------------------------------- folders */

enum { MOST_FILES = 64 };

typedef struct file {
    char *path; /* of nothing: NULL */
    unsigned char *bytes;
    size_t n;
} file;

typedef struct folder {
    file f[MOST_FILES];
    int n;
} folder;

static const unsigned char before[] = "what was there before";

static void read_file(folder *in, char *path)
{
    FILE *const f = fopen(path, "rb");
    struct stat st;
    assert_true(f && in->n < MOST_FILES && fstat(fileno(f), &st) == 0);
    file *const to = &in->f[in->n++];
    *to = (file){ path, malloc((size_t)st.st_size + 1), (size_t)st.st_size };
    assert_int_equal(fread(to->bytes, 1, to->n, f), to->n);
    fclose(f);
}

static void look(folder *in, const char *path)
{
    DIR *const d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d));) {
        char *name;
        struct stat st;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        assert_true(asprintf(&name, "%s/%s", path, e->d_name) > 0 && stat(name, &st) == 0);
        if (!S_ISDIR(st.st_mode)) {
            read_file(in, name);
            continue;
        }
        look(in, name);
        free(name);
    }
    if (d) closedir(d);
}

static void forget(folder *in)
{
    for (int i = 0; i < in->n; i++) {
        free(in->f[i].path);
        free(in->f[i].bytes);
    }
    in->n = 0;
}

static const file *find(const folder *in, const char *path)
{
    for (int i = 0; i < in->n; i++)
        if (!strcmp(in->f[i].path, path)) return &in->f[i];
    return NULL;
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind;
    return at->level ? remove(path) : 0;
}

/* Before an attempt: the folder empty, or with every file as it was before any save. */
static void reset(const t_saving *s, const folder *good, bool there)
{
    nftw(s->folder, drop, 8, FTW_DEPTH | FTW_PHYS);
    for (int i = 0; there && i < good->n; i++) {
        char parent[1024];
        snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(good->f[i].path, '/') - good->f[i].path),
                 good->f[i].path);
        mkdir(parent, 0777);
        FILE *const f = fopen(good->f[i].path, "wb");
        assert_true(f && fwrite(before, 1, sizeof before, f) == sizeof before);
        fclose(f);
    }
}

static bool is_before(const file *f) { return f->n == sizeof before && !memcmp(f->bytes, before, f->n); }

/* After an attempt that ended with `e`; `how` is what was done to it. */
static void judge(const t_saving *s, const folder *good, bool there, eff_status e, const eff_error *err,
                  const char *how)
{
    folder now = { .n = 0 };
    int old = 0, new = 0;
    look(&now, s->folder);
    for (int i = 0; i < now.n; i++) {
        const file *const f = &now.f[i], *const want = find(good, f->path);
        if (!want && !(s->flags & T_NEW_NAMES)) fail_msg("%s, %s: %s is left behind", s->what, how, f->path);
        if (strstr(f->path, ".tmp")) fail_msg("%s, %s: %s is left behind", s->what, how, f->path);
        if (there && is_before(f))
            old++;
        else if (s->flags & T_VARIES ? f->n > 0 : f->n == want->n && !memcmp(f->bytes, want->bytes, f->n))
            new ++;
        else
            fail_msg("%s, %s: %s is neither the old nor the new", s->what, how, f->path);
    }
    forget(&now);
    if (e == EFF_OK) {
        if (new < good->n) fail_msg("%s, %s: succeeds with %d of %d files", s->what, how, new, good->n);
        return;
    }
    if (e != err->code || !err->msg[0] || strchr(err->msg, '\n'))
        fail_msg("%s, %s: %d '%s'", s->what, how, err->code, err->msg);
    if (s->names && e == EFF_EIO && strncmp(err->msg, s->names, strlen(s->names)) != 0)
        fail_msg("%s, %s: '%s' does not begin with %s", s->what, how, err->msg, s->names);
    if (there && old + new < good->n) fail_msg("%s, %s: a file that was there is gone", s->what, how);
    if (new == good->n && !(s->flags & T_NEW_NAMES)) fail_msg("%s, %s: failed, and yet all is saved", s->what, how);
}

/* ------------------------------------------------------------------------------------------------- savings */

static void first(const t_saving *s, folder *good, long *made)
{
    eff_error err = { 0 };
    *good = (folder){ .n = 0 };
    reset(s, good, false);
    t_fault_arm(-1);
    const eff_status e = s->save(s->ctx, &err);
    *made = t_fault_disarm(NULL);
    if (e != EFF_OK) fail_msg("%s: %s", s->what, err.msg);
    look(good, s->folder);
    if (good->n == 0 || *made == 0) fail_msg("%s: %d files by %ld calls", s->what, good->n, *made);
}

static void check_calls(const t_saving *s, const folder *good, long made)
{
    for (long n = 0; n < made; n++) {
        const bool there = !(s->flags & T_FRESH) && (n % 2 || good->n == 1);
        eff_error err = { 0 };
        const char *must;
        char how[80];
        reset(s, good, there);
        t_fault_arm(n);
        const eff_status e = s->save(s->ctx, &err);
        t_fault_disarm(&must);
        snprintf(how, sizeof how, "call %ld of %ld (%s)", n, made, must ? must : "may fail");
        if (must && e == EFF_OK) fail_msg("%s, %s: succeeds", s->what, how);
        if (must && (e != EFF_EIO && e != EFF_ENOMEM)) fail_msg("%s, %s: %d '%s'", s->what, how, e, err.msg);
        judge(s, good, there, e, &err, how);
    }
}

static void check_disks(const t_saving *s, const folder *good)
{
    size_t most = 0;
    struct rlimit old;
    const bool there = !(s->flags & T_FRESH);
    for (int i = 0; i < good->n; i++) most = good->f[i].n > most ? good->f[i].n : most;
    const size_t sizes[] = { 0, 1, most / 2, s->flags & T_VARIES ? most / 2 + most / 4 : most - 1 };
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct rlimit small = { sizes[i], old.rlim_max };
        eff_error err = { 0 };
        char how[80];
        reset(s, good, there);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        const eff_status e = s->save(s->ctx, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        snprintf(how, sizeof how, "a disk of %zu bytes", sizes[i]);
        if (e != EFF_EIO) fail_msg("%s, %s: %d '%s'", s->what, how, e, err.msg);
        judge(s, good, there, e, &err, how);
    }
}

void t_saving_check(const t_saving *s)
{
    folder good;
    long made;
    const bool there = !(s->flags & T_FRESH);
    eff_error err = { 0 };
    first(s, &good, &made);
    check_calls(s, &good, made);
    check_disks(s, &good);
    reset(s, &good, there);
    t_fault_slow(true);
    const eff_status e = s->save(s->ctx, &err);
    t_fault_slow(false);
    if (e != EFF_OK) fail_msg("%s, slowly: %s", s->what, err.msg);
    judge(s, &good, there, e, &err, "slowly");
    printf("%s: %ld calls, %d files\n", s->what, made, good.n);
    reset(s, &good, false);
    forget(&good);
}

void t_saving_check_memory(const t_saving *s, long stride)
{
    folder good;
    long made;
    const bool there = !(s->flags & T_FRESH);
    first(s, &good, &made);
    for (long n = 0;; n += n < 100 ? 1 : stride) {
        eff_error err = { 0 };
        char how[80];
        reset(s, &good, there);
        eff_alloc_fail_after(n);
        const eff_status e = s->save(s->ctx, &err);
        const long asked = eff_alloc_count();
        eff_alloc_fail_after(-1);
        snprintf(how, sizeof how, "allocation %ld", n);
        if (e != EFF_OK && e != EFF_ENOMEM) fail_msg("%s, %s: %d '%s'", s->what, how, e, err.msg);
        if (e == EFF_OK && asked > n) fail_msg("%s: succeeds although allocation %ld of %ld failed", s->what, n, asked);
        judge(s, &good, there, e, &err, how);
        if (e == EFF_OK) {
            printf("%s: %ld allocations\n", s->what, asked);
            break;
        }
    }
    reset(s, &good, false);
    forget(&good);
}
