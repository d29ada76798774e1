/* pickle.c - the stack machine: values, a memo, and one function for each opcode that torch's pickles hold.
 *
 * Protocols 2 to 5. Nothing recurses: a pickle may nest as deeply as it likes.
 */
#include "pickle.h"

#include <stdlib.h>
#include <string.h>

void pickle_say_damaged(const struct pickle_machine *m, const char *what)
{
    wn_fail(m->err, WN_E_FORMAT, "%s: damaged pickle: byte %llu: %s; fetch it again", m->path,
            (unsigned long long)m->opcode, what);
}

/* ---- memory ---- */

static wn_status alloc(struct pickle_machine *m, uint64_t bytes, void *out)
{
    return pickle_alloc(m->path, m->out, bytes, out, m->err);
}

/* Makes room for item `index` of the stack or the memo. */
static wn_status grow(const struct pickle_machine *m, struct pickle_value **items, uint64_t *capacity, uint64_t index)
{
    if (index < *capacity)
        return WN_OK;
    if (index >= PICKLE_MAX_VALUES)
        return wn_fail(m->err, WN_E_UNSUPPORTED, "%s: its pickle needs place for more than %d objects at once", m->path,
                       PICKLE_MAX_VALUES);
    uint64_t more = *capacity ? 2 * *capacity : 256;
    while (more <= index)
        more *= 2;
    void *p = realloc(*items, more * sizeof **items);
    if (!p)
        return wn_fail(m->err, WN_E_MEMORY, "%s: no memory for its pickle", m->path);
    *items = p;
    *capacity = more;
    return WN_OK;
}

/* ---- the text ---- */

static wn_status take(struct pickle_machine *m, uint64_t bytes, const unsigned char **out)
{
    if (m->bytes - m->at < bytes)
        return pickle_refuse(m, "it is cut short");
    *out = m->text + m->at;
    m->at += bytes;
    return WN_OK;
}

/* Little-endian. */
static wn_status take_number(struct pickle_machine *m, uint32_t bytes, uint64_t *out)
{
    const unsigned char *p;
    WN_TRY(take(m, bytes, &p));
    for (*out = 0; bytes-- > 0;)
        *out = *out << 8 | p[bytes];
    return WN_OK;
}

static wn_status copy_text(struct pickle_machine *m, const unsigned char *from, uint64_t bytes, const char **out)
{
    char *copy;
    if (memchr(from, 0, bytes))
        return pickle_refuse(m, "a zero character in a string");
    WN_TRY(alloc(m, bytes + 1, &copy));
    memcpy(copy, from, bytes);
    *out = copy;
    return WN_OK;
}

static wn_status take_line(struct pickle_machine *m, const char **out)
{
    const unsigned char *from = m->text + m->at, *end = memchr(from, '\n', m->bytes - m->at);
    if (!end)
        return pickle_refuse(m, "it is cut short");
    m->at += (uint64_t)(end - from) + 1;
    return copy_text(m, from, (uint64_t)(end - from), out);
}

/* ---- the stack ---- */

static wn_status push(struct pickle_machine *m, struct pickle_value value)
{
    WN_TRY(grow(m, &m->stack, &m->stack_capacity, m->depth));
    m->stack[m->depth++] = value;
    return WN_OK;
}

static wn_status push_integer(struct pickle_machine *m, enum pickle_type type, int64_t value)
{
    return push(m, (struct pickle_value){ .type = type, .integer = value });
}

/* Takes the topmost `count` values, none of them a mark: they stand at *out until the next push. */
static wn_status pop(struct pickle_machine *m, uint64_t count, const struct pickle_value **out)
{
    if (m->depth < count)
        return pickle_refuse(m, "takes more from the stack than is there");
    m->depth -= count;
    for (uint64_t i = 0; i < count; i++)
        if (m->stack[m->depth + i].type == PICKLE_MARK)
            return pickle_refuse(m, "takes a mark from the stack");
    *out = count ? m->stack + m->depth : NULL;
    return WN_OK;
}

