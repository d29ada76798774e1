/* choice_record.c - see choice_record.h. */
#include "cli/choice_record.h"

#include "base/files.h"
#include "base/sha256.h"
#include "spec/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_BYTES = 256 << 20 };

struct answer {
    char question[65];
    int32_t answer; /* of the two in the order of their hashes */
};

struct choice_record {
    char path[FILE_PATH_SIZE];
    int file;
    struct answer *all;
    uint64_t count, capacity;
};

static const char *const words[] = { "", "first", "second", "equal" };

/* ---- questions --------------------------------------------------------------------------------------------------- */

static void hash_image(const wn_image *image, char hex[65])
{
    struct sha256 h;
    const uint32_t size[2] = { image->width_px, image->height_px };
    sha256_init(&h);
    sha256_add(&h, size, sizeof size);
    sha256_add(&h, image->rgb, (uint64_t)image->width_px * image->height_px * 3);
    sha256_hex(&h, hex);
}

struct choice_key choice_key_of(const wn_question *q)
{
    struct choice_key key;
    struct sha256 h;
    char a[65], b[65];
    hash_image(q->first, a);
    hash_image(q->second, b);
    key.is_swapped = strcmp(a, b) > 0;
    memcpy(key.first, key.is_swapped ? b : a, sizeof key.first);
    memcpy(key.second, key.is_swapped ? a : b, sizeof key.second);
    sha256_init(&h);
    sha256_add(&h, q->text, strlen(q->text) + 1);
    sha256_add(&h, q->prompt->text, strlen(q->prompt->text) + 1);
    sha256_add(&h, key.first, sizeof key.first);
    sha256_add(&h, key.second, sizeof key.second);
    sha256_hex(&h, key.question);
    return key;
}

static int32_t turned(int32_t answer, bool is_swapped)
{
    if (!is_swapped || answer == WN_CHOICE_EQUAL || answer == 0)
        return answer;
    return answer == WN_CHOICE_FIRST ? WN_CHOICE_SECOND : WN_CHOICE_FIRST;
}

int32_t choice_record_find(const struct choice_record *r, const struct choice_key *key)
{
    for (uint64_t i = r->count; i-- > 0;)
        if (strcmp(r->all[i].question, key->question) == 0)
            return turned(r->all[i].answer, key->is_swapped);
    return 0;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static wn_status keep(struct choice_record *r, const char *question, int32_t answer, wn_error *err)
{
    if (r->count == r->capacity) {
        const uint64_t capacity = r->capacity ? 2 * r->capacity : 256;
        struct answer *grown = realloc(r->all, capacity * sizeof *grown);
        if (!grown)
            return wn_fail(err, WN_E_MEMORY, "no memory for %llu answers", (unsigned long long)capacity);
        r->all = grown;
        r->capacity = capacity;
    }
    struct answer *a = &r->all[r->count++];
    snprintf(a->question, sizeof a->question, "%s", question);
    a->answer = answer;
    return WN_OK;
}

static wn_status read_line(struct choice_record *r, const char *line, uint64_t bytes, uint64_t number, wn_error *err)
{
    struct tree_fault fault;
    struct arena *arena = arena_create();
    const struct tree_node *node = arena ? tree_parse(arena, r->path, line, bytes, &fault) : NULL;
    const struct tree_node *question = node ? tree_get(node, "question") : NULL,
                           *said = node ? tree_get(node, "answer") : NULL;
    int32_t answer = 0;
    for (int32_t i = WN_CHOICE_FIRST; said && said->type == TREE_STRING && i <= WN_CHOICE_EQUAL; i++)
        answer = strcmp(said->text, words[i]) == 0 ? i : answer;
    wn_status status =
        answer && question && question->type == TREE_STRING && strlen(question->text) == 64
            ? keep(r, question->text, answer, err)
            : wn_fail(err, WN_E_FORMAT,
                      "%.800s:%llu: this is no answer that winnow wrote; remove the line, and it is asked "
                      "again",
                      r->path, (unsigned long long)number);
    arena_destroy(arena);
    return status;
}

static wn_status read_lines(struct choice_record *r, const struct buffer *text, uint64_t *whole, wn_error *err)
{
    uint64_t number = 1;
    for (const char *line = buffer_string(text), *end; (end = strchr(line, '\n')) != NULL; line = end + 1, number++) {
        WN_TRY(read_line(r, line, (uint64_t)(end - line), number, err));
        *whole = (uint64_t)(end + 1 - buffer_string(text));
    }
    return WN_OK;
}

static wn_status io_error(const struct choice_record *r, wn_error *err)
{
    return wn_fail(err, WN_E_IO, "%.800s: cannot write an answer: %s", r->path, strerror(errno));
}

static wn_status load(struct choice_record *r, wn_error *err)
{
    uint64_t whole = 0;
    struct buffer text = BUFFER_INIT(MAX_BYTES);
    wn_status status = file_exists(r->path) ? buffer_read_file(&text, r->path, err) : WN_OK;
    if (status == WN_OK)
        status = read_lines(r, &text, &whole, err);
    buffer_free(&text);
    WN_TRY(status);
    r->file = open(r->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (r->file < 0 || ftruncate(r->file, (off_t)whole) != 0)
        return io_error(r, err);
    return WN_OK;
}

wn_status choice_record_open(const char *directory, struct choice_record **out, wn_error *err)
{
    struct choice_record *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    r->file = -1;
    wn_status status = path_join(r->path, directory, "choices.jsonl", err);
    if (status == WN_OK)
        status = load(r, err);
    if (status == WN_OK)
        *out = r;
    else
        choice_record_close(r);
    return status;
}

void choice_record_close(struct choice_record *r)
{
    if (!r)
        return;
    if (r->file >= 0)
        close(r->file);
    free(r->all);
    free(r);
}

wn_status choice_record_add(struct choice_record *r, const struct choice_key *key, const char *prompt, int32_t answer,
                            wn_error *err)
{
    struct buffer line = BUFFER_INIT(4096);
    struct json_text j = json_begin(&line, 0);
    const int32_t ordered = turned(answer, key->is_swapped);
    json_object(&j);
    json_key(&j, "question"), json_string(&j, key->question);
    json_key(&j, "prompt"), json_string(&j, prompt);
    json_key(&j, "first"), json_string(&j, key->first);
    json_key(&j, "second"), json_string(&j, key->second);
    json_key(&j, "answer"), json_string(&j, words[ordered]);
    json_end(&j);
    buffer_byte(&line, '\n');
    wn_status status = buffer_status(&line, "an answer", err);
    if (status == WN_OK && write(r->file, line.data, line.size) != (ssize_t)line.size)
        status = io_error(r, err);
    if (status == WN_OK && fdatasync(r->file) != 0)
        status = io_error(r, err);
    buffer_free(&line);
    return status == WN_OK ? keep(r, key->question, ordered, err) : status;
}
