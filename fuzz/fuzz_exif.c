/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: an EXIF block; and the same bytes as the segments of a JPEG. */
#include "fuzz_expect.h"

#include "image/exif.h"
#include "image/icc.h"
#include "image/jpeg_extra.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int o = eff_exif_orientation(data, size);
    FUZZ_EXPECT(o >= 1 && o <= 8);
    eff_jpeg_extra x;
    FUZZ_EXPECT(eff_jpeg_extra_read(&x, data, size, NULL) == EFF_OK);
    FUZZ_EXPECT(x.orientation >= 1 && x.orientation <= 8 && x.icc_size <= EFF_ICC_MAX && !x.icc == !x.icc_size);
    eff_jpeg_extra_free(&x);
    FUZZ_EXPECT(eff_jpeg_count_scans(data, size, 7) <= 7);
    return 0;
}
