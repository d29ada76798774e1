/* Stages: drafts are no candidates, survivors are the parents of what is made of them, what a stage has done is not
 * paid for again; budgets are shared; mistakes are told with their place. */
#include "check.h"
#include "search/harness.h"

#define SPEC                                                                                                           \
    "{ \"winnow\": 0, \"name\": \"stages\", \"seed\": 11, \"prompts\": { \"list\": [\"a\", \"b\", \"c\"] },"           \
    "  \"canvas\": { \"width\": 32, \"height\": 32, \"steps\": 10, \"solver\": \"%s\" },"                              \
    "  \"sampler\": { \"use\": \"analytic\", \"options\": { \"components\": 1, \"radius\": 0.5, \"spread\": 1 } },"    \
    "  \"verifiers\": { \"near\": { \"use\": \"analytic\" }, \"rank\": { \"use\": \"ensemble\", \"inputs\": "          \
    "[\"near\"] } },"                                                                                                  \
    "  \"search\": { \"use\": \"%s\", \"guide\": \"%s\", \"options\": { %s } },"                                       \
    "  \"engine\": { \"batch\": 64, \"save_images\": false }, \"output\": \"run\" }"
#define STAGES(list) "\"stages\": [ " list " ]"
#define DRAFT        "{ \"use\": \"random\", \"options\": { \"candidates\": 16 }, \"steps\": 4, \"keep\": 3 }"

enum { PROMPTS = 3 };

static char text[4096];

static struct harness_run run_of(const char *solver, const char *use, const char *guide, const char *options)
{
    snprintf(text, sizeof text, SPEC, solver, use, guide, options);
    return (struct harness_run){ .spec = text, .directory = harness_directory("stages", use) };
}

static struct harness_run execute(const char *solver, const char *guide, const char *options)
{
    struct harness_run run = run_of(solver, "stages", guide, options);
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.done, PROMPTS);
    return run;
}

#define COUNT(run, where) harness_number((run).directory, "SELECT count(*) FROM candidates c WHERE " where)
#define NFE(run)          harness_number((run).directory, "SELECT sum(nfe) FROM trials")

/* The first stage draws what a search alone would; the second begins with its best, as their children. */
static void test_drafts(void)
{
    struct harness_run run = execute("euler", "near",
                                     STAGES(DRAFT ", { \"use\": \"random\", \"options\": "
                                                  "{ \"candidates\": 3 } }"));
    CHECK_INT(COUNT(run, "NOT finished"), PROMPTS * 16);
    CHECK_INT(COUNT(run, "NOT finished AND lineage LIKE '%{\"kick\":8,\"kernel\":\"cps\",\"scale\":0,%]}'"),
              PROMPTS * 16);
    CHECK_INT(COUNT(run, "finished"), PROMPTS * 3);
    CHECK_INT(COUNT(run, "finished AND lineage LIKE '%\"moves\":[{\"advance\":10}]}'"), PROMPTS * 3);
    CHECK_INT(COUNT(run, "finished AND EXISTS (SELECT 1 FROM candidates p WHERE p.trial = c.trial AND p.id = c.parent"
                         " AND NOT p.finished AND substr(p.lineage, 1, 44) = substr(c.lineage, 1, 44))"),
              PROMPTS * 3);
    CHECK_INT(
        harness_number(run.directory,
                       "SELECT count(DISTINCT stream) FROM (SELECT lineage ->> '$.stream' AS stream FROM candidates"
                       " WHERE NOT finished) WHERE stream < 16"),
        16);
    CHECK_INT(NFE(run), PROMPTS * (16 * 4 + 3 * 10));
    /* no draft that stayed behind scores better than one that went on */
    CHECK_INT(
        harness_number(run.directory,
                       "SELECT count(*) FROM candidates a JOIN scores x ON x.trial = a.trial AND x.candidate = a.id"
                       " JOIN candidates b ON b.trial = a.trial JOIN scores y ON y.trial = b.trial AND y.candidate ="
                       " b.id WHERE NOT a.finished AND NOT b.finished AND x.value > y.value AND a.id NOT IN"
                       " (SELECT parent FROM candidates WHERE finished) AND b.id IN"
                       " (SELECT parent FROM candidates WHERE finished)"),
        0);
}

