/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "describe.h"
#include "fields.h"
#include "pci-ids.h"
#include "table.h"

enum { ADDRESS, KIND, NAMES, LINK, NUMA, GROUP, DRIVER, ACS, IDS, CLASS, DEVICE, N_COLUMNS };

static const struct table_column columns[N_COLUMNS] = {
        [ADDRESS] = {"ADDRESS"},
        [KIND] = {"KIND"},
        [NAMES] = {"NAMES", .omit_empty = true},
        [LINK] = {"LINK", .dispensable = 2},
        [NUMA] = {"NUMA", .right = true, .dispensable = 1},
        [GROUP] = {"GROUP", .right = true, .dispensable = 3, .omit_empty = true},
        [DRIVER] = {"DRIVER", .dispensable = 4, .omit_empty = true},
        [ACS] = {"ACS", .dispensable = 1},
        [IDS] = {"IDS", .dispensable = 7},
        [CLASS] = {"CLASS", .dispensable = 8},
        [DEVICE] = {"DEVICE", .dispensable = 6, .cut = true},
};

static void add_number(struct table *table, struct text *t, struct json_object *function,
                       const char *name, const char *fact)
{
        int64_t v;

        text_reset(t);
        if (field_int(function, name, &v))
                text_addf(t, "%" PRId64, v);
        else
                text_add(t, is_unknown(function, fact) ? "?" : "-");
        table_add(table, STYLE_PLAIN, text_get(t));
}

/* Numbers of the protocol without their 0x, "?" if unknown. */
static const char *bare(struct json_object *function, const char *name)
{
        const char *hex = field_string(function, name);

        return hex && strncmp(hex, "0x", 2) == 0 ? hex + 2 : "?";
}

static void add_kind(struct session *s, struct table *table, struct text *t,
                     struct json_object *function)
{
        const char *port = field_string(function, "port_type");
        const char *kind = field_string_or(function, "kind", "?");

        text_reset(t);
        text_add_safe(t, strcmp(kind, "bridge") == 0 && port ? port : kind, s->terminal.utf8);
        if (field_string(function, "physical_function"))
                text_add(t, " VF");
        table_add(table, STYLE_PLAIN, text_get(t));
}

static void add_link(struct table *table, struct text *t, struct json_object *function)
{
        struct json_object *link = field_object(function, "link");

        text_reset(t);
        if (!link && is_unknown(function, "link"))
                text_add(t, "?");
        else
                describe_link(t, link);
        table_add(table, link_is_below_best(link) ? STYLE_CAUTION : STYLE_PLAIN, text_get(t));
}

static void add_row(struct session *s, struct table *table, struct pci_access *ids,
                    struct json_object *function)
{
        struct text t = {0};
        enum style style;

        text_add_safe(&t, field_string_or(function, "address", "?"), s->terminal.utf8);
        table_add(table, STYLE_STRONG, text_get(&t));
        add_kind(s, table, &t, function);
        text_reset(&t);
        describe_names(&s->terminal, &t, field_array(function, "names"), 3);
        table_add(table, STYLE_PLAIN, text_get(&t));
        add_link(table, &t, function);
        add_number(table, &t, function, "numa_node", "numa");
        add_number(table, &t, function, "iommu_group", "iommu_group");
        text_reset(&t);
        text_add_safe(&t, field_string_or(function, "driver", "-"), s->terminal.utf8);
        table_add(table, STYLE_PLAIN, text_get(&t));
        text_reset(&t);
        describe_acs(&t, function, &style);
        table_add(table, style, text_get(&t));
        text_reset(&t);
        text_addf(&t, "%s:%s", bare(function, "vendor"), bare(function, "device"));
        table_add(table, STYLE_PLAIN, text_get(&t));
        table_add(table, STYLE_PLAIN, bare(function, "class_code"));
        text_reset(&t);
        describe_device(&s->terminal, &t, ids, function);
        table_add(table, STYLE_PLAIN, text_get(&t));
        text_clear(&t);
}

static int show(struct session *s, struct json_object *answer, bool all)
{
        struct json_object *functions = field_array(answer, "functions");
        struct table *table = table_new(columns, N_COLUMNS, &s->terminal);
        struct pci_access *ids = pci_ids_new();
        size_t n = array_length(functions), shown = 0;

        for (size_t i = 0; i < n; i++) {
                struct json_object *f = array_at(functions, i);

                if (!all && !field_is_true(f, "candidate"))
                        continue;
                add_row(s, table, ids, f);
                shown++;
        }
        if (shown > 0)
                table_print(table, stdout);
        if (shown < n && s->terminal.is_terminal)
                printf("%s%zu of %zu functions: --all shows the others%s\n",
                       terminal_style(&s->terminal, STYLE_FAINT), shown, n,
                       terminal_style(&s->terminal, STYLE_PLAIN));
        table_free(table);
        pci_ids_free(ids);
        return EXIT_OK;
}

static int show_candidates(struct session *s, struct json_object *answer)
{
        return show(s, answer, s->all);
}

static int show_all(struct session *s, struct json_object *answer)
{
        return show(s, answer, true);
}

int command_list(struct session *s, int n, char **arguments)
{
        struct json_object *parameters = json_object_new_object();

        if (n > 0)
                json_object_object_add(parameters, "functions", json_strings(n, arguments));
        return session_show(s, "io.p2pd.ListFunctions", parameters,
                            n > 0 ? show_all : show_candidates);
}
