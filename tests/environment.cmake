# Read by ctest before it runs anything: what a user's settings say must not decide what the tests see.
foreach(name WINNOW_MODEL_PATH WINNOW_PLUGIN_PATH HF_HOME HF_HUB_CACHE)
  unset(ENV{${name}})
endforeach()
