/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the fuzzers of images. */
#include "fuzz_image.h"

#include "image/image.h"
#include "image/preprocess.h"

#include <string.h>

enum { SIDE = 6 };

void fuzz_image(const uint8_t *data, size_t size)
{
    static float rows[SIDE * SIDE * 3], whole[SIDE * SIDE * 3];
    const eff_preprocess p = { .geometry = size % 2 ? EFF_GEOM_SQUASH : EFF_GEOM_SHORT,
                               .filter = (eff_filter)(size % 9),
                               .side = SIDE,
                               .height = SIDE,
                               .width = SIDE,
                               .std = { 1, 1, 1 },
                               .icc = size % 4 < 2 };
    eff_image *im = NULL;
    eff_error err = { 0 }, again = { 0 };
    const eff_status s = eff_image_decode_bytes(&im, data, size, &err);
    FUZZ_EXPECT((s == EFF_OK) == (im != NULL) && (s == EFF_OK || err.msg[0]));
    FUZZ_EXPECT(s == EFF_OK || s == EFF_EFORMAT || s == EFF_EUNSUPPORTED || s == EFF_ENOMEM);
    const eff_status t = eff_preprocess_bytes(data, size, &p, rows, &again);
    FUZZ_EXPECT(s == t && !strcmp(err.msg, again.msg));
    if (s == EFF_OK) {
        FUZZ_EXPECT(eff_preprocess_apply(im, &p, whole, &err) == EFF_OK && !memcmp(rows, whole, sizeof rows));
        eff_preprocess half = p;
        half.scaled_dct = 1;
        FUZZ_EXPECT(eff_preprocess_bytes(data, size, &half, whole, &err) == EFF_OK);
        half.scaled_dct = 2;
        FUZZ_EXPECT(eff_preprocess_bytes(data, size, &half, whole, &err) == EFF_OK);
    }
    eff_image_destroy(im);
}
