/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads from a server that misbehaves: whatever it does, a name in the cache stands only for the right bytes, a
 * failure is one line, and its kind is told apart: the network (EFF_EIO) or the data (EFF_EFORMAT). */
#define _GNU_SOURCE
#include "fault.h"
#include "server.h"

#include "base/file.h"
#include "base/mem.h"
#include "fetch/catalog.h"
#include "fetch/reply.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <zip.h>

enum { SIZE = 300000, HALF_WAY = 100000 };

static unsigned char payload[SIZE];
static char digest[65], wrong_digest[65];
static int port;

static void sha256(const void *bytes, size_t n, char hex[65])
{
    unsigned char raw[32];
    assert_int_equal(EVP_Digest(bytes, n, raw, NULL, EVP_sha256(), NULL), 1);
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", raw[i]);
}

/* ------------------------------------------------------------------------------------------------ cases */

typedef struct place {
    char folder[512], url[128];
    eff_weights w;
    eff_fetch_opts o;
    eff_fetched f;
    eff_error err;
} place;

static place at(const char *mode)
{
    static int turn;
    place p = { .w = { .name = "f", .format = "pytorch", .sha256 = digest, .size = SIZE } };
    snprintf(p.folder, sizeof p.folder, "%s", t_tmp("cache%d", turn++));
    snprintf(p.url, sizeof p.url, "http://127.0.0.1:%d/%s/f.pth", port, mode);
    eff_fetch_opts_init(&p.o);
    p.o.stall_seconds = 1;
    p.o.connect_seconds = 1;
    t_server_requests(NULL);
    t_server_version("\"v1\"");
    return p;
}

static eff_status fetch(place *p)
{
    p->w.url = p->url;
    p->o.folder = p->folder;
    return eff_fetch(&p->w, &p->o, &p->f, &p->err);
}

static void mode(place *p, const char *m) { snprintf(p->url, sizeof p->url, "http://127.0.0.1:%d/%s/f.pth", port, m); }

/* What the folder holds: 1 the file, 2 a part, 4 anything else. */
static int contents(const place *p)
{
    int all = 0;
    DIR *const d = opendir(p->folder);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            all |= !strcmp(e->d_name, "f.pth")                                                 ? 1
                   : !strcmp(e->d_name, "f.pth.part") || !strcmp(e->d_name, "f.pth.part.from") ? 2
                                                                                               : 4;
    if (d) closedir(d);
    return all;
}

static void is_right(const place *p)
{
    char path[600], hex[65];
    unsigned char *b = NULL;
    size_t n = 0;
    eff_error err = { 0 };
    snprintf(path, sizeof path, "%s/f.pth", p->folder);
    T_OK(eff_file_read_all(path, 1 << 24, &b, &n, &err), err);
    assert_int_equal(n, SIZE);
    assert_memory_equal(b, payload, SIZE);
    eff_free(b);
    assert_int_equal(contents(p), 1);
    sha256(payload, SIZE, hex);
    assert_string_equal(p->f.sha256, hex);
}

static void works(const char *m)
{
    place p = at(m);
    if (fetch(&p) != EFF_OK) fail_msg("%s: %s", m, p.err.msg);
    assert_int_equal(p.f.downloaded, 1);
    assert_int_equal(p.f.bytes, SIZE);
    is_right(&p);
    /* a second time nothing is asked for */
    t_server_requests(NULL);
    T_OK(fetch(&p), p.err);
    assert_int_equal(p.f.downloaded, 0);
    assert_int_equal(t_server_requests(NULL), 0);
}

/* It fails as it should, also beside a file that is there; `keeps`: the part stays, and a sound server completes it. */
static void fails(const char *m, eff_status want, const char *words, bool keeps)
{
    place p = at(m);
    const eff_status s = fetch(&p);
    if (s != want || !strstr(p.err.msg, words) || strchr(p.err.msg, '\n'))
        fail_msg("%s: expected status %d and '%s', found %d: %s", m, want, words, s, p.err.msg);
    if (contents(&p) != (keeps ? 2 : 0)) fail_msg("%s: left behind: %d", m, contents(&p));
    mode(&p, "ok");
    T_OK(fetch(&p), p.err);
    is_right(&p);
}

