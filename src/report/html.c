/* SPDX-License-Identifier: Apache-2.0 */
/* Style and skeleton. System fonts, no scripts, nothing from elsewhere; a policy in the head keeps a browser from
 * fetching anything should a name ever get past the escaping. */
#include "report/html.h"

#include "report/svg.h"

#include <string.h>

enum { LONGEST = 300 }; /* characters of a heading */

static const char style[] =
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:20px 16px 48px;max-width:1160px;background:var(--bg);color:var(--fg);"
    "font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",sans-serif;overflow-wrap:anywhere}\n"
    "h1{font-size:1.6rem;line-height:1.25;margin:8px 0 2px}h2{font-size:1.15rem;margin:40px 0 4px}"
    "p{margin:4px 0 12px;max-width:76ch}.mut,figcaption,small{color:var(--mut)}\n"
    ".figs{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0 12px}"
    ".fig{background:var(--card);border-radius:10px;padding:10px 14px}.fig "
    "b{display:block;font-size:1.5rem;line-height:1.3}"
    ".fig span,.fig small{display:block;font-size:.82rem}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:16px "
    "24px;align-items:start}"
    "figure{margin:0;min-width:0}.charts figure{max-width:560px}figcaption{font-size:.9rem;margin-bottom:4px}"
    ".wide{overflow-x:auto;padding-bottom:6px}\n"
    "table{border-collapse:collapse;width:100%;font-size:.92rem}"
    "th,td{text-align:left;vertical-align:top;padding:5px 12px 5px 0;border-bottom:1px solid var(--line)}"
    "th{font-weight:600}thead "
    "th{position:sticky;top:0;background:var(--bg)}td.n,th.n{text-align:right;white-space:nowrap}.facts th{overflow-wrap:normal}"
    ".scroll{max-height:560px;overflow:auto;border-bottom:1px solid var(--line)}\n"
    ".pics{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:18px 14px}"
    ".pics "
    "img,.gone{display:flex;width:100%;height:auto;aspect-ratio:1;object-fit:contain;background:var(--card);border-"
    "radius:8px}"
    ".gone{align-items:center;justify-content:center;text-align:center;padding:10px;font-size:.8rem;color:var(--mut)}"
    ".pics div{font-size:.88rem;line-height:1.35;margin-top:4px}.pics .file{font-size:.76rem;color:var(--mut)}"
    ".k{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin-right:.4em}\n"
    "@media(max-width:600px){body{padding:10px 12px 32px}.facts tr{display:block;border-bottom:1px solid "
    "var(--line);padding:5px 0}"
    ".facts td,.facts th{display:block;border:0;padding:0}"
    ".classes thead{display:none}.classes tr{display:grid;grid-template-columns:1fr 1fr;gap:0 12px;border-bottom:1px "
    "solid var(--line);padding:6px 0}"
    ".classes td{border:0;padding:0;text-align:left;white-space:normal}.classes "
    "td:first-child{grid-column:1/3;font-weight:600}"
    ".classes td.n::before{content:attr(data-what) \" \";color:var(--mut)}.classes td[data-what^=re],.classes "
    "td[data-what^=p]{grid-column:1/3}.figs{grid-template-columns:1fr 1fr}"
    ".pics{grid-template-columns:repeat(auto-fill,minmax(132px,1fr))}}\n"
    "@media print{.scroll{max-height:none;overflow:visible}}\n";

void eff_html_begin(eff_text *t, const char *title, const char *subtitle)
{
    eff_text_put(t, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
                    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>"
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
                    "style-src 'unsafe-inline'\"/>\n<title>");
    eff_text_escape_cut(t, title, LONGEST);
    eff_text_put(t, "</title>\n<style>");
    eff_svg_style(t);
    eff_text_put(t, style);
    eff_text_put(t, "</style></head>\n<body><header>");
    eff_html_name(t, "h1", NULL, title);
    if (subtitle && *subtitle) eff_html_name(t, "p", "mut", subtitle);
    eff_text_put(t, "</header>\n");
}

void eff_html_end(eff_text *t) { eff_text_put(t, "</body></html>\n"); }

void eff_html_section(eff_text *t, const char *heading, const char *about)
{
    eff_text_put(t, "<section><h2>");
    eff_text_escape(t, heading);
    eff_text_put(t, "</h2>\n");
    if (!about) return;
    eff_text_put(t, "<p class=\"mut\">");
    eff_text_escape(t, about);
    eff_text_put(t, "</p>\n");
}

void eff_html_section_end(eff_text *t) { eff_text_put(t, "</section>\n"); }

void eff_html_figure(eff_text *t, const char *name, const char *value, const char *note)
{
    eff_text_put(t, "<div class=\"fig\"><span class=\"mut\">");
    eff_text_escape(t, name);
    eff_text_put(t, "</span><b>");
    eff_text_escape(t, value);
    eff_text_put(t, "</b>");
    if (note) {
        eff_text_put(t, "<small>");
        eff_text_escape(t, note);
        eff_text_put(t, "</small>");
    }
    eff_text_put(t, "</div>\n");
}

void eff_html_name(eff_text *t, const char *tag, const char *class, const char *s)
{
    eff_text_print(t, class ? "<%s class=\"%s\"><bdi>" : "<%s><bdi>", tag, class);
    eff_text_escape_cut(t, s, LONGEST);
    eff_text_print(t, "</bdi></%s>", tag);
}

void eff_html_cell(eff_text *t, const char *what, const char *value)
{
    eff_text_print(t, "<td class=\"n\" data-what=\"%s\">", what);
    eff_text_escape(t, value);
    eff_text_put(t, "</td>");
}

void eff_html_table(eff_text *t, const char *const *head, int n)
{
    eff_text_put(t, "<div class=\"wide\"><table class=\"classes\"><thead><tr>");
    for (int i = 0; i < n; i++) {
        eff_text_put(t, i ? "<th class=\"n\">" : "<th>");
        eff_text_escape(t, head[i]);
        eff_text_put(t, "</th>");
    }
    eff_text_put(t, "</tr></thead><tbody>\n");
}

void eff_html_table_end(eff_text *t) { eff_text_put(t, "</tbody></table></div>\n"); }

void eff_html_facts(eff_text *t) { eff_text_put(t, "<table class=\"facts\"><tbody>\n"); }

void eff_html_fact(eff_text *t, const char *name, const char *value)
{
    eff_text_put(t, "<tr><th>");
    eff_text_escape(t, name);
    eff_text_put(t, "</th><td>");
    eff_text_escape(t, value);
    eff_text_put(t, "</td></tr>\n");
}

void eff_html_facts_end(eff_text *t) { eff_text_put(t, "</tbody></table>\n"); }

void eff_html_paragraph(eff_text *t, const char *s)
{
    eff_text_put(t, "<p>");
    eff_text_escape(t, s);
    eff_text_put(t, "</p>\n");
}

void eff_html_chart(eff_text *t, const char *caption, const eff_svg_lines *c)
{
    eff_text_put(t, "<figure><figcaption>");
    eff_text_escape(t, caption);
    eff_text_put(t, "</figcaption>");
    eff_svg_lines_draw(t, c);
    eff_text_put(t, "</figure>\n");
}
