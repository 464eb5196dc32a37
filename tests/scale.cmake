# src/trials/ and src/scale/.
eff_test(test_trials SOURCES test_trials.c LABELS unit)
eff_test(test_study SOURCES test_study.c LABELS unit FAULTS)

# Through the program: killed, shared, stopped.
set(kills 3)
if(EFF_SANITIZE) # what a kill leaves on disk is the plain build's to show
  set(kills 1 2) # and trials of two epochs
endif()
add_test(NAME study_resume COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/study.sh $<TARGET_FILE:effnet-cli> ${kills})
add_test(NAME study_resume_20 COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/study.sh $<TARGET_FILE:effnet-cli> 20)
set_tests_properties(study_resume PROPERTIES LABELS "cli;once" TIMEOUT 600)
set_tests_properties(study_resume_20 PROPERTIES LABELS "cli;long" TIMEOUT 600)
