/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by libcrypto. */
#include "fetch/digest.h"

#include "base/mem.h"

#include <openssl/evp.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

eff_status eff_digest_begin(eff_digest *d, eff_error *err)
{
    EVP_MD_CTX *const c = EVP_MD_CTX_new();
    d->ctx = c;
    if (c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1) return EFF_OK;
    EVP_MD_CTX_free(c);
    d->ctx = NULL;
    return eff_fail(err, EFF_ENOMEM, "SHA-256 cannot be computed");
}

bool eff_digest_add(eff_digest *d, const void *bytes, size_t n) { return EVP_DigestUpdate(d->ctx, bytes, n) == 1; }

bool eff_digest_end(eff_digest *d, char hex[65])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    const bool ok = d->ctx && EVP_DigestFinal_ex(d->ctx, raw, &n) == 1 && n == 32;
    for (size_t i = 0; ok && i < n; i++) snprintf(hex + 2 * i, 3, "%02x", raw[i]);
    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;
    return ok;
}

eff_status eff_digest_add_file(eff_digest *d, int fd, uint64_t *size, int (*tick)(void *, uint64_t), void *ctx,
                               eff_error *err)
{
    unsigned char *const block = eff_malloc(BLOCK);
    eff_status s = block ? EFF_OK : eff_fail_memory(err, BLOCK);
    for (off_t at = 0; s == EFF_OK;) {
        const ssize_t n = pread(fd, block, BLOCK, at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) s = eff_fail(err, EFF_EIO, "cannot be read: %s", strerror(errno));
        if (n <= 0) break;
        at += n;
        *size += (uint64_t)n;
        if (!eff_digest_add(d, block, (size_t)n)) s = eff_fail(err, EFF_ENOMEM, "SHA-256 cannot be computed");
        if (s == EFF_OK && tick && tick(ctx, *size)) s = eff_fail(err, EFF_ECANCELLED, "interrupted");
    }
    eff_free(block);
    return s;
}

eff_status eff_digest_file(int fd, char hex[65], uint64_t *size, int (*tick)(void *, uint64_t), void *ctx,
                           eff_error *err)
{
    eff_digest d;
    *size = 0;
    eff_status s = eff_digest_begin(&d, err);
    if (s == EFF_OK) s = eff_digest_add_file(&d, fd, size, tick, ctx, err);
    if (!eff_digest_end(&d, hex) && s == EFF_OK) s = eff_fail(err, EFF_ENOMEM, "SHA-256 cannot be computed");
    return s;
}

bool eff_digest_fits(const char hex[65], const char *published)
{
    return strncmp(hex, published, strlen(published)) == 0;
}
