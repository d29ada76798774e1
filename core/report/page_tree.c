/* page_tree.c - one prompt's search as a tree: who came of whom, with what each looked like when it was scored.
 *
 * Rows are generations, from noises at the top to those furthest from one. A child stands in the order of its parent,
 * so no two lines cross. A row shows MOST_IN_ROW at most: those that lead to somebody shown below, then those that the
 * guide likes best. It is filled from the bottom up, and one place is spared for the winner, so every way is whole.
 */
#include "base/files.h"
#include "report/family.h"
#include "report/html.h"
#include "report/page.h"
#include "report/rows.h"
#include "report/show.h"

#include <math.h>
#include <stdlib.h>

enum {
    MOST_IN_ROW = 12,
    FILLED = MOST_IN_ROW - 1,
    MOST_ROWS = 24,
    AFTER_WINNER = 3,
    THUMB = 64,
    PITCH = 78,
    THUMB_PX = 96,
    ROW = 116,
    LEFT = 96,
    RIGHT = 74,
    TOP = 22
};

struct node {
    uint64_t parent;  /* FAMILY_NONE = began with a noise */
    uint64_t left_at; /* FAMILY_NONE, or the point where it left the parent's path */
    uint64_t row;
    bool is_shown, is_on_way; /* to the winner */
    double x, y;              /* middle of the upper edge */
};

struct row {
    uint64_t members, shown;
    uint64_t places[MOST_IN_ROW]; /* of the shown */
};

struct tree {
    const struct data *d;
    const struct data_trial *t;
    struct node *nodes;                                       /* [candidate_count] */
    struct row *rows;                                         /* [row_count] */
    uint64_t row_count, hidden_from, hidden_rows, later_rows; /* a deep tree's middle is left out */
    uint64_t widest;                                          /* candidates shown in one row */
    uint64_t steps;                                           /* the point of finished candidates */
    struct buffer *out;
};

/* ---- who is where ---- */

/* A deep tree ends soon after its winner, and is still too deep without its middle. */
static void leave_rows_out(struct tree *tree, uint64_t winner)
{
    const uint64_t wanted = winner + 1 + AFTER_WINNER;

    if (tree->row_count > MOST_ROWS && wanted < tree->row_count) {
        tree->later_rows = tree->row_count - wanted;
        tree->row_count = wanted;
    }
    if (tree->row_count > MOST_ROWS) {
        tree->hidden_from = MOST_ROWS / 2;
        tree->hidden_rows = tree->row_count - MOST_ROWS + 1;
    }
}

static void find_rows(struct tree *tree, const uint64_t *parents, const uint64_t *left_at)
{
    for (uint64_t i = 0; i < tree->t->candidate_count; i++) {
        struct node *n = &tree->nodes[i];
        n->parent = parents[i];
        n->left_at = left_at[i];
        n->row = parents[i] == FAMILY_NONE ? 0 : tree->nodes[parents[i]].row + 1;
        tree->row_count = n->row + 1 > tree->row_count ? n->row + 1 : tree->row_count;
        if (tree->t->candidates[i].finished)
            tree->steps = tree->t->candidates[i].point;
    }
    for (uint64_t i = (uint64_t)(tree->t->winner - tree->t->candidates); i != FAMILY_NONE; i = tree->nodes[i].parent)
        tree->nodes[i].is_on_way = true;
    leave_rows_out(tree, tree->nodes[tree->t->winner - tree->t->candidates].row);
}

static bool is_row_hidden(const struct tree *tree, uint64_t row)
{
    return row >= tree->hidden_from && row < tree->hidden_from + tree->hidden_rows;
}

static void show(struct tree *tree, uint64_t place)
{
    struct row *row = &tree->rows[tree->nodes[place].row];

    if (tree->nodes[place].is_shown || row->shown == MOST_IN_ROW)
        return;
    tree->nodes[place].is_shown = true;
    row->places[row->shown++] = place;
}

/* The row's best by the guide that is not shown yet. */
static uint64_t best_hidden(const struct tree *tree, uint64_t row)
{
    uint64_t best = FAMILY_NONE;

    for (uint64_t i = 0; i < tree->t->candidate_count; i++) {
        if (tree->nodes[i].row != row || tree->nodes[i].is_shown)
            continue;
        if (best == FAMILY_NONE || data_prefers(tree->d, &tree->t->candidates[i], &tree->t->candidates[best]))
            best = i;
    }
    return best;
}

