/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "refusal-bars.h"

#include <inttypes.h>
#include <string.h>

#include "fields.h"

/* Named by its function and register, or by its id. */
static void describe_not_registered(struct json_object *parameters, struct text *t)
{
        int64_t id;

        if (field_int(parameters, "id", &id))
                text_addf(t, "no registered BAR has or had the id %" PRId64, id);
        else
                text_addf(t, "BAR %" PRId64 " of %s is not registered",
                          field_int_or(parameters, "bar_index", -1),
                          field_string_or(parameters, "function", "?"));
        text_add(t, "\n`p2pctl bars` shows those that are, below the table also those of devices"
                    " that are gone.");
}

bool describe_bar_refusal(const char *name, struct json_object *parameters, struct text *t)
{
        const char *function = field_string_or(parameters, "function", "?");
        const char *reason = field_string_or(parameters, "reason", "no reason given");
        int64_t bar = field_int_or(parameters, "bar_index", -1);

        if (strcmp(name, "io.p2pd.TableUnavailable") == 0)
                text_addf(t, "p2pd has no shared table now (%s); the other commands answer",
                          reason);
        else if (strcmp(name, "io.p2pd.BarNotFound") == 0)
                text_addf(t,
                          "%s has no assigned memory BAR %" PRId64 "\n"
                          "`p2pctl bars %s` shows those there are.",
                          function, bar, function);
        else if (strcmp(name, "io.p2pd.BarUnrecognisable") == 0)
                text_addf(t,
                          "BAR %" PRId64 " of %s could not be recognised after a restart: its"
                          " place in the tree, or what it is, is unknown",
                          bar, function);
        else if (strcmp(name, "io.p2pd.BarNotRegistered") == 0)
                describe_not_registered(parameters, t);
        else if (strcmp(name, "io.p2pd.IdsExhausted") == 0)
                text_addf(t,
                          "no BAR id is left: with %" PRId64 " bits all are used, or held back"
                          " until those who read the table have confirmed\n"
                          "p2pd takes a greater width with --id-bits, when it is started again.",
                          field_int_or(parameters, "id_bits", 0));
        else if (strcmp(name, "io.p2pd.TooManyRegistrations") == 0)
                text_addf(t,
                          "%" PRId64 " BARs are registered already, those of devices that are gone"
                          " included",
                          field_int_or(parameters, "limit", 0));
        else if (strcmp(name, "io.p2pd.StateNotSaved") == 0)
                text_addf(t,
                          "it was done, but is not in the state file (%s): until that can be"
                          " written no new id is shown, and a restart forgets it",
                          reason);
        else
                return false;
        return true;
}
