/* SPDX-License-Identifier: Apache-2.0 */
/* What a PyTorch pickle means: which storages it names, and the tensors of its (nested) dicts. Both containers share this. */
#ifndef EFF_FORMATS_PYTORCH_DICT_H
#define EFF_FORMATS_PYTORCH_DICT_H

#include "formats/checkpoint.h"
#include "formats/pickle.h"

/** A storage that the pickle names. The container fills where it lies. */
typedef struct eff_pt_storage {
    const char *key;     /* in the pickle, not terminated; gone with it                     */
    uint32_t key_len;
    const char *type;    /* "FloatStorage"                                                  */
    int dtype;           /* eff_dtype, or -1: a type whose tensors are not read             */
    size_t item;         /* bytes an element                                                */
    uint64_t numel;
    bool present;
    uint64_t bytes;      /* found in the file                                               */
    uint64_t at;         /* legacy: offset in the file; zip: number of the member           */
    bool stored;         /* zip: not compressed                                             */
    bool checked;        /* zip: its CRC has been seen to be right                          */
} eff_pt_storage;

/** All storages, sorted by key (eff_malloc'ed). */
eff_status eff_pt_storages(const eff_pickle *p, eff_pt_storage **out, size_t *n, eff_error *err);
eff_pt_storage *eff_pt_find_storage(eff_pt_storage *s, size_t n, const char *key, size_t key_len);

/** Refuse a pickle that names code no checkpoint needs and an attacker would: os.system and its like. */
eff_status eff_pt_check_globals(const eff_pickle *p, eff_error *err);

/** Put every tensor of the pickle's dicts, lists and parameters into `c`; names of nested dicts are joined by dots. */
eff_status eff_pt_tensors(eff_checkpoint *c, const eff_pickle *p, eff_pt_storage *s, size_t n, eff_error *err);

#endif