static void choose_shown(struct tree *tree)
{
    for (uint64_t i = 0; i < tree->t->candidate_count; i++) {
        if (tree->nodes[i].row >= tree->row_count)
            continue;
        tree->rows[tree->nodes[i].row].members++;
        if (tree->nodes[i].is_on_way)
            show(tree, i);
    }
    for (uint64_t r = tree->row_count; r-- > 0;) {
        struct row *row = &tree->rows[r];
        while (row->shown < FILLED && row->shown < row->members && !is_row_hidden(tree, r))
            show(tree, best_hidden(tree, r));
        for (uint64_t i = 0; r > 0 && i < row->shown; i++)
            show(tree, tree->nodes[row->places[i]].parent);
    }
}

/* Where a row stands among those drawn; the hidden ones share one place. */
static uint64_t drawn_row(const struct tree *tree, uint64_t row)
{
    return row < tree->hidden_from || tree->hidden_rows == 0 ? row
           : is_row_hidden(tree, row)                        ? tree->hidden_from
                                                             : row - tree->hidden_rows + 1;
}

/* By the parent's place from left to right, then by age. */
static bool stands_before(const struct tree *tree, uint64_t a, uint64_t b)
{
    const uint64_t pa = tree->nodes[a].parent, pb = tree->nodes[b].parent;

    if (pa != pb && pa != FAMILY_NONE && pb != FAMILY_NONE)
        return tree->nodes[pa].x < tree->nodes[pb].x;
    return a < b;
}

static void place_row(struct tree *tree, struct row *row, uint64_t at)
{
    for (uint64_t i = 1; i < row->shown; i++)
        for (uint64_t k = i; k > 0 && stands_before(tree, row->places[k], row->places[k - 1]); k--) {
            const uint64_t other = row->places[k];
            row->places[k] = row->places[k - 1];
            row->places[k - 1] = other;
        }
    for (uint64_t i = 0; i < row->shown; i++) {
        struct node *n = &tree->nodes[row->places[i]];
        n->x = LEFT + PITCH * ((double)tree->widest / 2 + (double)i - (double)(row->shown - 1) / 2);
        n->y = TOP + (double)at * ROW;
    }
}

static void place(struct tree *tree)
{
    for (uint64_t r = 0; r < tree->row_count; r++)
        tree->widest = tree->rows[r].shown > tree->widest ? tree->rows[r].shown : tree->widest;
    for (uint64_t r = 0; r < tree->row_count; r++)
        place_row(tree, &tree->rows[r], drawn_row(tree, r));
}

/* ---- drawing ---- */

static void write_line(const struct tree *tree, uint64_t place, bool is_on_way)
{
    const struct node *n = &tree->nodes[place], *p = n->parent == FAMILY_NONE ? NULL : &tree->nodes[n->parent];
    const double foot = p ? p->y + THUMB + 18 : 0, half = p ? (n->y - foot) / 2 : 0;

    if (!p || !p->is_shown || is_row_hidden(tree, n->row) || is_row_hidden(tree, p->row) || n->is_on_way != is_on_way)
        return;
    buffer_printf(tree->out, "<path class=\"edge%s%s\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\"/>",
                  is_on_way ? " way" : "", n->left_at == FAMILY_NONE ? "" : " left", p->x, foot, p->x, foot + half,
                  n->x, n->y - half, n->x, n->y - 2);
}

static void write_title(const struct tree *tree, const struct node *n, const struct data_candidate *c)
{
    char text[SHOW_SIZE];

    buffer_printf(tree->out, "<title>candidate %llu, point %llu of %llu", (unsigned long long)c->ordinal,
                  (unsigned long long)c->point, (unsigned long long)tree->steps);
    if (n->parent != FAMILY_NONE)
        buffer_printf(tree->out, ", from candidate %llu", (unsigned long long)tree->t->candidates[n->parent].ordinal);
    if (n->left_at != FAMILY_NONE)
        buffer_printf(tree->out, " at point %llu", (unsigned long long)n->left_at);
    for (uint64_t i = 0; i < tree->d->metric_count; i++) {
        if (isnan(c->values[i]))
            continue;
        show_value(&tree->d->metrics[i], c->values[i], text);
        buffer_text(tree->out, ", ");
        html_text(tree->out, tree->d->metrics[i].title);
        buffer_printf(tree->out, " %s", text);
    }
    buffer_text(tree->out, "</title>");
}

