/* sweep_file.c - the file may be a stranger's: names in it lead nowhere but into its own directory. */
#include "ledger/sweep_file.h"

#include "base/arena.h"
#include "base/files.h"
#include "base/json_text.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <string.h>

enum { FILE_MAX = 64 << 20 };

static const char *const states[] = { [SWEEP_OPEN] = "open", [SWEEP_DONE] = "done", [SWEEP_FAILED] = "failed" };

const char *sweep_state_name(int32_t state)
{
    return state >= SWEEP_OPEN && state <= SWEEP_FAILED ? states[state] : states[SWEEP_OPEN];
}

static int32_t state_from(const char *name)
{
    for (int32_t i = SWEEP_OPEN; name && i <= SWEEP_FAILED; i++)
        if (strcmp(name, states[i]) == 0)
            return i;
    return 0;
}

bool sweep_file_exists(const char *directory)
{
    char path[FILE_PATH_SIZE];
    wn_error ignored;
    return path_join(path, directory, "sweep.json", &ignored) == WN_OK && file_exists(path);
}

static const char *text_in(struct arena *memory, const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? arena_string(memory, text) : NULL;
}

static bool read_entry(struct arena *memory, const cJSON *item, struct sweep_entry *e)
{
    e->id = text_in(memory, item, "id");
    e->folder = text_in(memory, item, "folder");
    e->name = text_in(memory, item, "name");
    e->state = state_from(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "state")));
    return e->id && e->name && e->state && e->folder && *e->folder && e->folder[0] != '.' && !strchr(e->folder, '/');
}

static wn_status read_entries(const char *path, const cJSON *root, struct arena *memory, struct sweep_file *file,
                              wn_error *err)
{
    const cJSON *points = cJSON_GetObjectItemCaseSensitive(root, "points"), *item;
    file->name = text_in(memory, root, "name");
    file->entries = arena_array(memory, (uint64_t)cJSON_GetArraySize(points) + 1, sizeof *file->entries);
    if (!file->name || !file->entries || !cJSON_IsArray(points))
        return wn_fail(err, WN_E_FORMAT, "%s is not what winnow writes; remove it, and run the sweep again", path);
    cJSON_ArrayForEach(item, points)
    {
        if (!read_entry(memory, item, &file->entries[file->count++]))
            return wn_fail(err, WN_E_FORMAT,
                           "%s: /points/%llu is not what winnow writes; remove the file, and run the "
                           "sweep again",
                           path, (unsigned long long)file->count - 1);
    }
    return WN_OK;
}

wn_status sweep_file_read(const char *directory, struct arena *memory, struct sweep_file *file, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    struct buffer text = BUFFER_INIT(FILE_MAX);
    memset(file, 0, sizeof *file);
    WN_TRY(path_join(path, directory, "sweep.json", err));
    if (!file_exists(path))
        return WN_OK;
    wn_status status = buffer_read_file(&text, path, err);
    if (status == WN_OK) {
        cJSON *root = cJSON_Parse(buffer_string(&text));
        status = read_entries(path, root, memory, file, err);
        cJSON_Delete(root);
    }
    buffer_free(&text);
    return status;
}

const struct sweep_entry *sweep_file_find(const struct sweep_file *file, const char *id)
{
    for (uint64_t i = 0; i < file->count; i++)
        if (strcmp(file->entries[i].id, id) == 0)
            return &file->entries[i];
    return NULL;
}

wn_status sweep_file_write(const char *directory, const struct sweep_file *file, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    struct buffer text = BUFFER_INIT(FILE_MAX);
    struct json_text j = json_begin(&text, 2);
    json_object(&j);
    json_key(&j, "format"), json_u64(&j, 1);
    json_key_string(&j, "name", file->name);
    json_key(&j, "points"), json_array(&j);
    for (uint64_t i = 0; i < file->count; i++) {
        json_object(&j);
        json_key_string(&j, "id", file->entries[i].id);
        json_key_string(&j, "folder", file->entries[i].folder);
        json_key_string(&j, "name", file->entries[i].name);
        json_key_string(&j, "state", sweep_state_name(file->entries[i].state));
        json_end(&j);
    }
    json_end(&j), json_end(&j);
    buffer_byte(&text, '\n');
    wn_status status = path_join(path, directory, "sweep.json", err);
    if (status == WN_OK)
        status = buffer_status(&text, "sweep.json", err);
    if (status == WN_OK)
        status = file_write(path, text.data, text.size, err);
    buffer_free(&text);
    return status;
}

const char *sweep_find_folder(const char *directory, const char *id, uint32_t digits, struct arena *memory)
{
    DIR *d = opendir(directory);
    const char *found = NULL;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        const uint64_t length = strlen(e->d_name);
        if (length > digits && e->d_name[0] != '.' && e->d_name[length - digits - 1] == '-' &&
            memcmp(e->d_name + length - digits, id, digits) == 0)
            found = arena_string(memory, e->d_name);
    }
    if (d)
        closedir(d);
    return found;
}