/* Takes what is above the last mark, and the mark. */
static wn_status pop_to_mark(struct pickle_machine *m, const struct pickle_value **out, uint64_t *count)
{
    uint64_t mark = m->depth;
    while (mark > 0 && m->stack[mark - 1].type != PICKLE_MARK)
        mark--;
    if (mark == 0)
        return pickle_refuse(m, "takes up to a mark that is not there");
    *out = m->stack + mark;
    *count = m->depth - mark;
    m->depth = mark - 1;
    return WN_OK;
}

static wn_status top(const struct pickle_machine *m, struct pickle_value **out)
{
    if (m->depth == 0 || m->stack[m->depth - 1].type == PICKLE_MARK)
        return pickle_refuse(m, "uses a value that is not there");
    *out = &m->stack[m->depth - 1];
    return WN_OK;
}

/* ---- what opcodes do ---- */

static wn_status push_items(struct pickle_machine *m, enum pickle_type type, const struct pickle_value *values,
                            uint64_t count)
{
    struct pickle_value made = { .type = type };
    WN_TRY(alloc(m, sizeof *made.items, &made.items));
    for (uint64_t i = 0; i < count; i++)
        WN_TRY(pickle_append(m, made.items, values[i]));
    return push(m, made);
}

static wn_status push_tuple(struct pickle_machine *m, uint64_t count)
{
    const struct pickle_value *values;
    WN_TRY(pop(m, count, &values));
    return push_items(m, PICKLE_TUPLE, values, count);
}

static wn_status push_marked_tuple(struct pickle_machine *m)
{
    const struct pickle_value *values;
    uint64_t count;
    WN_TRY(pop_to_mark(m, &values, &count));
    return push_items(m, PICKLE_TUPLE, values, count);
}

/* Appends values, already popped, to the list or dict that is now on top. */
static wn_status extend(struct pickle_machine *m, enum pickle_type type, const struct pickle_value *values,
                        uint64_t count)
{
    struct pickle_value *to;
    WN_TRY(top(m, &to));
    if (to->type != type || (type == PICKLE_DICT && count % 2))
        return pickle_refuse(m, type == PICKLE_DICT ? "sets items of what is no dict" : "appends to what is no list");
    for (uint64_t i = 0; i < count; i++)
        WN_TRY(pickle_append(m, to->items, values[i]));
    return WN_OK;
}

static wn_status extend_by(struct pickle_machine *m, enum pickle_type type, uint64_t count)
{
    const struct pickle_value *values;
    WN_TRY(pop(m, count, &values));
    return extend(m, type, values, count);
}

static wn_status extend_to_mark(struct pickle_machine *m, enum pickle_type type)
{
    const struct pickle_value *values;
    uint64_t count;
    WN_TRY(pop_to_mark(m, &values, &count));
    return extend(m, type, values, count);
}

/* An object's state becomes its attributes. What a dict, or a tensor, has beside its content (the _metadata of a state
 * dict) is dropped. */
static wn_status build(struct pickle_machine *m)
{
    const struct pickle_value *popped;
    struct pickle_value *to;
    WN_TRY(pop(m, 1, &popped));
    const struct pickle_value state = *popped;
    WN_TRY(top(m, &to));
    if (to->type != PICKLE_DICT && to->type != PICKLE_TENSOR)
        return pickle_refuse(m, "sets the state of what is no object");
    if (to->type == PICKLE_DICT && to->items->count == 0 && state.type == PICKLE_DICT)
        to->items = state.items;
    return WN_OK;
}

static wn_status call(struct pickle_machine *m, bool is_class)
{
    const struct pickle_value *pair;
    struct pickle_value made;
    WN_TRY(pop(m, 2, &pair));
    WN_TRY(pickle_call(m, &pair[0], &pair[1], is_class, &made));
    return push(m, made);
}

