/* cache.c - the pipeline cache on disk is not trusted: whatever lies in its place the program gives the same bits, and
 * afterwards a good file lies there again, unless nothing can. Two processes may write it at once, and what holds all
 * that is needed is left alone.
 */
#include "check.h"
#include "ops/maker.h"
#include "ops/test_host.h"

#include <glob.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 3, COLS = 9 };

static char folder[1024], file[1400];
static float want[ROWS * COLS];

static void make_graph(struct maker *m)
{
    maker_begin(m, "small", 3);
    uint32_t x = maker_input(m, "x", ROWS, COLS, 0), y = maker_output(m, "y", ROWS, COLS);
    maker_op(m, WN_OP_UNARY, x, y)->f[0] = 2;
}

/* A process's use of the device; what it computed. */
static void use(float *y)
{
    struct maker m;
    struct test_device d;
    wn_error err = { 0 };
    wn_program *p = NULL;
    float x[ROWS * COLS];
    make_graph(&m);
    const wn_graph g = maker_graph(&m);
    const wn_compile_options options = { sizeof options, WN_F32, 1 };
    const wn_binding b[2] = { { 0, 0, x }, { 1, 0, y } };
    for (int i = 0; i < ROWS * COLS; i++)
        x[i] = (float)i;
    test_device_open(&d, 1);
    CHECK_OK(d.api->compile(d.device, &g, &options, &p, &err), err);
    CHECK_OK(d.api->run(p, 1, b, 2, &err), err);
    d.api->free_program(p);
    test_device_close(&d);
    maker_end(&m);
}

static char *read_file(uint64_t *bytes)
{
    struct stat about;
    if (lstat(file, &about) != 0 || !S_ISREG(about.st_mode))
        return NULL;
    char *data = malloc((size_t)about.st_size + 1);
    FILE *f = fopen(file, "rb");
    *bytes = f ? fread(data, 1, (size_t)about.st_size, f) : 0;
    if (f)
        fclose(f);
    return data;
}

static void write_file(const void *data, uint64_t bytes)
{
    remove(file);
    FILE *f = fopen(file, "wb");
    CHECK(f && fwrite(data, 1, bytes, f) == bytes);
    if (f)
        fclose(f);
}

static char *good;
static uint64_t good_bytes;

static void check(const char *what, int is_replaced)
{
    float y[ROWS * COLS];
    uint64_t bytes = 0;
    use(y);
    if (memcmp(y, want, sizeof y) != 0)
        CHECK_FAIL("%s: another result", what);
    char *now = read_file(&bytes);
    if (is_replaced && (!now || bytes != good_bytes || memcmp(now, good, bytes) != 0))
        CHECK_FAIL("%s: %s", what, now ? "not replaced" : "nothing is there");
    free(now);
}

static uint64_t hash_of(const char *data, uint64_t bytes)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint64_t i = 0; i < bytes; i++)
        hash = (hash ^ (uint8_t)data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Contents: cut, changed, of another device with everything else right, and of absurd sizes. */
static void check_contents(void)
{
    char *bad = malloc(good_bytes + 1);
    for (uint64_t n = 0; n < good_bytes; n += 7) {
        write_file(good, n);
        check("cut", 1);
    }
    for (uint64_t i = 0; i < good_bytes; i += 5) {
        memcpy(bad, good, good_bytes);
        bad[i] ^= 0x40;
        write_file(bad, good_bytes);
        check("one bit", 1);
    }
    memcpy(bad, good, good_bytes);
    bad[good_bytes] = 0;
    write_file(bad, good_bytes + 1);
    check("longer", 1);
    for (uint64_t i = 24; i < 24 + 32; i++) { /* Vulkan's own header: size, version, vendor, device, uuid */
        memcpy(bad, good, good_bytes);
        bad[i] ^= 0x40;
        const uint64_t hash = hash_of(bad + 24, good_bytes - 24);
        memcpy(bad + 16, &hash, sizeof hash);
        write_file(bad, good_bytes);
        check("of another device", 1);
    }
    memcpy(bad, good, good_bytes);
    memset(bad + 8, 0xff, 8);
    write_file(bad, good_bytes);
    check("size 2^64-1", 1);
    memset(bad + 8, 0, 8);
    write_file(bad, good_bytes);
    check("size 0", 1);
    write_file(good, good_bytes);
    CHECK_INT(truncate(file, INT64_C(1) << 33), 0);
    check("8 GiB of nothing", 1);
    free(bad);
}

/* Things that are no files. */
static void check_kinds(void)
{
    char other[1500];
    struct stat about;
    snprintf(other, sizeof other, "%s/other", folder);
    remove(file);
    CHECK_INT(symlink("/dev/zero", file), 0);
    check("a link to a device", 1);
    remove(file);
    CHECK_INT(symlink(other, file), 0);
    check("a link to nothing", 1);
    CHECK(lstat(other, &about) != 0);
    remove(file);
    CHECK_INT(mkfifo(file, 0600), 0);
    check("a pipe", 1);
    remove(file);
    CHECK_INT(mkdir(file, 0700), 0);
    check("a folder", 0);
    rmdir(file);
}

/* Places where nothing can be written. */
static void check_places(void)
{
    static const char *const places[] = { "/proc", "/dev/null", "relative", "" };
    for (int i = 0; i < 4; i++) {
        setenv("XDG_CACHE_HOME", places[i], 1);
        setenv("HOME", "/proc", 1);
        check(places[i], 0);
    }
    setenv("XDG_CACHE_HOME", folder, 1);
}

static void check_left_alone(void)
{
    struct stat before, after;
    write_file(good, good_bytes);
    CHECK_INT(stat(file, &before), 0);
    check("the good one", 1);
    CHECK_INT(stat(file, &after), 0);
    CHECK(before.st_ino == after.st_ino && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
}

static void check_two_processes(void)
{
    pid_t child[2];
    for (int i = 0; i < 2; i++) {
        child[i] = fork();
        for (int k = 0; child[i] == 0 && k < 4; k++) {
            remove(file);
            check("beside another process", 0);
        }
        if (child[i] == 0)
            _exit(CHECK_DONE());
    }
    for (int i = 0; i < 2; i++) {
        int status = 1;
        CHECK(child[i] > 0 && waitpid(child[i], &status, 0) == child[i]);
        CHECK_INT(status, 0);
    }
    check("after two processes", 1);
}

/* The one file of the folder, and nothing beside it. */
static void find_file(void)
{
    char pattern[1100];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/winnow/*", folder);
    CHECK_INT(glob(pattern, 0, NULL, &found), 0);
    CHECK_INT(found.gl_pathc, 1);
    snprintf(file, sizeof file, "%s", found.gl_pathc ? found.gl_pathv[0] : "");
    globfree(&found);
}

int main(void)
{
    setenv("WINNOW_TEST_DEVICE", "vulkan", 1);
    snprintf(folder, sizeof folder, "%s/tests/vulkan_cache.XXXXXX", WINNOW_BUILD_DIR);
    test_require(mkdtemp(folder) != NULL, "no temporary folder");
    setenv("XDG_CACHE_HOME", folder, 1);
    use(want);
    find_file();
    good = read_file(&good_bytes);
    CHECK(good && good_bytes >= 24 + 32);
    if (good) {
        check_left_alone();
        check_contents();
        check_kinds();
        check_places();
        check_two_processes();
        find_file();
    }
    free(good);
    remove(file);
    snprintf(file, sizeof file, "%s/winnow", folder);
    rmdir(file);
    rmdir(folder);
    return CHECK_DONE();
}
