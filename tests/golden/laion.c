/* LAION's real heads on LAION's real embeddings (two repositories under MIT and Apache-2.0, not part of this one):
 * scores within 1e-4 of those computed in float64 by others. Skipped where the files are not there.
 */
#include "check.h"

#include "../../plugins/verifiers/aesthetic/head.h"

#include <cjson/cJSON.h>

#define DATA WINNOW_SOURCE_DIR "/../shared/data/goldens"

enum { RATINGS = 10, WIDTH = 768, HEADER = 128 };

/* A .npy file of 768 float32 behind a header of 128 bytes. */
static void read_embedding(int rating, float out[WIDTH])
{
    char path[4096];
    snprintf(path, sizeof path, DATA "/aesthetic_v1/vit_l_14_embeddings/rating%d.npy", rating);
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, HEADER, SEEK_SET) != 0 || fread(out, sizeof *out, WIDTH, f) != WIDTH)
        CHECK_FAIL("cannot read %s", path);
    if (f)
        fclose(f);
}

static cJSON *read_goldens(void)
{
    static char text[65536];
    FILE *f = fopen(DATA "/goldens.json", "rb");
    if (!f)
        CHECK_SKIP("no " DATA);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return cJSON_Parse(text);
}

static void check_head(const char *path, const cJSON *want, double at_zero)
{
    struct head h;
    wn_error err;
    float embedding[WIDTH];
    double scratch[2 * WIDTH], worst = 0;
    CHECK_OK(head_read(path, &h, &err), err);
    CHECK(h.is_laion && h.width == WIDTH && h.count == 1 && head_scratch(&h) <= 2 * WIDTH);
    CHECK_INT(cJSON_GetArraySize(want), RATINGS);
    for (int i = 0; i < RATINGS; i++) {
        read_embedding(i, embedding);
        const double got = head_score(&h, embedding, scratch), golden = cJSON_GetArrayItem(want, i)->valuedouble;
        CHECK_NEAR(got, golden, 1e-4);
        worst = fmax(worst, fabs(got - golden));
    }
    memset(embedding, 0, sizeof embedding);
    if (!isnan(at_zero))
        CHECK_NEAR(head_score(&h, embedding, scratch), at_zero, 1e-6);
    printf("%s: largest error %.1e (bound 1e-04)\n", strrchr(path, '/') + 1, worst);
    head_finish(&h);
}

int main(void)
{
    cJSON *root = read_goldens();
    const cJSON *v1 = cJSON_GetObjectItem(root, "aesthetic_v1_linear");
    const cJSON *v2 = cJSON_GetObjectItem(root, "aesthetic_v2_on_vit_l_14_embeddings");
    check_head(DATA "/aesthetic_v1/sa_0_4_vit_l_14_linear.pth", cJSON_GetObjectItem(v1, "vit_l_14"), (double)NAN);
    check_head(DATA "/aesthetic_v2/sac+logos+ava1-l14-linearMSE.pth", cJSON_GetObjectItem(v2, "sac_linear"),
               cJSON_GetObjectItem(v2, "sac_linear_on_zero_vector")->valuedouble);
    cJSON_Delete(root);
    return CHECK_DONE();
}
