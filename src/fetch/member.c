/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one member with libzip, which checks its CRC. What the archive says of sizes is a claim: bytes are counted as
 * they come. */
#include "fetch/member.h"

#include "base/mem.h"
#include "fetch/digest.h"

#include <zip.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 16, MOST_MEMBERS = 10000 };

static eff_status zip_fail(eff_error *err, zip_error_t *e, const char *what)
{
    return eff_fail(err, zip_error_code_zip(e) == ZIP_ER_MEMORY ? EFF_ENOMEM : EFF_EFORMAT, "%s: %s", what,
                    zip_error_strerror(e));
}

static eff_status open_archive(zip_t **z, int fd, eff_error *err)
{
    int code = 0;
    const int own = dup(fd); /* libzip closes it */
    if (own < 0) return eff_fail(err, EFF_EIO, "cannot be opened again: %s", strerror(errno));
    if (lseek(own, 0, SEEK_SET) >= 0) *z = zip_fdopen(own, 0, &code);
    if (*z) return EFF_OK;
    close(own);
    zip_error_t e;
    zip_error_init_with_code(&e, code);
    const eff_status s = zip_fail(err, &e, "expected a zip archive");
    zip_error_fini(&e);
    return s;
}

static eff_status find(zip_t *z, const char *name, uint64_t most, zip_uint64_t *index, eff_error *err)
{
    zip_stat_t st;
    const zip_uint64_t need = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
    const zip_int64_t n = zip_get_num_entries(z, 0);
    if (n > MOST_MEMBERS) return eff_fail(err, EFF_EFORMAT, "the archive has %lld members", (long long)n);
    const zip_int64_t i = zip_name_locate(z, name, 0);
    if (i < 0) return eff_fail(err, EFF_EFORMAT, "the archive has no member '%.120s'", name);
    *index = (zip_uint64_t)i;
    zip_stat_init(&st);
    if (zip_stat_index(z, *index, 0, &st) != 0 || (st.valid & need) != need)
        return zip_fail(err, zip_get_error(z), name);
    if ((st.valid & ZIP_STAT_ENCRYPTION_METHOD) && st.encryption_method != ZIP_EM_NONE)
        return eff_fail(err, EFF_EUNSUPPORTED, "'%.120s' is encrypted", name);
    if (st.comp_method != ZIP_CM_STORE && st.comp_method != ZIP_CM_DEFLATE)
        return eff_fail(err, EFF_EUNSUPPORTED, "'%.120s': compression method %d is not read", name,
                        (int)st.comp_method);
    if (st.size > most)
        return eff_fail(err, EFF_EFORMAT, "'%.120s' has %llu bytes, more than the limit of %llu", name,
                        (unsigned long long)st.size, (unsigned long long)most);
    return EFF_OK;
}

static eff_status copy(zip_file_t *f, const char *name, uint64_t most, FILE *out, eff_digest *d, uint64_t *size,
                       eff_error *err)
{
    unsigned char block[BLOCK];
    for (;;) {
        const zip_int64_t n = zip_fread(f, block, sizeof block);
        if (n < 0) return zip_fail(err, zip_file_get_error(f), name);
        if (n == 0) return EFF_OK;
        *size += (uint64_t)n;
        if (*size > most)
            return eff_fail(err, EFF_EFORMAT, "'%.120s' has more than %llu bytes", name, (unsigned long long)most);
        if (!eff_digest_add(d, block, (size_t)n)) return eff_fail(err, EFF_ENOMEM, "SHA-256 cannot be computed");
        if (fwrite(block, 1, (size_t)n, out) != (size_t)n)
            return eff_fail(err, EFF_EIO, "cannot write: %s", strerror(errno ? errno : EIO));
    }
}

eff_status eff_member_extract(int fd, const char *name, uint64_t most, FILE *out, char hex[65], uint64_t *size,
                              eff_error *err)
{
    zip_t *z = NULL;
    zip_file_t *f = NULL;
    zip_uint64_t index = 0;
    eff_digest d = { NULL };
    *size = 0;
    eff_status s = open_archive(&z, fd, err);
    if (s == EFF_OK) s = find(z, name, most, &index, err);
    if (s == EFF_OK && !(f = zip_fopen_index(z, index, 0))) s = zip_fail(err, zip_get_error(z), name);
    if (s == EFF_OK) s = eff_digest_begin(&d, err);
    if (s == EFF_OK) s = copy(f, name, most, out, &d, size, err);
    if (!eff_digest_end(&d, hex) && s == EFF_OK) s = eff_fail(err, EFF_ENOMEM, "SHA-256 cannot be computed");
    if (f) zip_fclose(f);
    if (z) zip_discard(z);
    return s;
}
