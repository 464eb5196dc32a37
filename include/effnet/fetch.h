/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.h — the catalogue of published weights, and downloading them into the cache. This interface may change. */
#ifndef EFFNET_FETCH_H
#define EFFNET_FETCH_H

#include <effnet/effnet.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A published checkpoint, as a row of share/catalog.tsv says it. Optional fields are NULL (0) where nothing is
 * published. */
typedef struct eff_weights {
    const char *name;           /* "lite0", "tf_efficientnet_b0.ns_jft_in1k"; also the stem of its file in the cache */
    const char *also;           /* its publisher's name, where `name` is a shorter one                               */
    const char *model;          /* the built-in that it is for                                                       */
    const char *family;         /* whose names its tensors have, as eff_model_opts.family                            */
    const char *format;         /* "pytorch" (.pth) or "safetensors"                                                 */
    const char *url;            /* of the file, or of the zip archive that holds it; package:/FILE: of a Python package,
                                 * which only a mirror has                                                           */
    const char *member;         /* within the archive; NULL: the download is the file                                */
    uint64_t size;              /* bytes of the download                                                             */
    const char *sha256;         /* of the file: 8 to 64 hexadecimal digits, as many as are published                 */
    const char *archive_sha256; /* likewise of the archive                                                           */
    const char *preprocess;     /* the rule its accuracy was measured by                                             */
    const char *top1;           /* published ImageNet top-1, percent                                                 */
    const char *licence, *origin;
} eff_weights;

typedef struct eff_catalog eff_catalog;

/** Open the catalogue `path`; NULL: the one inside the library. Release with eff_catalog_free().
 * @return EFF_EFORMAT for a missing file, or naming the line and column that is wrong */
EFF_API eff_status eff_catalog_open(eff_catalog **out, const char *path, eff_error *err);
/** Release a catalogue and its entries; NULL is fine. */
EFF_API void eff_catalog_free(eff_catalog *c);
/** Entry i, of one network the recommended first; NULL past the last. Borrowed until eff_catalog_free(). */
EFF_API const eff_weights *eff_catalog_entry(const eff_catalog *c, int i);
/** The entry called `name` (with or without "efficientnet-" in front of a short one); *out is borrowed until
 * eff_catalog_free().
 * @return EFF_EARG when there is none; the nearest is suggested */
EFF_API eff_status eff_catalog_find(const eff_catalog *c, const char *name, const eff_weights **out, eff_error *err);

/** The cache: $EFFNET_CACHE, else $XDG_CACHE_HOME/effnet, else ~/.cache/effnet. @return bytes needed, as snprintf */
EFF_API int eff_cache_folder(char *out, size_t room);
/** Where the file of an entry lies in the cache `folder` (NULL: the above), there or not. @return as snprintf */
EFF_API int eff_weights_path(const eff_weights *w, const char *folder, char *out, size_t room);

typedef struct eff_fetch_opts {
    const char *folder;  /* the cache; NULL: eff_cache_folder()                                             */
    const char *mirror;  /* fetch MIRROR/FILE in place of the entry's address                               */
    int offline;         /* only say whether it is there and right                                          */
    int connect_seconds; /* for a connection to come about (default 20)                                     */
    int stall_seconds;   /* without a byte before giving up (default 30)                                    */
    uint64_t largest;    /* bytes of a download whose size is not published (default 4 GiB)                 */
    int (*progress)(void *ctx, uint64_t done, uint64_t total, const char *what); /* total 0: not known;
                            non-zero: stop, what came is kept (EFF_ECANCELLED); NULL                        */
    void *ctx;
    uint8_t reserved[32];
} eff_fetch_opts;
/** The defaults named above. Always start here. */
EFF_API void eff_fetch_opts_init(eff_fetch_opts *o);

typedef struct eff_fetched {
    int downloaded;       /* 0: it was in the cache already   */
    uint64_t bytes;       /* of the file                      */
    uint64_t transferred; /* that came over the network       */
    uint64_t resumed;     /* that were there from before      */
    char sha256[65];      /* of the file, all of it           */
} eff_fetched;

/** Have the file of `w` in the cache. It appears under its name only whole and with the right SHA-256; an interrupted
 * download goes on where it stopped, if the server still has the same file. Of several processes one downloads.
 * @return EFF_EIO when the network, the server or the disk fails (or the build has no downloads), EFF_EFORMAT when what
 * came is not the file, EFF_ECANCELLED */
EFF_API eff_status eff_fetch(const eff_weights *w, const eff_fetch_opts *o, eff_fetched *out, eff_error *err);

#ifdef __cplusplus
}
#endif
#endif
