/* pictures.c - see pictures.h. */
#include "cli/pictures.h"

#include "base/png.h"
#include "cli/keys.h"
#include "report/html.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { GAP_PX = 16, GROUND = 128, SIDE_MAX_PX = 512, FACTOR_MAX = 8, CELL_WIDTH_PX = 9, CELL_HEIGHT_PX = 18 };
enum { ROWS_OF_TEXT = 5, ANSWER_MS = 333, KITTY_PIECE = 4096 };

/* ---- which ------------------------------------------------------------------------------------------------------- */

int32_t pictures_kind_from(const char *name)
{
    static const char *const names[] = { "auto", "paths", "kitty", "iterm2", "sixel" };
    for (int32_t i = 0; i <= PICTURES_SIXEL; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static bool is_iterm2(void)
{
    const char *program = getenv("TERM_PROGRAM"), *terminal = getenv("LC_TERMINAL");
    return (program && strcmp(program, "iTerm.app") == 0) || (terminal && strcmp(terminal, "iTerm2") == 0);
}

/* Attribute 4 of the primary device attributes: ESC [ ? 62 ; 4 ; 22 c. */
static bool has_sixel(const char *reply)
{
    const char *at = strstr(reply, "\x1b[?");
    for (at = at ? at + 3 : NULL; at && *at >= '0' && *at <= '9';) {
        char *end;
        if (strtol(at, &end, 10) == 4 && (*end == ';' || *end == 'c'))
            return true;
        at = *end == ';' ? end + 1 : end;
    }
    return false;
}

/* Every terminal answers the second question; those that do not know the first do not show it. */
enum pictures_kind pictures_detect(void)
{
    char reply[512];
    const char *term = getenv("TERM");
    if (is_iterm2())
        return PICTURES_ITERM2;
    if (!term || strcmp(term, "dumb") == 0 || strcmp(term, "linux") == 0)
        return PICTURES_NONE;
    keys_query("\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c", '?', 'c', ANSWER_MS, reply, sizeof reply);
    if (strstr(reply, "\x1b_Gi=31;OK"))
        return PICTURES_KITTY;
    return has_sixel(reply) ? PICTURES_SIXEL : PICTURES_NONE;
}

/* ---- how large --------------------------------------------------------------------------------------------------- */

struct pictures_size pictures_window(void)
{
    struct winsize w = { 0 };
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0 || w.ws_row == 0)
        w = (struct winsize){ .ws_row = 24, .ws_col = 80 };
    return (struct pictures_size){
        .columns = w.ws_col,
        .rows = w.ws_row,
        .width_px = w.ws_xpixel ? w.ws_xpixel : (uint32_t)w.ws_col * CELL_WIDTH_PX,
        .height_px = w.ws_ypixel ? w.ws_ypixel : (uint32_t)w.ws_row * CELL_HEIGHT_PX,
    };
}

static uint32_t at_least_1(uint32_t n)
{
    return n > 0 ? n : 1;
}

/* The size at which an image fits into a box. */
static void fit(const wn_image *image, uint32_t box_width, uint32_t box_height, uint32_t *width, uint32_t *height)
{
    const uint32_t w = image->width_px, h = image->height_px;
    uint32_t factor = FACTOR_MAX;
    while (factor > 1 &&
           (w * factor > box_width || h * factor > box_height || w * factor > SIDE_MAX_PX || h * factor > SIDE_MAX_PX))
        factor--;
    *width = w * factor;
    *height = h * factor;
    if (*width > box_width) {
        *height = at_least_1((uint32_t)((uint64_t)*height * box_width / *width));
        *width = box_width;
    }
    if (*height > box_height) {
        *width = at_least_1((uint32_t)((uint64_t)*width * box_height / *height));
        *height = box_height;
    }
}

/* The mean of the image's pixels that pixel x of `size` stands for, along one side. */
static void span(uint32_t x, uint32_t size, uint32_t pixels, uint32_t *from, uint32_t *to)
{
    *from = (uint32_t)((uint64_t)x * pixels / size);
    *to = (uint32_t)((uint64_t)(x + 1) * pixels / size);
    if (*to <= *from)
        *to = *from + 1;
}

static void mean_of(const wn_image *image, const uint32_t x[2], const uint32_t y[2], uint8_t *rgb)
{
    uint64_t sum[3] = { 0 };
    const uint64_t n = (uint64_t)(x[1] - x[0]) * (y[1] - y[0]);
    for (uint32_t v = y[0]; v < y[1]; v++)
        for (uint32_t u = x[0]; u < x[1]; u++)
            for (int c = 0; c < 3; c++)
                sum[c] += image->rgb[((uint64_t)v * image->width_px + u) * 3 + (uint64_t)c];
    for (int c = 0; c < 3; c++)
        rgb[c] = (uint8_t)((sum[c] + n / 2) / n);
}

static void put(const wn_image *image, uint32_t width, uint32_t height, uint32_t left, uint32_t stride_px, uint8_t *rgb)
{
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            uint32_t across[2], down[2];
            span(x, width, image->width_px, &across[0], &across[1]);
            span(y, height, image->height_px, &down[0], &down[1]);
            mean_of(image, across, down, rgb + ((uint64_t)y * stride_px + left + x) * 3);
        }
}

