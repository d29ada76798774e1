/* limits.c - a device with less than others: what does not fit is refused in our words, before the driver is asked. The
 * limits are forced by WINNOW_VULKAN_CAPS, or those of software drivers.
 */
#include "check.h"
#include "ops/maker.h"
#include "ops/test_host.h"

/* A copy of 5 MiB, which is 10 MiB of activations for one item. */
static wn_status compile_copy(const struct test_device *d, uint64_t items, wn_error *err)
{
    struct maker m;
    wn_program *program = NULL;
    const wn_compile_options options = { sizeof options, WN_F32, items };
    maker_begin(&m, "copy", 1);
    uint32_t x = maker_input(&m, "x", 1280, 1024, 0);
    maker_op(&m, WN_OP_COPY, x, maker_output(&m, "y", 1280, 1024));
    const wn_graph g = maker_graph(&m);
    const wn_status status = d->api->compile(d->device, &g, &options, &program, err);
    d->api->free_program(program);
    maker_end(&m);
    return status;
}

/* Larger than a buffer may be: an error that the engine answers with a smaller batch. */
static void test_buffer(void)
{
    struct test_device d;
    wn_error err = { 0 };
    setenv("WINNOW_VULKAN_CAPS", "buffer=16777216", 1);
    test_device_open(&d, 1);
    CHECK_OK(compile_copy(&d, 1, &err), err);
    CHECK_INT(compile_copy(&d, 2, &err), WN_E_MEMORY);
    CHECK_CONTAINS(err.message, "activations of 20.0 MiB are one buffer, which its driver allows to have 16.0 MiB");
    CHECK_OK(compile_copy(&d, 1, &err), err);
    test_device_close(&d);
}

/* Of the environment or of a spec: what no device takes is an error with what there is. */
static void test_words(void)
{
    struct test_device d;
    const char *const asked[] = { "no-fp16,fast" };
    void *driver = NULL;
    wn_error err = { 0 };
    setenv("WINNOW_VULKAN_CAPS", "", 1);
    test_device_open(&d, 1);
    CHECK_INT(d.plugin->create(&d.host, asked, &driver, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "/devices/vulkan/caps: \"fast\" is unknown or out of the range of llvmpipe");
    setenv("WINNOW_VULKAN_CAPS", "subgroup=3", 1);
    CHECK_INT(d.plugin->create(&d.host, &test_device_options, &driver, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "WINNOW_VULKAN_CAPS: \"subgroup=3\" is unknown or out of the range");
    test_device_close(&d);
}

/* Vulkan promises workgroups of 128; kernels are of up to 256. */
static void test_group(void)
{
    struct test_device d;
    void *small = NULL;
    wn_device *device = NULL;
    wn_error err = { 0 };
    setenv("WINNOW_VULKAN_CAPS", "gpu,group=256", 1);
    test_device_open(&d, 1);
    CHECK_OK(compile_copy(&d, 1, &err), err);
    setenv("WINNOW_VULKAN_CAPS", "gpu,group=128", 1);
    CHECK_OK(d.plugin->create(&d.host, &test_device_options, &small, &err), err);
    CHECK_INT(d.api->count(small), 0);
    CHECK_INT(d.api->open(small, 0, &device, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "allows workgroups of 128, winnow's have up to 256: use another device");
    d.plugin->destroy(small);
    test_device_close(&d);
}

static wn_status compile_attention(const struct test_device *d, uint64_t keys, uint64_t size, wn_error *err)
{
    struct maker m;
    wn_program *program = NULL;
    const wn_compile_options options = { sizeof options, WN_F32, 1 };
    maker_begin(&m, "attention", 1);
    uint32_t x = maker_input(&m, "x", keys, size, 0), q = maker_window(&m, x, 0, 8, 0, size);
    wn_op *op = maker_op(&m, WN_OP_ATTENTION, q, maker_output(&m, "y", 8, size));
    op->in[1] = op->in[2] = x;
    op->i[0] = 1;
    op->f[0] = 1;
    const wn_graph g = maker_graph(&m);
    const wn_status status = d->api->compile(d->device, &g, &options, &program, err);
    d->api->free_program(program);
    maker_end(&m);
    return status;
}

/* Kernels of which a software driver would end the loops too early. */
static void test_turns(void)
{
    struct test_device d;
    wn_error err = { 0 };
    setenv("WINNOW_VULKAN_CAPS", "", 1);
    test_device_open(&d, 1);
    CHECK_OK(compile_attention(&d, 16384, 512, &err), err); /* the middle of a decoder at 1024 px */
    CHECK_INT(compile_attention(&d, 65536, 512, &err), WN_E_UNSUPPORTED);
    CHECK_CONTAINS(err.message, "op 0 (attention \"y\"): too large for a software device: ");
    CHECK_CONTAINS(err.message, "turns of loops in a kernel, of which drivers allow 65000; use device \"cpu\"");
    CHECK_INT(compile_attention(&d, 8, 4100, &err), WN_E_UNSUPPORTED);
    CHECK_CONTAINS(err.message, "heads of 4100, at most ");
    test_device_close(&d);
}

int main(void)
{
    struct test_device d;
    test_device_open(&d, 1); /* skips where there is none */
    test_device_close(&d);
    test_buffer();
    test_words();
    test_group();
    test_turns();
    return CHECK_DONE();
}
