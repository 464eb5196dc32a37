/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation with one hook for fault injection. The counter is atomic, so that threads may allocate. */
#define _GNU_SOURCE
#include "base/mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, HUGE_BLOCK = 4 * HUGE_PAGE };

static atomic_long g_count;
static atomic_long g_fail_at = -1;

static bool refused(void)
{
    const long n = atomic_fetch_add_explicit(&g_count, 1, memory_order_relaxed);
    const long at = atomic_load_explicit(&g_fail_at, memory_order_relaxed);
    if (at < 0 || n < at) return false;
    errno = ENOMEM; /* as malloc() does */
    return true;
}

void eff_alloc_fail_after(long n)
{
    atomic_store(&g_count, 0);
    atomic_store(&g_fail_at, n);
}

long eff_alloc_count(void) { return atomic_load(&g_count); }

void *eff_malloc(size_t bytes) { return refused() ? NULL : malloc(bytes ? bytes : 1); }

void *eff_calloc(size_t n, size_t size)
{
    if (refused()) return NULL;
    return n && size ? calloc(n, size) : calloc(1, 1);
}

void *eff_realloc(void *p, size_t bytes) { return refused() ? NULL : realloc(p, bytes ? bytes : 1); }

char *eff_strndup(const char *s, size_t n)
{
    char *d = eff_malloc(n + 1);
    if (!d) return NULL;
    memcpy(d, s, n);
    d[n] = '\0';
    return d;
}

char *eff_strdup(const char *s) { return eff_strndup(s, strlen(s)); }

void eff_free(void *p) { free(p); }

void *eff_malloc_aligned(size_t bytes)
{
    if (refused()) return NULL;
    if (bytes > SIZE_MAX - EFF_ALIGN) return NULL;
    if (bytes < HUGE_BLOCK) return aligned_alloc(EFF_ALIGN, eff_round_up(bytes ? bytes : 1, EFF_ALIGN));
    void *p = aligned_alloc(HUGE_PAGE, eff_round_up(bytes, HUGE_PAGE));
    if (p) madvise(p, bytes, MADV_HUGEPAGE); /* a wish: fewer page faults and TLB misses where it is granted */
    return p;
}

void *eff_spare_take(eff_spare *s, int i, size_t bytes)
{
    if (!s) return eff_malloc_aligned(bytes);
    if (!s->block[i] || s->bytes[i] < bytes) {
        free(s->block[i]);
        s->block[i] = eff_malloc_aligned(bytes);
        s->bytes[i] = s->block[i] ? bytes : 0;
    }
    return s->block[i];
}

void eff_spare_free(eff_spare *s)
{
    for (int i = 0; i < EFF_SPARES; i++) free(s->block[i]);
    *s = (eff_spare){ { NULL } };
}

eff_status eff_copy_text(char **out, const char *text, eff_error *err)
{
    if (!text) return EFF_OK;
    *out = eff_strdup(text);
    return *out ? EFF_OK : eff_fail_memory(err, strlen(text));
}

void eff_free_texts(char **s, int n)
{
    for (int i = 0; s && i < n; i++) eff_free(s[i]);
    eff_free(s);
}
