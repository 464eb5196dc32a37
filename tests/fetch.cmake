# src/fetch/: the catalogue, and downloads from a server of our own that misbehaves.
eff_test(test_fetch SOURCES test_fetch.c server.c LABELS unit once FAULTS)
if(EFF_CURL)
  target_compile_definitions(test_fetch PRIVATE EFF_TEST_CURL)
endif()
