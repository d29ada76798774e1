/* cmd_new.c - a folder to start from: a plugin that builds, keeps the rules and runs before a line of it was written.
 *
 * Templates are the folders of share/winnow/template, each named KIND-LANG: this file knows none of them. All that is
 * in such a folder is copied, with the plugin's name where @NAME@ stands, in names and in contents. The commands shown
 * at the end are the first block of commands in the folder's own README.md, so they are said, and tested, once.
 */
#include "base/arena.h"
#include "base/files.h"
#include "base/home.h"
#include "base/suggest.h"
#include "cli/commands.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE "@NAME@"

enum { MAX_TEMPLATE_BYTES = 1 << 20, MAX_CHOICES = 400 };

struct copy {
    struct arena *arena;
    const char *name;
    char source[FILE_PATH_SIZE]; /* the template's folder */
    struct dirent **entries;     /* [count], in the order of their names */
    int count;
    const char **texts; /* [count], what becomes of them */
};

/* ---- which template ---- */

/* The kinds, or the languages of one kind, separated by '|'. */
static void list_choices(struct dirent **folders, int count, const char *kind, char choices[MAX_CHOICES])
{
    uint64_t used = 0;
    choices[0] = '\0';
    for (int i = 0; i < count; i++) {
        const char *folder = folders[i]->d_name, *dash = strchr(folder, '-');
        const uint64_t length = dash ? (uint64_t)(dash - folder) : 0;
        if (!dash || (kind && (strlen(kind) != length || strncmp(folder, kind, length) != 0)))
            continue;
        if (!kind && i > 0 && strncmp(folder, folders[i - 1]->d_name, length + 1) == 0)
            continue; /* the same kind in another language */
        used += (uint64_t)snprintf(choices + used, MAX_CHOICES - used, "%s%.*s", used ? "|" : "",
                                   (int)(kind ? strlen(dash + 1) : length), kind ? dash + 1 : folder);
        if (used >= MAX_CHOICES)
            return;
    }
}

static bool is_choice(const char *choices, const char *word)
{
    const uint64_t length = strlen(word);
    for (const char *c = choices; *c; c += strcspn(c, "|"), c += *c == '|')
        if (strcspn(c, "|") == length && strncmp(c, word, length) == 0)
            return true;
    return false;
}

/* EXIT_FINE if word is among the choices; else says that it is not, and which is the nearest of them, or all. */
static int check_choice(struct cli *c, const char *what, const char *word, const char *choices)
{
    char hint[128], all[2 * MAX_CHOICES] = { 0 };
    struct suggest s = suggest_begin(word);
    if (is_choice(choices, word))
        return EXIT_FINE;
    suggest_try_choices(&s, choices);
    if (s.best)
        return cli_usage(c, "unknown %s %s%s", what, word, suggest_text(&s, hint));
    for (uint64_t i = 0, used = 0; choices[i]; i++) {
        all[used++] = choices[i] == '|' ? ',' : choices[i];
        if (choices[i] == '|')
            all[used++] = ' ';
    }
    return cli_usage(c, "unknown %s %s: not one of %s", what, word, all);
}

static int not_dot(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void free_entries(struct dirent **entries, int count)
{
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
}

static int choose(struct cli *c, const char *root, const char *kind, const char *lang)
{
    struct dirent **folders;
    wn_error err;
    char kinds[MAX_CHOICES], langs[MAX_CHOICES];
    const int count = *root ? scandir(root, &folders, not_dot, alphasort) : -1;
    if (count < 0) {
        wn_fail(&err, WN_E_MISSING,
                "winnow's templates are not beside it (../share/winnow/template); install it again");
        return cli_fail(c, WN_E_MISSING, &err);
    }
    list_choices(folders, count, NULL, kinds);
    list_choices(folders, count, kind, langs);
    free_entries(folders, count);
    const int code = check_choice(c, "kind", kind, kinds);
    return code == EXIT_FINE ? check_choice(c, "language", lang, langs) : code;
}

/* ---- the plugin's name ---- */

/* Names that are good for a plugin, but not for its files. */
static const struct {
    const char *lang, *names, *why;
} taken[] = {
    { "c", "all|clean|edit_cache|help|install|preinstall|rebuild_cache", "CMake keeps it for a target of its own" },
    { "python",
      "abc|array|ast|atexit|base64|binascii|bisect|bz2|codecs|collections|contextlib|copy|copyreg|ctypes|dataclasses|"
      "datetime|decimal|difflib|dis|email|encodings|enum|errno|fnmatch|functools|genericpath|glob|hashlib|heapq|importlib|"
      "inspect|io|ipaddress|itertools|json|keyword|linecache|locale|logging|lzma|marshal|math|mmap|numbers|opcode|"
      "operator|os|pathlib|pickle|platform|posix|posixpath|queue|random|re|reprlib|select|selectors|shutil|signal|site|"
      "socket|stat|statistics|string|struct|subprocess|sys|tempfile|textwrap|threading|time|token|tokenize|traceback|"
      "types|typing|urllib|warnings|weakref|winnow_worker|zipfile|zipimport|zlib",
      "the file would hide a module of Python's" },
};

static int check_name(struct cli *c, const char *name, const char *lang)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz", others[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    const uint64_t length = strlen(name);
    if (length < 1 || length > 64 || !strchr(letters, name[0]) || strspn(name, others) != length)
        return cli_usage(c, "name \"%.80s\" is not of the form [a-z][a-z0-9_]{0,63}", name);
    for (uint32_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(taken[i].lang, lang) == 0 && is_choice(taken[i].names, name))
            return cli_usage(c, "name \"%s\": %s; take another", name, taken[i].why);
    return EXIT_FINE;
}

/* ---- the copy ---- */

