/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a TIFF or an AVIF, decoded by the worker through its binary. Nothing guides the mutations, since what
 * runs is another process; but every input goes the whole way, through libtiff or libavif, jail and stream, and must
 * come back as a picture or as one line. A worker that dies is the jail at work, unless it dies of the filter: then the
 * table of allowed calls lacks one that a sound decoder makes. Large pictures only take time. */
#include "fuzz_expect.h"

#include "image/image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_image *im;
    eff_error err = { 0 };
    const int plain = fuzz_worker(FUZZ_WORKER);
    if (!eff_is_tiff(data, size) && !eff_is_avif(data, size)) return 0;
    const eff_status s = eff_image_decode_bytes(&im, data, size, &err);
    FUZZ_EXPECT((s == EFF_OK) == (im != NULL));
    if (s != EFF_OK) {
        FUZZ_EXPECT(err.msg[0] && !strchr(err.msg, '\n'));
        FUZZ_EXPECT(!(plain && fuzz_filtered(err.msg)) && err.code != EFF_EIO); /* EFF_EIO: it was not started */
    }
    eff_image_destroy(im);
    return 0;
}
