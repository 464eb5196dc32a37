/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads with libcurl. The library is loaded when the first download begins: linked, it and the thirty libraries
 * behind it would cost every start of every program 5 MB and most of its start-up time. Redirects are followed here,
 * one reply at a time, so that each is judged and refused with a reason; nothing is written before the head of the
 * reply that it belongs to was found sound. */
#define _GNU_SOURCE
#include "fetch/download.h"

#include "base/clock.h"

#include <curl/curl.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <unistd.h>

#undef curl_easy_setopt /* macros that check types */
#undef curl_easy_getinfo

enum { REDIRECTS = 8, UNUSED_BODY = 1 << 20 };

/* --------------------------------------------------------------------------------------------- library */

static struct {
    bool loaded;
    CURLcode (*global_init)(long);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
    CURLcode (*easy_perform)(CURL *);
    CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
    void (*easy_cleanup)(CURL *);
    const char *(*easy_strerror)(CURLcode);
    struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
    void (*slist_free_all)(struct curl_slist *);
} lib;

static void load(void)
{
    static const struct {
        const char *name;
        void *to;
    } wanted[] = {
        { "curl_global_init", &lib.global_init },       { "curl_easy_init", &lib.easy_init },
        { "curl_easy_setopt", &lib.easy_setopt },       { "curl_easy_perform", &lib.easy_perform },
        { "curl_easy_getinfo", &lib.easy_getinfo },     { "curl_easy_cleanup", &lib.easy_cleanup },
        { "curl_easy_strerror", &lib.easy_strerror },   { "curl_slist_append", &lib.slist_append },
        { "curl_slist_free_all", &lib.slist_free_all },
    };
    void *const so = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!so) return;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *const f = dlsym(so, wanted[i].name);
        if (!f) return;
        memcpy(wanted[i].to, &f, sizeof f); /* ISO C has no cast from object to function */
    }
    lib.loaded = lib.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* ------------------------------------------------------------------------------------------- callbacks */

typedef struct job {
    eff_download *t;
    eff_reply reply;
    eff_error why; /* of a callback that ended the transfer: its code is not EFF_OK */
    bool begun;    /* the reply was found sound, the file is ready for it           */
    bool stopped, stalled;
    uint64_t total;  /* bytes that the whole file will have; 0 = not known            */
    uint64_t unused; /* bytes of bodies that nobody wants                             */
    double last;     /* when something came                                           */
    uint64_t last_seen;
    char detail[CURL_ERROR_SIZE]; /* libcurl's own words */
} job;

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* A reply to a range that is none, or of another file. */
static eff_status refuse_range(job *j, const char *what)
{
    j->t->anew = true;
    return eff_fail(&j->why, EFF_EIO, "the server does not go on where the download stopped: %s", what);
}

static eff_status check_range(job *j)
{
    const eff_reply *const r = &j->reply;
    const eff_download *const t = j->t;
    if (t->have == 0) return eff_fail(&j->why, EFF_EIO, "the server sends a part of the file, which nobody asked for");
    if (!r->has_range) return refuse_range(j, "no Content-Range");
    if (r->first != t->have) return refuse_range(j, "another range");
    if (r->has_length && r->length != r->last - r->first + 1)
        return refuse_range(j, "Content-Length and Content-Range differ");
    if (*r->etag && t->validator[0] == '"' && strcmp(r->etag, t->validator) != 0)
        return refuse_range(j, "another ETag");
    j->total = r->total ? r->total : r->last + 1;
    return EFF_OK;
}

static eff_status begin(job *j)
{
    eff_download *const t = j->t;
    const eff_reply *const r = &j->reply;
    if (*r->encoding)
        return eff_fail(&j->why, EFF_EFORMAT,
                        "the server sends it compressed (Content-Encoding %s), which was not asked for", r->encoding);
    if (r->status == 206) {
        const eff_status s = check_range(j);
        if (s != EFF_OK) return s;
    } else {
        j->total = r->has_length ? r->length : 0;
    }
    if (t->size && j->total && j->total != t->size)
        return eff_fail(&j->why, EFF_EFORMAT, "expected %llu bytes, the server offers %llu",
                        (unsigned long long)t->size, (unsigned long long)j->total);
    if (j->total > t->most)
        return eff_fail(&j->why, EFF_EFORMAT, "the server offers %llu bytes, more than the limit of %llu",
                        (unsigned long long)j->total, (unsigned long long)t->most);
    if (!j->total) j->total = t->size;
    t->resumed = r->status == 206;
    t->at = t->resumed ? t->have : 0;
    if (ftruncate(t->fd, (off_t)t->at) != 0 || lseek(t->fd, (off_t)t->at, SEEK_SET) < 0)
        return eff_fail(&j->why, EFF_EIO, "cannot write: %s", strerror(errno));
    j->begun = true;
    return t->resumed ? EFF_OK : t->begins(t->own, r, &j->why);
}

