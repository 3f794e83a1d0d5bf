# Runs PROGRAM ROOT TABLE and compares what it prints with the file EXPECTED. It must exit with 1.
execute_process(COMMAND ${PROGRAM} ${ROOT} ${TABLE} OUTPUT_VARIABLE printed RESULT_VARIABLE code)
file(READ ${EXPECTED} expected)
if(NOT code EQUAL 1 OR NOT printed STREQUAL expected)
  message(FATAL_ERROR "exit code ${code}, printed:\n${printed}\nexpected exit code 1 and:\n${expected}")
endif()
