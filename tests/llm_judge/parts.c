/* The parts of llm_judge that need no server: hashes against published values, waits, limits, templates, masks, merges.
 */
#include "../ledger/scratch.h"

#include "cache.h"
#include "failure.h"
#include "http.h"
#include "meter.h"
#include "picture.h"
#include "secret.h"
#include <sha256.h>
#include "template.h"

/* ---- SHA-256: the examples of FIPS 180 ---- */

static void check_hash(const char *text, uint64_t times, const char *want)
{
    nn_sha256 s;
    char hex[65];
    nn_sha256_begin(&s);
    for (uint64_t i = 0; i < times; i++)
        nn_sha256_add(&s, text, strlen(text));
    nn_sha256_end(&s, hex);
    CHECK_STR(hex, want);
}

static void test_hash(void)
{
    check_hash("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_hash("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check_hash("a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* ---- waits ---- */

static void test_retry_after(void)
{
    const time_t now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples */
    CHECK_NEAR(failure_retry_after(" 120\r\n", now), 120, 0);
    CHECK_NEAR(failure_retry_after("0", now), 0, 0);
    CHECK_NEAR(failure_retry_after("99999999999999999999999", now), 1e9, 0);
    CHECK_NEAR(failure_retry_after("Sun, 06 Nov 1994 08:50:37 GMT\r\n", now), 60, 0);
    CHECK_NEAR(failure_retry_after("Sunday, 06-Nov-94 08:50:37 GMT", now), 60, 0);
    CHECK_NEAR(failure_retry_after("Sun Nov  6 08:50:37 1994", now), 60, 0);
    CHECK_NEAR(failure_retry_after("Sun, 06 Nov 1994 08:49:36 GMT", now), 0, 0);
    CHECK_NEAR(failure_retry_after("-5", now), 0, 0);
    CHECK_NEAR(failure_retry_after("1e9", now), 0, 0);
    CHECK_NEAR(failure_retry_after("", now), 0, 0);
}

static void test_back_off(void)
{
    CHECK_NEAR(failure_back_off(1, 1, 60, 0, 1), 1, 0);
    CHECK_NEAR(failure_back_off(4, 1, 60, 0, 1), 8, 0);
    CHECK_NEAR(failure_back_off(4, 1, 60, 0, 0.25), 2, 0);
    CHECK_NEAR(failure_back_off(100, 1, 60, 0, 1), 60, 0);
    CHECK_NEAR(failure_back_off(1, 1, 60, 30, 0), 30, 0);
}

static int kind_of(long status, const char *body)
{
    struct failure f;
    failure_of_status(&f, status, 0, body, strlen(body));
    return (int)f.kind;
}

static void test_status(void)
{
    CHECK_INT(kind_of(429, ""), FAILURE_PASSING);
    CHECK_INT(kind_of(529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}"), FAILURE_PASSING);
    CHECK_INT(kind_of(429, "{\"error\":{\"code\":\"insufficient_quota\"}}"), FAILURE_CLOSED);
    CHECK_INT(kind_of(429, "[{\"error\":{\"code\":429,\"type\":\"insufficient_quota\"}}]"), FAILURE_CLOSED);
    CHECK_INT(kind_of(404, "{\"error\":\"model not found\"}"), FAILURE_CLOSED);
    CHECK_INT(kind_of(400, "{\"error\":7}"), FAILURE_ANSWERED);
    CHECK_INT(kind_of(302, ""), FAILURE_ANSWERED);
}

/* ---- limits ---- */

static void test_meter(void)
{
    struct meter m = { .max_tokens = 1000, .price_in = 2, .price_out = 10 };
    CHECK_INT(meter_ask(&m), METER_GO);
    meter_start(&m);
    CHECK_INT(meter_ask(&m), METER_WAIT); /* nobody knows yet what one takes */
    meter_end(&m, 300, 100);
    CHECK_NEAR(meter_cost(&m), 1.6e-3, 1e-15);
    CHECK_INT(meter_ask(&m), METER_GO);
    meter_start(&m);
    CHECK_INT(meter_ask(&m), METER_WAIT); /* 400 + 2 * 400 > 1000 */
    meter_end(&m, 150, 50);
    CHECK_INT(meter_ask(&m), METER_GO);
    meter_start(&m);
    meter_end(&m, 1, 0);
    CHECK_INT(meter_ask(&m), METER_STOP);
    struct meter calls = { .max_calls = 1 };
    CHECK_INT(meter_ask(&calls), METER_GO);
    meter_start(&calls);
    CHECK_INT(meter_ask(&calls), METER_STOP);
}

/* ---- templates ---- */

static void test_template(void)
{
    static const char head[] = "winnow judge template 1, pairwise\n[system]\n";
    struct template t;
    wn_error err;
    char text[400];
    snprintf(text, sizeof text, "%ssay {{\"a\": 1}}\n[user]\n{prompt} or {{{prompt}}}{{prompt}}", head);
    CHECK_OK(template_parse(&t, "t", text, JUDGE_PAIRWISE, &err), err);
    CHECK_STR(t.system, "say {\"a\": 1}");
    char *rendered = template_render(&t, "{x} {prompt}");
    CHECK_STR(rendered, "{x} {prompt} or {{x} {prompt}}{prompt}");
    free(rendered);
    template_finish(&t);
    CHECK_INT(template_parse(&t, "t", text, JUDGE_POINTWISE, &err), WN_E_FORMAT);
    snprintf(text, sizeof text, "%s[user]\n{prompt}", head);
    CHECK_OK(template_parse(&t, "t", text, JUDGE_PAIRWISE, &err), err);
    CHECK_STR(t.system, "");
    template_finish(&t);
    snprintf(text, sizeof text, "%s[user]\n{prompt} {", head);
    CHECK_INT(template_parse(&t, "t", text, JUDGE_PAIRWISE, &err), WN_E_FORMAT);
    CHECK_CONTAINS(err.message, "line 4");
    CHECK_OK(template_parse(&t, "t", template_pairwise, JUDGE_PAIRWISE, &err), err);
    template_finish(&t);
    CHECK_OK(template_parse(&t, "t", template_pointwise, JUDGE_POINTWISE, &err), err);
    template_finish(&t);
}

/* ---- keys ---- */

/* Whether the kernel leaves the mapping that begins at `at` out of core dumps: flag dd of /proc/self/smaps. */
static bool is_left_out(const void *at)
{
    char line[512], head[32];
    bool is_inside = false, is_out = false;
    FILE *f = fopen("/proc/self/smaps", "r");
    snprintf(head, sizeof head, "%lx-", (unsigned long)(uintptr_t)at);
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, head, strlen(head)) == 0)
            is_inside = true;
        if (is_inside && strncmp(line, "VmFlags:", 8) == 0) {
            is_out = strstr(line, " dd") != NULL;
            break;
        }
    }
    if (f)
        fclose(f);
    return is_out;
}

static void test_secret(void)
{
    struct secret s = { 0 };
    wn_error err;
    char text[] = "sk-0123456789 and 456789, not 45678 nor x";
    setenv("TEST_API_KEY", "sk-0123456789", 1);
    CHECK_OK(secret_read(&s, "TEST_API_KEY", "x-key: ", &err), err);
    CHECK_STR(s.header, "x-key: sk-0123456789");
    CHECK(is_left_out(s.header));
    secret_mask(&s, text);
    CHECK_STR(text, "************* and ******, not 45678 nor x");
    secret_finish(&s);
    CHECK(!s.key && !s.header);
    setenv("TEST_API_KEY", "ab", 1);
    CHECK_OK(secret_read(&s, "TEST_API_KEY", "", &err), err);
    char little[] = "abba cab";
    secret_mask(&s, little);
    CHECK_STR(little, "**ba c**");
    secret_finish(&s);
    setenv("TEST_API_KEY", "a b", 1);
    CHECK_INT(secret_read(&s, "TEST_API_KEY", "", &err), WN_E_ARG);
    CHECK_INT(secret_read(&s, "PATH", "", &err), WN_E_ARG);
}

/* ---- addresses ---- */

static void test_base(void)
{
    static const char *const fine[] = { "https://api.example.com/v1", "http://127.0.0.1:8080/v1", "http://127.9.9.9",
                                        "http://localhost:1/v1", "http://[::1]:1/v1" };
    static const char *const wrong[] = { "http://10.0.0.1/v1",
                                         "http://localhost.example.com",
                                         "http://127.0.0.1@example.com/",
                                         "file:///etc/passwd",
                                         "https://",
                                         "https://a.example/v1?k=1",
                                         "https://a/#x" };
    wn_error err;
    bool is_local;
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        CHECK_OK(http_check_base(fine[i], false, &is_local, &err), err);
        CHECK_INT(is_local, i > 0);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_INT(http_check_base(wrong[i], false, &is_local, &err), WN_E_ARG);
    CHECK_OK(http_check_base("http://10.0.0.1/v1", true, &is_local, &err), err);
    CHECK(!is_local);
}

/* ---- JSON ---- */

static void test_merge(void)
{
    bool failed = false;
    cJSON *target = cJSON_Parse("{\"a\":{\"b\":1,\"c\":2},\"d\":3,\"e\":[1]}");
    cJSON *patch = cJSON_Parse("{\"a\":{\"c\":null,\"x\":\"y\"},\"d\":{\"f\":0},\"e\":[2,3],\"g\":null}");
    json_merge(target, patch, &failed);
    char *text = cJSON_PrintUnformatted(target);
    CHECK(!failed);
    CHECK_STR(text, "{\"a\":{\"b\":1,\"x\":\"y\"},\"d\":{\"f\":0},\"e\":[2,3]}");
    cJSON_free(text);
    cJSON_Delete(target);
    cJSON_Delete(patch);
}

/* ---- pictures: RFC 4648's padding, and the size asked for ---- */

static void test_picture(void)
{
    static uint8_t rgb[30 * 20 * 3];
    const wn_image image = { 30, 20, rgb };
    wn_error err;
    char *uri;
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * i);
    for (int64_t side = 0; side <= 31; side++) {
        CHECK_OK(picture_data_uri(&image, side, &uri, &err), err);
        const char *text = picture_base64(uri);
        CHECK(strlen(text) % 4 == 0 && strncmp(text, "iVBORw0KGgoAAAANSUhEUgAAA", 25) == 0);
        free(uri);
    }
}

