/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the table's JSON. A table that is accepted comes back the same from its own JSON, and small ones become networks. */
#include "fuzz_expect.h"

#include "model/graph.h"
#include "model/table_json.h"

#include <math.h>

static void round_trip(const eff_table *t)
{
    eff_table back;
    eff_error err = { 0 };
    json_t *const j = eff_table_to_json(t), *again = NULL;
    FUZZ_EXPECT(j && eff_table_from_json(&back, j, &err) == EFF_OK);
    again = eff_table_to_json(&back);
    FUZZ_EXPECT(json_equal(j, again));
    json_decref(again);
    json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_table t;
    eff_error err = { 0 };
    json_t *const j = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    const eff_status s = eff_table_from_json(&t, j, &err);
    json_decref(j);
    if (s != EFF_OK) {
        FUZZ_EXPECT(s == EFF_EFORMAT && err.msg[0]);
        return 0;
    }
    FUZZ_EXPECT(isfinite(t.width) && isfinite(t.depth));
    round_trip(&t);
    int blocks = 0;
    for (int i = 0; i < t.nstages; i++) blocks += t.stage[i].repeats;
    eff_graph *g = NULL;
    if (blocks <= 100) FUZZ_EXPECT((eff_graph_build(&g, &t, 0, 0, &err) == EFF_OK) == (g != NULL));
    eff_graph_free(g);
    return 0;
}
