/* options.c - command lines by table, over getopt_long. */
#include "cli/options.h"

#include "base/suggest.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 64 };

const struct cli_option cli_common_options[] = {
    { "help", 'h', NULL, "show this help" },
    { "quiet", 'q', NULL, "no progress, only warnings and errors" },
    { "log-level", 0, "LEVEL", "debug, info, warn or error" },
    { "color", 0, "WHEN", "auto, always or never" },
    { "plugin-dir", 0, "DIR", "look for plugins there first; several with ':'" },
    { NULL, 0, NULL, NULL }
};

/* The rows of both tables in one list that getopt's index leads into. */
struct parser {
    const struct cli_option *rows[MAX_OPTIONS];
    struct option longs[MAX_OPTIONS + 1];
    char shorts[3 * MAX_OPTIONS];
    uint32_t count;
};

static void add_rows(struct parser *p, const struct cli_option *table)
{
    for (const struct cli_option *row = table; row && row->name && p->count < MAX_OPTIONS; row++) {
        p->rows[p->count] = row;
        p->longs[p->count++] = (struct option){ row->name, row->argument ? required_argument : no_argument, NULL, 0 };
        char letter[3] = { row->letter, row->argument ? ':' : '\0', '\0' };
        if (row->letter)
            strncat(p->shorts, letter, sizeof p->shorts - strlen(p->shorts) - 1);
    }
}

static int fail_unknown(struct cli *c, const struct parser *p, const char *given)
{
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(given + strspn(given, "-"), "="), given + strspn(given, "-"));
    struct suggest s = suggest_begin(word);
    for (uint32_t i = 0; i < p->count; i++)
        suggest_try(&s, p->rows[i]->name);
    return s.best ? cli_usage(c, "unknown option %s; did you mean --%s?", given, s.best)
                  : cli_usage(c, "unknown option %s", given);
}

static int index_of_letter(const struct parser *p, int letter)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (p->rows[i]->letter == letter)
            return (int)i;
    return -1;
}

int options_parse(struct cli *c, int argc, char **argv)
{
    struct parser p = { .shorts = ":" };
    int found, row = 0;
    add_rows(&p, c->command->options);
    add_rows(&p, cli_common_options);
    c->options = calloc((size_t)argc + 1, sizeof *c->options);
    if (!c->options)
        return EXIT_FAILED;
    optind = 1;
    opterr = 0;
    while ((found = getopt_long(argc, argv, p.shorts, p.longs, &row)) != -1) {
        if (found == '?')
            return fail_unknown(c, &p, optopt ? (char[]){ '-', (char)optopt, '\0' } : argv[optind - 1]);
        if (found == ':')
            return cli_usage(c, "option %s needs a value", argv[optind - 1]);
        if (found != 0)
            row = index_of_letter(&p, found);
        c->options[c->option_count++] = (struct cli_given){ p.rows[row]->name, optarg ? optarg : "" };
    }
    c->arguments = argv + optind;
    c->argument_count = (uint32_t)(argc - optind);
    return EXIT_FINE;
}

bool cli_flag(const struct cli *c, const char *name)
{
    return cli_value(c, name, NULL) != NULL;
}

const char *cli_value(const struct cli *c, const char *name, const char *fallback)
{
    for (uint32_t i = c->option_count; i-- > 0;)
        if (strcmp(c->options[i].name, name) == 0)
            return c->options[i].value;
    return fallback;
}

uint32_t cli_values(const struct cli *c, const char *name, const char **values, uint32_t capacity)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->option_count && count < capacity; i++)
        if (strcmp(c->options[i].name, name) == 0)
            values[count++] = c->options[i].value;
    return count;
}

bool cli_u64(struct cli *c, const char *name, uint64_t minimum, uint64_t maximum, uint64_t *value)
{
    const char *text = cli_value(c, name, NULL);
    if (!text)
        return true;
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno && number >= minimum && number <= maximum) {
        *value = number;
        return true;
    }
    cli_usage(c, "--%s %s: not a whole number from %llu to %llu", name, text, (unsigned long long)minimum,
              (unsigned long long)maximum);
    return false;
}
