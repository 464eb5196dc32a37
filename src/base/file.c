/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded reads and atomic saves. */
#define _GNU_SOURCE
#include "base/file.h"

#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

eff_status eff_file_open(const char *path, int *fd, uint64_t *size, eff_error *err)
{
    *fd = -1;
    /* O_NONBLOCK: a FIFO must not hang us; it has no effect on regular files */
    const int d = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (d < 0) {
        const eff_status code = errno == EMFILE || errno == ENFILE || errno == ENOMEM ? EFF_EIO : EFF_EFORMAT;
        return eff_fail(err, code, "%s", errno == ENOENT ? "no such file" : strerror(errno));
    }
    struct stat st;
    if (fstat(d, &st) != 0) {
        const int e = errno;
        close(d);
        return eff_fail(err, EFF_EIO, "%s", strerror(e));
    }
    if (!S_ISREG(st.st_mode)) {
        close(d);
        return eff_fail(err, EFF_EFORMAT, "expected a file, found %s",
                        S_ISDIR(st.st_mode) ? "a directory" : S_ISFIFO(st.st_mode) ? "a pipe" : "a device");
    }
    *fd = d;
    *size = (uint64_t)st.st_size;
    return EFF_OK;
}

eff_status eff_file_read_at(int fd, void *buf, size_t n, uint64_t offset, eff_error *err)
{
    unsigned char *p = buf;
    while (n) {
        const ssize_t r = pread(fd, p, n, (off_t)offset);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return eff_fail(err, EFF_EIO, "read at byte %llu: %s", (unsigned long long)offset, strerror(errno));
        if (r == 0)
            return eff_fail(err, EFF_EFORMAT, "the file ends at byte %llu, %zu bytes early", (unsigned long long)offset, n);
        p += r;
        n -= (size_t)r;
        offset += (uint64_t)r;
    }
    return EFF_OK;
}

eff_status eff_file_read_all(const char *path, size_t limit, unsigned char **out, size_t *size, eff_error *err)
{
    int fd;
    uint64_t n;
    *out = NULL;
    eff_status s = eff_file_open(path, &fd, &n, err);
    if (s != EFF_OK) return s;
    unsigned char *buf = NULL;
    if (n > limit) {
        s = eff_fail(err, EFF_EFORMAT, "the file has %llu bytes, more than the limit of %zu", (unsigned long long)n, limit);
        goto end;
    }
    buf = eff_malloc((size_t)n + 1);
    if (!buf) {
        s = eff_fail_memory(err, (size_t)n + 1);
        goto end;
    }
    s = eff_file_read_at(fd, buf, (size_t)n, 0, err);
    if (s != EFF_OK) goto end;
    buf[n] = 0;
    *out = buf;
    *size = (size_t)n;
    buf = NULL;
end:
    eff_free(buf);
    close(fd);
    return s;
}

bool eff_file_map(eff_map *out, int fd, uint64_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *out = (eff_map){ 0 };
    /* first an empty range with a page to spare, then the file over its beginning */
    const size_t bytes = eff_round_up((size_t)size, page) + page;
    char *const base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return false;
    if (mmap(base, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) {
        munmap(base, bytes);
        return false;
    }
#ifdef MADV_POPULATE_READ
    madvise(base, (size_t)size, MADV_POPULATE_READ); /* a wish: one call instead of a page fault for every few pages */
#endif
    *out = (eff_map){ base, bytes };
    return true;
}

void eff_file_unmap(eff_map *m)
{
    if (m->base) munmap(m->base, m->bytes);
    *m = (eff_map){ 0 };
}

eff_status eff_save_begin(eff_save *s, const char *path, eff_error *err)
{
    *s = (eff_save){ 0 };
    const size_t n = strlen(path);
    s->path = eff_strdup(path);
    s->temp = eff_malloc(n + 16);
    if (!s->path || !s->temp) {
        eff_save_abort(s);
        return eff_fail_memory(err, n + 16);
    }
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        eff_save_abort(s);
        return eff_fail(err, EFF_EIO, "cannot write: a %s is there", S_ISDIR(st.st_mode) ? "directory" : "special file");
    }
    memcpy(s->temp, path, n);
    memcpy(s->temp + n, ".tmp.XXXXXX", 12);
    const int fd = mkostemp(s->temp, O_CLOEXEC);
    if (fd < 0) {
        const int e = errno;
        eff_free(s->temp);
        s->temp = NULL;
        eff_save_abort(s);
        return eff_fail(err, EFF_EIO, "cannot write: %s", strerror(e));
    }
    const mode_t mask = umask(0);
    umask(mask);
    (void)!fchmod(fd, 0666 & ~mask); /* mkostemp gives 0600; a model is shared like any other file */
    s->f = fdopen(fd, "wb");
    if (!s->f) {
        close(fd);
        eff_save_abort(s);
        return eff_fail(err, EFF_ENOMEM, "cannot write: %s", strerror(errno));
    }
    return EFF_OK;
}

