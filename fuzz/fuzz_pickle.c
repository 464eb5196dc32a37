/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: bytes into the pickle machine. Whatever it accepts must be a sound tree, and is then searched for tensors as if
 * every storage that it names were there. */
#include "fuzz_expect.h"

#include "formats/pytorch_dict.h"

#include "base/mem.h"

static void check_tree(const eff_pickle *p, size_t size)
{
    FUZZ_EXPECT(p->end <= size && p->root < p->nvalues && p->nrefs <= p->refs_cap && p->nvalues <= p->values_cap);
    FUZZ_EXPECT(p->value[0].kind == EFF_PK_NONE);
    for (size_t i = 0; i < p->nvalues; i++) {
        const eff_pk_value *const v = &p->value[i];
        if (v->kind == EFF_PK_STR || v->kind == EFF_PK_BYTES || v->kind == EFF_PK_BIGINT) {
            FUZZ_EXPECT(v->u.s >= p->bytes && v->n <= size - (size_t)(v->u.s - p->bytes));
        } else if (v->kind >= EFF_PK_LIST) {
            FUZZ_EXPECT(v->n <= v->u.ref.cap && (size_t)v->u.ref.at + v->u.ref.cap <= p->nrefs);
            FUZZ_EXPECT(v->kind != EFF_PK_DICT || v->n % 2 == 0);
            for (uint32_t k = 0; k < v->n; k++) FUZZ_EXPECT(eff_pk_item(p, v, k) < p->nvalues);
        }
    }
}

static void find_tensors(const eff_pickle *p)
{
    eff_error err = { 0 };
    eff_pt_storage *s = NULL;
    size_t n = 0;
    if (eff_pt_check_globals(p, &err) != EFF_OK || eff_pt_storages(p, &s, &n, &err) != EFF_OK) return;
    for (size_t i = 0; i < n; i++) {
        s[i].present = true;
        s[i].bytes = s[i].numel * s[i].item;
    }
    eff_checkpoint *const c = eff_calloc(1, sizeof *c);
    if (c) {
        c->fd = -1;
        const eff_status st = eff_pt_tensors(c, p, s, n, &err);
        FUZZ_EXPECT(st != EFF_OK || c->count > 0);
        FUZZ_EXPECT(st == EFF_OK || err.msg[0]);
        eff_checkpoint_close(c);
    }
    eff_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_pickle p;
    eff_error err = { 0 };
    if (eff_pickle_parse(&p, data, size, &err) == EFF_OK) {
        check_tree(&p, size);
        find_tensors(&p);
    } else {
        FUZZ_EXPECT(err.msg[0]);
    }
    eff_pickle_free(&p);
    return 0;
}
