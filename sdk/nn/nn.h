/* nn.h - what every header of the neural toolkit (libwinnow-nn) shares. */
#ifndef WINNOW_NN_H
#define WINNOW_NN_H

#include <winnow/plugin.h>

#define NN_API WN_EXPORT

#endif
