# src/search/: what proposes children, what they are worth, how well scores agree.
eff_test(test_search_objective SOURCES test_search_objective.c LABELS unit)
eff_test(test_search_controllers SOURCES test_search_controllers.c search_synthetic.c LABELS unit)
add_test(NAME search_replay COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/search_replay.sh ${CMAKE_BINARY_DIR}/tools/search_replay)
set_tests_properties(search_replay PROPERTIES LABELS unit)
