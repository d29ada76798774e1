/* safetensors_header.h - the JSON header of a safetensors file as a list of entries. Internal to the reader. */
#ifndef WINNOW_NN_SAFETENSORS_HEADER_H
#define WINNOW_NN_SAFETENSORS_HEADER_H

#include "safetensors.h"

struct st_entry {
    nn_tensor tensor; /* file and data are left for the caller; bytes = end - begin = shape x type, checked */
    uint64_t begin;   /* offsets into the data, as the file claims them */
    uint64_t end;
};

struct st_header {
    struct st_entry *entries; /* in file order */
    uint64_t count, capacity;
    nn_metadata *metadata; /* in file order */
    uint64_t metadata_count, metadata_capacity;
};

/* Parses text [size], which must end with one more byte that is 0, and keeps pointers into it: strings are unescaped in
 * place. path is for errors. What *h holds is to be freed with st_header_free even after a failure. */
wn_status st_header_parse(const char *path, char *text, uint64_t size, struct st_header *h, wn_error *err);
void st_header_free(struct st_header *h);

#endif
