/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a search space's JSON; what follows a zero byte is a child as digits. A space that is accepted comes
 * back the same from its own JSON, its children have tables, and a small one has as many networks as are counted by
 * trying. */
#include "fuzz_expect.h"

#include "base/mem.h"
#include "base/rng.h"
#include "model/table_json.h"
#include "search/space.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 16, FEW = 512 };

static void round_trip(const eff_space *s)
{
    eff_space back;
    eff_error err = { 0 };
    json_t *const j = eff_space_to_json(s);
    FUZZ_EXPECT(j && eff_space_from_json(&back, j, NULL, &err) == EFF_OK);
    json_t *const again = eff_space_to_json(&back);
    FUZZ_EXPECT(json_equal(j, again) && back.ndecisions == s->ndecisions);
    json_decref(again);
    json_decref(j);
}

static void try_child(const eff_space *s, const eff_child *c)
{
    char text[EFF_CHILD_TEXT];
    eff_error err = { 0 };
    eff_child back, canonical = *c, twice;
    eff_table t;
    FUZZ_EXPECT(eff_child_format(s, c, text, sizeof text) < (int)sizeof text);
    FUZZ_EXPECT(eff_child_parse(&back, s, text, &err) == EFF_OK && memcmp(&back, c, sizeof back) == 0);
    FUZZ_EXPECT(eff_space_table(&t, s, c, &err) == EFF_OK && eff_table_check(&t, &err) == EFF_OK);
    eff_space_canonical(s, &canonical);
    twice = canonical;
    eff_space_canonical(s, &twice);
    FUZZ_EXPECT(memcmp(&twice, &canonical, sizeof twice) == 0);
}

static int compare(const void *a, const void *b) { return memcmp(a, b, sizeof(eff_child)); }

static void count(const eff_space *s, int choices, double networks)
{
    eff_child *const all = eff_calloc((size_t)choices, sizeof *all);
    if (!all) return;
    for (int i = 0; i < choices; i++) {
        for (int d = 0, rest = i; d < s->ndecisions; rest /= s->decision[d++].n)
            all[i].choice[d] = (uint8_t)(rest % s->decision[d].n);
        eff_space_canonical(s, &all[i]);
    }
    qsort(all, (size_t)choices, sizeof *all, compare);
    int n = 1;
    for (int i = 1; i < choices; i++) n += compare(&all[i - 1], &all[i]) != 0;
    FUZZ_EXPECT(n == networks);
    eff_free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *const zero = size ? memchr(data, 0, size) : NULL;
    const size_t n = zero ? (size_t)(zero - data) : size;
    eff_space s;
    eff_error err = { 0 };
    json_t *const j = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);
    const eff_status e = eff_space_from_json(&s, j, NULL, &err);
    json_decref(j);
    if (e != EFF_OK) {
        FUZZ_EXPECT(e == EFF_EFORMAT && err.msg[0]);
        return 0;
    }
    round_trip(&s);
    double choices, networks;
    eff_space_size(&s, &choices, &networks);
    FUZZ_EXPECT(networks >= 2 && networks <= choices);
    if (choices <= FEW) count(&s, (int)choices, networks);

    for (uint64_t i = 0; i < SAMPLES; i++) {
        eff_child c = { { 0 } };
        for (int d = 0; d < s.ndecisions; d++)
            c.choice[d] = (uint8_t)(eff_rng_bits(size, i, (uint64_t)d) % (uint64_t)s.decision[d].n);
        try_child(&s, &c);
    }
    char *const text = zero ? eff_strndup((const char *)zero + 1, size - n - 1) : NULL;
    eff_child c;
    if (text && eff_child_parse(&c, &s, text, &err) == EFF_OK)
        try_child(&s, &c);
    else if (text)
        FUZZ_EXPECT(err.msg[0]);
    eff_free(text);
    return 0;
}