/* text with the name in all its places; NULL when memory ran out. */
static const char *fill_in(struct copy *copy, const char *text)
{
    struct buffer out = BUFFER_INIT(64 * MAX_TEMPLATE_BYTES);
    for (const char *place; (place = strstr(text, PLACE)) != NULL; text = place + strlen(PLACE)) {
        buffer_append(&out, text, (uint64_t)(place - text));
        buffer_text(&out, copy->name);
    }
    buffer_text(&out, text);
    const char *filled = out.failed ? NULL : arena_string(copy->arena, buffer_string(&out));
    buffer_free(&out);
    return filled;
}

static wn_status read_template(struct copy *copy, int i, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    struct buffer text = BUFFER_INIT(MAX_TEMPLATE_BYTES);
    WN_TRY(path_join(path, copy->source, copy->entries[i]->d_name, err));
    wn_status status = buffer_read_file(&text, path, err);
    copy->texts[i] = status ? NULL : fill_in(copy, buffer_string(&text));
    buffer_free(&text);
    return status || copy->texts[i] ? status : wn_fail(err, WN_E_MEMORY, "%s: no memory", path);
}

static wn_status read_templates(struct copy *copy, wn_error *err)
{
    copy->count = scandir(copy->source, &copy->entries, not_dot, alphasort);
    if (copy->count < 0)
        return wn_fail(err, WN_E_IO, "cannot read %s: %s", copy->source, strerror(errno));
    copy->texts = arena_array(copy->arena, (uint64_t)copy->count, sizeof *copy->texts);
    if (!copy->texts)
        return wn_fail(err, WN_E_MEMORY, "no memory for %d files", copy->count);
    for (int i = 0; i < copy->count; i++)
        WN_TRY(read_template(copy, i, err));
    return WN_OK;
}

static wn_status target_path(struct copy *copy, int i, char path[FILE_PATH_SIZE], wn_error *err)
{
    const char *file = fill_in(copy, copy->entries[i]->d_name);
    return file ? path_join(path, copy->name, file, err) : wn_fail(err, WN_E_MEMORY, "no memory");
}

/* An error leaves nothing behind. */
static wn_status make_folder(struct copy *copy, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    wn_error ignored;
    wn_status status = WN_OK;
    int made = 0;
    if (mkdir(copy->name, 0777) != 0)
        return errno == EEXIST
                   ? wn_fail(err, WN_E_ARG, "%s is there already; take another name, or move it away", copy->name)
                   : wn_fail(err, WN_E_IO, "cannot make the folder %s: %s", copy->name, strerror(errno));
    for (; status == WN_OK && made < copy->count; made++)
        if ((status = target_path(copy, made, path, err)) == WN_OK)
            status = file_place(path, copy->texts[made], strlen(copy->texts[made]), err);
    if (status == WN_OK)
        return dir_sync(copy->name, err);
    while (made-- > 0)
        if (target_path(copy, made, path, &ignored) == WN_OK)
            unlink(path);
    rmdir(copy->name);
    return status;
}

/* ---- what to do next ---- */

/* The lines of README.md's first ```sh block. */
static void write_next(const struct copy *copy, int i, struct buffer *out)
{
    static const char open[] = "```sh\n";
    const char *line = strstr(copy->texts[i], open), *end = line ? strstr(line + strlen(open), "```") : NULL;
    if (!end)
        return;
    buffer_text(out, "\nnext:\n");
    for (line += strlen(open); line < end; line += strcspn(line, "\n") + 1)
        buffer_printf(out, "  %.*s\n", (int)strcspn(line, "\n"), line);
}

static int show(struct cli *c, struct copy *copy)
{
    struct buffer out = BUFFER_INIT(MAX_TEMPLATE_BYTES);
    char path[FILE_PATH_SIZE];
    wn_error ignored;
    buffer_text(&out, "made\n");
    for (int i = 0; i < copy->count; i++)
        if (target_path(copy, i, path, &ignored) == WN_OK)
            buffer_printf(&out, "  %s\n", path);
    for (int i = 0; i < copy->count; i++)
        if (strcmp(copy->entries[i]->d_name, "README.md") == 0)
            write_next(copy, i, &out);
    return cli_print(c, &out);
}

static int run(struct cli *c)
{
    const char *kind = c->arguments[0], *lang = cli_value(c, "lang", "c");
    char root[FILE_PATH_SIZE];
    struct copy copy = { .name = c->arguments[1] };
    wn_error err = { 0 };
    home_templates(root, sizeof root);
    int code = choose(c, root, kind, lang);
    if (code == EXIT_FINE)
        code = check_name(c, copy.name, lang);
    if (code != EXIT_FINE)
        return code;
    copy.arena = arena_create();
    snprintf(copy.source, sizeof copy.source, "%.3800s/%s-%s", root, kind, lang);
    wn_status status = copy.arena ? read_templates(&copy, &err) : wn_fail(&err, WN_E_MEMORY, "no memory");
    if (status == WN_OK)
        status = make_folder(&copy, &err);
    code = status ? cli_fail(c, status, &err) : show(c, &copy);
    free_entries(copy.entries, copy.count > 0 ? copy.count : 0);
    arena_destroy(copy.arena);
    return code;
}

static const struct cli_option options[] = { { "lang", 0, "LANG", "c (default) or python" }, { NULL, 0, NULL, NULL } };

const struct command cmd_new = {
    .name = "new",
    .arguments = "KIND NAME",
    .summary = "make a folder with a plugin to start from, ready to build and to run",
    .details =
        "KIND is verifier, search or sampler. The folder NAME has the plugin's source, which keeps all rules as it is, a README and\n"
        "a small experiment with it; the commands to type next are shown at the end.",
    .options = options,
    .minimum_arguments = 2,
    .maximum_arguments = 2,
    .run = run,
};
