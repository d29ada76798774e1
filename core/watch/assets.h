/* assets.h - the files of the page that stand beside this one, as they are, each ending with a NUL. Made by the build.
 */
#ifndef WINNOW_WATCH_ASSETS_H
#define WINNOW_WATCH_ASSETS_H

extern const char watch_js[];
extern const char watch_css[];

#endif