static void write_picture(const struct tree *tree, const struct data_candidate *c, double x, double y)
{
    struct buffer uri = BUFFER_INIT(1 << 20);
    char path[FILE_PATH_SIZE];
    wn_error err;

    if (c->image[0] && path_join_inside(path, tree->d->directory, c->image, &err) == WN_OK &&
        html_thumbnail(&uri, path, THUMB_PX, &err) == WN_OK)
        buffer_printf(tree->out, "<image x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" href=\"%s\"/>", x, y, THUMB,
                      THUMB, buffer_string(&uri));
    buffer_free(&uri);
}

static void write_node(const struct tree *tree, uint64_t place)
{
    const struct node *n = &tree->nodes[place];
    const struct data_candidate *c = &tree->t->candidates[place];
    const double x = n->x - THUMB / 2.0;
    char score[SHOW_SIZE];

    show_value(&tree->d->metrics[0], c->values[0], score);
    buffer_text(tree->out, "<g>");
    write_title(tree, n, c);
    buffer_printf(tree->out, "<rect class=\"back\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\"/>", x, n->y, THUMB,
                  THUMB);
    write_picture(tree, c, x, n->y);
    buffer_printf(tree->out, "<rect class=\"frame%s%s\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\"/>",
                  c->finished ? "" : " open", n->is_on_way ? " way" : "", x - 1, n->y - 1, THUMB + 2, THUMB + 2);
    buffer_printf(tree->out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>",
                  n->is_on_way ? "end guide" : "tick", n->x, n->y + THUMB + 15, score);
    if (c == tree->t->winner)
        buffer_printf(tree->out,
                      "<rect class=\"tag\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"16\"/><text class=\"tag\" "
                      "x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">winner</text>",
                      x, n->y + THUMB - 16, THUMB, n->x, n->y + THUMB - 4);
    buffer_text(tree->out, "</g>");
}

/* What a row's members have in common: where on the schedule they were scored. */
static void write_label(const struct tree *tree, const struct row *row, double y)
{
    const struct data_candidate *first = &tree->t->candidates[row->places[0]];
    bool is_one = true;

    for (uint64_t i = 1; i < row->shown; i++)
        is_one &= tree->t->candidates[row->places[i]].point == first->point;
    if (is_one && first->finished)
        buffer_printf(tree->out, "<text class=\"tick\" x=\"0\" y=\"%.1f\">finished</text>", y);
    else if (is_one)
        buffer_printf(tree->out, "<text class=\"tick\" x=\"0\" y=\"%.1f\">point %llu of %llu</text>", y,
                      (unsigned long long)first->point, (unsigned long long)tree->steps);
    else
        buffer_printf(tree->out, "<text class=\"tick\" x=\"0\" y=\"%.1f\">several</text>", y);
}

static void write_row(const struct tree *tree, const struct row *row)
{
    const double y = tree->nodes[row->places[0]].y;
    const double end = tree->nodes[row->places[row->shown - 1]].x + THUMB / 2.0;

    write_label(tree, row, y + THUMB / 2.0 + 4);
    for (uint64_t i = 0; i < row->shown; i++)
        write_node(tree, row->places[i]);
    if (row->members > row->shown)
        buffer_printf(tree->out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">+ %llu more</text>", end + 10,
                      y + THUMB / 2.0 + 4, (unsigned long long)(row->members - row->shown));
}

