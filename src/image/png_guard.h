/* SPDX-License-Identifier: Apache-2.0 */
/* How libpng is held: its memory is ours, warnings are not wanted, and errors come by a callback that must not return.
 * The jump never leaves the file that sets it. */
#ifndef EFF_IMAGE_PNG_GUARD_H
#define EFF_IMAGE_PNG_GUARD_H

#include "base/mem.h"

#include <setjmp.h>
#include <stdbool.h>

#include <png.h>

/** First in the job that is libpng's pointer for errors and memory. */
typedef struct eff_png_guard {
    jmp_buf jump;
    eff_error *err;
    eff_status status; /* with which it was left */
    bool no_memory;    /* an allocation failed; libpng may have gone on without */
} eff_png_guard;

static inline __attribute__((noreturn)) void eff_png_leave(eff_png_guard *g, eff_status status)
{
    g->status = status;
    longjmp(g->jump, 1);
}

static inline __attribute__((noreturn)) void eff_png_leave_memory(eff_png_guard *g)
{
    eff_png_leave(g, eff_fail(g->err, EFF_ENOMEM, "PNG: out of memory"));
}

static inline void eff_png_no_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static inline png_voidp eff_png_take(png_structp png, png_alloc_size_t n)
{
    eff_png_guard *const g = png_get_mem_ptr(png);
    void *const p = eff_malloc(n);
    if (!p) g->no_memory = true;
    return p;
}

static inline void eff_png_give(png_structp png, png_voidp p)
{
    (void)png;
    eff_free(p);
}

#endif
