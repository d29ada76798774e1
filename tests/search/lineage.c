/* Lineages are read as they are written; what winnow does not write is refused, with its place. */
#include "check.h"
#include "engine/lineage.h"

static wn_error err;

#define NOISE "\"noise\":\"0123456789abcdef0123456789abcdef\""

static void check_whole(void)
{
    struct lineage l;
    char text[700];
    struct blends blends = { 0 };
    uint64_t first, second;
    CHECK_OK(blends_add(&blends, 3, WN_STREAM_AUX + 7, 0.1, &first, &err), err);
    CHECK_OK(blends_add(&blends, first, WN_STREAM_AUX + 8, -1e-17, &second, &err), err);
    snprintf(
        text, sizeof text,
        "{" NOISE ",\"seed\":18446744073709551615,\"stream\":%llu,\"blend\":[3,4294967303,0.1,4294967304,-1e-17],"
        "\"moves\":[{\"advance\":3},{\"renoise\":1,\"stream\":9223372036854775807},{\"kick\":4,\"kernel\":\"rbf_vp\","
        "\"scale\":0.30000000000000004,\"stream\":%llu,\"blend\":[3,4294967303,0.1]},{\"advance\":5}]}",
        (unsigned long long)second, (unsigned long long)first);
    CHECK_OK(lineage_read(text, &l, &err), err);
    CHECK_STR(l.noise.text, "0123456789abcdef0123456789abcdef");
    CHECK(l.has_stream && l.stream == second && l.blends.count == 2);
    CHECK_INT(l.move_count, 4);
    CHECK(l.moves[0].kind == MOVE_ADVANCE && l.moves[0].point == 3);
    CHECK(l.moves[1].kind == MOVE_RENOISE && l.moves[1].point == 1 && l.moves[1].stream == INT64_MAX);
    CHECK(l.moves[2].kind == MOVE_KICK && l.moves[2].kernel.kind == WN_KERNEL_RBF_VP && l.moves[2].stream == first);
    CHECK(l.moves[2].kernel.scale == 0.30000000000000004);
    lineage_finish(&l);
    blends_finish(&blends);
    CHECK_OK(lineage_read("{" NOISE ",\"moves\":[]}", &l, &err), err);
    CHECK(!l.has_stream && l.move_count == 0 && l.shrink == 1);
    lineage_finish(&l);
    CHECK_OK(lineage_read("{" NOISE ",\"shrink\":8,\"moves\":[]}", &l, &err), err);
    CHECK_INT(l.shrink, 8);
    lineage_finish(&l);
}

static void refuse(const char *text, const char *part)
{
    struct lineage l;
    err = (wn_error){ 0 };
    CHECK(lineage_read(text, &l, &err) != WN_OK);
    CHECK_CONTAINS(err.message, part);
    lineage_finish(&l);
}

int main(void)
{
    check_whole();
    refuse("", "lineage: column 1");
    refuse("[]", "/noise");
    refuse("null", "/noise");
    refuse("{\"noise\":\"short\",\"moves\":[]}", "/noise is \"short\", not a hash");
    refuse("{" NOISE "}", "/moves is not there");
    refuse("{" NOISE ",\"moves\":{}}", "/moves");
    refuse("{" NOISE ",\"moves\":[3]}", "/moves/0 is 3, not a move");
    refuse("{" NOISE ",\"moves\":[{\"advance\":-1}]}", "/moves/0");
    refuse("{" NOISE ",\"moves\":[{\"advance\":4294967296}]}", "/moves/0");
    refuse("{" NOISE ",\"moves\":[{\"renoise\":1}]}", "/moves/0/stream is not there");
    refuse("{" NOISE ",\"moves\":[{\"kick\":1,\"kernel\":\"other\",\"scale\":1,\"stream\":1}]}", "/moves/0/kernel");
    refuse("{" NOISE ",\"moves\":[{\"kick\":1,\"kernel\":\"cps\",\"scale\":\"1\",\"stream\":1}]}", "/moves/0/scale");
    refuse("{" NOISE ",\"stream\":18446744073709551616,\"moves\":[]}", "/stream");
    refuse("{" NOISE ",\"stream\":9223372036854775808,\"moves\":[]}", "/blend is not there");
    refuse("{" NOISE ",\"stream\":9223372036854775808,\"blend\":[1,2],\"moves\":[]}", "/blend");
    refuse("{" NOISE ",\"stream\":9223372036854775808,\"blend\":[1,4294967296,\"x\"],\"moves\":[]}", "/blend/1");
    refuse("{" NOISE ",\"stream\":9223372036854775808,\"blend\":[1,2,0.5],\"moves\":[]}", "not an auxiliary one");
    refuse("{" NOISE ",\"stream\":9223372036854775808,\"blend\":[1,4294967296,0.5],\"moves\":[]}", "its recipe gives");
    return CHECK_DONE();
}
