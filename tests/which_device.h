/* which_device.h - the device that a test of devices or models runs on: cpu, or what WINNOW_TEST_DEVICE says. "vulkan"
 * is the first software device of that plugin (no test needs a GPU), "vulkan:PART" the first one with PART in its name.
 */
#ifndef WINNOW_TESTS_WHICH_DEVICE_H
#define WINNOW_TESTS_WHICH_DEVICE_H

#include <winnow/device.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

WN_UNUSED static const char *which_device_wanted(void)
{
    const char *wanted = getenv("WINNOW_TEST_DEVICE");
    return wanted && *wanted ? wanted : NULL;
}

/* The leak checker can only tell a driver's leaks from ours while the driver is mapped; the loader would unmap it. */
WN_UNUSED static void which_device_keep_driver(void)
{
    static const char *const libraries[] = { "libvulkan.so.1", "libvulkan_lvp.so", "libVkLayer_khronos_validation.so" };
    for (int i = 0; i < (getenv("VK_INSTANCE_LAYERS") ? 3 : 2); i++)
        (void)dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

/* "device-cpu" or "device-vulkan", whose driver then stays mapped. */
WN_UNUSED static const char *which_device_plugin(void)
{
    const char *wanted = which_device_wanted();
    if (!wanted || strncmp(wanted, "vulkan", 6) != 0)
        return "device-cpu";
    which_device_keep_driver();
    return "device-vulkan";
}

/* Its index; exits with 77 (skipped) when it is not there. */
WN_UNUSED static uint64_t which_device(const wn_device_api *api, void *driver)
{
    const char *wanted = which_device_wanted(), *part = wanted ? strchr(wanted, ':') : NULL;
    wn_error err;
    for (uint64_t i = 0; wanted && i < api->count(driver); i++) {
        wn_device_info info = { .struct_size = sizeof info };
        if (api->info(driver, i, &info, &err) == WN_OK &&
            (part ? strstr(info.name, part + 1) != NULL : info.kind == WN_DEVICE_SOFTWARE_GPU))
            return i;
    }
    if (wanted) {
        fprintf(stderr, "SKIPPED: there is no device %s\n", wanted);
        exit(77);
    }
    return 0;
}

#endif
