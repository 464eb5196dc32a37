/* SPDX-License-Identifier: Apache-2.0 */
/* One lcms2 context a transform: no state is shared between threads, all its memory comes from base/mem.h, and a
 * profile that asks for much is refused like a damaged one. */
#include "image/icc.h"

#include "base/mem.h"

#include <string.h>

#include <lcms2.h>
#include <lcms2_plugin.h>

enum { MAX_HELD = 32 << 20 }; /* bytes that lcms2 may hold */

/* In front of every block that lcms2 holds: it loses some where memory ends, and then they are given back with it. */
typedef struct block {
    struct block *next, **link; /* link: the pointer that points here */
    size_t size;
    eff_icc *owner;
} block;

struct eff_icc {
    cmsContext context;
    cmsHTRANSFORM transform;
    block *list;
    size_t held;
    bool no_memory;
};

static void *enlist(eff_icc *icc, block *b, size_t n)
{
    *b = (block){ .next = icc->list, .link = &icc->list, .size = n, .owner = icc };
    if (b->next) b->next->link = &b->next;
    icc->list = b;
    icc->held += n;
    return b + 1;
}

static void unlist(const block *b)
{
    *b->link = b->next;
    if (b->next) b->next->link = b->link;
    b->owner->held -= b->size;
}

static void *take(cmsContext context, cmsUInt32Number n)
{
    eff_icc *const icc = cmsGetContextUserData(context);
    if (n > MAX_HELD - icc->held) return NULL;
    block *const b = eff_malloc(sizeof *b + n);
    if (b) return enlist(icc, b, n);
    icc->no_memory = true;
    return NULL;
}

static void give(cmsContext context, void *p)
{
    (void)context;
    block *const b = (block *)p - 1;
    unlist(b);
    eff_free(b);
}

static void *retake(cmsContext context, void *old, cmsUInt32Number n)
{
    void *const p = take(context, n);
    if (p && old) {
        const size_t had = ((const block *)old - 1)->size;
        memcpy(p, old, had < n ? had : n);
        give(context, old);
    }
    return p;
}

/* A context serves one thread, so that there is nothing to lock; lcms2's own way would not notice the end of memory. */
static void *no_mutex(cmsContext context) { return context; }

static void no_destroy(cmsContext context, void *mutex)
{
    (void)context;
    (void)mutex;
}

static cmsBool no_lock(cmsContext context, void *mutex)
{
    (void)context;
    (void)mutex;
    return TRUE;
}

static void no_unlock(cmsContext context, void *mutex) { no_destroy(context, mutex); }

static bool is_of(cmsHPROFILE profile, eff_pixels pixels)
{
    const cmsColorSpaceSignature space = cmsGetColorSpace(profile);
    switch (cmsGetDeviceClass(profile)) {
    case cmsSigInputClass:
    case cmsSigDisplayClass:
    case cmsSigOutputClass:
    case cmsSigColorSpaceClass: break;
    default: return false; /* links and effects describe no pixels */
    }
    return space == (pixels == EFF_PIXELS_GRAY  ? cmsSigGrayData
                     : pixels == EFF_PIXELS_RGB ? cmsSigRgbData
                                                : cmsSigCmykData);
}

static void build(eff_icc *icc, const uint8_t *bytes, size_t size, eff_pixels pixels)
{
    cmsHPROFILE srgb = NULL, profile = cmsOpenProfileFromMemTHR(icc->context, bytes, (cmsUInt32Number)size);
    if (profile && is_of(profile, pixels)) srgb = cmsCreate_sRGBProfileTHR(icc->context);
    if (srgb) {
        const cmsUInt32Number from = pixels == EFF_PIXELS_GRAY  ? TYPE_GRAY_8
                                     : pixels == EFF_PIXELS_RGB ? TYPE_RGB_8
                                                                : TYPE_CMYK_8_REV;
        icc->transform = cmsCreateTransformTHR(icc->context, profile, from, srgb, TYPE_RGB_8, INTENT_PERCEPTUAL, 0);
    }
    if (srgb) cmsCloseProfile(srgb);
    if (profile) cmsCloseProfile(profile);
}

eff_status eff_icc_open(eff_icc **out, const uint8_t *profile, size_t size, eff_pixels pixels, eff_error *err)
{
    cmsPluginMutex mutex = {
        .base = { .Magic = cmsPluginMagicNumber, .ExpectedVersion = 2060, .Type = cmsPluginMutexSig },
        .CreateMutexPtr = no_mutex,
        .DestroyMutexPtr = no_destroy,
        .LockMutexPtr = no_lock,
        .UnlockMutexPtr = no_unlock,
    };
    cmsPluginMemHandler memory = {
        .base = { .Magic = cmsPluginMagicNumber,
                  .ExpectedVersion = 2060,
                  .Type = cmsPluginMemHandlerSig,
                  .Next = &mutex.base },
        .MallocPtr = take,
        .FreePtr = give,
        .ReallocPtr = retake,
    };
    *out = NULL;
    if (!profile || size > EFF_ICC_MAX) return EFF_OK;
    eff_icc *icc = eff_calloc(1, sizeof *icc);
    if (icc) icc->context = cmsCreateContext(&memory, icc);
    if (!icc || !icc->context) {
        eff_icc_close(icc);
        return eff_fail(err, EFF_ENOMEM, "out of memory for a colour profile");
    }
    build(icc, profile, size, pixels);
    if (icc->no_memory) {
        eff_icc_close(icc);
        return eff_fail(err, EFF_ENOMEM, "out of memory for a colour profile");
    }
    if (icc->transform)
        *out = icc;
    else
        eff_icc_close(icc);
    return EFF_OK;
}

void eff_icc_row(const eff_icc *icc, uint8_t *rgb, const uint8_t *stored, int n)
{
    cmsDoTransform(icc->transform, stored, rgb, (cmsUInt32Number)n);
}

void eff_icc_close(eff_icc *icc)
{
    if (!icc) return;
    if (icc->transform) cmsDeleteTransform(icc->transform);
    if (icc->context) cmsDeleteContext(icc->context);
    while (icc->list) give(NULL, icc->list + 1);
    eff_free(icc);
}
