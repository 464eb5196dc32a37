/* SPDX-License-Identifier: Apache-2.0 */
/* A network as a row of boxes, input on the left: as high as its feature map is (by the logarithm), with lines for what
 * its layers are. */
#include "search/search_internal.h"

#include "model/table_json.h"
#include "report/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDE = 62, GAP = 6, HIGH = 104, ROW = 14, BELOW = 64 };

static void text(eff_text *t, int x, double y, const char *s)
{
    eff_text_print(t, "<text class=\"c\" x=\"%d\" y=\"%.1f\">%s</text>", x + WIDE / 2, y, s);
}

static void box(eff_text *t, int x, double height, const char *fill)
{
    eff_text_print(t,
                   "<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" rx=\"4\" "
                   "style=\"fill:var(--%s);fill-opacity:.35\"/>",
                   x, HIGH - height, WIDE, height, fill);
}

static double height_of(int side, int input) { return 18 + (HIGH - 18) * log2(side + 1.0) / log2(input + 1.0); }

static void stage(eff_text *t, const eff_stage *s, int x, int side, int input)
{
    char b[48], stride[16] = "";
    const bool mb = s->op == EFF_OP_MBCONV, fused = s->op == EFF_OP_FUSED;
    const double h = height_of(side, input);
    box(t, x, h, mb ? "c0" : fused ? "c1" : "c2");
    snprintf(b, sizeof b, "%d", s->channels);
    text(t, x, HIGH - h / 2 + 4, b);
    if (mb || fused)
        snprintf(b, sizeof b, "%s%g", mb ? "MB" : "fused", s->expand);
    else
        snprintf(b, sizeof b, "%s", eff_op_name(s->op));
    text(t, x, HIGH + ROW, b);
    if (s->stride > 1) snprintf(stride, sizeof stride, "/%d", s->stride);
    snprintf(b, sizeof b, "%d\xc3\x97%d%s%s", s->kernel, s->kernel, stride, s->se > 0 ? " SE" : "");
    text(t, x, HIGH + 2 * ROW, b);
    snprintf(b, sizeof b, s->repeats > 1 ? "%d layers" : "%d layer", s->repeats);
    text(t, x, HIGH + 3 * ROW, b);
    snprintf(b, sizeof b, "%d px", side);
    text(t, x, HIGH + 4 * ROW, b);
}

static void end(eff_text *t, const char *name, int x, int channels, int side, int input)
{
    char b[24];
    const double h = height_of(side, input);
    box(t, x, h, "mut");
    snprintf(b, sizeof b, "%d", channels);
    text(t, x, HIGH - h / 2 + 4, b);
    text(t, x, HIGH + ROW, name);
    snprintf(b, sizeof b, "%d px", side);
    text(t, x, HIGH + 4 * ROW, b);
}

void eff_search_draw(eff_text *t, const json_t *table, const char *title)
{
    eff_table n;
    if (eff_table_from_json(&n, table, NULL) != EFF_OK) return;
    const int width = (n.nstages + 2) * (WIDE + GAP);
    int side = (n.height + n.stem_stride - 1) / n.stem_stride / (n.stem_pool ? 2 : 1), x = 0;
    eff_text_put(t, "<figure><figcaption>");
    eff_text_escape(t, title);
    eff_text_print(t,
                   "</figcaption><div class=\"wide\"><svg class=\"chart\" style=\"width:%dpx;max-width:none\" "
                   "xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
                   width, width, HIGH + BELOW);
    eff_text_escape(t, title);
    eff_text_put(t, "\">\n");
    end(t, "stem", x, n.stem_channels, side, n.height);
    for (int i = 0; i < n.nstages; i++) {
        side = (side + n.stage[i].stride - 1) / n.stage[i].stride;
        stage(t, &n.stage[i], x += WIDE + GAP, side, n.height);
    }
    if (n.head_channels) end(t, "head", x + WIDE + GAP, n.head_channels, side, n.height);
    eff_text_put(t, "</svg></div></figure>\n");
}
