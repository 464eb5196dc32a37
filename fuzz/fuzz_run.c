/* SPDX-License-Identifier: Apache-2.0 */
/* What a run left behind is outside bytes when it is taken up: args.json, or (after a zero byte) the progress in
 * last.state. What is accepted keeps the ranges that the loop relies on. */
#include "fuzz_expect.h"

#include "base/json.h"
#include "base/mem.h"
#include "train/run_internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_error err = { 0 };
    eff_run *r = eff_calloc(1, sizeof *r);
    if (!r) return 0;
    r->steps = 10;
    strcpy(r->print, "0123456789abcdef");
    if (size && !data[0]) {
        json_t *j = NULL;
        r->r.v[EFF_KEY_EPOCHS] = 20;
        eff_status s = eff_json_parse(&j, (const char *)data + 1, size - 1, "progress", &err);
        if (s == EFF_OK) s = eff_run_read_progress(r, j, &err);
        if (s == EFF_OK)
            FUZZ_EXPECT(r->p.epoch >= 0 && r->p.epoch <= 20 && r->p.step >= 0 && r->p.step <= r->steps &&
                        r->p.nrows >= 0);
        else
            FUZZ_EXPECT(err.msg[0] != '\0');
        json_decref(j);
    } else {
        bool settled = false;
        const eff_status s = eff_run_parse_args(r, (const char *)data, size, &settled, &err);
        if (s == EFF_OK) {
            FUZZ_EXPECT(eff_recipe_int(&r->r, EFF_KEY_BATCH) >= 1 && eff_recipe_int(&r->r, EFF_KEY_OPTIMIZER) <= 2);
            for (int i = 0; i < eff_recipe_count(); i++) FUZZ_EXPECT(eff_recipe_value(&r->r, i, NULL)[0] != '\0');
        } else
            FUZZ_EXPECT(err.msg[0] != '\0');
    }
    eff_free(r->p.rows);
    eff_free(r->source);
    eff_free(r->data);
    eff_free(r);
    return 0;
}