/* `path` is cut to its folder. That it cannot be synced is no failure: the rename is done, only a power cut could undo it. */
static void sync_folder(char *path)
{
    char *const slash = strrchr(path, '/');
    if (slash) slash[slash == path] = '\0';
    const int fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

eff_status eff_save_commit(eff_save *s, eff_error *err)
{
    errno = 0;
    bool ok = !ferror(s->f) && fflush(s->f) == 0 && fsync(fileno(s->f)) == 0;
    int e = errno;
    if (fclose(s->f) != 0 && ok) {
        ok = false;
        e = errno;
    }
    s->f = NULL;
    if (ok && rename(s->temp, s->path) != 0) {
        ok = false;
        e = errno;
    }
    if (!ok) {
        eff_save_abort(s);
        return eff_fail(err, EFF_EIO, "cannot write: %s", strerror(e ? e : EIO));
    }
    sync_folder(s->path);
    eff_free(s->temp);
    s->temp = NULL;
    eff_save_abort(s);
    return EFF_OK;
}

void eff_save_abort(eff_save *s)
{
    if (s->f) (void)fclose(s->f); /* what it held is not wanted */
    if (s->temp) unlink(s->temp);
    eff_free(s->temp);
    eff_free(s->path);
    *s = (eff_save){ 0 };
}

eff_status eff_make_folder(const char *dir, eff_error *err)
{
    struct stat st;
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) return eff_fail(err, EFF_EIO, "cannot be made: %s", strerror(errno));
    return stat(dir, &st) == 0 && S_ISDIR(st.st_mode) ? EFF_OK : eff_fail(err, EFF_EIO, "expected a folder");
}

eff_status eff_make_folders(const char *dir, eff_error *err)
{
    char *const part = eff_strdup(dir);
    if (!part) return eff_fail_memory(err, strlen(dir));
    eff_status s = EFF_OK;
    for (char *at = part; s == EFF_OK && *at;) {
        at += 1 + strcspn(at + 1, "/");
        const char kept = *at;
        *at = '\0';
        s = eff_make_folder(part, err);
        if (s != EFF_OK) eff_error_prefix(err, "the folder '%.180s'", part);
        *at = kept;
    }
    eff_free(part);
    return s;
}

eff_status eff_save_text(const char *dir, const char *name, const char *text, eff_error *err)
{
    const size_t n = strlen(dir) + strlen(name) + 2;
    char *const path = eff_malloc(n);
    eff_save f = { 0 };
    if (!path) return eff_fail_memory(err, n);
    snprintf(path, n, "%s/%s", dir, name);
    eff_status e = eff_save_begin(&f, path, err);
    if (e == EFF_OK) fputs(text, f.f); /* a failed write is seen on commit */
    if (e == EFF_OK) e = eff_save_commit(&f, err);
    if (e != EFF_OK) eff_error_prefix(err, "%s", path);
    eff_save_abort(&f);
    eff_free(path);
    return e;
}