wn_status pictures_beside(const wn_image *left, const wn_image *right, struct pictures_size size, wn_image *image,
                          wn_error *err)
{
    const uint32_t box_width = size.width_px > 2 + GAP_PX ? (size.width_px - GAP_PX) / 2 : 1;
    const uint32_t text = (uint32_t)((uint64_t)size.height_px * ROWS_OF_TEXT / at_least_1(size.rows));
    const uint32_t box_height = size.height_px > text ? size.height_px - text : 1;
    uint32_t w[2], h[2];
    fit(left, box_width, box_height, &w[0], &h[0]);
    fit(right, box_width, box_height, &w[1], &h[1]);
    const uint32_t width = w[0] + GAP_PX + w[1], height = h[0] > h[1] ? h[0] : h[1];
    uint8_t *rgb = malloc((uint64_t)width * height * 3);
    if (!rgb)
        return wn_fail(err, WN_E_MEMORY, "no memory for a picture of %u x %u px", width, height);
    memset(rgb, GROUND, (uint64_t)width * height * 3);
    put(left, w[0], h[0], 0, width, rgb);
    put(right, w[1], h[1], w[0] + GAP_PX, width, rgb);
    *image = (wn_image){ width, height, rgb };
    return WN_OK;
}

/* ---- how --------------------------------------------------------------------------------------------------------- */

void sixel_encode(const wn_image *image, struct buffer *out); /* sixel.c */

static void put_kitty(const char *base64, uint64_t bytes, struct buffer *out)
{
    for (uint64_t at = 0; at < bytes; at += KITTY_PIECE) {
        const uint64_t n = bytes - at < KITTY_PIECE ? bytes - at : KITTY_PIECE;
        buffer_printf(out, "\x1b_G%sm=%d;", at == 0 ? "a=T,f=100,q=2," : "", at + n < bytes);
        buffer_append(out, base64 + at, n);
        buffer_text(out, "\x1b\\");
    }
}

static void put_iterm2(const wn_image *image, uint64_t file_bytes, const char *base64, uint64_t bytes,
                       struct buffer *out)
{
    buffer_printf(out, "\x1b]1337;File=inline=1;size=%llu;width=%upx;height=%upx:", (unsigned long long)file_bytes,
                  image->width_px, image->height_px);
    buffer_append(out, base64, bytes);
    buffer_byte(out, '\a');
}

wn_status pictures_encode(enum pictures_kind kind, const wn_image *image, struct buffer *out, wn_error *err)
{
    if (kind == PICTURES_SIXEL) {
        sixel_encode(image, out);
        return buffer_status(out, "the pictures", err);
    }
    struct buffer png = BUFFER_INIT(64 << 20), base64 = BUFFER_INIT(96 << 20);
    wn_status status = png_encode(image, NULL, 0, &png, err);
    html_base64(&base64, png.data, png.size);
    if (status == WN_OK && kind == PICTURES_KITTY)
        put_kitty(buffer_string(&base64), base64.size, out);
    else if (status == WN_OK)
        put_iterm2(image, png.size, buffer_string(&base64), base64.size, out);
    if (status == WN_OK)
        status = buffer_status(&base64, "the pictures", err);
    if (status == WN_OK)
        status = buffer_status(out, "the pictures", err);
    buffer_free(&png);
    buffer_free(&base64);
    return status;
}