static void test_works(void **state)
{
    (void)state;
    static const char *const all[] = { "ok", "redirect", "nolength", "chunked", "slow", "cut", "norange" };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) works(all[i]);
}

static void test_bad_data(void **state)
{
    (void)state;
    fails("wrong", EFF_EFORMAT, "is not the published file: expected SHA-256", false);
    fails("short", EFF_EFORMAT, "expected 300000 bytes, the server offers 100", false);
    fails("long", EFF_EFORMAT, "expected 300000 bytes, the server offers 300064", false);
    fails("endless", EFF_EFORMAT, "sends more than the expected 300000 bytes", false);
    fails("bomb", EFF_EFORMAT, "Content-Encoding gzip", false);
}

static void test_bad_network(void **state)
{
    (void)state;
    fails("404", EFF_EIO, "status 404 (not found)", false);
    fails("500", EFF_EIO, "status 500", false);
    fails("loop", EFF_EIO, "redirects more than 8 times", false);
    fails("tofile", EFF_EIO, "neither http nor https", false);
    fails("tonowhere", EFF_EIO, "redirects to nowhere", false);
    fails("silent", EFF_EIO, "nothing came for 1 seconds", false);
    fails("stall", EFF_EIO, "nothing came for 1 seconds", true);
    fails("dead", EFF_EIO, "127.0.0.1", true);
    fails("ends", EFF_EIO, "ends after 150000 of 300000 bytes", true);
    fails("chunkcut", EFF_EIO, "127.0.0.1", true);
    fails("longheader", EFF_EIO, "", false);
    fails("headers", EFF_EIO, "more than 64 kB of headers", false);
    fails("garbage", EFF_EIO, "127.0.0.1", false);
    fails("uninvited", EFF_EIO, "nobody asked for", false);
    fails("empty", EFF_EIO, "ends after 0 of 300000", false);
    fails("closes", EFF_EIO, "127.0.0.1", false);
    place p = at("ok");
    snprintf(p.url, sizeof p.url, "http://127.0.0.1:1/f.pth");
    assert_int_equal(fetch(&p), EFF_EIO);
    assert_int_equal(contents(&p), 0);
}

/* Without a published size the limit holds, and the hash is what tells a short file. */
static void test_no_size(void **state)
{
    (void)state;
    place p = at("endless");
    p.w.size = 0;
    p.o.largest = 1 << 20;
    assert_int_equal(fetch(&p), EFF_EFORMAT);
    assert_non_null(strstr(p.err.msg, "more than the limit of 1048576 bytes"));
    p = at("ok");
    p.w.size = 0;
    p.o.largest = 1000;
    assert_int_equal(fetch(&p), EFF_EFORMAT);
    p = at("ends");
    p.w.size = 0;
    assert_int_equal(fetch(&p), EFF_EFORMAT);
    assert_int_equal(contents(&p), 0);
    p = at("nolength");
    p.w.size = 0;
    char eight[9];
    snprintf(eight, sizeof eight, "%.8s", digest);
    p.w.sha256 = eight; /* all that is published */
    T_OK(fetch(&p), p.err);
    is_right(&p);
}

static int stop_half_way(void *ctx, uint64_t done, uint64_t total, const char *what)
{
    (void)total;
    if (strcmp(what, "downloading") || done < HALF_WAY) return 0;
    *(uint64_t *)ctx = done;
    return 1;
}

/* A part from before, of the server's version v1. */
static place half_way(void)
{
    uint64_t done = 0;
    place p = at("slow");
    p.o.progress = stop_half_way;
    p.o.ctx = &done;
    assert_int_equal(fetch(&p), EFF_ECANCELLED);
    assert_int_equal(contents(&p), 2);
    assert_true(done >= HALF_WAY && done < SIZE);
    p.o.progress = NULL;
    t_server_requests(NULL);
    return p;
}

