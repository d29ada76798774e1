/* failure.c - sources: RFC 9110 for Retry-After, the providers' pages on errors for the bodies, and "Exponential
 * Backoff And Jitter" (AWS architecture blog, 2015) for full jitter. */
#include "failure.h"

#include "json.h"

#include <curl/curl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- waiting ---- */

double failure_retry_after(const char *value, time_t now)
{
    char text[64];
    value += strspn(value, " \t");
    const size_t length = strcspn(value, "\r\n");
    if (length == 0 || length >= sizeof text)
        return 0;
    snprintf(text, sizeof text, "%.*s", (int)length, value);
    if (text[strspn(text, "0123456789")] == '\0')
        return fmin(strtod(text, NULL), 1e9);
    const time_t date = curl_getdate(text, NULL);
    return date > now ? fmin((double)date - (double)now, 1e9) : 0;
}

double failure_back_off(uint32_t attempt, double base, double cap, double wait, double random)
{
    return wait + random * fmin(cap, ldexp(base, attempt < 30 ? (int)attempt - 1 : 29));
}

/* ---- bodies of errors ---- */

static bool is_quota_code(const char *code)
{
    static const char *const codes[] = { "insufficient_quota", "billing_hard_limit_reached", "billing_not_active" };
    for (size_t i = 0; code && i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

static bool ends_in(const char *text, const char *end)
{
    const size_t n = text ? strlen(text) : 0, m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Gemini says in details[] which quota is spent and how long to wait. */
static bool read_details(const cJSON *details, double *wait)
{
    const cJSON *detail, *violation;
    bool is_daily = false;
    cJSON_ArrayForEach(detail, details)
    {
        const char *type = json_text(detail, "@type"), *delay = json_text(detail, "retryDelay");
        if (ends_in(type, "google.rpc.RetryInfo") && ends_in(delay, "s")) {
            const double seconds = strtod(delay, NULL);
            *wait = isfinite(seconds) && seconds > *wait ? fmin(seconds, 1e9) : *wait;
        }
        if (!ends_in(type, "google.rpc.QuotaFailure"))
            continue;
        cJSON_ArrayForEach(violation, json_member(detail, "violations"))
        {
            const char *quota = json_text(violation, "quotaId");
            is_daily |= quota && strstr(quota, "PerDay");
        }
    }
    return is_daily;
}

static bool is_passing(long status)
{
    static const short all[] = { 408, 409, 429, 500, 502, 503, 504, 529 };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (status == all[i])
            return true;
    return false;
}

static bool is_closed(long status)
{
    return status == 401 || status == 402 || status == 403 || status == 404;
}

void failure_of_status(struct failure *f, long status, double retry_after, const char *body, size_t bytes)
{
    cJSON *root = json_read(body, bytes);
    const cJSON *error = json_member(cJSON_IsArray(root) ? cJSON_GetArrayItem(root, 0) : root, "error");
    const char *message = cJSON_IsString(error) ? error->valuestring : json_text(error, "message");
    double wait = retry_after;
    const bool is_daily = read_details(json_member(error, "details"), &wait);
    const bool is_spent =
        is_daily || is_quota_code(json_text(error, "code")) || is_quota_code(json_text(error, "type"));
    const char *note = is_spent ? " (quota)" : "";
    *f = (struct failure){ .kind = is_passing(status) ? FAILURE_PASSING : FAILURE_ANSWERED, .wait = wait };
    if (is_closed(status) || is_spent)
        f->kind = FAILURE_CLOSED;
    if (status >= 300 && status < 400)
        snprintf(f->why, sizeof f->why, "HTTP %ld: the server sends elsewhere, which is not followed; correct base_url",
                 status);
    else
        snprintf(f->why, sizeof f->why, "HTTP %ld%s%s%.300s", status, note, message ? ": " : "",
                 message ? message : "");
    cJSON_Delete(root);
}

/* ---- no reply ---- */

static enum failure_kind kind_of(int code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SSL_CONNECT_ERROR:
        return FAILURE_PASSING;
    case CURLE_UNSUPPORTED_PROTOCOL: /* what came is no HTTP/1 */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_WRITE_ERROR: /* a limit of ours */
    case CURLE_FILESIZE_EXCEEDED:
        return FAILURE_GARBLED;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return FAILURE_CLOSED;
    default:
        return FAILURE_ANSWERED;
    }
}

void failure_of_transfer(struct failure *f, int code, const char *text)
{
    *f = (struct failure){ .kind = kind_of(code) };
    snprintf(f->why, sizeof f->why, "%.300s", *text ? text : curl_easy_strerror((CURLcode)code));
}
