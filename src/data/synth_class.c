/* SPDX-License-Identifier: Apache-2.0 */
/* What the classes of the synthetic set are. They come in groups of three. Groups differ in what is coarse: motif, its
 * scale, border and arrangement, each of which has one value in half of a block of four groups, so that none tells much
 * alone. Within a group two of the three textures tell the classes apart, and which two changes from group
 * to group: of nine classes 3, 5, 7 and 9 can be told apart as the textures of the border, the motifs and the weave
 * come into sight one after the other. */
#include "data/synth.h"

static const struct {
    const char *name, *values[6];
} attributes[] = {
    { "motif", { "mango", "leaf", "rosette", "lozenge", "lotus", "star" } },
    { "scale", { "small motifs", "large motifs" } },
    { "border", { "wide band outside", "wide band inside", "wide band between", "wide band split by lines" } },
    { "arrangement", { "contrast lines, metal band", "metal lines, contrast band" } },
    { "layout", { "half-drop", "grid", "third-drop" } },
    { "edge", { "temple teeth", "scallops", "steps" } },
    { "border texture", { "along", "across", "oblique" } },
    { "motif texture", { "along", "across", "oblique" } },
    { "weave", { "ribs along", "ribs across", "twill" } },
};

eff_synth_design eff_synth_design_of(int c)
{
    /* (motif, scale, border, arrangement): any two words differ in two places or more, and in motif or scale */
    static const int words[4][4] = { { 0, 0, 0, 0 }, { 1, 0, 1, 0 }, { 0, 1, 0, 1 }, { 1, 1, 1, 1 } };
    /* in which texture members 1 and 2 of a group differ from member 0: 0 fill, 1 hatch, 2 weave */
    static const int differs[3][2] = { { 0, 1 }, { 0, 2 }, { 1, 2 } };
    const int group = c / 3, member = c % 3, block = group / 4, *w = words[group % 4];
    eff_synth_design d = { .family = block % 3 * 2 + w[0],
                           .scale = w[1],
                           .structure = block / 3 % 2 * 2 + w[2],
                           .arrangement = w[3],
                           .layout = block / 6 % EFF_SYNTH_LAYOUTS,
                           .teeth = block % 3,
                           .fill = group % 3,
                           .hatch = (group + group / 3) % 3,
                           .weave = (2 * group + group / 9) % 3 };
    if (member) {
        int *const texture[3] = { &d.fill, &d.hatch, &d.weave };
        int *const t = texture[differs[group % 3][member - 1]];
        *t = (*t + 1) % EFF_SYNTH_TEXTURES;
    }
    return d;
}

const char *eff_synth_attribute(const eff_synth_design *d, int which, const char **value)
{
    const int values[] = { d->family, d->scale, d->structure, d->arrangement, d->layout,
                           d->teeth,  d->fill,  d->hatch,     d->weave };
    _Static_assert(sizeof values / sizeof *values == sizeof attributes / sizeof *attributes,
                   "a value for each attribute");
    if (which < 0 || which >= (int)(sizeof attributes / sizeof *attributes)) return NULL;
    *value = attributes[which].values[values[which]];
    return attributes[which].name;
}

EFF_API const char *eff_synth_class_attribute(int c, int i, const char **value)
{
    if (c < 0 || c >= EFF_SYNTH_MAX_CLASSES) return NULL;
    const eff_synth_design d = eff_synth_design_of(c);
    return eff_synth_attribute(&d, i, value);
}

#define NAMES(first)                                                                                                   \
    first "kanda", first "mera", first "velli", first "dhuru", first "shanti", first "gaon", first "pura",             \
        first "nadi", first "tala", first "wari", first "bandha", first "kuri", first "lapa"

EFF_API const char *eff_synth_class_name(int c)
{
    enum { FIRST = 16, SECOND = 13 };
    static const char *const names[FIRST][SECOND] = {
        { NAMES("ala") },  { NAMES("bhomi") }, { NAMES("chiru") }, { NAMES("desha") },
        { NAMES("elu") },  { NAMES("gavi") },  { NAMES("hiru") },  { NAMES("isha") },
        { NAMES("joma") }, { NAMES("kelu") },  { NAMES("lomi") },  { NAMES("moru") },
        { NAMES("nevu") }, { NAMES("osha") },  { NAMES("pelu") },  { NAMES("rovi") },
    };
    _Static_assert(FIRST * SECOND == EFF_SYNTH_MAX_CLASSES, "a name for each class");
    if (c < 0 || c >= EFF_SYNTH_MAX_CLASSES) return NULL;
    return names[c % FIRST][(c / FIRST + c % FIRST) % SECOND];
}