static size_t take_header(char *line, size_t size, size_t n, void *own)
{
    job *const j = own;
    n *= size;
    if (eff_reply_line(&j->reply, line, n)) return n;
    eff_fail(&j->why, EFF_EIO, "the server sends more than %d kB of headers", EFF_REPLY_MOST >> 10);
    return 0;
}

static eff_status store(job *j, const char *data, size_t n)
{
    eff_download *const t = j->t;
    const uint64_t most = t->size ? t->size : t->most;
    if (n > most - t->at)
        return eff_fail(&j->why, EFF_EFORMAT, "the server sends more than %s %llu bytes",
                        t->size ? "the expected" : "the limit of", (unsigned long long)most);
    while (n) {
        const ssize_t k = write(t->fd, data, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return eff_fail(&j->why, EFF_EIO, "cannot write: %s", strerror(k < 0 ? errno : ENOSPC));
        data += k;
        n -= (size_t)k;
        t->at += (uint64_t)k;
        t->moved += (uint64_t)k;
    }
    return EFF_OK;
}

static size_t take_body(char *data, size_t size, size_t n, void *own)
{
    job *const j = own;
    n *= size;
    if (j->reply.status != 200 && j->reply.status != 206) {
        j->unused += n;
        return j->unused > UNUSED_BODY ? 0 : n; /* of an error or a redirect: the status says it all */
    }
    if (!j->begun && begin(j) != EFF_OK) return 0;
    return store(j, data, n) == EFF_OK ? n : 0;
}

static int watch(void *own, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    job *const j = own;
    eff_download *const t = j->t;
    const double now = eff_clock();
    const uint64_t seen = (uint64_t)down + j->reply.bytes;
    (void)down_total, (void)up_total, (void)up;
    if (seen != j->last_seen) {
        j->last_seen = seen;
        j->last = now;
    }
    j->stalled = now - j->last > t->stall_seconds + (j->last_seen ? 0 : t->connect_seconds);
    if (t->progress && t->progress(t->ctx, t->at, j->total, "downloading")) j->stopped = true;
    return j->stopped || j->stalled;
}

/* ---------------------------------------------------------------------------------------------- a reply */

static void host_of(const char *url, char *out, size_t room)
{
    const char *const slashes = strstr(url, "://"), *const host = slashes ? slashes + 3 : url;
    snprintf(out, room, "%.*s", (int)strcspn(host, "/"), host);
}

/* What ended the transfer, with whose fault it was. */
static eff_status explain(job *j, CURLcode code, const char *url, eff_error *err)
{
    eff_download *const t = j->t;
    char host[100];
    host_of(url, host, sizeof host);
    if (j->stopped) return eff_fail(err, EFF_ECANCELLED, "interrupted");
    if (j->why.code != EFF_OK) {
        if (err) *err = j->why;
        return j->why.code;
    }
    t->again = code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
               code == CURLE_HTTP2_STREAM;
    if (j->stalled) return eff_fail(err, EFF_EIO, "%s: nothing came for %d seconds", host, t->stall_seconds);
    if (t->again && j->begun && j->total)
        return eff_fail(err, EFF_EIO, "%s: the connection ended after %llu of %llu bytes", host,
                        (unsigned long long)t->at, (unsigned long long)j->total);
    return eff_fail(err, EFF_EIO, "%s: %s", host, *j->detail ? j->detail : lib.easy_strerror(code));
}

static eff_status judge(job *j, const char *url, eff_error *err)
{
    eff_download *const t = j->t;
    const int status = j->reply.status;
    char host[100];
    host_of(url, host, sizeof host);
    if (status == 416 && t->have) {
        t->anew = true;
        return eff_fail(err, EFF_EIO, "%s: the server refuses to go on where the download stopped", host);
    }
    t->again = status >= 500;
    if (status != 200 && status != 206)
        return eff_fail(err, EFF_EIO, "%s: the server answers with status %d%s", host, status,
                        status == 404   ? " (not found)"
                        : status == 403 ? " (forbidden)"
                        : status == 429 ? " (too many requests: try later)"
                        : status >= 500 ? " (a fault of the server: try later)"
                                        : "");
    if (!j->begun && begin(j) != EFF_OK) { /* an empty body */
        if (err) *err = j->why;
        return j->why.code;
    }
    if (t->size && t->at != t->size) {
        t->again = true;
        return eff_fail(err, EFF_EIO, "%s: the server ends after %llu of %llu bytes", host, (unsigned long long)t->at,
                        (unsigned long long)t->size);
    }
    return EFF_OK;
}

static bool prepare(CURL *c, job *j, struct curl_slist *headers, const char *url)
{
    const eff_download *const t = j->t;
    const char *ca = getenv("CURL_CA_BUNDLE"); /* the same variables as the program curl */
    if (!ca || !*ca) ca = getenv("SSL_CERT_FILE");
    bool ok = lib.easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
#if LIBCURL_VERSION_NUM >= 0x075500
              lib.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
#else
              lib.easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS)) == CURLE_OK &&