static void test_resume(void **state)
{
    (void)state;
    long range;
    place p = half_way();
    mode(&p, "slow");
    T_OK(fetch(&p), p.err);
    is_right(&p);
    assert_true(p.f.resumed >= HALF_WAY);
    assert_int_equal(p.f.resumed + p.f.transferred, SIZE);
    t_server_requests(&range);
    assert_int_equal(range, p.f.resumed);

    /* the version has changed: from the beginning */
    p = half_way();
    t_server_version("\"v2\"");
    T_OK(fetch(&p), p.err);
    is_right(&p);
    assert_int_equal(p.f.resumed, 0);
    assert_int_equal(p.f.transferred, SIZE);
}

/* Servers that get ranges wrong; what a part is of is known by its address, so they answer for the one it came from. */
static void test_ranges(void **state)
{
    (void)state;
    static const char *const all[] = { "norange", "otherrange", "liedrange", "mixed", "416" };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char note[200], path[600];
        place p = half_way();
        mode(&p, all[i]);
        snprintf(note, sizeof note, "%s\n\"v1\"\n", p.url);
        snprintf(path, sizeof path, "%s/f.pth.part.from", p.folder);
        T_OK(eff_save_text(p.folder, "f.pth.part.from", note, &p.err), p.err);
        if (fetch(&p) != EFF_OK) fail_msg("%s: %s", all[i], p.err.msg);
        is_right(&p);
        assert_int_equal(p.f.resumed, 0);
    }
    /* a part of another address is not gone on with */
    place p = half_way();
    mode(&p, "ok");
    T_OK(fetch(&p), p.err);
    assert_int_equal(p.f.transferred, SIZE);
    /* a part that holds other bytes than the server sent */
    p = half_way();
    char path[600];
    snprintf(path, sizeof path, "%s/f.pth.part", p.folder);
    const int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "damage", 6, 50), 6);
    close(fd);
    T_OK(fetch(&p), p.err);
    is_right(&p);
}

static void test_cache(void **state)
{
    (void)state;
    char path[600];
    place p = at("ok");
    p.o.offline = 1;
    assert_int_equal(fetch(&p), EFF_EIO);
    assert_non_null(strstr(p.err.msg, "offline"));
    p.o.offline = 0;
    T_OK(fetch(&p), p.err);
    p.o.offline = 1;
    T_OK(fetch(&p), p.err);
    assert_int_equal(p.f.downloaded, 0);
    /* a file that has gone bad is brought anew; a failure to do so leaves what is there */
    snprintf(path, sizeof path, "%s/f.pth", p.folder);
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(fetch(&p), EFF_EFORMAT);
    p.o.offline = 0;
    mode(&p, "404");
    assert_int_equal(fetch(&p), EFF_EIO);
    assert_int_equal(contents(&p), 1);
    mode(&p, "ok");
    T_OK(fetch(&p), p.err);
    is_right(&p);
    /* a mirror has the file under its own name */
    p = at("404");
    char mirror[64];
    snprintf(mirror, sizeof mirror, "http://127.0.0.1:%d/ok/", port);
    p.o.mirror = mirror;
    T_OK(fetch(&p), p.err);
    is_right(&p);
    p = at("ok");
    p.o.mirror = "file:///tmp";
    assert_int_equal(fetch(&p), EFF_EARG);
}

static void test_full_disk(void **state)
{
    (void)state;
    place p = at("ok");
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){ 65536, old.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const eff_status s = fetch(&p);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(s, EFF_EIO);
    assert_non_null(strstr(p.err.msg, "cannot write"));
    assert_int_equal(contents(&p), 2);
    T_OK(fetch(&p), p.err);
    is_right(&p);
    assert_int_equal(p.f.resumed, 65536);
}

