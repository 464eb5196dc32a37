/* SPDX-License-Identifier: Apache-2.0 */
/* Linux: MemAvailable, and less where a control group (version 2 or 1, seen from inside a container) allows less. */
#include "base/sysmem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number that a text begins with, blanks before it or not. */
static bool read_digits(const char *s, uint64_t *out)
{
    char *end;
    errno = 0;
    const unsigned long long v = strtoull(s, &end, 10);
    if (end == s || errno) return false;
    *out = v;
    return true;
}

/* The number that a file of one line holds; false for "max" and where there is no such file. */
static bool read_number(const char *path, uint64_t *out)
{
    char line[64];
    FILE *const f = fopen(path, "re");
    const bool read = f && fgets(line, sizeof line, f) && read_digits(line, out);
    if (f) (void)fclose(f);
    return read;
}

/* The number behind the word `key` at the beginning of a line of a file. */
static bool read_keyed(const char *path, const char *key, uint64_t *out)
{
    char line[256];
    bool found = false;
    const size_t n = strlen(key);
    FILE *const f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof line, f)) found = !strncmp(line, key, n) && read_digits(line + n, out);
    if (f) (void)fclose(f);
    return found;
}

static bool read_meminfo(uint64_t *out)
{
    uint64_t kib;
    if (!read_keyed("/proc/meminfo", "MemAvailable:", &kib)) return false;
    *out = kib * 1024;
    return true;
}

/* What a control group counts as used, but the system would give back at once: file pages not touched lately. */
static uint64_t read_idle(const char *path, const char *key)
{
    uint64_t bytes = 0;
    return read_keyed(path, key, &bytes) ? bytes : 0;
}

size_t eff_memory_available(void)
{
    static const struct {
        const char *limit, *used, *stat, *idle;
    } group[] = { { "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat",
                    "inactive_file" },
                  { "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
                    "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file" } };
    uint64_t available = 0, limit, used;
    bool known = read_meminfo(&available);
    for (int i = 0; i < 2; i++) {
        if (!read_number(group[i].limit, &limit) || !read_number(group[i].used, &used)) continue;
        const uint64_t idle = read_idle(group[i].stat, group[i].idle), held = used > idle ? used - idle : 0;
        const uint64_t left = limit > held ? limit - held : 0;
        if (!known || left < available) available = left;
        known = true;
    }
    return known && available < SIZE_MAX ? (size_t)available : 0;
}