/* It goes on from the last point of the draft that is not beyond the share, along the draft's own way. */
static void test_resume(void)
{
    struct harness_run run = execute("euler", "near",
                                     STAGES(DRAFT ", { \"use\": \"random\", \"resume\": 0.7, \"options\": "
                                                  "{ \"candidates\": 3 } }"));
    CHECK_INT(
        COUNT(run, "finished AND lineage LIKE '%{\"kick\":5,%{\"advance\":10}]}' AND lineage NOT LIKE '%\"kick\":8%'"),
        PROMPTS * 3);
    CHECK_INT(NFE(run), PROMPTS * (16 * 4 + 3 * 5));
    /* Where they stand, the score has paid for the next velocity. */
    run = execute("euler", "near",
                  STAGES(DRAFT ", { \"use\": \"random\", \"resume\": 1, \"options\": { \"candidates\": 3 } }"));
    CHECK_INT(COUNT(run, "finished AND lineage LIKE '%{\"kick\":8,%{\"advance\":10}]}' AND parent IS NOT NULL"),
              PROMPTS * 3);
    CHECK_INT(NFE(run), PROMPTS * (16 * 4 + 3 * 1));
    /* The same where the stage before was no draft: its way is gone to the end from there by another search. */
    run =
        execute("euler", "near",
                STAGES("{ \"use\": \"random\", \"options\": { \"candidates\": 8 }, \"keep\": 2 }, { \"use\": \"svdd\", "
                       "\"resume\": 0.5, \"options\": { \"children\": 3 } }"));
    CHECK_INT(COUNT(run, "finished AND lineage LIKE '%\"moves\":[{\"advance\":5},{\"kick\":6,%'"), PROMPTS);
    CHECK_INT(NFE(run), PROMPTS * (8 * 10 + 1 + 4 * 3));
}

/* Drafts of half the sides, named by the whole noises, of which the second stage makes whole pictures. */
static void test_shrunk(void)
{
    struct harness_run run = execute("euler", "near",
                                     STAGES("{ \"use\": \"random\", \"options\": { \"candidates\": 16 }, \"steps\": 4, "
                                            "\"shrink\": 2, \"keep\": 3 }, { \"use\": \"random\", \"options\": "
                                            "{ \"candidates\": 3 } }"));
    CHECK_INT(run.plan.shrinks, 1 << 2);
    CHECK_INT(
        COUNT(run, "NOT finished AND lineage LIKE '%\"shrink\":2,\"moves\":[%{\"kick\":8,\"kernel\":\"cps\",%]}'"),
        PROMPTS * 16);
    CHECK_INT(COUNT(run, "finished AND lineage LIKE '%,\"moves\":[{\"advance\":10}]}' AND lineage NOT LIKE '%shrink%'"),
              PROMPTS * 3);
    CHECK_INT(COUNT(run, "finished AND EXISTS (SELECT 1 FROM candidates p WHERE p.trial = c.trial AND p.id = c.parent"
                         " AND NOT p.finished AND substr(p.lineage, 1, 44) = substr(c.lineage, 1, 44))"),
              PROMPTS * 3);
    CHECK_INT(NFE(run), PROMPTS * (16 * 4 + 3 * 10));
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM events WHERE text LIKE '%; 6 prompts encoded;%'"), 1);
    CHECK(run.plan.nfe == 16 * 4 + 3 * 10 && run.plan.candidates == 3);
    /* Without "steps" a draft takes them all. Each stage may have a canvas of its own; a search that makes noises makes
     * whole ones. */
    run = execute("heun", "near",
                  STAGES("{ \"use\": \"zero_order\", \"options\": { \"iterations\": 2 }, \"shrink\": 4, \"keep\": 3 },"
                         "{ \"use\": \"halving\", \"options\": { \"candidates\": 4, \"rungs\": 1 }, \"shrink\": 2, "
                         "\"keep\": 2 }, { \"use\": \"svdd\", \"options\": { \"children\": 2 } }"));
    CHECK_INT(run.plan.shrinks, 1 << 2 | 1 << 4);
    CHECK_INT(COUNT(run, "lineage LIKE '%\"shrink\":4,\"moves\":[{\"kick\":1,%' AND NOT finished"), PROMPTS * 5);
    CHECK_INT(COUNT(run, "lineage LIKE '%\"shrink\":4,%' AND lineage NOT LIKE '%\"stream\":_,\"shrink\"%'"),
              PROMPTS * 4);
    CHECK(COUNT(run, "lineage LIKE '%\"shrink\":2,%' AND NOT finished") >= PROMPTS * 4);
    CHECK_INT(COUNT(run, "finished AND lineage NOT LIKE '%shrink%'"), PROMPTS * 1);
    CHECK_INT(COUNT(run, "finished"), PROMPTS * 1);
}

/* Each canvas has its own schedule and its own encoding of a prompt, and no call mixes two of them, whosever samples
 * share it. What a draft is scored by is the sampler's preview decode. */
