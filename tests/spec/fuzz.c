/* Damages a good spec in one to three places and loads it: it may be taken or refused, but a refusal says why and where,
 * and what is taken can be written and read again. Memory is for the sanitizers to watch.
 *
 * WINNOW_FUZZ_ROUNDS sets the rounds (default 10000), WINNOW_FUZZ_SEED the seed. */
#include "plugin/registry.h"
#include "spec/spec.h"

#include "check.h"

enum { TEXT_MAX = 4096 };

static const char good[] =
    "{ \"winnow\": 0, \"seed\": 7, \"prompts\": { \"list\": [\"a \\u00e9 \\ud83d\\ude00\", { \"prompt\": \"b\", \"id\": \"x\" }] },\n"
    "  \"canvas\": { \"width\": 64, \"height\": 64, \"steps\": 4, \"guidance\": 1.5e0 },\n"
    "  \"sampler\": { \"use\": \"mock\", \"options\": { \"model\": \"m\", \"loras\": [{ \"w\": -1.5 }], \"offload\": true } },\n"
    "  \"verifiers\": { \"a\": { \"use\": \"mockscore\" }, \"b\": { \"use\": \"mocksum\", \"inputs\": [\"a\", \"a\"] } },\n"
    "  \"search\": { \"use\": \"mockrandom\", \"guide\": \"b\", \"options\": { \"rule\": \"cosine\" } },\n"
    "  \"judge\": [\"a\"], \"budget\": { \"nfe\": 40 } }";

static const char *const tokens[] = { "{",     "}",        "[",    "]",    ",",   ":",      "\"",   "\\",       "\\u0000", "\\ud800",
                                      "null",  "-1",       "1e99", "18446744073709551616",  "\xff", "\xc3",     "\n",      " ",
                                      "\"b\"", "\"use\":", "0.5",  "true", "[[[", "\"a\":", "00",   "\xef\xbb\xbf" };

static uint64_t state;

static uint32_t below(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
    return n ? (uint32_t)((state >> 33) % n) : 0;
}

static void splice(char *text, size_t at, size_t removed, const char *inserted)
{
    size_t size = strlen(text), n = strlen(inserted);
    if (removed > size - at)
        removed = size - at;
    if (size - removed + n >= TEXT_MAX)
        return;
    memmove(text + at + n, text + at + removed, size - at - removed + 1);
    memcpy(text + at, inserted, n);
}

static void damage(char *text)
{
    char piece[40];
    size_t size = strlen(text), at = below(size + 1);
    switch (below(8)) {
    case 0:
        splice(text, at, below(12), "");
        break;
    case 1:
        splice(text, at, below(6), tokens[below(sizeof tokens / sizeof *tokens)]);
        break;
    case 2: /* a stretch doubled elsewhere */
        snprintf(piece, 1 + below(sizeof piece - 1), "%s", text + at);
        splice(text, below(size + 1), 0, piece);
        break;
    default: /* a digit or a letter becomes another one, so that much stays JSON */
        if (at < size && text[at] >= '0' && text[at] <= '9')
            text[at] = (char)('0' + below(10));
        else if (at < size && text[at] >= 'a' && text[at] <= 'z')
            text[at] = (char)('a' + below(26));
        else if (at < size)
            text[at] = (char)(1 + below(255));
    }
}

static void try_text(struct registry *registry, const char *text)
{
    wn_error err = { 0 };
    struct spec *spec, *again;
    char *report;
    struct spec_request request = { .path = "fuzz.json", .text = text };
    if (spec_load(&request, registry, &spec, &report, &err) != WN_OK) {
        if (!report || strncmp(report, "fuzz.json:", 10) != 0 || !err.message[0])
            CHECK_FAIL("a report without a place: %s\n%s", report, text);
        free(report);
        return;
    }
    request.text = spec->resolved;
    CHECK_OK(spec_load(&request, registry, &again, &report, &err), err);
    if (again)
        CHECK_STR(again->hash, spec->hash);
    free(report);
    spec_free(again);
    spec_free(spec);
}

int main(void)
{
    const char *rounds = getenv("WINNOW_FUZZ_ROUNDS"), *seed = getenv("WINNOW_FUZZ_SEED");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;
    struct registry *registry;
    wn_error err = { 0 };
    char text[TEXT_MAX];
    CHECK_OK(registry_create(WINNOW_BUILD_DIR "/tests/spec-plugins", &registry, &err), err);
    for (uint64_t i = 0, n = rounds ? strtoull(rounds, NULL, 10) : 10000; i < n && !check_failures; i++) {
        state = first + i;
        snprintf(text, sizeof text, "%s", good);
        for (uint32_t k = 1 + below(3); k > 0; k--)
            damage(text);
        try_text(registry, text);
        if (check_failures)
            fprintf(stderr, "WINNOW_FUZZ_ROUNDS=1 WINNOW_FUZZ_SEED=%llu repeats it\n", (unsigned long long)(first + i));
    }
    registry_destroy(registry);
    return CHECK_DONE();
}