/* ---- cache ---- */

static void test_cache(void)
{
    char folder[64], nested[128], key[65];
    struct cache c;
    struct verdict verdict = { { 0, 12.5, 100, 1.0 / 3, 99 } }, again;
    wn_error err;
    bool is_damaged;
    scratch_make(folder);
    snprintf(nested, sizeof nested, "%s/a/b", folder);
    snprintf(key, sizeof key, "%064d", 7);
    CHECK_OK(cache_open(&c, nested, &err), err);
    CHECK(!cache_get(&c, key, &again, &is_damaged) && !is_damaged);
    CHECK_OK(cache_put(&c, key, &verdict, &err), err);
    CHECK(cache_get(&c, key, &again, &is_damaged) && memcmp(&again, &verdict, sizeof again) == 0);
    cache_close(&c);
    CHECK_OK(cache_open(&c, "off", &err), err);
    CHECK_OK(cache_put(&c, key, &verdict, &err), err);
    CHECK(!cache_get(&c, key, &again, &is_damaged));
    cache_close(&c);
    scratch_remove(folder);
}

int main(void)
{
    test_hash();
    test_retry_after();
    test_back_off();
    test_status();
    test_meter();
    test_template();
    test_secret();
    test_base();
    test_merge();
    test_picture();
    test_cache();
    return CHECK_DONE();
}
