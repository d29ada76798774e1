/* Typed reading of JSON settings and its errors. */
#include "files.h"

#include "config.h"

static wn_error err;

static void reads_values(void)
{
    nn_config *c = NULL;
    const nn_config *text, *deep, *none;
    int64_t i = 0, list[4];
    uint32_t count = 9;
    double d = 0, numbers[3];
    bool b = false;
    const char *s;
    const char *path = write_text(
        "config.json", "{\"layers\": 19, \"eps\": 1e-6, \"on\": true, \"act\": \"gelu\", \"nothing\": null,"
                       " \"axes\": [8, 12, 12], \"mean\": [0.5, 1], \"vae\": [\"diffusers\", \"AutoencoderKL\"],"
                       " \"half\": 2.5, \"Layers\": 3, \"text_config\": {\"layers\": 4, \"in\": {\"x\": 1}}}");
    CHECK_OK(nn_config_open(path, &c, &err), err);
    if (!c)
        return;
    CHECK_OK(nn_config_int(c, "layers", 1, &i, &err), err);
    CHECK_INT(i, 19);
    CHECK_OK(nn_config_int(c, "nothing", 7, &i, &err), err);
    CHECK_INT(i, 7);
    CHECK_OK(nn_config_number(c, "eps", 1, &d, &err), err);
    CHECK_NEAR(d, 1e-6, 0);
    CHECK_OK(nn_config_bool(c, "on", false, &b, &err), err);
    CHECK(b);
    CHECK_OK(nn_config_string(c, "act", NULL, &s, &err), err);
    CHECK_STR(s, "gelu");
    CHECK_OK(nn_config_string(c, "absent", "fallback", &s, &err), err);
    CHECK_STR(s, "fallback");
    CHECK_OK(nn_config_ints(c, "axes", list, 4, &count, &err), err);
    CHECK_INT(count, 3);
    CHECK_INT(list[2], 12);
    CHECK_OK(nn_config_numbers(c, "mean", numbers, 3, &count, &err), err);
    CHECK_INT(count, 2);
    CHECK_OK(nn_config_ints(c, "absent", list, 4, &count, &err), err);
    CHECK_INT(count, 2); /* kept */
    CHECK_OK(nn_config_string_at(c, "vae", 1, &s, &err), err);
    CHECK_STR(s, "AutoencoderKL");
    CHECK_OK(nn_config_string_at(c, "vae", 2, &s, &err), err);
    CHECK(s == NULL);
    CHECK(nn_config_has(c, "axes") && !nn_config_has(c, "nothing") && !nn_config_has(c, "AXES"));
    CHECK_OK(nn_config_object(c, "text_config", &text, &err), err);
    CHECK_OK(nn_config_int(text, "layers", 1, &i, &err), err);
    CHECK_INT(i, 4);
    CHECK_OK(nn_config_object(text, "in", &deep, &err), err);
    CHECK_OK(nn_config_object(c, "absent", &none, &err), err);
    CHECK(deep && !none);

    CHECK_INT(nn_config_int(c, "half", 1, &i, &err), WN_E_FORMAT);
    CHECK_CONTAINS(err.message, "config.json: /half is 2.5, want an integer");
    CHECK_INT(nn_config_bool(deep, "x", false, &b, &err), WN_E_FORMAT);
    CHECK_CONTAINS(err.message, "/text_config/in/x is 1, want true or false");
    CHECK_INT(nn_config_string(c, "layers", NULL, &s, &err), WN_E_FORMAT);
    CHECK_INT(nn_config_object(c, "act", &none, &err), WN_E_FORMAT);
    CHECK_INT(nn_config_ints(c, "mean", list, 4, &count, &err), WN_E_FORMAT);
    CHECK_INT(nn_config_ints(c, "axes", list, 2, &count, &err), WN_E_UNSUPPORTED);
    CHECK_INT(nn_config_require(text, "hidden_size", &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "no /text_config/hidden_size");
    nn_config_close(c);
}

static void must_fail(const char *text, const char *reason)
{
    nn_config *c = NULL;
    CHECK(nn_config_open(write_text("bad.json", text), &c, &err) != WN_OK);
    CHECK_CONTAINS(err.message, reason);
    CHECK(c == NULL);
}

int main(void)
{
    scratch_make(folder);
    reads_values();
    must_fail("", "is not JSON");
    must_fail("[1]", "is not a JSON object");
    must_fail("{\"a\":1} {", "is not JSON from byte 8");
    must_fail("{\"a\":1,\"b\":{\"x\":1,\"x\":2}}", "key 'x' stands twice");
    must_fail("{\"a\":[{\"x\":1,\"x\":2}]}", "key 'x' stands twice");
    nn_config *c;
    CHECK_INT(nn_config_open(in_folder("absent.json"), &c, &err), WN_E_MISSING);
    CHECK_INT(nn_config_open(folder, &c, &err), WN_E_IO);
    scratch_remove(folder);
    return CHECK_DONE();
}
