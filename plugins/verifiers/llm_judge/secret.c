/* secret.c - the key's only copy that this plugin makes. libcurl is given the header where it lies and copies it into a
 * send buffer of its own for as long as a request is written; the environment keeps what the user put there. */
#include "secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { KEY_MAX = 1024, MASKED_RUN = 6 };

static const char ending[] = "_API_KEY";

static wn_status check_key(const char *variable, const char *key, wn_error *err)
{
    if (!key || !*key)
        return wn_fail(err, WN_E_MISSING, "the environment variable %s is not set; export it with the API key",
                       variable);
    if (strlen(key) > KEY_MAX)
        return wn_fail(err, WN_E_ARG, "the environment variable %s has %zu bytes; an API key has at most %d", variable,
                       strlen(key), KEY_MAX);
    for (const char *c = key; *c; c++)
        if (*c < 0x21 || *c > 0x7e)
            return wn_fail(err, WN_E_ARG,
                           "the environment variable %s holds a space, a line end or another byte that no header can "
                           "carry, at byte %td; export the key alone",
                           variable, c - key);
    return WN_OK;
}

static wn_status check_name(const char *variable, wn_error *err)
{
    const size_t length = strlen(variable), tail = sizeof ending - 1;
    if (length > tail && strcmp(variable + length - tail, ending) == 0)
        return WN_OK;
    return wn_fail(err, WN_E_ARG,
                   "key_env is %.100s; a variable whose name ends in %s is wanted, so that no spec can have another "
                   "secret sent",
                   variable, ending);
}

wn_status secret_read(struct secret *s, const char *variable, const char *prefix, wn_error *err)
{
    WN_TRY(check_name(variable, err));
    const char *key = getenv(variable);
    WN_TRY(check_key(variable, key, err));
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = strlen(prefix) + strlen(key) + 1;
    const size_t mapped = (size + page - 1) / page * page;
    void *at = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return wn_fail(err, WN_E_MEMORY, "no memory for a page of %zu bytes", mapped);
    (void)madvise(at, mapped, MADV_DONTDUMP); /* an old kernel refuses: then a core dump has the key */
    s->header = at;
    s->mapped_bytes = mapped;
    snprintf(s->header, mapped, "%s%s", prefix, key);
    s->key = s->header + strlen(prefix);
    return WN_OK;
}

void secret_finish(struct secret *s)
{
    if (!s->header)
        return;
    explicit_bzero(s->header, s->mapped_bytes);
    munmap(s->header, s->mapped_bytes);
    *s = (struct secret){ 0 };
}

/* How many characters text shares, from its start, with the key from some place on. */
static size_t longest_shared(const char *key, const char *text)
{
    size_t longest = 0;
    for (; *key; key++) {
        size_t n = 0;
        while (key[n] && key[n] == text[n])
            n++;
        longest = n > longest ? n : longest;
    }
    return longest;
}

void secret_mask(const struct secret *s, char *text)
{
    if (!s->key)
        return;
    const size_t whole = strlen(s->key), run = whole < MASKED_RUN ? whole : MASKED_RUN;
    while (*text) {
        size_t n = longest_shared(s->key, text);
        if (n < run)
            n = 1;
        else
            memset(text, '*', n);
        text += n;
    }
}
