/* secret.h - an API key: from an environment variable into one request header, and nowhere else. */
#ifndef LLM_JUDGE_SECRET_H
#define LLM_JUDGE_SECRET_H

#include <winnow/plugin.h>

/* All zero: no key. The header lies in pages of its own that core dumps leave out. */
struct secret {
    char *header;    /* "Authorization: Bearer KEY" */
    const char *key; /* into header */
    size_t mapped_bytes;
};

/* Reads the key from an environment variable whose name must end in _API_KEY, so that a spec cannot have another secret
 * sent out. prefix is what the header has before the key. Errors never show the value. [setup] */
wn_status secret_read(struct secret *s, const char *variable, const char *prefix, wn_error *err);
/* Overwrites the key and gives its pages back. [setup] */
void secret_finish(struct secret *s);

/* Stars over every stretch of text that is also six characters or more of the key (all of it, if it is shorter): what
 * comes from a server may quote the key. [any] */
void secret_mask(const struct secret *s, char *text);

#endif