static void test_canvases(void)
{
    static const char *const batches[] = { "engine.batch=64", "engine.batch=3", "engine.batch=1" };
    char *want = NULL;
    for (int i = 0; i < 3; i++) {
        const char *const set[] = { "sampler={\"use\":\"probe_sampler\",\"options\":{\"is_strict\":true}}",
                                    "prompts.list=[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]", batches[i], NULL };
        struct harness_run run =
            run_of("euler", "stages", "near",
                   STAGES("{ \"use\": \"halving\", \"options\": { \"candidates\": 6 }, \"shrink\": 4, "
                          "\"keep\": 4 }, { \"use\": \"random\", \"options\": { \"candidates\": 4 }, "
                          "\"steps\": 4, \"shrink\": 2, \"keep\": 2 }, { \"use\": \"random\", "
                          "\"options\": { \"candidates\": 2 } }"));
        run.set = set;
        CHECK_OK(harness_execute(&run), run.err);
        CHECK_INT(run.result.done, 6);
        CHECK_INT(harness_number(run.directory, "SELECT sum(nfe) FROM trials"), run.result.status.nfe_sampled);
        CHECK_INT(harness_number(run.directory, "SELECT count(DISTINCT s.value) FROM candidates c JOIN scores s ON"
                                                " s.trial = c.trial AND s.candidate = c.id WHERE NOT c.finished"),
                  1);
        CHECK(harness_number(run.directory, "SELECT count(DISTINCT s.value) FROM candidates c JOIN scores s ON"
                                            " s.trial = c.trial AND s.candidate = c.id WHERE c.finished") > 6);
        char *got = harness_digest(run.directory);
        if (want)
            CHECK_STR(harness_difference(got, want), "");
        free(want);
        want = got;
    }
    free(want);
}

/* What no spec can be known to ask for is told when the sampler is there; all else before. */
static void test_sizes(void)
{
    const char *const stages = STAGES("{ \"use\": \"random\", \"shrink\": 8 }, { \"use\": \"random\" }");
    struct harness_run run = run_of("euler", "stages", "near", stages);
    CHECK_INT(harness_execute(&run), WN_E_ARG);
    CHECK_CONTAINS(run.err.message, "/search: stages shrinks the canvas by 8: /canvas/width: 4 is not a multiple of 8");
}

/* A noise that a stage before has been to the end with costs nothing. */
static void test_known(void)
{
    struct harness_run run = execute("euler", "near",
                                     STAGES("{ \"use\": \"random\", \"options\": { \"candidates\": 8 }, \"keep\": 1 },"
                                            "{ \"use\": \"zero_order\", \"options\": { \"iterations\": 4 } }"));
    CHECK_INT(COUNT(run, "finished"), PROMPTS * 16);
    CHECK_INT(NFE(run), PROMPTS * 160);
    CHECK(NFE(run) <= (double)(PROMPTS * run.plan.nfe));
}

static void test_heun(void)
{
    struct harness_run run = execute("heun", "near",
                                     STAGES(DRAFT ", { \"use\": \"random\", \"options\": "
                                                  "{ \"candidates\": 3 } }"));
    CHECK_INT(NFE(run), PROMPTS * (16 * 4 + 3 * 19));
}

/* A guide that compares sees all that was offered together, once. */
static void test_comparative(void)
{
    struct harness_run run = execute("euler", "rank",
                                     STAGES(DRAFT ", { \"use\": \"random\", \"options\": "
                                                  "{ \"candidates\": 3 } }"));
    const char *calls = "SELECT sum(verifier_calls) FROM trials";
    CHECK_INT(harness_number(run.directory, calls), PROMPTS * (16 + 3));
    run = execute(
        "euler", "rank",
        STAGES("{ \"use\": \"random\", \"options\": { \"candidates\": 16, \"wave\": 8 }, \"steps\": 4, \"keep\": 3 },"
               "{ \"use\": \"random\", \"options\": { \"candidates\": 3 } }"));
    CHECK_INT(harness_number(run.directory, calls), PROMPTS * (16 + 16 + 3));
    CHECK_INT(NFE(run), PROMPTS * (16 * 4 + 3 * 10));
}

static void test_budget(void)
{
    const char *const tight[] = { "budget={\"nfe\":47}", NULL };
    struct harness_run run = run_of("euler", "stages", "near",
                                    STAGES(DRAFT ", { \"use\": \"random\", \"options\": "
                                                 "{ \"candidates\": 3 } }"));
    run.set = tight;
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(COUNT(run, "NOT finished"), PROMPTS * 8); /* 32 = 47 * 64 / 94 evaluations */
    CHECK_INT(COUNT(run, "finished"), PROMPTS * 1);
    run = execute(
        "euler", "near",
        "\"rounds\": 3, " STAGES("{ \"use\": \"halving\", \"options\": { \"rounds\": 9 }, \"steps\": 4 },"
                                 "{ \"use\": \"random\", \"options\": { \"candidates\": 2 } }")); /* no budget */
    CHECK_INT(COUNT(run, "NOT finished"), PROMPTS * 3 * 9 * (16 + 8));
    CHECK_INT(COUNT(run, "finished"), PROMPTS * 3 * 2);
    CHECK_INT(NFE(run), PROMPTS * run.plan.nfe);
    const char *const half[] = { "budget={\"nfe\":200}",
                                 "search.options.stages=[{\"use\":\"random\",\"options\":{"
                                 "\"candidates\":1000},\"steps\":4,\"share\":0.5},{\"use\":\"random\",\"options\":{"
                                 "\"candidates\":1000}}]",
                                 NULL };
    run.set = half;
    run.directory = harness_directory("stages", "half");
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(COUNT(run, "NOT finished"), PROMPTS * 25);
    CHECK_INT(COUNT(run, "finished"), PROMPTS * 10);
}

