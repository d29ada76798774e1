/* surroundings.c - what a plugin must leave as it found it: symbols, files, threads, output, the process's settings,
 * its own data, and its composure when memory runs out. */
#include "kit.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <fenv.h>
#include <link.h>
#include <locale.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- symbols ------------------------------------------------------------------------------------------------ */

/* Marks that linkers and sanitizers leave. */
static bool is_of_toolchain(const char *name)
{
    static const char *const names[] = { "_init",   "_fini",      "_edata",  "_end",   "__bss_start",
                                         "__asan_", "__odr_asan", "__ubsan", "__tsan", "__sanitizer",
                                         "__gcov",  "__llvm",     NULL };
    for (int i = 0; names[i]; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static void look_at_symbols(struct kit *k, const Elf64_Sym *symbols, uint64_t count, const char *names, uint64_t bytes)
{
    bool has_module = false;
    for (uint64_t i = 0; i < count; i++) {
        const Elf64_Sym *s = &symbols[i];
        const bool is_exported = s->st_shndx != SHN_UNDEF && ELF64_ST_BIND(s->st_info) != STB_LOCAL &&
                                 ELF64_ST_VISIBILITY(s->st_other) == STV_DEFAULT;
        if (!is_exported || s->st_name >= bytes || is_of_toolchain(names + s->st_name))
            continue;
        if (strcmp(names + s->st_name, "wn_module_v0") == 0)
            has_module = true;
        else
            kit_fail(k, "it exports %.200s; compile with -fvisibility=hidden", names + s->st_name);
    }
    if (!has_module)
        kit_fail(k, "it does not export wn_module_v0");
}

static void look_at_elf(struct kit *k, const char *file, uint64_t size)
{
    const Elf64_Ehdr *head = (const void *)file;
    if (size < sizeof *head || memcmp(file, ELFMAG, SELFMAG) != 0 || head->e_ident[EI_CLASS] != ELFCLASS64 ||
        head->e_shentsize != sizeof(Elf64_Shdr) || head->e_shoff > size ||
        head->e_shnum > (size - head->e_shoff) / sizeof(Elf64_Shdr)) {
        kit_skip(k, "its file is no 64-bit ELF with sections");
        return;
    }
    const Elf64_Shdr *sections = (const void *)(file + head->e_shoff);
    for (uint32_t i = 0; i < head->e_shnum; i++) {
        const Elf64_Shdr *s = &sections[i];
        if (s->sh_type != SHT_DYNSYM || s->sh_link >= head->e_shnum)
            continue;
        const Elf64_Shdr *names = &sections[s->sh_link];
        if (s->sh_offset > size || s->sh_size > size - s->sh_offset || names->sh_offset > size ||
            names->sh_size > size - names->sh_offset)
            return;
        look_at_symbols(k, (const void *)(file + s->sh_offset), s->sh_size / sizeof(Elf64_Sym), file + names->sh_offset,
                        names->sh_size);
    }
}

void kit_check_symbols(struct kit *k, void *self)
{
    struct stat st;
    (void)self;
    const int fd = open(k->subject->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0) {
        kit_skip(k, "its file %.600s cannot be read", k->subject->path);
    } else {
        void *file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file != MAP_FAILED) {
            look_at_elf(k, file, (uint64_t)st.st_size);
            munmap(file, (size_t)st.st_size);
        }
    }
    if (fd >= 0)
        close(fd);
}

/* ---- files and threads -------------------------------------------------------------------------------------- */

static int count_entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A hundred times, or as often as fits into two seconds where models are loaded. */
void kit_check_lives(struct kit *k, void *self)
{
    void *one;
    (void)self;
    if (!kit_make(k, &one)) /* the first time may open what stays for the process: a device, a pool */
        return;
    kit_end(k, one);
    const int files = count_entries("/proc/self/fd"), threads = count_entries("/proc/self/task");
    const double until = now() + 2;
    for (int i = 0; i < 100 && now() < until && kit_make(k, &one); i++)
        kit_end(k, one);
    k->subject->plugin->destroy(NULL);
    if (count_entries("/proc/self/fd") > files)
        kit_fail(k, "%d file descriptors are left open", count_entries("/proc/self/fd") - files);
    if (count_entries("/proc/self/task") > threads)
        kit_fail(k, "%d threads are left", count_entries("/proc/self/task") - threads);
}

/* ---- memory that stays ---------------------------------------------------------------------------------------- */

static wn_status live(struct kit *k)
{
    void *one;
    wn_error ignored = { 0 };
    if (!kit_make(k, &one))
        return WN_E_INTERNAL;
    const wn_status status = kit_exercise(k, one, &ignored);
    kit_end(k, one);
    return status;
}

typedef int64_t in_use(void);

/* How much more is in use after some lives, for each. */
static int64_t growth(struct kit *k, in_use *bytes, int lives)
{
    const int64_t before = bytes();
    for (int i = 0; i < lives; i++)
        live(k);
    return (bytes() - before) / lives;
}

/* What grows in three rounds, after lives that may fill what is shared, grows for ever. Few lives where models are
 * loaded. */
void kit_check_leaks(struct kit *k, void *self)
{
    const double start = now();
    in_use *bytes;
    (void)self;
    *(void **)&bytes = dlsym(RTLD_DEFAULT, "conform_in_use");
    if (!bytes) {
        kit_skip(k, "needs the counting allocator; sanitizers, which rule it out, look for leaks themselves");
        return;
    }
    if (live(k) != WN_OK || live(k) != WN_OK)
        return; /* other checks tell */
    const int lives = now() - start > 0.5 ? 2 : 10;
    int64_t least = INT64_MAX;
    for (int round = 0; round < 3 && least > 0; round++) {
        const int64_t grown = growth(k, bytes, lives);
        least = grown < least ? grown : least;
    }
    if (least > 0)
        kit_fail(k, "each life leaves %lld bytes of memory behind", (long long)least);
}

/* ---- output ------------------------------------------------------------------------------------------------- */

static void live_once(struct kit *k)
{
    void *self;
    wn_error err = { 0 };
    if (!kit_make(k, &self))
        return;
    kit_exercise(k, self, &err);
    kit_end(k, self);
}

bool kit_listen(struct kit_catcher *c)
{
    fflush(stdout);
    fflush(stderr);
    *c = (struct kit_catcher){ memfd_create("conform", MFD_CLOEXEC), dup(1), dup(2) };
    if (c->file < 0 || c->out < 0 || c->error < 0)
        return false;
    dup2(c->file, 1);
    dup2(c->file, 2);
    return true;
}

bool kit_hear(struct kit_catcher *c, char *text, uint64_t size)
{
    fflush(stdout);
    fflush(stderr);
    dup2(c->out, 1);
    dup2(c->error, 2);
    const ssize_t n = pread(c->file, text, size - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    const size_t empty = strspn(text, "\n");
    memmove(text, text + empty, strlen(text + empty) + 1);
    text[strcspn(text, "\n")] = '\0';
    close(c->file);
    close(c->out);
    close(c->error);
    return n > 0;
}

void kit_check_silence(struct kit *k, void *self)
{
    struct kit_catcher c;
    char text[200];
    (void)self;
    if (!kit_listen(&c)) {
        kit_skip(k, "the system gives no file to listen with");
        return;
    }
    live_once(k);
    if (kit_hear(&c, text, sizeof text))
        kit_fail(k, "it prints \"%s\": log through the host", text);
}

/* ---- the process -------------------------------------------------------------------------------------------- */

struct state {
    char locale[200];
    char directory[4096];
    mode_t mask;
    int rounding;
    void (*handlers[NSIG])(int);
};

static void note_state(struct state *s)
{
    memset(s, 0, sizeof *s);
    snprintf(s->locale, sizeof s->locale, "%s", setlocale(LC_ALL, NULL));
    if (!getcwd(s->directory, sizeof s->directory))
        s->directory[0] = '\0';
    s->mask = umask(0);
    umask(s->mask);
    s->rounding = fegetround();
    for (int i = 1; i < NSIG; i++) {
        struct sigaction action;
        if (sigaction(i, NULL, &action) == 0)
            s->handlers[i] = action.sa_handler;
    }
}

void kit_check_state(struct kit *k, void *self)
{
    static struct state before, after;
    (void)self;
    note_state(&before);
    live_once(k);
    note_state(&after);
    if (strcmp(before.locale, after.locale) != 0)
        kit_fail(k, "the locale was %s, now it is %s", before.locale, after.locale);
    if (strcmp(before.directory, after.directory) != 0)
        kit_fail(k, "the working directory was %.300s, now it is %.300s", before.directory, after.directory);
    if (before.mask != after.mask)
        kit_fail(k, "the umask was %03o, now it is %03o", (unsigned)before.mask, (unsigned)after.mask);
    if (before.rounding != after.rounding)
        kit_fail(k, "the rounding mode has changed");
    for (int i = 1; i < NSIG; i++)
        if (before.handlers[i] != after.handlers[i])
            kit_fail(k, "signal %d has another handler", i);
}

/* ---- its own data ------------------------------------------------------------------------------------------- */

struct data {
    const char *path;
    uint64_t hash;
    bool is_found;
};

/* Reads between the variables, too, where a sanitizer lets nobody look. */
__attribute__((no_sanitize("address"), noinline)) static uint64_t hash_bytes(uint64_t hash, const unsigned char *p,
                                                                             uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

/* What the loader made read-only after relocation is not the module's to change anyway. */
static int hash_data(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct data *d = arg;
    uint64_t kept = 0, kept_end = 0;
    char ours[4096], theirs[4096];
    (void)size;
    if (!info->dlpi_name || !realpath(info->dlpi_name, ours) || !realpath(d->path, theirs) || strcmp(ours, theirs) != 0)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) {
            kept = info->dlpi_phdr[i].p_vaddr;
            kept_end = kept + info->dlpi_phdr[i].p_memsz;
        }
    d->is_found = true;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_W))
            continue;
        const uint64_t from = p->p_vaddr >= kept && p->p_vaddr < kept_end ? kept_end : p->p_vaddr;
        const uint64_t end = p->p_vaddr + p->p_memsz;
        if (from < end)
            d->hash = hash_bytes(d->hash, (const unsigned char *)info->dlpi_addr + from, end - from);
    }
    return 1;
}

