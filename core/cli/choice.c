/* choice.c - see choice.h. The terminal is without echo only while a question waits; a new size of its window shows the
 * question again. Which picture stands on the left is decided by the question's hash: people lean to one side. */
#include "cli/choice.h"

#include "base/files.h"
#include "base/plain.h"
#include "base/png.h"
#include "cli/choice_record.h"
#include "cli/keys.h"
#include "cli/pictures.h"
#include "cli/terminal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 100, TEXT_MAX = 400 };

struct choice {
    struct process *process;
    struct choice_record *record;
    char directory[FILE_PATH_SIZE];
    int32_t kind; /* enum pictures_kind; 0 = not known yet */
    pthread_mutex_t mutex;
};

/* ---- showing ----------------------------------------------------------------------------------------------------- */

static wn_status write_file(const struct choice *c, const char *name, const wn_image *image, char path[FILE_PATH_SIZE],
                            wn_error *err)
{
    struct buffer png = BUFFER_INIT((uint64_t)1 << 32);
    wn_status status = path_join(path, c->directory, name, err);
    if (status == WN_OK)
        status = png_encode(image, NULL, 0, &png, err);
    if (status == WN_OK)
        status = file_write(path, png.data, png.size, err);
    buffer_free(&png);
    return status;
}

static wn_status show_paths(const struct choice *c, const wn_image *left, const wn_image *right, struct buffer *out,
                            wn_error *err)
{
    char path[FILE_PATH_SIZE];
    WN_TRY(write_file(c, "choice-1.png", left, path, err));
    buffer_printf(out, "  1  %s\n", path);
    WN_TRY(write_file(c, "choice-2.png", right, path, err));
    buffer_printf(out, "  2  %s\n", path);
    return WN_OK;
}

static wn_status show_pictures(const struct choice *c, const wn_image *left, const wn_image *right, struct buffer *out,
                               wn_error *err)
{
    wn_image both;
    WN_TRY(pictures_beside(left, right, pictures_window(), &both, err));
    const wn_status status = pictures_encode((enum pictures_kind)c->kind, &both, out, err);
    buffer_byte(out, '\n');
    free((void *)(uintptr_t)both.rgb);
    return status;
}

/* What stands in prompts and specs must not move the cursor. */
static void put_plain(struct buffer *out, const char *text)
{
    char clean[TEXT_MAX];
    plain_copy(clean, sizeof clean, text, 0);
    buffer_text(out, clean);
}

static wn_status show(const struct choice *c, const wn_question *q, const wn_image *left, const wn_image *right,
                      wn_error *err)
{
    struct buffer out = BUFFER_INIT(128 << 20);
    buffer_byte(&out, '\n');
    put_plain(&out, q->prompt->id);
    buffer_text(&out, ": ");
    put_plain(&out, q->prompt->text);
    buffer_byte(&out, '\n');
    put_plain(&out, q->text);
    buffer_byte(&out, '\n');
    wn_status status =
        c->kind == PICTURES_NONE ? show_paths(c, left, right, &out, err) : show_pictures(c, left, right, &out, err);
    if (status == WN_OK)
        status = buffer_status(&out, "a question", err);
    if (status == WN_OK)
        terminal_show(out.data, out.size);
    buffer_free(&out);
    return status;
}

/* Short: it is cut to the window's width. */
static void show_line(const wn_question *q)
{
    char line[120] = "1 left  2 right  = equal  q stop";
    if (q->number > 0)
        snprintf(line, sizeof line, "1 left  2 right  = equal  q stop  (%llu of %llu)", (unsigned long long)q->number,
                 (unsigned long long)q->count);
    terminal_question(line);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static wn_status stopped(wn_error *err)
{
    return wn_fail(err, WN_E_CANCELLED, "the person has enough for now");
}

static bool is_other_size(struct pictures_size a, struct pictures_size b)
{
    return a.columns != b.columns || a.rows != b.rows || a.width_px != b.width_px || a.height_px != b.height_px;
}

/* Shown again where the window has another size, or by `r`. */
static wn_status wait_for_key(struct choice *c, struct keys *keys, const wn_question *q, const wn_image *left,
                              const wn_image *right, int32_t *answer, wn_error *err)
{
    struct pictures_size size = pictures_window();
    WN_TRY(show(c, q, left, right, err));
    show_line(q);
    for (;;) {
        const int32_t key = keys_wait(keys, TICK_MS);
        if (key == 'q' || key == 'Q' || key == KEY_END)
            atomic_store(&c->process->cancelled, 1);
        if (atomic_load(&c->process->cancelled))
            return stopped(err);
        *answer = key == '1' || key == KEY_LEFT    ? WN_CHOICE_FIRST
                  : key == '2' || key == KEY_RIGHT ? WN_CHOICE_SECOND
                  : key == '='                     ? WN_CHOICE_EQUAL
                                                   : 0;
        if (*answer)
            return WN_OK;
        const struct pictures_size now = pictures_window();
        if (key == 'r' || is_other_size(now, size))
            WN_TRY(show(c, q, left, right, err));
        size = now;
    }
}

static wn_status put_question(struct choice *c, const wn_question *q, const struct choice_key *key, int32_t *answer,
                              wn_error *err)
{
    const bool is_turned = (key->question[0] & 1) != key->is_swapped;
    const wn_image *left = is_turned ? q->second : q->first, *right = is_turned ? q->first : q->second;
    struct keys keys;
    WN_TRY(keys_open(&keys, err));
    if (c->kind == 0)
        c->kind = (int32_t)pictures_detect();
    const wn_status status = wait_for_key(c, &keys, q, left, right, answer, err);
    terminal_question("");
    keys_close(&keys);
    if (is_turned && *answer != WN_CHOICE_EQUAL)
        *answer = *answer == WN_CHOICE_FIRST ? WN_CHOICE_SECOND : WN_CHOICE_FIRST;
    return status;
}

static wn_status answer_question(struct choice *c, const wn_question *q, int32_t *answer, wn_error *err)
{
    const struct choice_key key = choice_key_of(q);
    if (!c->record) /* here, so that a run without a person has no such file */
        WN_TRY(choice_record_open(c->directory, &c->record, err));
    *answer = choice_record_find(c->record, &key);
    if (*answer)
        return WN_OK;
    if (atomic_load(&c->process->cancelled))
        return stopped(err);
    WN_TRY(put_question(c, q, &key, answer, err));
    return choice_record_add(c->record, &key, q->prompt->id, *answer, err);
}

static wn_status ask(void *arg, const wn_question *q, int32_t *answer, wn_error *err)
{
    struct choice *c = arg;
    pthread_mutex_lock(&c->mutex);
    const wn_status status = answer_question(c, q, answer, err);
    pthread_mutex_unlock(&c->mutex);
    return status;
}

/* ---- for the time of a run --------------------------------------------------------------------------------------- */

wn_status choice_begin(struct process *process, const char *directory, const char *pictures, struct choice **out,
                       wn_error *err)
{
    *out = NULL;
    if (!keys_are_there())
        return WN_OK;
    struct choice *c = calloc(1, sizeof *c);
    if (!c)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    c->process = process;
    c->kind = pictures_kind_from(pictures);
    snprintf(c->directory, sizeof c->directory, "%s", directory);
    pthread_mutex_init(&c->mutex, NULL);
    process->ask = ask;
    process->ask_arg = c;
    *out = c;
    return WN_OK;
}

void choice_end(struct choice *c)
{
    if (!c)
        return;
    c->process->ask = NULL;
    choice_record_close(c->record);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}
