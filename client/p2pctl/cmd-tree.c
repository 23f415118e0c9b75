/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "describe.h"
#include "fields.h"

/* The topology, a tree per host bridge: each function on a line, below the bridge it hangs on. */

#define NOWHERE SIZE_MAX
#define DEPTH_MAX 64

struct node {
        struct json_object *function;
        const char *address;
        size_t parent;               /* index, or NOWHERE on a root bus */
        size_t first_child, sibling; /* index, or NOWHERE */
        bool hidden;                 /* a virtual function that its physical one stands for */
};

struct tree {
        struct session *session;
        struct node *nodes; /* by address, as the daemon sorts them */
        size_t n_nodes;
        bool without_segment;
};

static size_t find(const struct tree *tree, const char *address)
{
        for (size_t i = 0; address && i < tree->n_nodes; i++)
                if (strcmp(tree->nodes[i].address, address) == 0)
                        return i;
        return NOWHERE;
}

/* Functions come sorted, so that neighbours mostly share their parent. */
static void link_nodes(struct tree *tree)
{
        const char *last_address = NULL;
        size_t last = NOWHERE;

        for (size_t i = tree->n_nodes; i-- > 0;) {
                struct node *node = &tree->nodes[i];
                const char *parent = field_string(node->function, "parent");

                if (parent && last_address && strcmp(parent, last_address) == 0)
                        node->parent = last;
                else
                        node->parent = find(tree, parent);
                last = node->parent;
                last_address = parent;
                if (node->parent == i)
                        node->parent = NOWHERE;
                if (node->parent == NOWHERE)
                        continue;
                node->sibling = tree->nodes[node->parent].first_child;
                tree->nodes[node->parent].first_child = i;
        }
}

static void fill(struct tree *tree, struct json_object *functions, bool all)
{
        tree->n_nodes = array_length(functions);
        tree->nodes = must_have(calloc(tree->n_nodes + 1, sizeof(*tree->nodes)));
        for (size_t i = 0; i < tree->n_nodes; i++) {
                struct json_object *f = array_at(functions, i);

                tree->nodes[i] = (struct node){
                        .function = f,
                        .address = field_string_or(f, "address", "?"),
                        .parent = NOWHERE,
                        .first_child = NOWHERE,
                        .sibling = NOWHERE,
                        .hidden = !all && field_string(f, "physical_function"),
                };
        }
        link_nodes(tree);
}

static void add_styled(const struct terminal *t, struct text *out, enum style style,
                       const char *text)
{
        text_addf(out, "%s%s%s", terminal_style(t, style), text, terminal_style(t, STYLE_PLAIN));
}

static void add_acs(const struct terminal *t, struct text *out, struct json_object *function)
{
        struct json_object *acs = field_object(function, "acs");
        struct text part = {0};
        enum style style;

        if (!acs && !is_unknown(function, "acs"))
                return;
        text_add(&part, acs ? "ACS " : "ACS unreadable");
        if (acs)
                describe_acs(&part, function, &style);
        else
                style = STYLE_UNKNOWN;
        if (field_is_true(acs, "redirects"))
                text_add(&part, ": redirects");
        text_add(out, "  ");
        add_styled(t, out, style, text_get(&part));
        text_clear(&part);
}

/* How much a line says: all, or less where there is no room. */
enum detail { DETAIL_FULL, DETAIL_BRIEF, DETAIL_NO_LINK, DETAIL_LEAST };

static void add_link(const struct terminal *t, struct text *out, struct json_object *link,
                     enum detail detail)
{
        struct text part = {0};

        if (!link || detail >= DETAIL_NO_LINK)
                return;
        if (detail == DETAIL_FULL)
                describe_link(&part, link);
        else
                describe_link_briefly(&part, link);
        text_add(out, "  ");
        add_styled(t, out, link_is_below_best(link) ? STYLE_CAUTION : STYLE_PLAIN, text_get(&part));
        text_clear(&part);
}

static void add_function(const struct tree *tree, const struct terminal *t, struct text *out,
                         const struct node *node, enum detail detail)
{
        struct json_object *f = node->function;
        const char *kind = field_string_or(f, "kind", "?");
        const char *port = field_string(f, "port_type"), *driver = field_string(f, "driver");
        int64_t vfs = field_int_or(f, "virtual_functions", 0);
        struct text part = {0};

        text_add_safe(&part, short_address(node->address, tree->without_segment), t->utf8);
        add_styled(t, out, STYLE_STRONG, text_get(&part));
        text_add(out, " ");
        text_add_safe(out, strcmp(kind, "bridge") == 0 && port ? port : kind, t->utf8);
        text_reset(&part);
        describe_names(t, &part, field_array(f, "names"), 3);
        if (part.length > 0)
                text_addf(out, " %s", text_get(&part));
        if (field_string(f, "physical_function"))
                text_add(out, " VF");
        add_acs(t, out, f);
        add_link(t, out, field_object(f, "link"), detail);
        if (driver && strcmp(driver, "pcieport") != 0 && detail < DETAIL_LEAST) {
                text_add(out, "  [");
                text_add_safe(out, driver, t->utf8);
                text_add(out, "]");
        }
        if (vfs > 0 && !tree->session->all)
                text_addf(out, "  + %" PRId64 " VFs", vfs);
        text_clear(&part);
}

