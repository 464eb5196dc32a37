# Rules about the tree itself: layers, exported names, headers that stand alone and say what callers need to know.
add_test(NAME house_layers COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/house/layers.sh ${PROJECT_SOURCE_DIR})
add_test(NAME house_headers COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/house/headers.sh ${PROJECT_SOURCE_DIR} ${CMAKE_C_COMPILER})
# What --help, man pages and documents say, and the contract that scripts rely on.
add_test(NAME house_options COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/house/options.sh ${PROJECT_SOURCE_DIR} ${CMAKE_BINARY_DIR}
         $<TARGET_FILE:effnet-cli>)
add_test(NAME house_contract COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/house/options.sh ${PROJECT_SOURCE_DIR} ${CMAKE_BINARY_DIR}
         $<TARGET_FILE:effnet-cli> --contract $<TARGET_FILE:tool_synth>)
set_tests_properties(house_options PROPERTIES LABELS "unit;once")
set_tests_properties(house_contract PROPERTIES LABELS "cli;shared;once" SKIP_RETURN_CODE 77)
add_test(NAME house_verify COMMAND sh -c "command -v python3 > /dev/null || exit 77; exec python3 \"$0\""
  ${CMAKE_CURRENT_SOURCE_DIR}/house/verify.py)
set_tests_properties(house_verify PROPERTIES LABELS "unit;once" SKIP_RETURN_CODE 77)
add_test(NAME house_docs COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/house/docs.sh ${PROJECT_SOURCE_DIR})
set_tests_properties(house_layers house_docs PROPERTIES LABELS "unit;once")
set_tests_properties(house_headers PROPERTIES LABELS unit)
if(NOT EFF_SANITIZE)
  add_test(NAME house_symbols COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/house/symbols.sh ${PROJECT_SOURCE_DIR}
           $<TARGET_FILE:effnet> $<TARGET_FILE:effnet_static>)
  set_tests_properties(house_symbols PROPERTIES LABELS unit)
endif()

# The thing as users get it. Sanitizers have run-times of their own, which neither a plain compile nor an emulator brings.
if(NOT EFF_SANITIZE)
  set(house ${CMAKE_CURRENT_SOURCE_DIR}/house)
  add_test(NAME example_classify COMMAND sh ${house}/example.sh ${PROJECT_SOURCE_DIR} $<TARGET_FILE:classify>
           $<TARGET_FILE:effnet-cli> $<TARGET_FILE:tool_synth>)
  add_test(NAME example_valgrind COMMAND sh ${house}/example.sh --valgrind ${PROJECT_SOURCE_DIR} $<TARGET_FILE:classify>
           $<TARGET_FILE:effnet-cli> $<TARGET_FILE:tool_synth>)
  add_test(NAME house_install COMMAND sh ${house}/install.sh ${PROJECT_SOURCE_DIR} ${CMAKE_BINARY_DIR} ${CMAKE_COMMAND}
           ${CMAKE_C_COMPILER} $<TARGET_FILE:tool_synth>)
  add_test(NAME house_completions COMMAND bash ${house}/completions.sh ${CMAKE_BINARY_DIR} $<TARGET_FILE:effnet-cli>)
  set(installed example_classify example_valgrind house_install house_completions)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_test(NAME house_oldcpu COMMAND sh ${house}/oldcpu.sh $<TARGET_FILE:effnet-cli> $<TARGET_FILE:tool_synth>
             ${CMAKE_C_COMPILER})
    list(APPEND installed house_oldcpu)
  endif()
  set_tests_properties(${installed} PROPERTIES LABELS installed SKIP_RETURN_CODE 77 TIMEOUT 300)
  set_tests_properties(example_valgrind house_completions PROPERTIES LABELS "installed;once")
endif()
