/* The small things everything stands on: arena, buffer, log, JSON text, UTF-8. */
#include "base/arena.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/utf8.h"

#include "check.h"

static void test_arena(void)
{
    struct arena *a = arena_create();
    for (uint64_t i = 0; i < 3000; i++) {
        char *p = arena_alloc(a, i);
        CHECK(p && (uintptr_t)p % 16 == 0 && (i == 0 || p[i - 1] == 0));
    }
    CHECK_STR(arena_printf(a, "%d-%s", 7, "x"), "7-x");
    CHECK_STR(arena_copy(a, "abcdef", 3), "abc");
    CHECK(!arena_array(a, UINT64_MAX / 2, 3));
    arena_destroy(a);
    arena_destroy(NULL);
}

static void test_buffer(void)
{
    wn_error err = { 0 };
    struct buffer b = BUFFER_INIT(10);
    CHECK_STR(buffer_string(&b), "");
    buffer_text(&b, "12345");
    buffer_printf(&b, "%s", "67890");
    CHECK_OK(buffer_status(&b, "b", &err), err);
    buffer_byte(&b, 'x');
    buffer_clear(&b);
    buffer_text(&b, "123456789");
    buffer_text(&b, "01");
    CHECK_STR(buffer_string(&b), "123456789");
    CHECK_INT(buffer_status(&b, "the text", &err), WN_E_ARG);
    CHECK_STR(err.message, "the text: longer than 10 bytes");
    CHECK(!buffer_take(&b));
    char *empty = buffer_take(&b);
    CHECK_STR(empty, "");
    free(empty);
    CHECK_INT(buffer_read_file(&b, "/no/such/file", &err), WN_E_MISSING);
    CHECK_STR(err.message, "/no/such/file: cannot open: No such file or directory");
    CHECK_INT(buffer_read_file(&b, "/dev/zero", &err), WN_E_FORMAT);
    CHECK_STR(err.message, "/dev/zero: larger than the limit of 10 bytes");
    buffer_free(&b);
}

static void test_json_text(void)
{
    struct buffer b = BUFFER_INIT(1 << 20);
    struct json_text j = json_begin(&b, 0);
    json_object(&j);
    json_key(&j, "seed"), json_u64(&j, UINT64_MAX);
    json_key(&j, "low"), json_i64(&j, INT64_MIN);
    json_key(&j, "list"), json_array(&j);
    json_number(&j, 0.1), json_number(&j, 1.0 / 3), json_number(&j, -0.0), json_number(&j, NAN), json_number(&j, 160);
    json_end(&j);
    json_key(&j, "none"), json_object(&j), json_end(&j);
    json_key(&j, "t"), json_string(&j, "a\"\\\n\x01\x7f\xff\xc3\xa9");
    json_key(&j, "n"), json_string(&j, NULL);
    json_end(&j);
    CHECK_STR(buffer_string(&b), "{\"seed\":18446744073709551615,\"low\":-9223372036854775808,"
                                 "\"list\":[0.1,0.3333333333333333,-0,null,160],\"none\":{},"
                                 "\"t\":\"a\\\"\\\\\\n\\u0001\\u007f\xef\xbf\xbd\xc3\xa9\",\"n\":null}");
    buffer_clear(&b);
    j = json_begin(&b, 2);
    json_object(&j);
    json_key(&j, "a"), json_array(&j), json_u64(&j, 1), json_u64(&j, 2), json_end(&j);
    json_key(&j, "b"), json_array(&j), json_end(&j);
    json_end(&j);
    CHECK_STR(buffer_string(&b), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}");
    buffer_free(&b);
}

static void test_numbers(void)
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        double value;
        memcpy(&value, &state, sizeof value);
        char text[32];
        json_format_number(text, value);
        if (isfinite(value))
            CHECK(strtod(text, NULL) == value && strlen(text) < 25);
        else
            CHECK_STR(text, "null");
    }
}

static void test_utf8(void)
{
    CHECK_INT(utf8_length("a", 1), 1);
    CHECK_INT(utf8_length("\xf0\x9f\x8c\xbe", 4), 4);
    CHECK_INT(utf8_length("\xf0\x9f\x8c\xbe", 3), 0); /* truncated */
    CHECK_INT(utf8_length("\xc0\x80", 2), 0);         /* overlong */
    CHECK_INT(utf8_length("\xed\xa0\x80", 3), 0);     /* surrogate */
    CHECK_INT(utf8_length("\xf4\x90\x80\x80", 4), 0); /* above U+10FFFF */
    CHECK_INT(utf8_length("\x80", 1), 0);
    CHECK_INT(utf8_length("", 0), 0);
}

static void keep_line(void *arg, int32_t level, const char *line)
{
    snprintf(arg, 100, "%d %s", level, line);
}

static void test_log(void)
{
    char seen[100] = "";
    log_set_sink(keep_line, seen);
    log_printf(WN_LOG_DEBUG, "hidden");
    CHECK_STR(seen, "");
    log_printf(WN_LOG_WARN, "two\nlines \x1b[2J\xc2\x9b%d", 5);
    CHECK_STR(seen, "3 two?lines ?[2J?5");
    log_set_level(log_level_from("error"));
    log_line(WN_LOG_INFO, "hidden");
    CHECK_STR(seen, "3 two?lines ?[2J?5");
    CHECK_INT(log_level_from("loud"), 0);
    log_set_sink(NULL, NULL);
}

int main(void)
{
    test_arena();
    test_buffer();
    test_json_text();
    test_numbers();
    test_utf8();
    test_log();
    return CHECK_DONE();
}