static wn_status persistent(struct pickle_machine *m)
{
    const struct pickle_value *id;
    struct pickle_value made;
    WN_TRY(pop(m, 1, &id));
    WN_TRY(pickle_persistent(m, id, &made));
    return push(m, made);
}

static wn_status push_global(struct pickle_machine *m, const char *module, const char *name)
{
    struct pickle_value found;
    WN_TRY(pickle_find_global(m, module, name, &found));
    return push(m, found);
}

static wn_status line_global(struct pickle_machine *m)
{
    const char *module, *name;
    WN_TRY(take_line(m, &module));
    WN_TRY(take_line(m, &name));
    return push_global(m, module, name);
}

static wn_status stack_global(struct pickle_machine *m)
{
    const struct pickle_value *pair;
    WN_TRY(pop(m, 2, &pair));
    if (pair[0].type != PICKLE_STRING || pair[1].type != PICKLE_STRING)
        return pickle_refuse(m, "names a global by what is no string");
    return push_global(m, pair[0].text, pair[1].text);
}

static wn_status push_string(struct pickle_machine *m, uint32_t length_bytes)
{
    struct pickle_value made = { .type = PICKLE_STRING };
    const unsigned char *from;
    uint64_t length;
    WN_TRY(take_number(m, length_bytes, &length));
    WN_TRY(take(m, length, &from));
    WN_TRY(copy_text(m, from, length, &made.text));
    return push(m, made);
}

/* LONG1: two's complement of a length of its own. */
static wn_status push_long(struct pickle_machine *m)
{
    uint64_t bytes, value;
    WN_TRY(take_number(m, 1, &bytes));
    if (bytes > 8)
        return pickle_refuse(m, "an integer of more than 64 bits");
    WN_TRY(take_number(m, (uint32_t)bytes, &value));
    if (bytes > 0 && bytes < 8 && value >> (8 * bytes - 1))
        value |= UINT64_MAX << 8 * bytes;
    return push_integer(m, PICKLE_INT, (int64_t)value);
}

static wn_status push_number(struct pickle_machine *m, uint32_t bytes)
{
    uint64_t value;
    WN_TRY(take_number(m, bytes, &value));
    return push_integer(m, PICKLE_INT, bytes == 4 ? (int32_t)(uint32_t)value : (int64_t)value);
}

/* Big-endian, unlike all else. */
static wn_status push_float(struct pickle_machine *m)
{
    struct pickle_value made = { .type = PICKLE_FLOAT };
    const unsigned char *p;
    uint64_t bits = 0;
    WN_TRY(take(m, 8, &p));
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    memcpy(&made.number, &bits, sizeof bits);
    return push(m, made);
}

static wn_status put(struct pickle_machine *m, uint64_t index)
{
    struct pickle_value *value;
    WN_TRY(top(m, &value));
    WN_TRY(grow(m, &m->memo, &m->memo_capacity, index));
    for (; m->memo_count <= index; m->memo_count++)
        m->memo[m->memo_count] = (struct pickle_value){ .type = PICKLE_MARK }; /* not set */
    m->memo[index] = *value;
    return WN_OK;
}

static wn_status put_numbered(struct pickle_machine *m, uint32_t bytes)
{
    uint64_t index;
    WN_TRY(take_number(m, bytes, &index));
    return put(m, index);
}

static wn_status get(struct pickle_machine *m, uint32_t bytes)
{
    uint64_t index;
    WN_TRY(take_number(m, bytes, &index));
    if (index >= m->memo_count || m->memo[index].type == PICKLE_MARK)
        return pickle_refuse(m, "remembers what was never kept");
    return push(m, m->memo[index]);
}

/* PROTO and FRAME say how the pickle was written; only the first can be wrong. */
static wn_status protocol(struct pickle_machine *m)
{
    uint64_t version;
    WN_TRY(take_number(m, 1, &version));
    return version >= 2 && version <= 5 ? WN_OK : pickle_refuse(m, "a protocol other than 2 to 5");
}

