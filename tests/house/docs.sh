#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every public function is documented where it is declared: a comment directly above; of one that returns eff_status,
# which failures it has; of one that makes an object (first parameter T **out), what releases it; of one that returns a
# pointer, whose it is. Whether the words are true only a reader can tell. Usage: docs.sh SOURCE_DIR
set -u
cd "$1/include/effnet" || exit 1
out=$(awk '
FNR == 1 { comment = ""; open = 0; declared = "" }
declared != "" { declared = declared " " $0 }                              # goes on from the line before
/^EFF_API / { declared = $0; above = comment; line = FNR }
declared ~ /;/ {
    functions++
    name = declared; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
    where = FILENAME ":" line ": " name
    if (above == "") print where ": no comment directly above"
    else {
        if (declared ~ /^EFF_API eff_status / && above !~ /EFF_E[A-Z]+/) print where ": says no failure"
        if (declared ~ /^EFF_API eff_status [a-z0-9_]+\(eff_[a-z]+ \*\*out,/ && above !~ /eff_[a-z]+_(free|close)\(\)/)
            print where ": does not say what releases *out"
        if (declared ~ /^EFF_API [a-z0-9_ ]+ \*+(const \*)?[a-z]/ && above !~ /[Bb]orrowed|[Ss]tatic storage|free\(\)|[Pp]oints into/)
            print where ": does not say whose the result is"
    }
    declared = ""; comment = ""
    next
}
declared != "" { next }
/^\/\*\*/ { comment = ""; open = 1 }
open { comment = comment " " $0; if (/\*\/[ ]*$/) open = 0; next }
{ comment = "" }                                                            # something stands between
END { if (functions < 100) print "only " functions + 0 " functions found: has the form of declarations changed?" }
' *.h)
[ -z "$out" ] || { printf '%s\n' "$out"; exit 1; }
