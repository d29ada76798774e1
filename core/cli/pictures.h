/* pictures.h - two pictures side by side in a terminal, by the protocol that it has.
 *
 *   kitty    ESC _ G ... ESC \      PNG in base64, in pieces (kitty, Ghostty, WezTerm, Konsole)
 *   iterm2   ESC ] 1337 ; File= ... BEL      PNG in base64 (iTerm2, WezTerm, mintty)
 *   sixel    ESC P ... q ... ESC \      216 colours (xterm -ti vt340, foot, mlterm, Windows Terminal)
 */
#ifndef WINNOW_CLI_PICTURES_H
#define WINNOW_CLI_PICTURES_H

#include "base/buffer.h"

enum pictures_kind { PICTURES_NONE = 1, PICTURES_KITTY, PICTURES_ITERM2, PICTURES_SIXEL };
#define PICTURES_CHOICES "auto|kitty|iterm2|sixel|paths"

/* 0 for auto; -1 for what is none of PICTURES_CHOICES. */
int32_t pictures_kind_from(const char *name);

/* Asks the terminal, between keys_open and keys_close; one that does not answer within a third of a second has none. */
enum pictures_kind pictures_detect(void);

/* The terminal's size; pixels are guessed where it does not say. */
struct pictures_size {
    uint32_t columns, rows, width_px, height_px;
};
struct pictures_size pictures_window(void);

/* Both, with a gap between, as large as `size` and their pixels allow: enlarged by whole factors, made smaller by
 * averages. free() image->rgb. */
wn_status pictures_beside(const wn_image *left, const wn_image *right, struct pictures_size size, wn_image *image,
                          wn_error *err);

/* Appends what the terminal is sent; a kind that is not PICTURES_NONE. */
wn_status pictures_encode(enum pictures_kind kind, const wn_image *image, struct buffer *out, wn_error *err);

#endif
