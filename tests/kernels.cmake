# Kernels and the inference plan. Label `level`: runs again at every CPU level of the machine (EFFNET_CPU).
eff_test(test_kernels SOURCES test_kernels.c LABELS unit level)
eff_test(test_bf16 SOURCES test_bf16.c LABELS unit level threads)
eff_test(test_plan SOURCES test_plan.c LABELS unit level threads)
eff_test(test_pixels SOURCES test_pixels.c LABELS unit level threads)
eff_test(test_base SOURCES test_base.c LABELS unit threads)
eff_test(test_forward SOURCES test_forward.c forward.c LABELS golden level threads)
eff_test(test_forward_large SOURCES test_forward_large.c forward.c LABELS golden long)
eff_test(test_forward_shared SOURCES test_forward_shared.c forward.c LABELS golden shared level)
eff_test(test_lite SOURCES test_lite.c LABELS golden shared level)
eff_test(test_comparators SOURCES test_comparators.c forward.c tsv.c LABELS golden level threads)
# For tools/check_comparators.sh.
add_executable(tool_logits tool_logits.c forward.c)
target_link_libraries(tool_logits PRIVATE effnet_testsupport)
