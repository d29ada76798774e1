/* sha256.h - the SHA-256 of a file, to know published weights by their name. */
#ifndef WINNOW_NN_SHA256_H
#define WINNOW_NN_SHA256_H

#include "nn.h"

/* text receives 64 hexadecimal digits and a NUL. About 0.3 GB/s. [any] */
NN_API wn_status nn_sha256_file(const char *path, char text[65], wn_error *err);

#endif
