"""Runs a test under the Khronos validation layer, with synchronization validation: not one message is allowed.

The layer's own first line, which tells its settings, must be there: a layer that was not loaded finds no mistake.
Usage: validate.py FOLDER PROGRAM [ARGUMENT ...]. Exits with 77 where the layer is not installed.
"""
import glob
import os
import re
import subprocess
import sys

LAYER = "VK_LAYER_KHRONOS_validation"
SETTINGS = """khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.log_filename = %s
khronos_validation.report_flags = error,warn,perf,info
khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
khronos_validation.enable_message_limit = false
"""


def main():
    folder, command = os.path.abspath(sys.argv[1]), sys.argv[2:]
    if not glob.glob("/usr/share/vulkan/explicit_layer.d/*validation*.json"):
        print("SKIPPED: no validation layer (package vulkan-validationlayers)")
        return 77
    os.makedirs(folder, exist_ok=True)
    log = os.path.join(folder, "messages.txt")
    if os.path.exists(log):
        os.remove(log)
    with open(os.path.join(folder, "vk_layer_settings.txt"), "w") as f:
        f.write(SETTINGS % log)
    environment = dict(os.environ, VK_INSTANCE_LAYERS=LAYER, VK_LAYER_SETTINGS_PATH=folder)
    code = subprocess.call(command, env=environment)
    if code != 0:
        return code
    with open(log) as f:
        messages = re.split(r"\n(?=\S*(?:Validation|VUID|SYNC|UNASSIGNED))", f.read().strip())
    active = [m for m in messages if "Khronos Validation Layer Active" in m]
    rest = [m for m in messages if m and m not in active]
    print("\n".join(rest))
    if not active or "SYNCHRONIZATION" not in active[0]:
        print("the layer, or its synchronization validation, was not active:\n%s" % "\n".join(messages))
        return 1
    print("%d messages of the validation layer" % len(rest))
    return 1 if rest else 0


sys.exit(main())
