/* SPDX-License-Identifier: Apache-2.0 */
/* Charts as inline SVG, without scripts. Colours are Okabe and Ito's (2008), which people with any common colour
 * blindness can tell apart: blue #0072b2, vermillion #d55e00, bluish green #009e73, reddish purple #cc79a7, orange
 * #e69f00, sky blue #56b4e9; in the dark their lighter forms. Series differ by dashes and markers too. Drawings are
 * about 420 units wide, so that letters of 12 units stay legible on a telephone. Text from outside is escaped; what is
 * not a finite number is not drawn. */
#ifndef EFF_REPORT_SVG_H
#define EFF_REPORT_SVG_H

#include "report/text.h"

#include <effnet/eval.h>

/** The rules that the drawings below need, once a page, inside <style>. */
void eff_svg_style(eff_text *t);

typedef struct eff_svg_series {
    const char *name;
    const double *x, *y;   /* [n]                                                         */
    const double *lo, *hi; /* [n] each: intervals of y; or NULL                           */
    int n;
    const char *const *labels; /* [n] beside the points; or NULL                              */
    bool scattered;        /* points without a line through them                          */
} eff_svg_series;

typedef struct eff_svg_lines {
    const char *title; /* read out, not drawn                                         */
    const char *x_label, *y_label;
    const eff_svg_series *series;
    int nseries; /* 1..6                                                        */
    bool log_x;  /* only positive x are drawn                                   */
    bool log_y;
    bool whole_x;   /* ticks at whole numbers only                                 */
    bool percent;   /* y is a fraction, written as per cent                        */
    bool from_zero; /* the y axis includes 0                                       */
    bool alone;     /* a file of its own: brings its style with it                 */
} eff_svg_lines;
void eff_svg_lines_draw(eff_text *t, const eff_svg_lines *c);

/** A chart of several: its title is drawn above it, the note below. */
typedef struct eff_svg_panel {
    eff_svg_lines lines;
    const char *note; /* or NULL */
} eff_svg_panel;
/** Panels one below the other under a heading (or NULL), as a file of their own. */
void eff_svg_panels_draw(eff_text *t, const char *heading, const eff_svg_panel *panel, int n);

/** Accuracy against confidence with Wilson intervals, and below how many answers each bin has. */
void eff_svg_reliability(eff_text *t, const char *title, const eff_calibration_bin bins[EFF_CALIBRATION_BINS]);

typedef struct eff_svg_bar {
    const char *name;
    double value, lo, hi; /* fractions; NaN: nothing to draw                             */
    const char *note;     /* after the value: "3 of 20"                                  */
} eff_svg_bar;
/** Horizontal bars with intervals, one below the other. */
void eff_svg_bars(eff_text *t, const char *title, const eff_svg_bar *bar, int n);

#endif
