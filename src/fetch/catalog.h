/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue's text. */
#ifndef EFF_FETCH_CATALOG_H
#define EFF_FETCH_CATALOG_H

#include "base/error.h"

#include <effnet/fetch.h>

#define EFF_PACKAGE "package:/" /* begins the address of a file that only a package index and mirrors have */

/* share/catalog.tsv inside the library: catalog_shipped.c is written by catalog_shipped.cmake when it is built. */
extern const char eff_catalog_shipped[];

/** Read a catalogue's text[0..n). Every entry of *out is sound: its names are plain file names that occur once, its
 * address is http, https or EFF_PACKAGE, its hash is one. */
eff_status eff_catalog_parse(eff_catalog **out, const char *text, size_t n, eff_error *err);

#endif
