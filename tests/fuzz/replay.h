/* replay.h - what a fuzz target does where nobody fuzzes: every file of the folders it is given goes through it as it
 * is, cut at every byte, and with every byte wrong in turn. What is wrong with memory is for the sanitizers to see.
 *
 * Built with clang and WINNOW_LIBFUZZER=ON the same source is a libFuzzer target: `libfuzzer_NAME CORPUS`. */
#ifndef WINNOW_TESTS_FUZZ_REPLAY_H
#define WINNOW_TESTS_FUZZ_REPLAY_H

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#ifndef WINNOW_LIBFUZZER
enum { REPLAY_MAX_BYTES = 32768 };

static int replay_file(const char *path)
{
    static unsigned char bytes[REPLAY_MAX_BYTES];
    FILE *file = fopen(path, "rb");
    const size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file)
        fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    for (size_t i = 0; i < size; i++) {
        LLVMFuzzerTestOneInput(bytes, i);
        for (unsigned wrong = 1; wrong < 256; wrong += 63) {
            bytes[i] = (unsigned char)(bytes[i] ^ wrong);
            LLVMFuzzerTestOneInput(bytes, size);
            bytes[i] = (unsigned char)(bytes[i] ^ wrong);
        }
    }
    return size > 0;
}

int main(int argc, char **argv)
{
    int count = 0;
    char path[4096];
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        for (struct dirent *e; dir && (e = readdir(dir));) {
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            count += *e->d_name != '.' && replay_file(path);
        }
        if (dir)
            closedir(dir);
    }
    printf("%d files replayed\n", count);
    return count > 0 ? 0 : 1;
}
#endif

#endif
