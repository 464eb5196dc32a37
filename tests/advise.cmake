# Advice: the decision, the whole on a small set, and (long) its figures against a real run.
eff_test(test_advise SOURCES test_advise.c LABELS unit)
add_test(NAME advise_shared COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/advise_shared.sh $<TARGET_FILE:effnet-cli>
  ${PROJECT_SOURCE_DIR}/../shared)
set_tests_properties(advise_shared PROPERTIES LABELS "cli;shared;long" SKIP_RETURN_CODE 77 TIMEOUT 1800)