void kit_check_globals(struct kit *k, void *self)
{
    struct data before = { .path = k->subject->path }, after = before;
    wn_error err = { 0 };
    kit_exercise(k, self, &err); /* lazily bound symbols are bound now */
    dl_iterate_phdr(hash_data, &before);
    kit_exercise(k, self, &err);
    dl_iterate_phdr(hash_data, &after);
    if (!before.is_found)
        kit_skip(k, "its segments are not to be found");
    else if (before.hash != after.hash)
        kit_fail(k, "its static data changes while it works: keep state in the instance");
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

/* failing_malloc.c, where it was loaded before everything else. */
typedef void fail_at(int64_t n);
typedef int64_t failed(void);
typedef void watch(const void *base);

struct watching {
    const char *path;
    watch *watch;
};

/* The module itself, and winnow's own libraries below it. */
static int watch_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    const struct watching *w = arg;
    char ours[4096], theirs[4096];
    (void)size;
    const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;
    const bool is_module =
        slash && realpath(info->dlpi_name, ours) && realpath(w->path, theirs) && strcmp(ours, theirs) == 0;
    if (is_module || (slash && strncmp(slash, "/libwinnow", 10) == 0))
        w->watch((const void *)info->dlpi_addr);
    return 0;
}

enum { CLEAN = 0, UNCLEAN = 1, UNTOUCHED = 2, FINDING_BYTES = 1400 };

