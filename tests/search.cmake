# src/search/.
eff_test(test_search_space SOURCES test_search_space.c LABELS unit)
eff_test(test_search SOURCES test_search.c LABELS unit FAULTS)

# Through the program: killed, shared.
set(kills 2)
if(EFF_SANITIZE)
  set(kills 1)
endif()
add_test(NAME search_resume COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/search.sh $<TARGET_FILE:effnet-cli> ${kills})
add_test(NAME search_resume_12 COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/search.sh $<TARGET_FILE:effnet-cli> 12)
set_tests_properties(search_resume PROPERTIES LABELS "cli;once" TIMEOUT 600)
set_tests_properties(search_resume_12 PROPERTIES LABELS "cli;long" TIMEOUT 600)
