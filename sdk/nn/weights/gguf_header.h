/* gguf_header.h - the header of a GGUF file as lists. Internal to the reader. */
#ifndef WINNOW_NN_GGUF_HEADER_H
#define WINNOW_NN_GGUF_HEADER_H

#include "gguf.h"

struct gguf_entry {
    nn_tensor tensor; /* file and data are left for the caller; bytes = shape x type, checked */
    uint64_t offset;  /* into the data, as the file claims it */
};

struct gguf_header {
    struct gguf_entry *entries; /* in file order; their names are theirs */
    uint64_t count;
    nn_metadata *metadata; /* in file order; keys and values are theirs */
    uint64_t metadata_count;
    uint64_t alignment;
    uint64_t bytes; /* of the header, padding not counted */
};

/* Parses the start of a file of `size` bytes. path is for errors. What *h holds is to be freed with gguf_header_free
 * even after a failure. */
wn_status gguf_header_parse(const char *path, const unsigned char *file, uint64_t size, struct gguf_header *h,
                            wn_error *err);
void gguf_header_free(struct gguf_header *h);

#endif
