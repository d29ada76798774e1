/* html.h - text and pictures made safe to stand in a page. */
#ifndef WINNOW_REPORT_HTML_H
#define WINNOW_REPORT_HTML_H

#include "base/buffer.h"

/* Appends text for element content and quoted attributes. What could act or deceive becomes visible instead: markup is
 * escaped, control and direction-changing characters are shown as their code ("[U+202E]"), broken UTF-8 as U+FFFD. */
void html_text(struct buffer *out, const char *text);

/* Appends a PNG file as a data URI. Pictures over HTML_WIDE_PX are shrunk to fit. */
enum { HTML_WIDE_PX = 384 };
struct html_picture {
    uint32_t width_px, height_px; /* of the file */
};
wn_status html_picture(struct buffer *out, const char *path, struct html_picture *picture, wn_error *err);

/* Appends a picture of at most `most_px` a side, a few kilobytes, without the recipe that a file carries. */
wn_status html_thumbnail(struct buffer *out, const char *path, uint32_t most_px, wn_error *err);

void html_base64(struct buffer *out, const void *data, uint64_t bytes);

#endif
