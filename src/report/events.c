/* SPDX-License-Identifier: Apache-2.0 */
/* Event files are a sequence of TFRecords (length, its checksum, data, its checksum; all little-endian, CRC-32C rotated
 * and offset), each holding one protocol buffer:
 *
 *     Event   { 1: double wall_time   2: int64 step   3: string file_version   5: Summary summary }
 *     Summary { 1: repeated Value }   Value { 1: string tag   2: float simple_value }
 *
 * These six fields are encoded by hand: a generator, its run-time library and a build step would be more to install and
 * to read than the thirty lines they would replace. Records are gathered in memory and go to the file in whole, so that
 * a reader never meets half of one while the program runs, and a record cut by a crash is the last, which TensorBoard
 * passes over. */
#define _GNU_SOURCE
#include "report/events.h"

#include "base/crc32c.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TAG_MOST = 200, RECORD_MOST = 16 + TAG_MOST + 64, ATTEMPTS = 1000, NAME_ROOM = 160 };

struct eff_events {
    int fd;
    char *path;
    unsigned char *bytes; /* records not yet written */
    size_t n, room;
};

/* ---------------------------------------------------------------------------------------------- encoding */

static uint32_t masked_crc(const void *p, size_t n) { return eff_crc32c_mask(eff_crc32c(0, p, n)); }

static unsigned char *put_le(unsigned char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) *p++ = (unsigned char)(v >> 8 * i);
    return p;
}

static unsigned char *put_varint(unsigned char *p, uint64_t v)
{
    for (; v > 127; v >>= 7) *p++ = (unsigned char)(v | 128);
    *p++ = (unsigned char)v;
    return p;
}

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static unsigned char *put_key(unsigned char *p, int field, int wire)
{
    return put_varint(p, (uint64_t)(field << 3 | wire));
}

static unsigned char *put_bytes(unsigned char *p, int field, const void *s, size_t n)
{
    p = put_varint(put_key(p, field, WIRE_BYTES), n);
    memcpy(p, s, n);
    return p + n;
}

static unsigned char *put_wall_time(unsigned char *p)
{
    struct timespec now;
    uint64_t bits;
    clock_gettime(CLOCK_REALTIME, &now);
    const double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    memcpy(&bits, &seconds, sizeof bits);
    return put_le(put_key(p, 1, WIRE_64), bits, 8);
}

/* Frame data[0..n) and put it behind the others. */
static eff_status append(eff_events *e, const unsigned char *data, size_t n, eff_error *err)
{
    if (e->n + n + 16 > e->room) {
        const size_t room = 2 * e->room + n + 4096;
        unsigned char *const p = eff_realloc(e->bytes, room);
        if (!p) return eff_fail_memory(err, room);
        e->bytes = p;
        e->room = room;
    }
    unsigned char *p = e->bytes + e->n;
    put_le(p, n, 8);
    p = put_le(p + 8, masked_crc(p, 8), 4);
    memcpy(p, data, n);
    put_le(p + n, masked_crc(data, n), 4);
    e->n += n + 16;
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------------- files */

/* A host's name may be anything; what is not plain in a file name becomes a dash. */
static void host_name(char *out, size_t room)
{
    if (gethostname(out, room) != 0) snprintf(out, room, "localhost");
    out[room - 1] = '\0';
    for (char *p = out; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", *p)) *p = '-';
    if (!*out) snprintf(out, room, "localhost");
}

static eff_status create(eff_events *e, const char *folder, eff_error *err)
{
    char host[65];
    const size_t room = strlen(folder) + NAME_ROOM;
    host_name(host, sizeof host);
    e->path = eff_malloc(room);
    if (!e->path) return eff_fail_memory(err, room);
    for (int k = 0; k < ATTEMPTS; k++) { /* the same process may have begun one within this second */
        snprintf(e->path, room, "%s/events.out.tfevents.%010lld.%s.%ld.%d.v2", folder, (long long)time(NULL), host,
                 (long)getpid(), k);
        e->fd = open(e->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
        if (e->fd >= 0) return EFF_OK;
        if (errno != EEXIST) break;
    }
    return eff_fail(err, EFF_EIO, "event file: cannot write: %s", strerror(errno));
}

eff_status eff_events_open(eff_events **out, const char *folder, eff_error *err)
{
    static const char version[] = "brain.Event:2";
    unsigned char data[64];
    *out = NULL;
    eff_events *const e = eff_calloc(1, sizeof *e);
    if (!e) return eff_fail_memory(err, sizeof *e);
    e->fd = -1;
    const unsigned char *const end = put_bytes(put_wall_time(data), 3, version, sizeof version - 1);
    eff_status s = append(e, data, (size_t)(end - data), err); /* first, so that what fails leaves no file */
    if (s == EFF_OK) s = create(e, folder, err);
    if (s == EFF_OK) s = eff_events_flush(e, err);
    if (s != EFF_OK) {
        if (e->fd >= 0) unlink(e->path);
        e->n = 0;
        eff_events_close(e);
        return s;
    }
    *out = e;
    return EFF_OK;
}

eff_status eff_events_scalar(eff_events *e, const char *tag, int64_t step, double value, eff_error *err)
{
    unsigned char value_data[RECORD_MOST], summary[RECORD_MOST], data[RECORD_MOST];
    const size_t length = strlen(tag);
    const float narrow = (float)value;
    uint32_t bits;
    if (!length || length > TAG_MOST)
        return eff_fail(err, EFF_EARG, "event: expected a tag of 1 to %d bytes, found %zu", TAG_MOST, length);
    memcpy(&bits, &narrow, sizeof bits);
    const unsigned char *end = put_le(put_key(put_bytes(value_data, 1, tag, length), 2, WIRE_32), bits, 4);
    end = put_bytes(summary, 1, value_data, (size_t)(end - value_data));
    const size_t n = (size_t)(end - summary);
    unsigned char *p = put_varint(put_key(put_wall_time(data), 2, WIRE_VARINT), (uint64_t)step);
    p = put_bytes(p, 5, summary, n);
    return append(e, data, (size_t)(p - data), err);
}

eff_status eff_events_flush(eff_events *e, eff_error *err)
{
    size_t done = 0;
    while (done < e->n) {
        const ssize_t k = write(e->fd, e->bytes + done, e->n - done);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) break;
        done += (size_t)k;
    }
    const int failure = errno;
    memmove(e->bytes, e->bytes + done, e->n - done); /* what did not go stays for the next attempt */
    e->n -= done;
    return e->n ? eff_fail(err, EFF_EIO, "event file: cannot write: %s", strerror(failure)) : EFF_OK;
}

const char *eff_events_path(const eff_events *e) { return e->path; }

void eff_events_close(eff_events *e)
{
    if (!e) return;
    if (e->fd >= 0) {
        (void)!eff_events_flush(e, NULL);
        close(e->fd);
    }
    eff_free(e->path);
    eff_free(e->bytes);
    eff_free(e);
}
