/* SPDX-License-Identifier: Apache-2.0 */
/* effnet data: sets of labelled images. synth makes one. */
#include "commands.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

#include <effnet/synth.h>

#include <stdio.h>

/* ---------------------------------------------------------------------------------------------- data synth */

static const cli_opt synth_opts[] = {
    { 'c', "classes", "N", "how many regions", CLI_INT, "9", 2, EFF_SYNTH_MAX_CLASSES },
    { 0, "train", "N", "pictures of each in train/", CLI_INT, "200", 1, EFF_SYNTH_MAX_IMAGES },
    { 0, "val", "N", "pictures of each in val/", CLI_INT, "50", 0, EFF_SYNTH_MAX_IMAGES },
    { 0, "size", "N", "pixels a side", CLI_INT, "256", EFF_SYNTH_MIN_SIZE, EFF_SYNTH_MAX_SIZE },
    { 0, "difficulty", "D", "0 plain to see, 1 hard: finer differences, rougher pictures", CLI_NUMBER, "0.5", 0, 1 },
    { 0 },
};

static int on_picture(void *ctx, size_t done, size_t total)
{
    (void)ctx;
    (void)total;
    cli_progress_update(done);
    return cli_stopped();
}

static bool print_json(const char *dir, const eff_synth_opts *o)
{
    json_t *j = cli_json_object(), *classes = cli_json_array();
    cli_json_set(j, "dir", cli_json_text(dir));
    cli_json_set(j, "images", cli_json_count((uint64_t)o->classes * (uint64_t)(o->train + o->val)));
    cli_json_set(j, "size", cli_json_count((uint64_t)o->size));
    cli_json_set(j, "difficulty", cli_json_number(o->difficulty));
    cli_json_set(j, "seed", cli_json_count(o->seed));
    for (int c = 0; c < o->classes; c++) {
        json_t *row = cli_json_object();
        cli_json_set(row, "class", cli_json_text(eff_synth_class_name(c)));
        cli_json_set(row, "train", cli_json_count((uint64_t)o->train));
        cli_json_set(row, "val", cli_json_count((uint64_t)o->val));
        cli_json_add(classes, row);
    }
    cli_json_set(j, "classes", classes);
    return cli_json_print(j);
}

static void print_people(const char *dir, const eff_synth_opts *o)
{
    printf("%s: %s pictures of %d x %d pixels in %d classes\n", cli_clean(dir),
           cli_exact((uint64_t)o->classes * (uint64_t)(o->train + o->val)), o->size, o->size, o->classes);
    printf("  train/  %s a class\n", cli_exact((uint64_t)o->train));
    if (o->val) printf("  val/    %s a class\n", cli_exact((uint64_t)o->val));
    printf("  what tells the classes apart: README.md and synth.json there\n");
}

static int run_synth(cli_args *a)
{
    eff_error err = { 0 };
    eff_synth_opts o;
    eff_synth_opts_init(&o);
    o.classes = cli_int(a, "classes");
    o.train = cli_int(a, "train");
    o.val = cli_int(a, "val");
    o.size = cli_int(a, "size");
    o.difficulty = cli_number(a, "difficulty");
    o.seed = cli_seed(a, "seed");
    o.threads = cli_int(a, "threads");
    cli_progress_begin(a, "pictures", (size_t)o.classes * ((size_t)o.train + (size_t)o.val));
    const eff_status s = eff_synth_write(a->files[0], &o, on_picture, NULL, &err);
    cli_progress_end();
    if (s != EFF_OK) return cli_fail(&err, a->files[0]);
    if (cli_flag(a, "json")) return print_json(a->files[0], &o) ? CLI_OK : CLI_FAILED;
    print_people(a->files[0], &o);
    return CLI_OK;
}

static const cli_cmd data_synth = {
    .name = "data synth",
    .summary = "make a set to train on: pictures of synthetic sarees",
    .usage = "DIR",
    .operands = "f",
    .about = "Draws cloth - weave, border, pallu, motifs - and photographs it, so to speak: folds, light,\n"
             "colour cast, tilt, blur and noise differ from picture to picture. The classes are invented\n"
             "regions. They differ in which motif, border, order of colours and fine texture go together;\n"
             "each of these is shared by several, colours by all, and some differences are so fine that a\n"
             "network must see 192 pixels a side to find them.\n\n"
             "DIR is made, or must be empty. It gets train/REGION/0000.jpg ..., val/REGION/0000.jpg ...,\n"
             "and, when all pictures are there, README.md and synth.json, which say how the set was made\n"
             "and what tells its classes apart. The same options make the same files, on any number of\n"
             "threads; a larger set begins with the pictures of a smaller one.",
    .examples = "  effnet data synth sarees                           2,250 pictures, under a minute\n"
                "  effnet data synth more --classes 40 --train 500    a larger set\n"
                "  effnet data synth easy --difficulty 0 --size 128   for a first try\n",
    .opts = synth_opts,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_synth,
};

/* --------------------------------------------------------------------------------------------------- data */

static const cli_opt no_opts[] = { { 0 } };

static const cli_cmd *const subs[] = { &data_synth, NULL };

const cli_cmd cmd_data = {
    .name = "data",
    .summary = "make sets of labelled images",
    .usage = "[options] ...",
    .about = "A set is a folder with train/ and val/ in it, each with a folder of images for each class.",
    .examples = "  effnet data synth sarees   a set to train on, made here and now\n",
    .opts = no_opts,
    .max_operands = -1,
    .subs = subs,
};