static wn_status frame(struct pickle_machine *m)
{
    const unsigned char *ignored;
    return take(m, 8, &ignored);
}

/* Opcodes of what is not a value by itself: globals, calls, the memo. */
static wn_status step_objects(struct pickle_machine *m, unsigned char opcode)
{
    char text[64];
    switch (opcode) {
    case 'q':
        return put_numbered(m, 1);
    case 'r':
        return put_numbered(m, 4);
    case 0x94:
        return put(m, m->memo_count);
    case 'h':
        return get(m, 1);
    case 'j':
        return get(m, 4);
    case 'c':
        return line_global(m);
    case 0x93:
        return stack_global(m);
    case 'R':
        return call(m, false);
    case 0x81:
        return call(m, true);
    case 'b':
        return build(m);
    case 'Q':
        return persistent(m);
    case 0x80:
        return protocol(m);
    case 0x95:
        return frame(m);
    default:
        snprintf(text, sizeof text, "opcode 0x%02x, which torch does not write", opcode);
        return pickle_refuse(m, text);
    }
}

/* Opcodes of tuples, lists and dicts. */
static wn_status step_containers(struct pickle_machine *m, unsigned char opcode)
{
    switch (opcode) {
    case ')':
        return push_tuple(m, 0);
    case 0x85:
        return push_tuple(m, 1);
    case 0x86:
        return push_tuple(m, 2);
    case 0x87:
        return push_tuple(m, 3);
    case 't':
        return push_marked_tuple(m);
    case ']':
        return push_items(m, PICKLE_LIST, NULL, 0);
    case '}':
        return push_items(m, PICKLE_DICT, NULL, 0);
    case 'a':
        return extend_by(m, PICKLE_LIST, 1);
    case 'e':
        return extend_to_mark(m, PICKLE_LIST);
    case 's':
        return extend_by(m, PICKLE_DICT, 2);
    case 'u':
        return extend_to_mark(m, PICKLE_DICT);
    default:
        return step_objects(m, opcode);
    }
}

/* Everything but STOP; the common ones, plain values, first. */
static wn_status step(struct pickle_machine *m, unsigned char opcode)
{
    switch (opcode) {
    case '(':
        return push_integer(m, PICKLE_MARK, 0);
    case 'N':
        return push_integer(m, PICKLE_NONE, 0);
    case 0x88:
        return push_integer(m, PICKLE_BOOL, 1);
    case 0x89:
        return push_integer(m, PICKLE_BOOL, 0);
    case 'K':
        return push_number(m, 1);
    case 'M':
        return push_number(m, 2);
    case 'J':
        return push_number(m, 4);
    case 0x8a:
        return push_long(m);
    case 'G':
        return push_float(m);
    case 'X':
        return push_string(m, 4);
    case 0x8c:
        return push_string(m, 1);
    default:
        return step_containers(m, opcode);
    }
}

static wn_status run(struct pickle_machine *m)
{
    const unsigned char *opcode;
    for (;;) {
        m->opcode = m->at;
        WN_TRY(take(m, 1, &opcode));
        if (*opcode == '.')
            break;
        WN_TRY(step(m, *opcode));
    }
    if (m->depth != 1 || m->stack[0].type == PICKLE_MARK)
        return pickle_refuse(m, "ends with other than one object");
    if (m->at != m->bytes)
        return pickle_refuse(m, "something follows its end");
    m->out->root = m->stack[0];
    return WN_OK;
}

wn_status pickle_read(const char *path, const unsigned char *text, uint64_t bytes, struct pickle *out, wn_error *err)
{
    *out = (struct pickle){ 0 };
    struct pickle_machine m = { .path = path, .text = text, .bytes = bytes, .out = out, .err = err };
    if (bytes > PICKLE_MAX_BYTES)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s: pickle of %llu bytes, at most %d are supported", path,
                       (unsigned long long)bytes, PICKLE_MAX_BYTES);
    const wn_status status = run(&m);
    free(m.stack);
    free(m.memo);
    return status;
}
