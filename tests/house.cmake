# Rules about the tree itself: layers, exported names, headers that stand alone.
add_test(NAME house_layers COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/house/layers.sh ${PROJECT_SOURCE_DIR})
add_test(NAME house_headers COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/house/headers.sh ${PROJECT_SOURCE_DIR} ${CMAKE_C_COMPILER})
set_tests_properties(house_layers house_headers PROPERTIES LABELS unit)
if(NOT EFF_SANITIZE)
  add_test(NAME house_symbols COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/house/symbols.sh ${PROJECT_SOURCE_DIR}
           $<TARGET_FILE:effnet> $<TARGET_FILE:effnet_static>)
  set_tests_properties(house_symbols PROPERTIES LABELS unit)
endif()