static void test_two_at_once(void **state)
{
    (void)state;
    place p = at("slow");
    pid_t child[3];
    int status, brought = 0;
    for (int i = 0; i < 3; i++) {
        child[i] = fork();
        if (child[i] == 0) _exit(fetch(&p) != EFF_OK ? 99 : p.f.downloaded);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
        brought += WEXITSTATUS(status);
    }
    assert_int_equal(brought, 1);
    assert_int_equal(t_server_requests(NULL), 1);
    memcpy(p.f.sha256, digest, sizeof digest);
    is_right(&p);
    /* who downloads dies: another goes on */
    p = at("slow");
    child[0] = fork();
    if (child[0] == 0) _exit(fetch(&p) != EFF_OK);
    usleep(100000);
    kill(child[0], SIGKILL);
    waitpid(child[0], &status, 0);
    T_OK(fetch(&p), p.err);
    is_right(&p);
}

/* Every call to the operating system fails once, as on a disk that is broken; and all of them are slow. */
static void test_calls(void **state)
{
    (void)state;
    long made = 0;
    for (long n = -1; n < made; n++) { /* at first they are counted */
        const char *must;
        place p = at("ok");
        t_fault_arm(n);
        const eff_status s = fetch(&p);
        const long calls = t_fault_disarm(&must);
        if (n < 0) made = calls;
        if (must && (s != EFF_EIO || !strstr(p.err.msg, "Input/output error") || contents(&p) & ~2))
            fail_msg("call %ld, %s: %d '%s', left behind: %d", n, must, s, p.err.msg, contents(&p));
        if (s == EFF_OK) is_right(&p);
        T_OK(fetch(&p), p.err);
        is_right(&p);
    }
    assert_true(made > 8);
    place p = at("ok");
    t_fault_slow(true);
    const eff_status s = fetch(&p);
    t_fault_slow(false);
    T_OK(s, p.err);
    is_right(&p);
}

/* Every allocation of the library fails once: said as that, and nothing is left but what may be gone on with. */
static void test_memory(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        place p = at("ok");
        eff_catalog *c = NULL;
        eff_alloc_fail_after(n);
        eff_status s = eff_catalog_open(&c, NULL, &p.err);
        if (s == EFF_OK) s = fetch(&p);
        eff_alloc_fail_after(-1);
        eff_catalog_free(c);
        if (s == EFF_OK) {
            is_right(&p);
            assert_true(n >= 5);
            break;
        }
        assert_int_equal(s, EFF_ENOMEM);
        assert_int_equal(contents(&p) & ~2, 0);
        T_OK(fetch(&p), p.err);
        is_right(&p);
    }
}

/* ---------------------------------------------------------------------------------------------- archives */

