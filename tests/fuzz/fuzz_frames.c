/* fuzz_frames.c - frames under arbitrary bytes: header, text, data, and what a worker says of itself.
 *
 * Built with clang and WINNOW_LIBFUZZER=ON this is a libFuzzer target. Everywhere else it is a test that replays the files
 * of the folder it is given, each as it is, cut at every byte, and with every byte wrong in turn.
 */
#include <worker/message.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_BYTES = 32768, MAX_DATA = 4096 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void read_message(const struct wn_frame *frame)
{
    cJSON *message;
    wn_metric metrics[64];
    wn_verifier_info info = { .struct_size = sizeof info };
    wn_error err = { 0 };
    int is_one;
    if (wn_message_parse(frame, &message, &err) != WN_OK)
        return;
    if (wn_message_get_verifier(message, metrics, &info, &err) != WN_OK && !err.message[0])
        abort();
    if (wn_message_fail(message, &is_one, &err) == WN_OK)
        abort();
    cJSON_Delete(message);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    int ends[2];
    struct wn_frame frame;
    wn_error err = { 0 };
    if (size > MAX_BYTES || pipe(ends) != 0)
        return 0;
    if (write(ends[1], data, size) != (ssize_t)size)
        abort();
    close(ends[1]);
    const struct wn_frame_limits limits = { MAX_BYTES, MAX_DATA };
    const struct wn_pipe pipe = { .in = ends[0], .out = -1 };
    while (wn_frame_receive(&pipe, limits, &frame, &err) == WN_OK) {
        if (frame.data_bytes > MAX_DATA || strlen(frame.text) > frame.text_bytes)
            abort();
        read_message(&frame);
        wn_frame_free(&frame);
    }
    close(ends[0]);
    return 0;
}

#ifndef WINNOW_LIBFUZZER
static int replay(const char *path)
{
    static unsigned char bytes[MAX_BYTES];
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
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
    char path[4096];
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        count += *e->d_name != '.' && replay(path);
    }
    if (dir)
        closedir(dir);
    printf("%d files replayed\n", count);
    return count > 0 ? 0 : 1;
}
#endif
