/* report.c - a run's directory in, its report out. */
#include "report/report.h"

#include "base/files.h"
#include "report/page.h"
#include "report/results.h"

enum { REPORT_MAX = 1 << 30 };

static wn_status write_files(const struct data *d, const struct numbers *n, const struct checks *k, struct buffer *b,
                             wn_error *err)
{
    results_lines(d, b);
    WN_TRY(file_write_buffer(d->directory, "results.jsonl", b, err));
    buffer_clear(b);
    results_summary(d, n, k, b);
    WN_TRY(file_write_buffer(d->directory, "summary.json", b, err));
    buffer_clear(b);
    results_times(d, n, b);
    WN_TRY(file_write_buffer(d->directory, "times.json", b, err));
    buffer_clear(b);
    WN_TRY(page_write(d, n, k, b, err));
    return file_write_buffer(d->directory, "report.html", b, err);
}

wn_status report_write(const char *run_dir, wn_error *err)
{
    struct buffer b = BUFFER_INIT(REPORT_MAX);
    struct data *d = NULL;
    struct numbers *n = NULL;
    struct checks *k = NULL;
    wn_status status = data_load(run_dir, &d, err);

    if (status == WN_OK)
        status = numbers_compute(d, &n, err);
    if (status == WN_OK)
        status = checks_compute(d, n, &k, err);
    if (status == WN_OK)
        status = write_files(d, n, k, &b, err);
    buffer_free(&b);
    checks_free(k);
    numbers_free(n);
    data_free(d);
    return status;
}