static void check_refused(const char *use, const char *options, const char *why)
{
    struct harness_run run = run_of("euler", use, "near", options);
    const wn_status status = harness_execute(&run);
    if (status == WN_OK)
        CHECK_INT(run.result.failed, PROMPTS);
    char found[1024];
    snprintf(found, sizeof found, "%s", run.err.message);
    CHECK_CONTAINS(found, why);
}

#define REFUSED(list, why) check_refused("stages", STAGES(list), why)

static void test_mistakes(void)
{
    check_refused("stages", "", "/search/options: \"stages\" is missing; add a list of searches");
    check_refused("stages", "\"stages\": 3", "/search/options/stages: 3 is not a list of searches");
    check_refused("stages", "\"stages\": []", "/search/options/stages: 0 searches; 1 to 64 are possible");
    REFUSED("7", "/search/options/stages/0: 7 where a search");
    REFUSED("{ \"use\": \"randon\" }", "/search/options/stages/0/use: no search is named \"randon\"");
    REFUSED("{ \"use\": \"analytic\" }", "/search/options/stages/0/use: no search is named \"analytic\"");
    REFUSED(DRAFT ", { \"use\": \"random\", \"options\": { \"candidats\": 2 } }",
            "/search/options/stages/1/options/candidats: unknown key; did you mean \"candidates\"?");
    REFUSED(DRAFT ", { \"use\": \"random\", \"options\": { \"candidates\": 0 } }",
            "/search/options/stages/1/options/candidates: 0 is outside 1..");
    REFUSED("{ \"use\": \"random\", \"kep\": 2 }", "/search/options/stages/0/kep: unknown key; did you mean \"keep\"?");
    REFUSED("{ \"use\": \"random\", \"keep\": -2 }", "/search/options/stages/0/keep: -2 is outside 1..4096");
    REFUSED("{ \"use\": \"stages\", \"options\": { \"stages\": [{ \"use\": \"random\" }] } }",
            "/search/options/stages/0/use: stages is made of searches itself");
    REFUSED(DRAFT, "/search: search \"stages\": stages/0/steps: the last stage cannot draft");
    REFUSED("{ \"use\": \"evolution\", \"options\": { \"population\": [4] } }",
            "/search: search \"stages\": stage 1 (evolution): population [4] has 1 sizes");
    REFUSED("{ \"use\": \"random\", \"resume\": 0.5 }", "stages/0/resume: the first stage has nothing to go on from");
    REFUSED(DRAFT ", { \"use\": \"svdd\", \"resume\": 0.7 }, { \"use\": \"svdd\", \"resume\": 0.4 }",
            "stages/2/resume: 0.4 is before 0.7");
    REFUSED("{ \"use\": \"random\", \"shrink\": 9 }", "/search/options/stages/0/shrink: 9 is outside 1..8");
    REFUSED("{ \"use\": \"random\", \"shrink\": 3 }, { \"use\": \"random\" }",
            "/search: search \"stages\" shrinks the canvas by 3, which does not divide 32 x 32 px");
    REFUSED(DRAFT ", { \"use\": \"random\", \"shrink\": 2 }", "stages/1/shrink: the last stage cannot draft");
    REFUSED("{ \"use\": \"random\", \"shrink\": 2 }, { \"use\": \"svdd\", \"resume\": 0.5 }",
            "stages/1/resume: 0.5, but the stage before drafts on a canvas shrunk by 2");
    REFUSED(DRAFT ", { \"use\": \"random\", \"shrink\": 4, \"resume\": 0.5 }, { \"use\": \"random\" }",
            "stages/1/resume: 0.5, but this stage drafts on a canvas shrunk by 4");
    REFUSED(DRAFT ", { \"use\": \"fk\", \"options\": { \"kernel\": \"cps\", \"scale\": 2 } }", "stage 2 (fk): ");
}

int main(void)
{
    test_drafts();
    test_resume();
    test_shrunk();
    test_canvases();
    test_sizes();
    test_known();
    test_heun();
    test_comparative();
    test_budget();
    test_mistakes();
    return CHECK_DONE();
}
