# Read by ctest before it runs anything: what a user's settings say must not decide what the tests see.
foreach(name WINNOW_MODEL_PATH WINNOW_PLUGIN_PATH HF_HOME HF_HUB_CACHE)
  unset(ENV{${name}})
endforeach()
# gcc 12's sanitizer guesses where a library's thread-local memory lies, and now and then guesses wrong and dies of it.
set(ENV{ASAN_OPTIONS} "intercept_tls_get_addr=0:$ENV{ASAN_OPTIONS}")
# A Vulkan driver of this machine is seen by the tests of that device alone, which name it: drivers leak, and the leak checker
# cannot tell whose it was once the loader has unmapped them.
if(NOT DEFINED ENV{WINNOW_TEST_DEVICE})
  set(ENV{VK_DRIVER_FILES} /dev/null)
endif()
