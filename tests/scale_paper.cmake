# What the program says of the paper.
add_executable(test_paper test_paper.c tsv.c)
target_link_libraries(test_paper PRIVATE effnet_testsupport effnet_commands)
target_include_directories(test_paper PRIVATE ${PROJECT_SOURCE_DIR}/cli)
eff_test(test_paper LABELS unit)
