/* zip.h - the directory of a zip archive whose members are stored as they are, which is what torch.save writes.
 *
 * Reads the central directory only (the local headers of torch's archives have no sizes), ZIP64 included, and believes
 * nothing: every member lies inside the file, under the same name in both headers, and no two share a byte. Members may
 * be compressed as long as nobody asks for them. Internal to the reader of torch files. [any]
 * Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (4.3, 4.4, 4.5.3).
 */
#ifndef WINNOW_NN_ZIP_H
#define WINNOW_NN_ZIP_H

#include "../nn.h"

struct zip_member {
    const char *name; /* not terminated; in the archive */
    uint32_t name_bytes;
    uint32_t method;       /* 0 = stored */
    uint64_t header;       /* offset of the local header */
    uint64_t stored_bytes; /* in the archive */
    uint64_t bytes;        /* once taken out */
    const unsigned char *data;
};

struct zip {
    struct zip_member *members; /* sorted by name */
    uint64_t count;
};

/* Reads the directory of an archive in memory, which must stay. path is for errors. Free with zip_finish, even after a
 * failure. */
wn_status zip_read(const char *path, const unsigned char *archive, uint64_t bytes, struct zip *out, wn_error *err);
void zip_finish(struct zip *z);

/* NULL when absent. */
const struct zip_member *zip_find(const struct zip *z, const char *name);

#endif
