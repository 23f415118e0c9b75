/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "describe.h"
#include "fields.h"
#include "speak.h"
#include "why-path.h"

/* One pair, told so that somebody who stands before the machine knows what to do. */

/* The element of the path that is this function, or NULL. */
static struct json_object *path_find(struct json_object *explanation, const char *address)
{
        struct json_object *path = field_array(explanation, "path");

        for (size_t i = 0; address && i < array_length(path); i++)
                if (strcmp(field_string_or(array_at(path, i), "function", ""), address) == 0)
                        return array_at(path, i);
        return NULL;
}

/* "0000:03:00.0 (nvme0)" */
static void add_function(const struct session *s, struct text *out, struct json_object *explanation,
                         const char *address)
{
        struct json_object *names = field_array(path_find(explanation, address), "names");

        text_add_safe(out, address, s->terminal.utf8);
        if (array_length(names) > 0) {
                text_add(out, " (");
                describe_names(&s->terminal, out, names, 2);
                text_add(out, ")");
        }
}

static const char *verdict_sentence(const char *map, const char *path)
{
        if (strcmp(path, "LOC") == 0)
                return "%s and %s are one: a device reaches its own memory without DMA, by BAR and"
                       " offset.";
        if (strcmp(map, "bus") == 0)
                return "%s reaches the memory of %s directly, by bus address, without passing the"
                       " host bridge.";
        if (strcmp(map, "host_bridge") == 0)
                return "%s reaches the memory of %s through the host bridge.";
        if (strcmp(map, "none") == 0)
                return "%s cannot do DMA to the memory of %s: bounce through system memory.";
        return "Whether %s can do DMA to the memory of %s cannot be told: treat it as no.";
}

static void print_verdict(const struct session *s, struct json_object *e)
{
        struct json_object *verdict = field_object(e, "verdict");
        const char *map = field_string_or(verdict, "map", "unknown");
        struct text provider = {0}, client = {0}, t = {0};
        int64_t hops;

        add_function(s, &provider, e, field_string_or(e, "provider", "?"));
        add_function(s, &client, e, field_string_or(e, "client", "?"));
        printf("provider  %s\nclient    %s\nverdict   ", text_get(&provider), text_get(&client));
        text_addf(&t, "%s%s%s%s", terminal_style(&s->terminal, STYLE_STRONG),
                  terminal_style(&s->terminal, style_of_map(map)), map_word(map),
                  terminal_style(&s->terminal, STYLE_PLAIN));
        if (field_int(verdict, "distance_hops", &hops))
                text_addf(&t, ", %" PRId64 " hops", hops);
        else
                text_add(&t, ", distance unknown");
        text_addf(&t, ", path %s, by ", field_string_or(verdict, "path", "unknown"));
        text_add_safe(&t, field_string_or(verdict, "reason", "?"), s->terminal.utf8);
        puts(text_get(&t));
        text_reset(&t);
        text_add_safe(&t, field_string_or(e, "rules_release", "?"), s->terminal.utf8);
        printf("rules     of the %s kernel%s%s\n\n", field_string_or(e, "rules", "?"),
               t.length ? ", " : "", text_get(&t));
        text_reset(&t);
        text_addf(&t, verdict_sentence(map, field_string_or(verdict, "path", "")),
                  text_get(&client), text_get(&provider));
        print_sentence(s, 0, 0, text_get(&t));
        text_clear(&provider);
        text_clear(&client);
        text_clear(&t);
}

static enum style style_of_effect(const char *effect)
{
        if (strcmp(effect, "allows") == 0)
                return STYLE_GOOD;
        if (strcmp(effect, "redirects") == 0)
                return STYLE_CAUTION;
        if (strcmp(effect, "refuses") == 0)
                return STYLE_BAD;
        return strcmp(effect, "unknown") == 0 ? STYLE_UNKNOWN : STYLE_FAINT;
}

static void print_reasons(const struct session *s, struct json_object *e)
{
        struct json_object *reasons = field_array(e, "reasons");

        if (array_length(reasons) == 0)
                return;
        print_heading(s, "Reasons, in the order they are asked");
        for (size_t i = 0; i < array_length(reasons); i++) {
                struct json_object *reason = array_at(reasons, i);
                const char *effect = field_string_or(reason, "effect", "?");

                printf("  %zu. %s%-9s%s  ", i + 1,
                       terminal_style(&s->terminal, style_of_effect(effect)), effect,
                       terminal_style(&s->terminal, STYLE_PLAIN));
                print_sentence(s, 16, 16, field_string_or(reason, "text", "?"));
        }
}

static const char *direction(struct json_object *constraint)
{
        bool reads = field_is_true(constraint, "reads"),
             writes = field_is_true(constraint, "writes");

        return reads == writes ? "both" : reads ? "reads" : "writes";
}

static void print_constraints(const struct session *s, struct json_object *e)
{
        struct json_object *constraints = field_array(e, "constraints");

        if (array_length(constraints) == 0)
                return;
        print_heading(s, "Also, for reads and writes by the client");
        for (size_t i = 0; i < array_length(constraints); i++) {
                struct json_object *c = array_at(constraints, i);
                bool blocks = field_is_true(c, "blocks");
                bool uncertain = field_is_true(c, "uncertain");
                enum style style = uncertain ? STYLE_UNKNOWN : blocks ? STYLE_BAD : STYLE_CAUTION;

                printf("  %-6s  %s%-8s%s  ", direction(c), terminal_style(&s->terminal, style),
                       uncertain ? "unknown"
                       : blocks  ? "blocked"
                                 : "note",
                       terminal_style(&s->terminal, STYLE_PLAIN));
                print_sentence(s, 20, 20, field_string_or(c, "text", "?"));
        }
}

