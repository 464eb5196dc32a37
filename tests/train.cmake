# Training: kernels, gradients, optimisers.
eff_test(test_optim SOURCES test_optim.c LABELS unit threads)
eff_test(test_train_kernels SOURCES test_train_kernels.c ${lowered} LABELS unit level)
eff_test(test_gradients SOURCES test_gradients.c LABELS unit level threads)
eff_test(test_train_golden SOURCES test_train_golden.c LABELS golden level threads)
eff_test(test_train_golden_shared SOURCES test_train_golden.c LABELS golden shared)
target_compile_definitions(test_train_golden_shared PRIVATE EFF_GOLDEN_SHARED)
eff_test(test_mix SOURCES test_mix.c LABELS unit)
eff_test(test_recipe SOURCES test_recipe.c LABELS unit level)
eff_test(test_saves SOURCES test_saves.c LABELS unit FAULTS)
eff_test(test_run SOURCES test_run.c LABELS unit threads)

# Whole runs through the program: killed, stopped, short of disk, on other numbers of threads; `long` kills more often.
set(kills 8)
if(EFF_SANITIZE) # what a kill leaves on disk is the plain build's to show
  set(kills 2)
endif()
foreach(mode scratch transfer)
  add_test(NAME run_resume_${mode} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/run_resume.sh $<TARGET_FILE:effnet-cli> ${mode} ${kills})
  set_tests_properties(run_resume_${mode} PROPERTIES LABELS "cli;once" TIMEOUT 600)
  add_test(NAME run_resume_${mode}_50 COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/run_resume.sh $<TARGET_FILE:effnet-cli> ${mode} 50)
  set_tests_properties(run_resume_${mode}_50 PROPERTIES LABELS "cli;long" TIMEOUT 3600)
endforeach()
