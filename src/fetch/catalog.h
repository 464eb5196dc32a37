/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue's text. */
#ifndef EFF_FETCH_CATALOG_H
#define EFF_FETCH_CATALOG_H

#include "base/error.h"

#include <effnet/fetch.h>

/* share/catalog.tsv inside the library: catalog_shipped.c is written by catalog_shipped.cmake when it is built. */
extern const char eff_catalog_shipped[];

/** Read a catalogue's text[0..n). Every entry of *out is sound: its names are plain file names that occur once, its
 * address is http or https, its hash is one. */
eff_status eff_catalog_parse(eff_catalog **out, const char *text, size_t n, eff_error *err);

#endif
