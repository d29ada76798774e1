/* places.h - where the files of the winnow that runs are: the extension "winnow.places/1" of the host.
 *
 *     const wn_places *places = host->extension(host->ctx, WN_PLACES_1);   // NULL: this host does not say
 */
#ifndef WINNOW_PLACES_H
#define WINNOW_PLACES_H

#include <winnow/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WN_PLACES_1 "winnow.places/1"

/* The strings live as long as the host's table; "" where there is no such place. */
typedef struct wn_places {
    uint64_t struct_size;
    const char *command; /* the winnow command's file */
    const char *python;  /* directory of the module winnow_worker */
} wn_places;

#ifdef __cplusplus
}
#endif

#endif
