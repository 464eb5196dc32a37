/* SPDX-License-Identifier: Apache-2.0 */
/* A server that misbehaves on request. A connection has a thread of its own and ends after one reply. */
#define _GNU_SOURCE
#include "server.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    const unsigned char *bytes;
    size_t n;
    int fd, port;
    pthread_mutex_t lock;
    char etag[64];
    int requests;
    long range;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER, .etag = "\"v1\"" };

typedef struct request {
    int fd;
    char mode[40], etag[64];
    long range; /* -1: none, or what If-Range says is not what is served */
    bool asked; /* for a range */
} request;

static bool put(int fd, const void *p, size_t n)
{
    const char *s = p;
    while (n) {
        const ssize_t k = send(fd, s, n, MSG_NOSIGNAL);
        if (k <= 0) return false;
        s += k;
        n -= (size_t)k;
    }
    return true;
}

static bool say(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool say(int fd, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    return put(fd, line, (size_t)n);
}

/* Head of a reply with the file, or with the rest of it; @return where the rest begins. */
static size_t head(const request *r, bool length)
{
    const size_t from = r->range >= 0 ? (size_t)r->range : 0;
    if (r->range >= 0)
        say(r->fd, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %zu-%zu/%zu\r\n", from, server.n - 1,
            server.n);
    else
        say(r->fd, "HTTP/1.1 200 OK\r\n");
    say(r->fd, "ETag: %s\r\n", r->etag);
    if (length) say(r->fd, "Content-Length: %zu\r\n", server.n - from);
    return from;
}

static void whole(const request *r)
{
    const size_t from = head(r, true);
    put(r->fd, "\r\n", 2);
    put(r->fd, server.bytes + from, server.n - from);
}

/* Until the other side has had enough. */
static void hang(const request *r)
{
    char c;
    while (recv(r->fd, &c, 1, 0) > 0) {
    }
}

static void some(const request *r, size_t n, bool then_hang)
{
    const size_t from = head(r, true);
    put(r->fd, "\r\n", 2);
    put(r->fd, server.bytes + from, from + n < server.n ? n : server.n - from);
    if (then_hang) hang(r);
}

static void chunked(const request *r, bool to_the_end)
{
    head(r, false);
    say(r->fd, "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = r->range >= 0 ? (size_t)r->range : 0; at < server.n; at += 10000) {
        const size_t k = server.n - at < 10000 ? server.n - at : 10000;
        say(r->fd, "%zx\r\n", k);
        put(r->fd, server.bytes + at, k);
        say(r->fd, "\r\n");
        if (!to_the_end && at > server.n / 2) return;
    }
    say(r->fd, "0\r\n\r\n");
}

static void fill(const request *r, const char *with, size_t n)
{
    for (size_t at = 0; at < n; at += 64)
        if (!put(r->fd, with, strlen(with))) return;
}

static const char sixty_four[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void answer(const request *r)
{
    const char *const m = r->mode;
    const int fd = r->fd;
    if (!strcmp(m, "ok")) {
        whole(r);
    } else if (!strcmp(m, "wrong")) { /* as long, other bytes */
        say(fd, "HTTP/1.1 200 OK\r\nETag: %s\r\nContent-Length: %zu\r\n\r\n", r->etag, server.n);
        fill(r, sixty_four, server.n);
    } else if (!strcmp(m, "short")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        put(fd, server.bytes, 100);
    } else if (!strcmp(m, "long")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", server.n + 64);
        put(fd, server.bytes, server.n);
        put(fd, sixty_four, 64);
    } else if (!strcmp(m, "endless")) { /* without a length */
        say(fd, "HTTP/1.1 200 OK\r\n\r\n");
        fill(r, sixty_four, (size_t)1 << 30);
    } else if (!strcmp(m, "ends")) { /* before the end, without a length */
        say(fd, "HTTP/1.1 200 OK\r\n\r\n");
        put(fd, server.bytes, server.n / 2);
    } else if (!strcmp(m, "cut")) { /* the connection breaks, every time a little later */
        some(r, server.n / 3, false);
    } else if (!strcmp(m, "dead")) { /* and never comes back with more */
        if (r->range < 0) some(r, 50000, false);
    } else if (!strcmp(m, "slow")) {
        const size_t from = head(r, true);
        put(fd, "\r\n", 2);
        for (size_t at = from; at < server.n; at += server.n / 12 + 1) {
            put(fd, server.bytes + at, server.n - at < server.n / 12 + 1 ? server.n - at : server.n / 12 + 1);
            usleep(20000);
        }
    } else if (!strcmp(m, "stall")) {
        some(r, 50000, true);
    } else if (!strcmp(m, "silent")) {
        hang(r);
    } else if (!strcmp(m, "loop")) {
        say(fd, "HTTP/1.1 302 Found\r\nLocation: /loop/f.pth\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(m, "redirect")) {
        say(fd, "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:%d/ok/f.pth\r\nContent-Length: 4\r\n\r\nbody",
            server.port);
    } else if (!strcmp(m, "tofile")) {
        say(fd, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(m, "tonowhere")) {
        say(fd, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(m, "bomb")) { /* what it would expand to matters to nobody */
        say(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", server.n);
        put(fd, server.bytes, server.n);
    } else if (!strcmp(m, "404")) {
        say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: %zu\r\n\r\n", server.n);
        put(fd, server.bytes, server.n);
    } else if (!strcmp(m, "500")) {
        say(fd, "HTTP/1.1 500 Oh\r\n\r\n");
        fill(r, sixty_four, (size_t)64 << 20);
    } else if (!strcmp(m, "norange")) {
        request again = *r;
        again.range = -1;
        whole(&again);
    } else if (!strcmp(m, "otherrange")) { /* says so */
        if (r->range < 0) return whole(r);
        say(fd, "HTTP/1.1 206 Partial Content\r\nETag: %s\r\nContent-Range: bytes 7-%zu/%zu\r\n\r\n", r->etag,
            server.n - 1, server.n);
        put(fd, server.bytes + 7, server.n - 7);
    } else if (!strcmp(m, "liedrange")) { /* does not: the first bytes in place of the rest */
        const size_t from = head(r, true);
        put(fd, "\r\n", 2);
        put(fd, server.bytes, server.n - from);
    } else if (!strcmp(m, "mixed")) { /* another version, in spite of If-Range */
        if (r->range < 0) return whole(r);
        say(fd, "HTTP/1.1 206 Partial Content\r\nETag: \"other\"\r\nContent-Range: bytes %ld-%zu/%zu\r\n\r\n", r->range,
            server.n - 1, server.n);
        put(fd, server.bytes + r->range, server.n - (size_t)r->range);
    } else if (!strcmp(m, "416")) {
        if (!r->asked) return whole(r);
        say(fd, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(m, "uninvited")) { /* a part, though nobody asked for one */
        say(fd,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-19/%zu\r\nContent-Length: 10\r\n\r\n0123456789",
            server.n);
    } else if (!strcmp(m, "longheader")) {
        say(fd, "HTTP/1.1 200 OK\r\nX: ");
        fill(r, sixty_four, (size_t)8 << 20);
    } else if (!strcmp(m, "headers")) {
        say(fd, "HTTP/1.1 200 OK\r\n");
        fill(r, "X-Nothing: 0123456789abcdef0123456789abcdef0123456789abcdef0123\r\n", (size_t)8 << 20);
    } else if (!strcmp(m, "nolength")) {
        const size_t from = head(r, false);
        put(fd, "\r\n", 2);
        put(fd, server.bytes + from, server.n - from);
    } else if (!strcmp(m, "chunked")) {
        chunked(r, true);
    } else if (!strcmp(m, "chunkcut")) {
        chunked(r, false);
    } else if (!strcmp(m, "empty")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(m, "garbage")) {
        fill(r, sixty_four, 6400);
    }
}

static long number_after(const char *text, const char *name)
{
    const char *const at = strcasestr(text, name);
    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static void *serve(void *own)
{
    char text[4096];
    size_t n = 0;
    request r = { .fd = (int)(long)own, .range = -1 };
    for (ssize_t k; n < sizeof text - 1 && (k = recv(r.fd, text + n, sizeof text - 1 - n, 0)) > 0;) {
        n += (size_t)k;
        text[n] = '\0';
        if (strstr(text, "\r\n\r\n")) break;
    }
    text[n] = '\0';
    if (sscanf(text, "GET /%39[^/]/", r.mode) == 1) {
        pthread_mutex_lock(&server.lock);
        server.requests++;
        server.range = number_after(text, "\r\nRange: bytes=");
        strcpy(r.etag, server.etag);
        r.asked = server.range >= 0;
        char want[100];
        snprintf(want, sizeof want, "\r\nIf-Range: %s\r\n", r.etag);
        if (strstr(text, want)) r.range = server.range;
        pthread_mutex_unlock(&server.lock);
        answer(&r);
    }
    shutdown(r.fd, SHUT_WR);
    struct timeval patience = { .tv_sec = 1 };
    setsockopt(r.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    hang(&r); /* closing with something unread would reset the connection under what was sent */
    close(r.fd);
    return NULL;
}

static void *accept_all(void *own)
{
    (void)own;
    for (;;) {
        pthread_t t;
        const int fd = accept(server.fd, NULL, NULL);
        if (fd >= 0 && pthread_create(&t, NULL, serve, (void *)(long)fd) == 0) pthread_detach(t);
    }
    return NULL;
}

int t_server_start(const unsigned char *bytes, size_t n)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof a;
    pthread_t t;
    server.bytes = bytes;
    server.n = n;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server.fd < 0 || bind(server.fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(server.fd, 16) != 0 ||
        getsockname(server.fd, (struct sockaddr *)&a, &len) != 0 || pthread_create(&t, NULL, accept_all, NULL) != 0)
        abort();
    pthread_detach(t);
    server.port = ntohs(a.sin_port);
    return server.port;
}

int t_server_requests(long *range)
{
    pthread_mutex_lock(&server.lock);
    const int n = server.requests;
    if (range) *range = server.range;
    server.requests = 0;
    pthread_mutex_unlock(&server.lock);
    return n;
}

void t_server_version(const char *etag)
{
    pthread_mutex_lock(&server.lock);
    snprintf(server.etag, sizeof server.etag, "%s", etag);
    pthread_mutex_unlock(&server.lock);
}
