/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the synthetic set: folders, pictures in parallel, and last the two files that say what it is, so that a set
 * with them is whole. A picture is written beside its place and renamed; without fsync, as it can be made again at any
 * time. */
#define _GNU_SOURCE
#include "data/synth.h"

#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "image/image.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUALITY = 92, PER_THREAD = 16 }; /* pictures a thread between two calls of the callback */

static const char *const parts[] = { "train", "val" };

typedef struct job {
    const char *dir;
    const eff_synth_opts *o;
    const eff_synth_kit *kit;
    size_t first;    /* picture of task 0 */
    float **scratch; /* a worker's        */
    uint8_t **rgb;
    eff_error *error; /* a task's          */
} job;

/* ------------------------------------------------------------------------------------------ one picture */

typedef struct item {
    eff_part part;
    int class, number;
} item;

/* Pictures in the order they are made: train/ class by class, then val/. */
static item item_at(const eff_synth_opts *o, size_t i)
{
    const size_t train = (size_t)o->classes * (size_t)o->train;
    const eff_part part = i < train ? EFF_PART_TRAIN : EFF_PART_VAL;
    if (part == EFF_PART_VAL) i -= train;
    const size_t each = (size_t)(part == EFF_PART_TRAIN ? o->train : o->val);
    return (item){ part, (int)(i / each), (int)(i % each) };
}

static eff_status write_all(const char *path, const uint8_t *bytes, size_t size, eff_error *err)
{
    FILE *const f = fopen(path, "wbe");
    if (!f) return eff_fail(err, EFF_EIO, "cannot write: %s", strerror(errno));
    errno = 0;
    bool ok = fwrite(bytes, 1, size, f) == size;
    int e = errno;
    if (fclose(f) != 0 && ok) {
        ok = false;
        e = errno;
    }
    return ok ? EFF_OK : eff_fail(err, EFF_EIO, "cannot write: %s", strerror(e ? e : EIO));
}

static eff_status write_picture(const job *j, size_t i, int worker, eff_error *err)
{
    const item it = item_at(j->o, i);
    const int each = it.part == EFF_PART_TRAIN ? j->o->train : j->o->val;
    char name[80], path[4096], temp[4096];
    snprintf(name, sizeof name, "%s/%s/%0*d.jpg", parts[it.part], eff_synth_class_name(it.class), each > 10000 ? 5 : 4,
             it.number);
    uint8_t *bytes = NULL;
    size_t size = 0;
    eff_status s = EFF_OK;
    if (snprintf(path, sizeof path, "%s/%s", j->dir, name) >= (int)sizeof path ||
        snprintf(temp, sizeof temp, "%s/%s.tmp", j->dir, name) >= (int)sizeof temp)
        return eff_fail(err, EFF_EIO, "%s: the path is longer than %zu bytes", name, sizeof path - 1);
    eff_scene_render(j->rgb[worker], j->scratch[worker], j->kit, j->o, it.class, it.part, (uint32_t)it.number);
    s = eff_jpeg_encode(&bytes, &size, j->rgb[worker], j->o->size, j->o->size, QUALITY, err);
    if (s == EFF_OK) {
        s = write_all(temp, bytes, size, err);
        if (s == EFF_OK && rename(temp, path) != 0) s = eff_fail(err, EFF_EIO, "cannot write: %s", strerror(errno));
        if (s != EFF_OK) unlink(temp);
    }
    if (s != EFF_OK) eff_error_prefix(err, "%s", name);
    eff_free(bytes);
    return s;
}

static void picture_task(void *ctx, int task, int worker)
{
    const job *const j = ctx;
    write_picture(j, j->first + (size_t)task, worker, &j->error[task]);
}

/* ----------------------------------------------------------------------------------------- the folders */

static eff_status make_folder(const char *path, eff_error *err)
{
    if (mkdir(path, 0777) == 0) return EFF_OK;
    return eff_fail(err, EFF_EIO, "cannot make the folder: %s", strerror(errno));
}

