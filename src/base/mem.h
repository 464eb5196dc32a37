/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: checked size arithmetic and 64-byte aligned blocks. Any count that came from a file goes through eff_mul(). */
#ifndef EFF_BASE_MEM_H
#define EFF_BASE_MEM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EFF_ALIGN = 64 }; /* one cache line = one AVX-512 vector */

/** *out = a * b; false (and *out untouched) when it does not fit. */
static inline bool eff_mul(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

static inline bool eff_add(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

static inline size_t eff_round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* All allocation of the library goes through these; eff_alloc_fail_after() makes the n-th call fail, for tests. */
void *eff_malloc(size_t bytes);                /* malloc(max(bytes, 1))         */
void *eff_calloc(size_t n, size_t size);       /* checked product, zeroed       */
void *eff_realloc(void *p, size_t bytes);
char *eff_strdup(const char *s);
char *eff_strndup(const char *s, size_t n);
void  eff_free(void *p);

/** EFF_ALIGN-aligned block, not zeroed; release with eff_free(). */
void *eff_malloc_aligned(size_t bytes);

/** Blocks that are asked for again and again in like sizes, each under its number: what is there is handed out again when it is
 * large enough, with its pages in place. Zeroed is empty; nobody frees a block of it. */
enum { EFF_SPARES = 8 };
typedef struct eff_spare {
    void *block[EFF_SPARES];
    size_t bytes[EFF_SPARES];
} eff_spare;
/** Block `i`, aligned, not zeroed; its former content is gone. s NULL: eff_malloc_aligned(). */
void *eff_spare_take(eff_spare *s, int i, size_t bytes);
void eff_spare_free(eff_spare *s);

/** Make allocation number n from now (0 = the next) and every later one fail; n < 0 switches this off. Tests only. */
void eff_alloc_fail_after(long n);
/** Allocations asked for since the last eff_alloc_fail_after(). */
long eff_alloc_count(void);

/** A copy of `text` in *out, which stays as it is for NULL. */
eff_status eff_copy_text(char **out, const char *text, eff_error *err);

/** Free n texts, NULL among them or not, and what holds them. */
void eff_free_texts(char **s, int n);

#endif
