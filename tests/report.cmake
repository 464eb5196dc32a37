# src/report/, and the temperature that its figures are given at.
eff_test(test_calibrate SOURCES test_calibrate.c LABELS unit)
eff_test(test_events SOURCES test_events.c LABELS unit)
eff_test(test_report SOURCES test_report.c pictures.c LABELS unit)
# Read by TensorBoard itself: tools/check_events.py.
add_executable(tool_events tool_events.c)
target_link_libraries(tool_events PRIVATE effnet_testsupport)
