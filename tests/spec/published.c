/* The prompts of DrawBench and T2I-CompBench from their published files to token ids: as many as there should be, and
 * the ids that transformers gives (their hashes are in tests/golden/text/prompt_hashes.txt, make_prompt_hashes.py).
 */
#include "plugin/registry.h"
#include "spec/spec.h"

#include "../shared_data.h"
#include "../weights/files.h"

#include "text/clip_bpe.h"
#include "text/t5_spm.h"
#include "text/wordpiece.h"

#define GOLDEN WINNOW_SOURCE_DIR "/tests/golden/text"

enum { CLIP_MAX = 77, BERT_MAX = 35, T5_MAX = 512 };

static wn_error err;
static struct registry *registry;
static nn_clip_bpe *clip;
static nn_wordpiece *bert;
static nn_t5_spm *t5; /* NULL in a build without SentencePiece */

static struct spec *load_prompts(const char *file)
{
    struct spec *s = NULL;
    char *report, set[1200];
    const char *const sets[] = { set };
    snprintf(set, sizeof set, "prompts.file=%s", shared_path(file));
    const char *text = "{ \"winnow\": 0, \"prompts\": {}, \"canvas\": { \"width\": 64, \"height\": 32, \"steps\": 4 },"
                       "\"sampler\": { \"use\": \"mock\", \"options\": { \"model\": \"m\" } },"
                       "\"verifiers\": { \"clip\": { \"use\": \"mockscore\" } },"
                       "\"search\": { \"use\": \"mockrandom\", \"guide\": \"clip\" }, \"budget\": { \"nfe\": 40 } }";
    const struct spec_request request = { .path = "x.json", .text = text, .set = sets, .set_count = 1 };
    if (spec_load(&request, registry, &s, &report, &err) != WN_OK)
        CHECK_FAIL("%s", report);
    free(report);
    return s;
}

static uint64_t fnv_1a(uint64_t h, int32_t number)
{
    for (int i = 0; i < 32; i += 8)
        h = (h ^ ((uint32_t)number >> i & 0xff)) * 0x100000001b3u;
    return h;
}

static uint32_t encode(const char *tokenizer, const char *text, int32_t *ids)
{
    uint32_t count = 0;
    bool is_cut;
    if (strcmp(tokenizer, "clip") == 0)
        CHECK_OK(nn_clip_bpe_encode(clip, text, CLIP_MAX, ids, &count, &is_cut, &err), err);
    else if (strcmp(tokenizer, "bert") == 0)
        CHECK_OK(nn_wordpiece_encode(bert, text, BERT_MAX, ids, &count, &is_cut, &err), err);
    else
        CHECK_OK(nn_t5_spm_encode(t5, text, T5_MAX, ids, &count, &is_cut, &err), err);
    return count;
}

static void check_line(const char *file, const char *tokenizer, uint32_t prompts, uint32_t tokens, uint64_t hash)
{
    int32_t ids[T5_MAX];
    uint32_t sum = 0;
    uint64_t h = 0xcbf29ce484222325u;
    if (strcmp(tokenizer, "t5") == 0 && !t5)
        return;
    struct spec *s = load_prompts(file);
    for (uint32_t i = 0; s && i < s->prompt_count; i++) {
        const uint32_t n = encode(tokenizer, s->prompts[i].text, ids);
        h = fnv_1a(h, (int32_t)n);
        for (uint32_t k = 0; k < n; k++)
            h = fnv_1a(h, ids[k]);
        sum += n;
    }
    if (!s || s->prompt_count != prompts || sum != tokens || h != hash)
        CHECK_FAIL("%s by %s: %u prompts, %u tokens, hash %016llx; want %u, %u, %016llx", file, tokenizer,
                   s ? s->prompt_count : 0, sum, (unsigned long long)h, prompts, tokens, (unsigned long long)hash);
    spec_free(s);
}

static void check_all(void)
{
    char file[128], tokenizer[16];
    unsigned prompts, tokens;
    unsigned long long hash;
    int lines = 0;
    FILE *f = fopen(GOLDEN "/prompt_hashes.txt", "r");
    CHECK(f != NULL);
    for (; f && fscanf(f, "%127s %15s %u %u %llx", file, tokenizer, &prompts, &tokens, &hash) == 5; lines++)
        check_line(file, tokenizer, prompts, tokens, hash);
    CHECK_INT(lines, 27);
    if (f)
        fclose(f);
}

static void check_drawbench(void)
{
    struct spec *s = load_prompts("drawbench/goldennoise_drawbench.csv");
    uint32_t marcus = 0;
    for (uint32_t i = 0; s && i < s->prompt_count; i++)
        marcus += strcmp(s->prompts[i].category, "Gary Marcus et al.") == 0; /* a blank follows in the file */
    CHECK_INT(marcus, 10);
    spec_free(s);
}

static void open_clip(void)
{
    char command[4096];
    snprintf(command, sizeof command, "python3 '%s/tests/text/make_clip_vocab.py' '%s' '%s'", WINNOW_SOURCE_DIR,
             shared_path("tokenizers/clip_bpe_simple_vocab_16e6.txt.gz"), folder);
    CHECK_INT(system(command), 0);
    CHECK_OK(nn_clip_bpe_open(folder, &clip, &err), err);
}

int main(void)
{
    if (!shared_has("drawbench/goldennoise_drawbench.csv") || !shared_has("t2i_compbench/color_val.txt") ||
        !shared_has("tokenizers/bert-base-uncased-vocab.txt"))
        CHECK_SKIP("the published prompts and vocabularies are not at %s", shared_path(""));
    scratch_make(folder);
    CHECK_OK(registry_create(WINNOW_BUILD_DIR "/tests/spec-plugins", &registry, &err), err);
    open_clip();
    CHECK_OK(nn_wordpiece_open(shared_path("tokenizers/bert-base-uncased-vocab.txt"), &bert, &err), err);
    const wn_status status = nn_t5_spm_open(GOLDEN, &t5, &err);
    CHECK(status == WN_OK || status == WN_E_UNSUPPORTED);
    if (clip && bert) {
        check_all();
        check_drawbench();
    }
    nn_clip_bpe_close(clip);
    nn_wordpiece_close(bert);
    nn_t5_spm_close(t5);
    registry_destroy(registry);
    scratch_remove(folder);
    return CHECK_DONE();
}