/* What a real transfer showed: with the loud word where it contradicts. */
static void print_verification(const struct session *s, struct json_object *e)
{
        struct json_object *v = field_object(e, "verification");
        const char *now = field_string_or(field_object(e, "verdict"), "map", "unknown");
        const char *then = field_string_or(v, "map_then", "unknown");
        const bool alarming = field_is_true(v, "alarming");
        const int agrees = field_truth(v, "agrees");
        struct text t = {0};

        if (!v)
                return;
        print_heading(s, "Verified by a transfer");
        text_add_time(&t, field_int_or(v, "when_usec", 0));
        printf("  %s, in generation %" PRId64 ", reported by uid %" PRId64 "\n  %s%-9s%s  ",
               text_get(&t), field_int_or(v, "generation", 0), field_int_or(v, "uid", -1),
               terminal_style(&s->terminal, alarming      ? STYLE_BAD
                                            : agrees == 1 ? STYLE_GOOD
                                                          : STYLE_UNKNOWN),
               alarming      ? "WARNING"
               : agrees == 1 ? "agrees"
                             : "open",
               terminal_style(&s->terminal, STYLE_PLAIN));
        print_sentence(s, 13, 13, field_string_or(v, "text", "?"));
        if (strcmp(now, then) != 0) {
                text_reset(&t);
                text_addf(&t, "the verdict was %s then and is %s in this answer: verify again",
                          map_word(then), map_word(now));
                fputs("             ", stdout);
                print_sentence(s, 13, 13, text_get(&t));
        }
        text_clear(&t);
}

static void print_speed(const struct session *s, struct json_object *e)
{
        const char *function = field_string(e, "bottleneck_function");
        struct json_object *bounce = field_object(e, "bounce");
        struct text t = {0};
        int64_t v;

        if (field_int(e, "bottleneck_mbps", &v)) {
                text_addf(&t, "Bottleneck: %.1f GB/s each way, the link of ", (double)v / 1000.0);
                add_function(s, &t, e, function ? function : "?");
                printf("\n%s\n", text_get(&t));
        }
        if (!bounce) {
                text_clear(&t);
                return;
        }
        text_reset(&t);
        text_add(&t, "Bounce through memory of ");
        if (field_int(bounce, "numa_node", &v))
                text_addf(&t, "NUMA node %" PRId64, v);
        else
                text_add(&t, "any NUMA node (which is nearest is unknown)");
        if (field_string(bounce, "cpus"))
                text_addf(&t, ", near CPUs %s", field_string(bounce, "cpus"));
        text_add(&t, ".");
        putchar('\n');
        print_sentence(s, 0, 0, text_get(&t));
        text_clear(&t);
}

static void print_remedies(const struct session *s, struct json_object *e)
{
        struct json_object *remedies = field_array(e, "remedies");

        if (array_length(remedies) == 0)
                return;
        print_heading(s, "What would change it");
        for (size_t i = 0; i < array_length(remedies); i++) {
                struct json_object *r = array_at(remedies, i);
                const char *after = field_string_or(r, "map_after", "unknown");
                const char *gives_up = field_string(r, "gives_up"), *command;
                struct text safe = {0};

                /* Commands stay in one line: they are there to be copied. */
                command = field_string_or(r, "command", "?");
                if (strncmp(command, "pci=", 4) == 0)
                        text_add(&safe, "kernel parameter ");
                text_add_safe(&safe, command, s->terminal.utf8);
                printf("  %zu. %s%s%s\n", i + 1, terminal_style(&s->terminal, STYLE_STRONG),
                       text_get(&safe), terminal_style(&s->terminal, STYLE_PLAIN));
                printf("     makes it:  %s%s%s\n",
                       terminal_style(&s->terminal, style_of_map(after)),
                       strcmp(after, "unknown") == 0 ? "cannot be told before" : map_word(after),
                       terminal_style(&s->terminal, STYLE_PLAIN));
                if (gives_up) {
                        printf("     gives up:  ");
                        print_sentence(s, 16, 16, gives_up);
                }
                text_clear(&safe);
        }
}

static int show(struct session *s, struct json_object *answer)
{
        struct json_object *e = field_object(answer, "explanation");

        print_verdict(s, e);
        if (array_length(field_array(e, "path")) > 0) {
                print_heading(s, "Path");
                why_print_path(s, e);
        }
        print_reasons(s, e);
        print_constraints(s, e);
        print_verification(s, e);
        print_speed(s, e);
        print_remedies(s, e);
        return EXIT_OK;
}

int command_why(struct session *s, int n, char **arguments)
{
        struct json_object *parameters = session_parameters(s);

        (void)n;
        json_object_object_add(parameters, "provider", json_object_new_string(arguments[0]));
        json_object_object_add(parameters, "client", json_object_new_string(arguments[1]));
        return session_show(s, "io.p2pd.Explain", parameters, show);
}
