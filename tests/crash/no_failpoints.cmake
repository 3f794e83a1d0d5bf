# The word must be in the one and not in the other: looked for in both, so that a word that has changed is noticed.
file(STRINGS ${WITH} found REGEX "ASSENT_FAILPOINTS" LIMIT_COUNT 1)
if(NOT found)
  message(FATAL_ERROR "${WITH} knows no failpoints")
endif()
file(STRINGS ${WITHOUT} found REGEX "ASSENT_FAILPOINTS|failpoint([^s]|$)" LIMIT_COUNT 1)
if(found)
  message(FATAL_ERROR "${WITHOUT} has failpoints left: ${found}")
endif()