/* In a child: one life, in which the n-th allocation fails. */
static int live_without_memory(struct kit *k, int64_t n, fail_at *set, failed *has_failed)
{
    wn_error err = { 0 };
    void *self = NULL;
    set(n);
    wn_status status = k->subject->plugin->create(&k->host, k->subject->options, &self, &err);
    if (status == WN_OK)
        status = kit_exercise(k, self, &err);
    set(-1);
    kit_check_error(k, "without memory, it", status, &err);
    if (self)
        k->subject->plugin->destroy(self);
    return has_failed() == 0 ? UNTOUCHED : k->why[0] ? UNCLEAN : CLEAN;
}

/* finding [FINDING_BYTES], shared with the child, has its words. Whether there are more allocations to try. */
static bool in_child(struct kit *k, int64_t n, fail_at *set, failed *has_failed, char *finding)
{
    int state;
    finding[0] = '\0';
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        const int verdict = live_without_memory(k, n, set, has_failed);
        snprintf(finding, FINDING_BYTES, "%s", k->why);
        _exit(verdict);
    }
    if (child < 0 || waitpid(child, &state, 0) != child)
        kit_skip(k, "the system gives no process to try it in");
    else if (WIFSIGNALED(state))
        kit_fail(k, "when allocation %lld fails it dies of signal %d (%s)", (long long)n, WTERMSIG(state),
                 strsignal(WTERMSIG(state)));
    else if (WEXITSTATUS(state) == UNCLEAN)
        kit_fail(k, "when allocation %lld fails: %.900s", (long long)n, finding);
    return !k->why[0] && WEXITSTATUS(state) != UNTOUCHED;
}

static void fail_one_after_another(struct kit *k, fail_at *set, failed *has_failed)
{
    char *finding = mmap(NULL, FINDING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (finding == MAP_FAILED) {
        kit_skip(k, "no memory to hear of what happened");
        return;
    }
    const double until = now() + 10;
    int64_t n = 1;
    while (now() < until && in_child(k, n, set, has_failed, finding))
        n += 1 + n / 40;
    if (now() >= until)
        kit_skip(k, "10 s were enough for the first %lld allocations, which were survived", (long long)n - 1);
    munmap(finding, FINDING_BYTES);
}

/* Each of the first 40 allocations, then ever fewer of the later ones; a model makes thousands. */
void kit_check_memory(struct kit *k, void *self)
{
    fail_at *set;
    failed *has_failed;
    struct watching w = { .path = k->subject->path };
    (void)self;
    *(void **)&set = dlsym(RTLD_DEFAULT, "conform_fail_at");
    *(void **)&has_failed = dlsym(RTLD_DEFAULT, "conform_failed");
    *(void **)&w.watch = dlsym(RTLD_DEFAULT, "conform_watch");
    if (!set || !has_failed || !w.watch) {
        kit_skip(k, "needs the counting allocator, which sanitizers rule out");
        return;
    }
    dl_iterate_phdr(watch_object, &w);
    fail_one_after_another(k, set, has_failed);
}