static void test_member(void **state)
{
    (void)state;
    static unsigned char archive[SIZE + 4096];
    const char *const path = t_tmp("wheel.zip");
    int code;
    zip_t *const z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    assert_non_null(z);
    assert_true(zip_file_add(z, "pkg/w.pth", zip_source_buffer(z, payload, SIZE, 0), 0) >= 0);
    assert_true(zip_file_add(z, "pkg/other", zip_source_buffer(z, "other", 5, 0), 0) >= 0);
    assert_int_equal(zip_close(z), 0);
    FILE *const f = fopen(path, "rb");
    const size_t n = fread(archive, 1, sizeof archive, f);
    fclose(f);
    char whole[65];
    sha256(archive, n, whole);
    port = t_server_start(archive, n);

    place p = at("ok");
    p.w.size = n;
    p.w.member = "pkg/w.pth";
    p.w.archive_sha256 = whole;
    T_OK(fetch(&p), p.err);
    is_right(&p);
    const struct {
        const char *member, *archive, *file, *words;
        uint64_t largest;
    } bad[] = {
        { "pkg/none.pth", whole, digest, "no member 'pkg/none.pth'", SIZE },
        { "pkg/other", whole, digest, "what the archive holds is not the published file", SIZE },
        { "pkg/w.pth", wrong_digest, digest, "what came is not the published file", SIZE },
        { "pkg/w.pth", NULL, wrong_digest, "what the archive holds is not the published file", SIZE },
        { "pkg/w.pth", whole, digest, "more than the limit of 1000", 1000 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p = at("ok");
        p.w.size = n;
        p.w.member = bad[i].member;
        p.w.archive_sha256 = bad[i].archive;
        p.w.sha256 = bad[i].file;
        p.o.largest = bad[i].largest;
        assert_int_equal(fetch(&p), EFF_EFORMAT);
        if (!strstr(p.err.msg, bad[i].words)) fail_msg("%s", p.err.msg);
        assert_int_equal(contents(&p), 0);
    }
    /* damaged within, and no archive at all */
    for (int i = 0; i < 2; i++) {
        if (i)
            memset(archive, 7, n);
        else
            archive[n / 2] ^= 255;
        p = at("ok");
        p.w.size = n;
        p.w.member = "pkg/w.pth";
        assert_int_equal(fetch(&p), EFF_EFORMAT);
        assert_int_equal(contents(&p), 0);
    }
}

/* ------------------------------------------------------------------------------------------------- words */

static void test_reply(void **state)
{
    (void)state;
    eff_error err = { 0 };
    static const char safe[] = "https://a/f", plain[] = "http://a/f";
    assert_int_equal(eff_reply_redirect(plain, plain, &err), EFF_OK);
    assert_int_equal(eff_reply_redirect(plain, safe, &err), EFF_OK);
    assert_int_equal(eff_reply_redirect(safe, "HTTPS://b/f", &err), EFF_OK);
    assert_int_equal(eff_reply_redirect(safe, plain, &err), EFF_EIO);
    assert_int_equal(eff_reply_redirect("HTTPS://a/f", "HTTP://b/f", &err), EFF_EIO);
    assert_int_equal(eff_reply_redirect(plain, "ftp://b/f", &err), EFF_EIO);
    assert_int_equal(eff_reply_redirect(plain, "file:///f", &err), EFF_EIO);
    static const struct {
        const char *line;
        bool range;
    } ranges[] = {
        { "Content-Range: bytes 10-19/20\r\n", true }, { "content-range:bytes 10-19/*", true },
        { "Content-Range: bytes 10-20/20", false },    { "Content-Range: bytes 19-10/20", false },
        { "Content-Range: bytes -19/20", false },      { "Content-Range: bytes 0x1-19/20", false },
        { "Content-Range: bytes */20", false },        { "Content-Range: bytes 99999999999999999999-1/2", false }
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        eff_reply r = { 0 };
        assert_true(eff_reply_line(&r, ranges[i].line, strlen(ranges[i].line)));
        assert_int_equal(r.has_range, ranges[i].range);
        if (r.has_range) assert_true(r.first == 10 && r.last == 19);
    }
    eff_reply r = { 0 };
    static const char *const lines[] = { "HTTP/2 200\r\n", "ETag: W/\"weak\"",
                                         "Last-Modified: Tue, 01 Jan 2019 00:00:00 GMT", "Content-Encoding: identity",
                                         "Content-Length: 12" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) eff_reply_line(&r, lines[i], strlen(lines[i]));
    assert_int_equal(r.status, 200);
    assert_string_equal(eff_reply_validator(&r), "Tue, 01 Jan 2019 00:00:00 GMT");
    assert_true(r.has_length && r.length == 12 && !*r.encoding);
    eff_reply_line(&r, "HTTP/1.1 404 no", 15);
    assert_true(r.status == 404 && !r.has_length && !*eff_reply_validator(&r));
}

static void test_catalog(void **state)
{
    (void)state;
    eff_catalog *c;
    const eff_weights *w;
    eff_error err = { 0 };
    T_OK(eff_catalog_open(&c, NULL, &err), err);
    int n = 0;
    for (; (w = eff_catalog_entry(c, n)); n++) {
        /* what it says must be what this library understands */
        eff_model *m;
        eff_preprocess rule = { .side = 1 };
        if (eff_model_load(&m, w->model, NULL, &err) != EFF_OK) fail_msg("%s: %s", w->name, err.msg);
        eff_model_free(m);
        if (w->preprocess && eff_preprocess_parse(&rule, w->preprocess, &err) != EFF_OK)
            fail_msg("%s: %s", w->name, err.msg);
        const size_t digits = strlen(w->sha256);
        const char *const file = strrchr(w->url, '/') + 1;
        if (digits == 8 && !strstr(file, w->sha256)) fail_msg("%s: its hash is not in its file's name", w->name);
        assert_true(strncmp(w->url, "https://", 8) == 0 || strncmp(w->url, "package:/", 9) == 0);
    }
    assert_true(n >= 100);
    T_OK(eff_catalog_find(c, "efficientnet-lite0", &w, &err), err);
    assert_string_equal(w->name, "lite0");
    assert_int_equal(strncmp(w->url, "package:/", 9), 0);
    T_OK(eff_catalog_find(c, "tf_efficientnet_lite3.in1k", &w, &err), err);
    assert_string_equal(w->name, "lite3");
    assert_int_equal(eff_catalog_find(c, "litte0", &w, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "did you mean lite0?"));
    eff_catalog_free(c);

    static const char head[] = "name\talso\tmodel\tfamily\tformat\turl\tmember\tsize\tsha256\tarchive_"
                               "sha256\tpreprocess\ttop1\tlicence\torigin\n";
    static const struct {
        const char *row, *words;
    } bad[] = {
        { "../x\t-\tb0\tt\tpytorch\thttp://h/f\t-\t-\t01234567\t-\t-\t-\tL\tO", "line 2, name" },
        { "x\t-\tB 0\tt\tpytorch\thttp://h/f\t-\t-\t01234567\t-\t-\t-\tL\tO", "model" },
        { "x\t-\tb0\tt\tpickle\thttp://h/f\t-\t-\t01234567\t-\t-\t-\tL\tO", "format" },
        { "x\t-\tb0\tt\tpytorch\tfile:///h/f\t-\t-\t01234567\t-\t-\t-\tL\tO", "url" },
        { "x\t-\tb0\tt\tpytorch\thttp://u@h/f\t-\t-\t01234567\t-\t-\t-\tL\tO", "url" },
        { "x\t-\tb0\tt\tpytorch\thttp://h/\t-\t-\t01234567\t-\t-\t-\tL\tO", "url" },
        { "x\t-\tb0\tt\tpytorch\thttp://h/f\t-\t-\t0123456\t-\t-\t-\tL\tO", "sha256" },
        { "x\t-\tb0\tt\tpytorch\thttp://h/f\t-\t-\t-\t-\t-\t-\tL\tO", "sha256" },
        { "x\t-\tb0\tt\tpytorch\thttp://h/f\t-\t-5\t01234567\t-\t-\t-\tL\tO", "size" },
        { "x\t-\tb0\tt\tpytorch\thttp://h/f\t-\t-\t01234567\t01234567\t-\t-\tL\tO", "archive_sha256" },
        { "x\tx\tb0", "expected 14 columns, found 3" },
    };
    char text[1024];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int len = snprintf(text, sizeof text, "%s%s\n", head, bad[i].row);
        assert_int_equal(eff_catalog_parse(&c, text, (size_t)len, &err), EFF_EFORMAT);
        assert_null(c);
        if (!strstr(err.msg, bad[i].words)) fail_msg("%zu: %s", i, err.msg);
    }
}

int main(void)
{
    for (int i = 0; i < SIZE; i++) payload[i] = (unsigned char)((unsigned)i * 2654435761u >> 23);
    sha256(payload, SIZE, digest);
    sha256("", 0, wrong_digest);
    unsetenv("http_proxy");
    setenv("no_proxy", "*", 1);
    port = t_server_start(payload, SIZE);
    const struct CMUnitTest words[] = { cmocka_unit_test(test_reply), cmocka_unit_test(test_catalog) };
    const struct CMUnitTest transfers[] = {
        cmocka_unit_test(test_works),   cmocka_unit_test(test_bad_data),  cmocka_unit_test(test_bad_network),
        cmocka_unit_test(test_no_size), cmocka_unit_test(test_resume),    cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_cache),   cmocka_unit_test(test_full_disk), cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_memory),  cmocka_unit_test(test_calls),     cmocka_unit_test(test_member),
    };
    const int failed = cmocka_run_group_tests(words, NULL, NULL);
#ifdef EFF_TEST_CURL
    return failed + cmocka_run_group_tests(transfers, NULL, NULL);
#else
    (void)transfers;
    return failed;
#endif
}