#endif
              lib.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
              /* a server that closes without a word would be found dead, and libcurl tries again five times a handle */
              lib.easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)t->connect_seconds) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_USERAGENT, "effnet") == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_ERRORBUFFER, j->detail) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_HEADERDATA, j) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_WRITEDATA, j) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_XFERINFOFUNCTION, watch) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_XFERINFODATA, j) == CURLE_OK &&
              lib.easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
    if (ok && ca && *ca) ok = lib.easy_setopt(c, CURLOPT_CAINFO, ca) == CURLE_OK;
    return ok;
}

/* One request; where its reply sends us on to comes back in next. */
static eff_status request(CURL *c, job *j, struct curl_slist *headers, const char *url, char *next, size_t room,
                          eff_error *err)
{
    *next = '\0';
    j->reply.status = 0;
    j->detail[0] = '\0';
    j->last = eff_clock();
    if (!prepare(c, j, headers, url)) return eff_fail(err, EFF_EIO, "libcurl refuses its options");
    const CURLcode code = lib.easy_perform(c);
    const bool body_cut = code == CURLE_WRITE_ERROR && j->unused > UNUSED_BODY;
    if (code != CURLE_OK && !body_cut) return explain(j, code, url, err);
    if (!is_redirect(j->reply.status)) return judge(j, url, err);
    const char *to = NULL;
    if (lib.easy_getinfo(c, CURLINFO_REDIRECT_URL, &to) != CURLE_OK || !to || strlen(to) >= room)
        return eff_fail(err, EFF_EIO, "the server redirects to nowhere (status %d)", j->reply.status);
    const eff_status s = eff_reply_redirect(url, to, err);
    if (s == EFF_OK) strcpy(next, to);
    return s;
}

static struct curl_slist *add(struct curl_slist *list, const char *line)
{
    struct curl_slist *const longer = lib.slist_append(list, line);
    if (!longer) lib.slist_free_all(list);
    return longer;
}

eff_status eff_download_run(eff_download *t, eff_error *err)
{
    static once_flag once = ONCE_FLAG_INIT;
    job j = { .t = t };
    char url[4096], next[4096], line[320];
    call_once(&once, load);
    t->at = t->have;
    t->moved = 0;
    t->resumed = t->anew = t->again = false;
    if (!lib.loaded)
        return eff_fail(err, EFF_EIO,
                        "downloads need the library libcurl.so.4 (Debian package libcurl4), which does not load");
    if ((size_t)snprintf(url, sizeof url, "%s", t->url) >= sizeof url)
        return eff_fail(err, EFF_EARG, "the address is too long");
    CURL *const c = lib.easy_init();
    struct curl_slist *headers = add(NULL, "Accept-Encoding: identity");
    if (headers && t->have) {
        snprintf(line, sizeof line, "Range: bytes=%llu-", (unsigned long long)t->have);
        headers = add(headers, line);
        snprintf(line, sizeof line, "If-Range: %s", t->validator);
        if (headers) headers = add(headers, line);
    }
    eff_status s = c && headers ? EFF_OK : eff_fail_memory(err, sizeof j);
    for (int hop = 0; s == EFF_OK; hop++) {
        s = request(c, &j, headers, url, next, sizeof next, err);
        if (s != EFF_OK || !*next) break;
        if (hop == REDIRECTS) s = eff_fail(err, EFF_EIO, "the server redirects more than %d times", REDIRECTS);
        memcpy(url, next, sizeof url);
    }
    if (headers) lib.slist_free_all(headers);
    if (c) lib.easy_cleanup(c);
    return s;
}
