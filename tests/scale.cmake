# src/trials/ and src/scale/.
eff_test(test_trials SOURCES test_trials.c LABELS unit)
eff_test(test_study SOURCES test_study.c LABELS unit FAULTS)

# Through the program: killed, shared, stopped.
add_test(NAME study_resume COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/study.sh $<TARGET_FILE:effnet-cli> 3)
add_test(NAME study_resume_20 COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/study.sh $<TARGET_FILE:effnet-cli> 20)
set_tests_properties(study_resume study_resume_20 PROPERTIES LABELS cli TIMEOUT 600)
set_tests_properties(study_resume_20 PROPERTIES LABELS "cli;long")
