/* SPDX-License-Identifier: Apache-2.0 */
/* Native sizes: B1..B7 and Lite0..4, against PyTorch's float64 logits. Seconds each, so labelled `long`. */
#include "forward.h"

static void check(const char *model, int size) { t_check_synth(model, "tf", size, size, 2, NULL); }

static void test_native(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        int size;
    } rows[] = { { "b1", 240 }, { "b2", 260 }, { "b3", 300 }, { "b4", 380 }, { "b5", 456 }, { "b6", 528 }, { "b7", 600 },
                 { "lite0", 224 }, { "lite1", 240 }, { "lite2", 260 }, { "lite3", 280 }, { "lite4", 300 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(rows[i].model, rows[i].size);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_native) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
