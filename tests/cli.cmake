# src/data/, and the program as its users see it: transcripts, one test a case. After a change that is meant,
# `cmake --build BUILD --target bless` writes what is printed now as what is expected; read the difference before committing it.
eff_test(test_bench SOURCES test_bench.c LABELS unit level)
eff_test(test_metrics SOURCES test_metrics.c LABELS unit)
eff_test(test_filelist SOURCES test_filelist.c LABELS unit)
eff_test(test_synth SOURCES test_synth.c LABELS unit threads)

add_executable(tool_synth tool_synth.c)
target_link_libraries(tool_synth PRIVATE effnet_testsupport)
set(cli_runner ${CMAKE_CURRENT_SOURCE_DIR}/cli/run.sh)
foreach(case advise bench care convert data environment errors eval export help info options output predict pull scale search study train)
  add_test(NAME cli_${case} COMMAND sh ${cli_runner} $<TARGET_FILE:effnet-cli> $<TARGET_FILE:tool_synth> ${case})
  set_tests_properties(cli_${case} PROPERTIES LABELS cli TIMEOUT 300)
endforeach()
set_tests_properties(cli_output PROPERTIES LABELS "cli;once")
add_custom_target(bless COMMAND sh ${cli_runner} --bless $<TARGET_FILE:effnet-cli> $<TARGET_FILE:tool_synth>
  DEPENDS effnet-cli tool_synth VERBATIM)
add_test(NAME bench_check COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/bench_check.sh $<TARGET_FILE:effnet-cli> $<TARGET_FILE:tool_synth>)
set_tests_properties(bench_check PROPERTIES LABELS "cli;level" TIMEOUT 120)
