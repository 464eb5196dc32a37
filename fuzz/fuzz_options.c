/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: what people write in one word: a built-in with changes, a preprocessing rule, augmentation, a family's name. */
#include "fuzz_expect.h"

#include "formats/names.h"
#include "image/augment.h"
#include "image/preprocess.h"
#include "model/table.h"
#include "model/table_json.h"

#include <stdlib.h>
#include <string.h>

static void builtin(const char *s)
{
    eff_table t, back;
    eff_error err = { 0 };
    if (eff_table_builtin(&t, s, &err) != EFF_OK) {
        FUZZ_EXPECT(err.code == EFF_EARG && err.msg[0]);
        return;
    }
    json_t *const j = eff_table_to_json(&t); /* whatever can be asked for can be written down and read */
    FUZZ_EXPECT(j && eff_table_from_json(&back, j, &err) == EFF_OK);
    json_decref(j);
}

static void preprocess(const char *s)
{
    const eff_preprocess start = { .geometry = EFF_GEOM_SHORT, .side = 256, .height = 224, .width = 224, .fraction = 0.5,
                                   .std = { 1, 1, 1 } };
    eff_preprocess p = start, back = { 0 };
    eff_error err = { 0 };
    char text[512];
    if (eff_preprocess_parse(&p, s, &err) != EFF_OK) {
        FUZZ_EXPECT(err.msg[0] && memcmp(&p, &start, sizeof p) == 0);
        return;
    }
    const int n = eff_preprocess_format(&p, text, sizeof text);
    FUZZ_EXPECT(n > 0 && n < (int)sizeof text && eff_preprocess_parse(&back, text, &err) == EFF_OK);
    FUZZ_EXPECT(back.geometry == p.geometry && back.filter == p.filter && back.height == p.height && back.width == p.width);
    FUZZ_EXPECT(p.geometry == EFF_GEOM_SQUARE ? back.fraction == p.fraction : back.side == p.side);
    for (int c = 0; c < 3; c++) FUZZ_EXPECT(back.mean[c] == p.mean[c] && back.std[c] == p.std[c]);
}

/* What is accepted reads back the same, and makes a picture of every value in reach. */
static void augment(const char *s)
{
    eff_augment a, back, start;
    eff_error err = { 0 };
    char text[512], again[512];
    memset(&start, 0, sizeof start);
    FUZZ_EXPECT(eff_augment_preset(&start, "cloth", &err) == EFF_OK);
    memcpy(&a, &start, sizeof a);
    memcpy(&back, &start, sizeof back);
    if (eff_augment_read(&a, s, &err) != EFF_OK) {
        FUZZ_EXPECT(err.msg[0] && memcmp(&a, &start, sizeof a) == 0);
        return;
    }
    const int n = eff_augment_write(&a, text, sizeof text);
    FUZZ_EXPECT(n > 0 && n < (int)sizeof text && eff_augment_read(&back, text, &err) == EFF_OK);
    FUZZ_EXPECT(eff_augment_write(&back, again, sizeof again) == n && strcmp(text, again) == 0);
    const float zero[3] = { 0 }, one[3] = { 1, 1, 1 };
    uint8_t rgb[7 * 5 * 3];
    float x[6 * 4 * 3];
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 7);
    for (uint32_t i = 0; i < 4; i++) {
        FUZZ_EXPECT(eff_augment_apply(x, 4, 6, &a, zero, one, rgb, 7, 5, (eff_draw){ 1, 1, i }, &err) == EFF_OK);
        for (int k = 0; k < 6 * 4 * 3; k++) FUZZ_EXPECT(x[k] >= 0 && x[k] <= 255);
    }
}

static void family(const char *s)
{
    eff_family f;
    eff_error err = { 0 };
    if (eff_family_parse(&f, s, &err) == EFF_OK) FUZZ_EXPECT(f < EFF_FAMILY_COUNT);
    else FUZZ_EXPECT(err.msg[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const s = malloc(size + 1);
    if (!s) return 0;
    if (size) memcpy(s, data, size);
    s[size] = '\0';
    builtin(s);
    preprocess(s);
    augment(s);
    family(s);
    free(s);
    return 0;
}
