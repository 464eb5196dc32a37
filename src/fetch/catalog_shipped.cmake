# Writes OUT, C source with the text of FILE: cmake -DOUT=x.c -DFILE=catalog.tsv -P this
file(READ "${FILE}" text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\t" "\\t" text "${text}")
string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
file(WRITE "${OUT}" "/* Written by catalog_shipped.cmake from share/catalog.tsv. */
#include \"fetch/catalog.h\"

const char eff_catalog_shipped[] =
    \"${text}\";
")