static eff_status take_folder(const char *dir, eff_error *err)
{
    DIR *const d = opendir(dir);
    if (!d && errno == ENOENT) return make_folder(dir, err);
    if (!d)
        return eff_fail(err, errno == ENOTDIR ? EFF_EARG : EFF_EIO, "expected a new or empty folder: %s",
                        strerror(errno));
    eff_status s = EFF_OK;
    for (const struct dirent *e; s == EFF_OK && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            s = eff_fail(err, EFF_EARG, "expected a new or empty folder, found '%s' in it", e->d_name);
    closedir(d);
    return s;
}

static eff_status make_folders(const char *dir, const eff_synth_opts *o, eff_error *err)
{
    char path[4096];
    eff_status s = take_folder(dir, err);
    for (int p = 0; p < 2 && s == EFF_OK; p++) {
        if (p == EFF_PART_VAL && !o->val) break;
        for (int c = -1; c < o->classes && s == EFF_OK; c++) {
            const char *const name = c < 0 ? "" : eff_synth_class_name(c);
            if (snprintf(path, sizeof path, "%s/%s/%s", dir, parts[p], name) >= (int)sizeof path)
                return eff_fail(err, EFF_EIO, "the path is longer than %zu bytes", sizeof path - 1);
            s = make_folder(path, err);
            if (s != EFF_OK) eff_error_prefix(err, "%s/%s", parts[p], name);
        }
    }
    return s;
}

/* --------------------------------------------------------------------------------------- what it is */

static void put_json(FILE *f, const eff_synth_opts *o)
{
    fprintf(f,
            "{\n  \"made_by\": \"effnet %s data synth\",\n  \"licence\": \"Apache-2.0\",\n  \"synthetic\": true,\n"
            "  \"seed\": %llu,\n  \"difficulty\": %.17g,\n  \"size\": %d,\n  \"train\": %d,\n  \"val\": %d,\n  "
            "\"quality\": %d,\n"
            "  \"classes\": [\n",
            eff_version(), (unsigned long long)o->seed, o->difficulty, o->size, o->train, o->val, QUALITY);
    for (int c = 0; c < o->classes; c++) {
        const char *name, *value;
        fprintf(f, "    { \"name\": \"%s\"", eff_synth_class_name(c));
        for (int i = 0; (name = eff_synth_class_attribute(c, i, &value)); i++)
            fprintf(f, ", \"%s\": \"%s\"", name, value);
        fprintf(f, " }%s\n", c + 1 < o->classes ? "," : "");
    }
    fputs("  ]\n}\n", f);
}

static void put_readme(FILE *f, const eff_synth_opts *o)
{
    const char *name, *value;
    fprintf(f,
            "# Synthetic sarees\n\n"
            "Pictures made by `effnet data synth` of effnet %s: no photograph went into them, and the regions are "
            "invented. Nothing here\n"
            "describes a real textile tradition. Licence: Apache-2.0.\n\n"
            "    effnet data synth DIR --classes %d --train %d --val %d --size %d --difficulty %g --seed %llu\n\n"
            "makes the same files again. `train/` and `val/` hold a folder a class; `synth.json` says the same for "
            "programs.\n"
            "Colours are drawn for each picture, so they do not tell the class. What does:\n\n|",
            eff_version(), o->classes, o->train, o->val, o->size, o->difficulty, (unsigned long long)o->seed);
    int columns = 0;
    for (fputs(" class |", f); (name = eff_synth_class_attribute(0, columns, &value)); columns++)
        fprintf(f, " %s |", name);
    fputs("\n|", f);
    for (int i = 0; i <= columns; i++) fputs("---|", f);
    for (int c = 0; c < o->classes; c++) {
        fprintf(f, "\n| %s |", eff_synth_class_name(c));
        for (int i = 0; eff_synth_class_attribute(c, i, &value); i++) fprintf(f, " %s |", value);
    }
    putc('\n', f);
}

static eff_status describe(const char *dir, const eff_synth_opts *o, eff_error *err)
{
    static const struct {
        const char *name;
        void (*put)(FILE *f, const eff_synth_opts *o);
    } files[] = { { "README.md", put_readme }, { "synth.json", put_json } };
    for (int i = 0; i < 2; i++) {
        char path[4096];
        eff_save save;
        if (snprintf(path, sizeof path, "%s/%s", dir, files[i].name) >= (int)sizeof path)
            return eff_fail(err, EFF_EIO, "%s: the path is longer than %zu bytes", files[i].name, sizeof path - 1);
        eff_status s = eff_save_begin(&save, path, err);
        if (s == EFF_OK) {
            files[i].put(save.f, o);
            s = eff_save_commit(&save, err);
        }
        if (s != EFF_OK) {
            eff_error_prefix(err, "%s", files[i].name);
            return s;
        }
    }
    return EFF_OK;
}

/* ---------------------------------------------------------------------------------------------- the set */

static eff_status make_pictures(job *j, eff_pool *pool, size_t total, eff_synth_progress *progress, void *ctx,
                                eff_error *err)
{
    const size_t most = (size_t)eff_pool_threads(pool) * PER_THREAD;
    while (j->first < total) {
        const size_t n = total - j->first < most ? total - j->first : most;
        memset(j->error, 0, n * sizeof *j->error);
        eff_pool_run(pool, picture_task, j, (int)n);
        for (size_t i = 0; i < n; i++)
            if (j->error[i].code != EFF_OK) return eff_fail(err, j->error[i].code, "%s", j->error[i].msg);
        j->first += n;
        if (progress && progress(ctx, j->first, total))
            return eff_fail(err, EFF_ECANCELLED, "stopped after %zu of %zu pictures", j->first, total);
    }
    return EFF_OK;
}

eff_status eff_synth_set_write(const char *dir, const eff_synth_opts *o, eff_synth_progress *progress, void *ctx,
                               eff_error *err)
{
    eff_pool *pool = NULL;
    eff_synth_kit *kit = NULL;
    const int threads = o->threads ? o->threads : eff_cpu_count();
    const size_t pixels = (size_t)o->size * (size_t)o->size * 3,
                 total = (size_t)o->classes * ((size_t)o->train + (size_t)o->val);
    job j = { .dir = dir, .o = o };
    eff_status s = eff_synth_kit_create(&kit, err);
    if (s == EFF_OK) s = eff_pool_create(&pool, threads, err);
    if (s != EFF_OK) goto end;
    j.kit = kit;
    j.scratch = eff_calloc((size_t)threads, sizeof *j.scratch);
    j.rgb = eff_calloc((size_t)threads, sizeof *j.rgb);
    j.error = eff_calloc((size_t)threads * PER_THREAD, sizeof *j.error);
    bool have = j.scratch && j.rgb && j.error;
    for (int t = 0; t < threads && have; t++)
        have =
            (j.scratch[t] = eff_malloc(eff_scene_scratch(o->size) * sizeof(float))) && (j.rgb[t] = eff_malloc(pixels));
    if (!have) {
        s = eff_fail_memory(err, (size_t)threads * pixels * (1 + sizeof(float)));
        goto end;
    }
    s = make_folders(dir, o, err);
    if (s == EFF_OK) s = make_pictures(&j, pool, total, progress, ctx, err);
    if (s == EFF_OK) s = describe(dir, o, err);
end:
    for (int t = 0; t < threads; t++) {
        if (j.scratch) eff_free(j.scratch[t]);
        if (j.rgb) eff_free(j.rgb[t]);
    }
    eff_free(j.scratch);
    eff_free(j.rgb);
    eff_free(j.error);
    eff_pool_free(pool);
    eff_free(kit);
    return s;
}
