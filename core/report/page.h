/* page.h - report.html: one self-contained file, no scripts, nothing from the network. */
#ifndef WINNOW_REPORT_PAGE_H
#define WINNOW_REPORT_PAGE_H

#include "base/buffer.h"
#include "report/checks.h"
#include "report/numbers.h"

/* A picture that cannot be read is said to be missing where it would stand; fails only for memory. */
wn_status page_write(const struct data *d, const struct numbers *n, const struct checks *k, struct buffer *out,
                     wn_error *err);

/* The parts that page.c puts together; the live page has some of them too. */
void page_tiles(const struct data *d, const struct numbers *n, struct buffer *out);
void page_curves(const struct data *d, const struct numbers *n, struct buffer *out);
void page_warnings(const struct data *d, const struct numbers *n, const struct checks *k, struct buffer *out);
void page_checks(const struct data *d, const struct numbers *n, const struct checks *k, struct buffer *out);
void page_tree(const struct data *d, struct buffer *out); /* nothing where no candidate came of another */
void page_gallery(const struct data *d, struct buffer *out);
extern const char page_style[], page_style_figures[];

#endif
