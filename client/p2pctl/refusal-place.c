/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "refusal-place.h"

#include <inttypes.h>
#include <string.h>

#include "fields.h"

static void add_selector_invalid(struct json_object *p, struct text *t)
{
        static const struct {
                const char *why, *sentence;
        } sentences[] = {
                {"empty", "it is empty, or nothing stands between two commas"},
                {"unknown-word", "it is no kind (gpu, nic, nvme, storage, accelerator, memory), and"
                                 " no name or address either"},
                {"unknown-key", "the keys are class, vendor, driver and name"},
                {"bad-value", "the value cannot be read"},
                {"too-long", "it is too long"},
        };
        const char *why = field_string_or(p, "why", "?"), *part = field_string_or(p, "part", "");
        const char *sentence = why;

        for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
                if (strcmp(sentences[i].why, why) == 0)
                        sentence = sentences[i].sentence;
        text_addf(t, "the selector '%s' cannot be read", field_string_or(p, "selector", "?"));
        if (*part)
                text_addf(t, ", at '%s'", part);
        text_addf(t, ": %s", sentence);
}

/* Whom the limit speaks of: "companions 'nic'", or one "companion". */
static void add_part(struct json_object *p, struct text *t, bool is_one)
{
        const char *of = field_string(p, "of"), *part = field_string_or(p, "part", "items");

        text_addf(t, "%.*s", (int)(strlen(part) - (is_one && *part)), part);
        if (of)
                text_addf(t, " '%s'", of);
}

/* Too few functions: wanted, and found once this limit counts. */
static void add_too_few(struct json_object *p, struct text *t, const char *limit)
{
        const int64_t wanted = field_int_or(p, "wanted", 0), found = field_int_or(p, "found", 0);

        text_addf(t, "%" PRId64 " ", wanted);
        add_part(p, t, wanted == 1);
        text_addf(t, " %s wanted, and ", wanted == 1 ? "is" : "are");
        if (strcmp(limit, "avoided") == 0)
                text_add(t, "without those to be avoided there ");
        else if (strcmp(limit, "taken") == 0)
                text_add(t, "without those that leases hold there ");
        else if (strcmp(limit, "numa-node") == 0)
                text_add(t, "on that NUMA node there ");
        else
                text_add(t, "there ");
        if (found >= wanted)
                text_addf(t, "are %" PRId64 ", but other parts of the request need the same ones",
                          found);
        else if (found == 0)
                text_add(t, "is none");
        else
                text_addf(t, "%s only %" PRId64, found == 1 ? "is" : "are", found);
        if (strcmp(limit, "taken") == 0)
                text_add(t, "\n`p2pctl leases` shows who holds what.");
}

/* The first limit with which nothing is left. */
static void add_no_placement(struct json_object *p, struct text *t)
{
        const char *limit = field_string_or(p, "limit", "?");
        int64_t wanted;

        text_add(t, "no placement: ");
        if (field_int(p, "wanted", &wanted)) {
                add_too_few(p, t, limit);
                return;
        }
        text_add(t, field_string_or(p, "text", "nothing meets the request"));
        if (strcmp(limit, "work") == 0)
                return;
        text_add(t, ", as soon as the ");
        add_part(p, t, false);
        text_add(t, " are asked for");
        if (strcmp(limit, "map-none") == 0 || strcmp(limit, "map-unknown") == 0)
                text_add(t, "\n`--allow-none` takes the best of such choices.");
}

void add_parameter_hint(const char *parameter, struct text *t)
{
        if (strcmp(parameter, "name") == 0)
                text_add(t, "\nA lease's name is 1 to 63 letters, digits or \"._:@/+-\", a letter"
                            " first.");
        else if (strcmp(parameter, "owner") == 0)
                text_add(t, "\nIt has at most 127 bytes.");
}

/* "lease 17 (job7, owner 'slurm', user 1000)" */
static void add_other(struct json_object *p, struct text *t)
{
        const char *name = field_string(p, "name"), *owner = field_string(p, "owner");

        text_addf(t, "lease %" PRId64 " (", field_int_or(p, "number", 0));
        if (name)
                text_addf(t, "%s, ", name);
        if (owner)
                text_addf(t, "owner '%s', ", owner);
        text_addf(t, "user %" PRId64 ")", field_int_or(p, "uid", -1));
}

static void add_held(struct json_object *p, struct text *t)
{
        const char *function = field_string_or(p, "function", "?");
        const char *held = field_string_or(p, "held", function);

        text_addf(t, "%s is held by ", function);
        add_other(p, t);
        if (strcmp(held, function) != 0)
                text_addf(t, ", as %s, which is the same hardware", held);
}

static bool describe_lease_refusal(const char *name, struct json_object *p, struct text *t)
{
        if (strcmp(name, "io.p2pd.LeaseHeld") == 0)
                add_held(p, t);
        else if (strcmp(name, "io.p2pd.LeaseNameTaken") == 0)
                text_addf(t,
                          "the name '%s' is taken: lease %" PRId64 " of user %" PRId64
                          " has it\n`p2pctl leases` shows what it holds.",
                          field_string_or(p, "name", "?"), field_int_or(p, "number", 0),
                          field_int_or(p, "uid", -1));
        else if (strcmp(name, "io.p2pd.LeaseNotFound") == 0)
                text_addf(t,
                          "there is no lease '%s', or not any more\n"
                          "`p2pctl leases` shows those there are.",
                          field_string_or(p, "lease", "?"));
        else if (strcmp(name, "io.p2pd.LeaseNotOwner") == 0)
                text_addf(t, "lease '%s' belongs to another user: only that one and root may",
                          field_string_or(p, "lease", "?"));
        else if (strcmp(name, "io.p2pd.LeaseLimit") == 0)
                text_addf(t, "there may be no more than %" PRId64 ": release some",
                          field_int_or(p, "limit", 0));
        else if (strcmp(name, "io.p2pd.LeaseUnrecognisable") == 0)
                text_addf(t,
                          "%s could not be recognised after it was unplugged or p2pd restarted: its"
                          " place in the tree, or what it is, is unknown; it cannot be held",
                          field_string_or(p, "function", "?"));
        else if (strcmp(name, "io.p2pd.LeaseNotSaved") == 0)
                text_addf(t,
                          "nothing was done: it cannot be written to the state file (%s), and what"
                          " is promised must outlast a restart",
                          field_string_or(p, "reason", "no reason given"));
        else
                return false;
        return true;
}

bool describe_place_refusal(const char *name, struct json_object *parameters, struct text *t)
{
        const char *part = field_string(parameters, "part");

        if (strcmp(name, "io.p2pd.SelectorInvalid") == 0) {
                add_selector_invalid(parameters, t);
        } else if (strcmp(name, "io.p2pd.NoPlacement") == 0) {
                add_no_placement(parameters, t);
        } else if (strcmp(name, "io.p2pd.PlacementTooLarge") == 0) {
                text_add(t, "what can be chosen differs in too many ways to be weighed: narrow the"
                            " selectors, by vendor= or name=");
        } else if (strcmp(name, "io.p2pd.EditInvalid") == 0) {
                text_addf(t, "the edit '%s' cannot be applied",
                          field_string_or(parameters, "edit", "?"));
                if (part && *part)
                        text_addf(t, ", at '%s'", part);
                text_addf(t, ": %s", field_string_or(parameters, "text", "?"));
        } else {
                return describe_lease_refusal(name, parameters, t);
        }
        return true;
}