static void draw(const struct tree *tree)
{
    const uint64_t drawn = tree->row_count - (tree->hidden_rows ? tree->hidden_rows - 1 : 0);
    const uint64_t width = LEFT + tree->widest * PITCH + RIGHT;

    buffer_printf(
        tree->out,
        "<div class=\"wide\"><svg class=\"tree\" style=\"width:%llupx\" viewBox=\"0 0 %llu %llu\" role=\"img\">",
        (unsigned long long)width, (unsigned long long)width,
        (unsigned long long)(TOP + drawn * ROW + (tree->later_rows ? 14 : 0)));
    for (uint64_t r = 0; r < tree->row_count; r++)
        for (uint64_t i = 0; i < tree->rows[r].shown; i++)
            write_line(tree, tree->rows[r].places[i], false);
    for (uint64_t r = 0; r < tree->row_count; r++)
        for (uint64_t i = 0; i < tree->rows[r].shown; i++)
            write_line(tree, tree->rows[r].places[i], true);
    for (uint64_t r = 0; r < tree->row_count; r++)
        if (!is_row_hidden(tree, r))
            write_row(tree, &tree->rows[r]);
    if (tree->hidden_rows)
        buffer_printf(tree->out, "<text class=\"tick\" x=\"%d\" y=\"%llu\">%llu generations are not shown</text>", LEFT,
                      (unsigned long long)(TOP + tree->hidden_from * ROW + THUMB / 2),
                      (unsigned long long)tree->hidden_rows);
    if (tree->later_rows)
        buffer_printf(tree->out, "<text class=\"tick\" x=\"%d\" y=\"%llu\">%llu later generations are not shown</text>",
                      LEFT, (unsigned long long)(TOP + drawn * ROW + 4), (unsigned long long)tree->later_rows);
    buffer_text(tree->out, "</svg></div>");
}

static void write_section(const struct tree *tree)
{
    bool has_open = false, has_left = false;

    for (uint64_t i = 0; i < tree->t->candidate_count; i++) {
        has_open |= !tree->t->candidates[i].finished;
        has_left |= tree->nodes[i].left_at != FAMILY_NONE;
    }
    buffer_text(tree->out, "<section><h2>One search, seen from above</h2><p class=\"soft\">The prompt <b><bdi>");
    html_text(tree->out, tree->t->prompt);
    buffer_text(tree->out, "</bdi></b>: each candidate under the one that it came of, with its score by ");
    html_text(tree->out, tree->d->metrics[0].title);
    buffer_printf(tree->out, ".%s%s The bold line leads to the winner. Point at a picture for all scores.</p>",
                  has_open ? " Broken frames are unfinished samples, shown as the guide saw them." : "",
                  has_left ? " Dotted lines lead to candidates that left another's path before its end." : "");
    draw(tree);
    buffer_text(tree->out, "</section>");
}

/* ---- whose tree ---- */

/* The first with more than one candidate: the first prompts keep the pictures of previews. */
static const struct data_trial *choose(const struct data *d)
{
    for (uint64_t i = 0; i < d->trial_count; i++)
        if (rows_is_done(&d->trials[i]) && d->trials[i].winner && d->trials[i].candidate_count > 1)
            return &d->trials[i];
    return NULL;
}

static void write_tree(struct tree *tree, const uint64_t *parents, const uint64_t *left_at)
{
    find_rows(tree, parents, left_at);
    if (tree->row_count < 2)
        return;
    tree->rows = calloc(tree->row_count, sizeof *tree->rows);
    if (!tree->rows) {
        tree->out->failed = WN_E_MEMORY;
        return;
    }
    choose_shown(tree);
    place(tree);
    write_section(tree);
    free(tree->rows);
}

void page_tree(const struct data *d, struct buffer *out)
{
    struct tree tree = { .d = d, .t = d->pool_is_iid ? NULL : choose(d), .out = out };
    uint64_t *parents, *left_at;
    wn_error err;

    if (!tree.t)
        return;
    parents = calloc(tree.t->candidate_count + 1, sizeof *parents);
    left_at = calloc(tree.t->candidate_count + 1, sizeof *left_at);
    tree.nodes = calloc(tree.t->candidate_count + 1, sizeof *tree.nodes);
    if (!parents || !left_at || !tree.nodes || family_parents(tree.t, parents, &err) != WN_OK ||
        family_branches(tree.t, parents, left_at, &err) != WN_OK)
        out->failed = WN_E_MEMORY;
    else
        write_tree(&tree, parents, left_at);
    free(parents);
    free(left_at);
    free(tree.nodes);
}
