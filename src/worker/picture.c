/* SPDX-License-Identifier: Apache-2.0 */
/* Which decoder a picture is for. The parent asks for what it took for a TIFF or an AVIF; here it is looked at once
 * more, and a build may lack a decoder. */
#include "worker/picture.h"

#include "base/file.h"
#include "base/mem.h"
#include "image/decode.h"

static eff_status decode(int out, const uint8_t *bytes, size_t size, eff_error *err)
{
    if (eff_is_tiff(bytes, size)) {
#if EFF_TIFF
        return eff_tiff_decode(out, bytes, size, err);
#else
        return eff_fail(err, EFF_EUNSUPPORTED, "image: a TIFF, which this build does not read: EFF_TIFF is off");
#endif
    }
    if (eff_is_avif(bytes, size)) {
#if EFF_AVIF
        return eff_avif_decode(out, bytes, size, err);
#else
        return eff_fail(err, EFF_EUNSUPPORTED, "image: an AVIF, which this build does not read: EFF_AVIF is off");
#endif
    }
    (void)out;
    return eff_fail(err, EFF_EFORMAT, "image: expected a TIFF or an AVIF, found neither");
}

eff_status eff_worker_picture(int out, int fd, uint64_t size, eff_error *err)
{
    uint8_t *const bytes = eff_malloc((size_t)size);
    if (!bytes) return eff_fail_memory(err, (size_t)size);
    eff_status s = eff_file_read_at(fd, bytes, (size_t)size, 0, err);
    if (s == EFF_OK) s = decode(out, bytes, (size_t)size, err);
    eff_free(bytes);
    return s;
}
