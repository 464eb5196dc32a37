# Writes OUT, C source with the JSON files FILES (separated by '|') as texts: cmake -DOUT=x.c -DFILES=a.json|b.json -P this
string(REPLACE "|" ";" FILES "${FILES}")
set(rows "")
set(count 0)
foreach(path IN LISTS FILES)
  get_filename_component(name "${path}" NAME_WE)
  file(READ "${path}" text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n      \"" text "${text}")
  string(APPEND rows "    { \"${name}\",\n      \"${text}\" },\n")
  math(EXPR count "${count} + 1")
endforeach()
file(WRITE "${OUT}" "/* Written by space_shipped.cmake from share/spaces. */
#include \"search/space_shipped.h\"

const eff_shipped_space eff_shipped_spaces[] = {
${rows}};
const int eff_shipped_space_count = ${count};
")
