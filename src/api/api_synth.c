/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions of the synthetic set. */
#include "base/cpu.h"
#include "base/mem.h"
#include "data/synth.h"
#include "image/image.h"

#include <math.h>

EFF_API void eff_synth_opts_init(eff_synth_opts *o)
{
    *o = (eff_synth_opts){ .classes = 9, .train = 200, .val = 50, .size = 256, .difficulty = 0.5 };
}

static eff_status check(const eff_synth_opts *o, eff_error *err)
{
    if (!o) return eff_fail(err, EFF_EARG, "synthetic set: options are needed");
    const struct {
        const char *name;
        int value, lo, hi;
    } rows[] = { { "classes", o->classes, 2, EFF_SYNTH_MAX_CLASSES },
                 { "train", o->train, 1, EFF_SYNTH_MAX_IMAGES },
                 { "val", o->val, 0, EFF_SYNTH_MAX_IMAGES },
                 { "size", o->size, EFF_SYNTH_MIN_SIZE, EFF_SYNTH_MAX_SIZE },
                 { "threads", o->threads, 0, EFF_MAX_THREADS } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].value < rows[i].lo || rows[i].value > rows[i].hi)
            return eff_fail(err, EFF_EARG, "%s: expected %d..%d, found %d", rows[i].name, rows[i].lo, rows[i].hi,
                            rows[i].value);
    if (!(o->difficulty >= 0 && o->difficulty <= 1))
        return eff_fail(err, EFF_EARG, "difficulty: expected 0..1, found %g", o->difficulty);
    return EFF_OK;
}

EFF_API eff_status eff_synth_render(eff_image **out, const eff_synth_opts *o, int c, eff_part part, int number,
                                    eff_error *err)
{
    if (!out) return eff_fail(err, EFF_EARG, "eff_synth_render: out is needed");
    *out = NULL;
    eff_status s = check(o, err);
    if (s != EFF_OK) return s;
    if (c < 0 || c >= o->classes) return eff_fail(err, EFF_EARG, "class: expected 0..%d, found %d", o->classes - 1, c);
    if (part != EFF_PART_TRAIN && part != EFF_PART_VAL)
        return eff_fail(err, EFF_EARG, "part: expected %d or %d, found %d", EFF_PART_TRAIN, EFF_PART_VAL, (int)part);
    if (number < 0 || number >= EFF_SYNTH_MAX_IMAGES)
        return eff_fail(err, EFF_EARG, "number: expected 0..%d, found %d", EFF_SYNTH_MAX_IMAGES - 1, number);
    eff_synth_kit *kit = NULL;
    const size_t floats = eff_scene_scratch(o->size);
    float *const scratch = eff_malloc(floats * sizeof *scratch);
    if (!scratch) s = eff_fail_memory(err, floats * sizeof *scratch);
    if (s == EFF_OK) s = eff_synth_kit_create(&kit, err);
    if (s == EFF_OK) s = eff_image_new(out, (uint64_t)o->size, (uint64_t)o->size, err);
    if (s == EFF_OK) eff_scene_render((*out)->rgb, scratch, kit, o, c, part, (uint32_t)number);
    eff_free(kit);
    eff_free(scratch);
    return s;
}

EFF_API eff_status eff_synth_write(const char *dir, const eff_synth_opts *o, eff_synth_progress *progress, void *ctx,
                                   eff_error *err)
{
    if (!dir || !*dir) return eff_fail(err, EFF_EARG, "eff_synth_write: a folder is needed");
    const eff_status s = check(o, err);
    return s == EFF_OK ? eff_synth_set_write(dir, o, progress, ctx, err) : s;
}