/* The line with as much as fits beside the prefix. Colours take no room: measured without. */
static void add_fitting(const struct tree *tree, struct text *out, const struct node *node,
                        size_t prefix_width)
{
        struct terminal plain = tree->session->terminal;
        enum detail detail = DETAIL_FULL;
        bool fits = false;

        plain.color = false;
        while (!fits && plain.columns > 0 && detail < DETAIL_LEAST) {
                struct text line = {0};

                add_function(tree, &plain, &line, node, detail);
                fits = prefix_width + text_width(text_get(&line), plain.utf8) <= plain.columns;
                text_clear(&line);
                if (!fits)
                        detail++;
        }
        add_function(tree, &tree->session->terminal, out, node, detail);
}

static size_t next_shown(const struct tree *tree, size_t i)
{
        while (i != NOWHERE && tree->nodes[i].hidden)
                i = tree->nodes[i].sibling;
        return i;
}

/* prefix: the lines that pass by on the left. The daemon's parents have no loops; the depth is
 * bounded all the same. */
static void print_children(struct tree *tree, struct text *prefix, size_t first, int depth)
{
        bool utf8 = tree->session->terminal.utf8;
        size_t length = prefix->length;

        for (size_t i = next_shown(tree, first), next; i != NOWHERE; i = next) {
                struct text line = {0};
                bool last;

                next = next_shown(tree, tree->nodes[i].sibling);
                last = next == NOWHERE;
                add_fitting(tree, &line, &tree->nodes[i], text_width(text_get(prefix), utf8) + 3);
                printf("%s%s%s\n", text_get(prefix),
                       utf8 ? (last ? "└─ " : "├─ ") : (last ? "`- " : "|- "), text_get(&line));
                text_clear(&line);
                if (depth == DEPTH_MAX)
                        continue;
                text_add(prefix, last ? "   " : utf8 ? "│  " : "|  ");
                print_children(tree, prefix, tree->nodes[i].first_child, depth + 1);
                prefix->length = length;
                prefix->data[length] = '\0';
        }
}

/* Functions without a parent, by host bridge: chains them as siblings and prints them. */
static void print_root(struct tree *tree, const char *root)
{
        struct terminal *t = &tree->session->terminal;
        struct text prefix = {0}, name = {0};
        size_t first = NOWHERE, *link = &first;

        for (size_t i = 0; i < tree->n_nodes; i++) {
                const char *mine = field_string_or(tree->nodes[i].function, "host_bridge", "");

                if (tree->nodes[i].parent != NOWHERE || strcmp(mine, root) != 0)
                        continue;
                *link = i;
                link = &tree->nodes[i].sibling;
        }
        *link = NOWHERE;
        text_add_safe(&name, *root ? root : "parent missing", t->utf8);
        printf("%s%s%s\n", terminal_style(t, STYLE_STRONG), text_get(&name),
               terminal_style(t, STYLE_PLAIN));
        text_add(&prefix, "");
        print_children(tree, &prefix, first, 0);
        text_clear(&prefix);
        text_clear(&name);
}

static bool printed_before(const struct tree *tree, size_t i, const char *root)
{
        while (i-- > 0)
                if (tree->nodes[i].parent == NOWHERE &&
                    strcmp(field_string_or(tree->nodes[i].function, "host_bridge", ""), root) == 0)
                        return true;
        return false;
}

static int show(struct session *s, struct json_object *answer)
{
        struct json_object *functions = field_array(answer, "functions");
        struct tree tree = {.session = s, .without_segment = all_in_segment_0(functions)};

        fill(&tree, functions, s->all);
        for (size_t i = 0; i < tree.n_nodes; i++) {
                const char *root = field_string_or(tree.nodes[i].function, "host_bridge", "");

                if (tree.nodes[i].parent == NOWHERE && !printed_before(&tree, i, root))
                        print_root(&tree, root);
        }
        free(tree.nodes);
        return EXIT_OK;
}

int command_tree(struct session *s, int n, char **arguments)
{
        (void)n;
        (void)arguments;
        return session_show(s, "io.p2pd.ListFunctions", NULL, show);
}
