/* SPDX-License-Identifier: Apache-2.0 */
/* The page around the parts of a report: its style, headings, tables. What it writes is well-formed XML too, so that a
 * test can check its tags. All text given to it comes from outside and is escaped. */
#ifndef EFF_REPORT_HTML_H
#define EFF_REPORT_HTML_H

#include "report/svg.h"
#include "report/text.h"

void eff_html_begin(eff_text *t, const char *title, const char *subtitle);
void eff_html_end(eff_text *t);

/** A heading, and a paragraph below it in plain text of ours (NULL: none). */
void eff_html_section(eff_text *t, const char *heading, const char *about);
void eff_html_section_end(eff_text *t);

/** One of the large figures at the top. `note` may be NULL. */
void eff_html_figure(eff_text *t, const char *name, const char *value, const char *note);

/** A paragraph of text from outside. */
void eff_html_paragraph(eff_text *t, const char *s);

/** A chart under its caption. */
void eff_html_chart(eff_text *t, const char *caption, const eff_svg_lines *c);

/** A table that becomes a card a row on narrow screens: its heads, up to its first row. */
void eff_html_table(eff_text *t, const char *const *head, int n);
void eff_html_table_end(eff_text *t);
/** A cell of figures; `what` names it where heads are not shown. */
void eff_html_cell(eff_text *t, const char *what, const char *value);

/** A table of names and what they are, a fact a row. */
void eff_html_facts(eff_text *t);
void eff_html_fact(eff_text *t, const char *name, const char *value);
void eff_html_facts_end(eff_text *t);

/** Text that may be written in any direction, kept from turning what follows around. */
void eff_html_name(eff_text *t, const char *tag, const char *class, const char *s);

#endif
