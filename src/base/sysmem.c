/* SPDX-License-Identifier: Apache-2.0 */
/* Linux: MemAvailable, and less where a control group (version 2 or 1, seen from inside a container) allows less. */
#include "base/sysmem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The number that a file of one line holds; false for "max" and where there is no such file. */
static bool read_number(const char *path, uint64_t *out)
{
    unsigned long long v;
    FILE *const f = fopen(path, "re");
    if (!f) return false;
    const bool read = fscanf(f, "%llu", &v) == 1;
    fclose(f);
    if (read) *out = v;
    return read;
}

static bool read_meminfo(uint64_t *out)
{
    char line[256];
    unsigned long long kib;
    bool found = false;
    FILE *const f = fopen("/proc/meminfo", "re");
    while (f && !found && fgets(line, sizeof line, f)) found = sscanf(line, "MemAvailable: %llu kB", &kib) == 1;
    if (f) fclose(f);
    if (found) *out = kib * 1024;
    return found;
}

/* What a control group counts as used, but the system would give back at once: file pages not touched lately. */
static uint64_t read_idle(const char *path, const char *key)
{
    char line[256];
    unsigned long long bytes = 0;
    const size_t n = strlen(key);
    FILE *const f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, key, n) && sscanf(line + n, " %llu", &bytes) == 1) break;
    if (f) fclose(f);
    return bytes;
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
