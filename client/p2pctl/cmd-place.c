/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "fields.h"
#include "number.h"
#include "run-held.h"
#include "show-place.h"
#include "text.h"

/* place: the best groups of functions for a job, and the lease on them. */

#define COUNT_MAX 1024

static int usage(const char *what)
{
        fprintf(stderr,
                "p2pctl: place: %s\n"
                "Say `p2pctl place 4 --of gpu --with nic:1 --with nvme:2`.\n",
                what);
        return EXIT_USAGE;
}

/* What does not go together, or is missing. */
static int check(const struct session *s, int n)
{
        const struct wishes *w = &s->wishes;
        const bool run = wishes_have(w, WISH_RUN), hold = wishes_have(w, WISH_HOLD);

        if (!wishes_have(w, WISH_OF))
                return usage("--of says what the items are, such as gpu");
        if (run && hold)
                return usage(
                        "--run holds for the time of the command, --hold under a name: which?");
        if (run && n < 2)
                return usage("--run takes a command behind the count: ... --run -- COMMAND");
        if (!run && n > 1)
                return usage("one count, and a command only with --run");
        if (run && s->json)
                return usage("with --run the output is the command's: --json has no place");
        if (hold && (s->root || s->lspci))
                return usage("the machine of --root and --lspci ends with the answer: nothing can"
                             " be held on it under a name");
        if (!run && !hold && (wishes_have(w, WISH_FOR) || wishes_have(w, WISH_OWNER)))
                return usage("--for and --owner belong to --hold or --run");
        if ((run || hold) && wishes_have(w, WISH_INCLUDE_HELD))
                return usage("what somebody holds cannot be held again: --include-held only looks");
        if ((run || hold) && wishes_have(w, WISH_ANSWERS))
                return usage("only the best answer is held: --answers has no place");
        return EXIT_OK;
}

static void add_flag(struct json_object *parameters, const struct wishes *w, enum wish wish,
                     const char *name)
{
        if (wishes_have(w, wish))
                json_object_object_add(parameters, name, json_object_new_boolean(1));
}

static void add_number(struct json_object *parameters, const struct wishes *w, enum wish wish,
                       const char *name, int64_t value)
{
        if (wishes_have(w, wish))
                json_object_object_add(parameters, name, json_object_new_int64(value));
}

static void add_array(struct json_object *parameters, const char *name, struct json_object *array)
{
        if (array)
                json_object_object_add(parameters, name, json_object_get(array));
}

static struct json_object *make_parameters(const struct session *s, uint64_t count)
{
        struct json_object *p = session_parameters(s);
        const struct wishes *w = &s->wishes;

        json_object_object_add(p, "count", json_object_new_int64((int64_t)count));
        json_object_object_add(p, "of", json_object_new_string(w->of));
        add_array(p, "companions", w->companions);
        add_array(p, "clients", w->clients);
        add_array(p, "avoid", w->avoid);
        if (wishes_have(w, WISH_WORST))
                json_object_object_add(p, "worst_path", json_object_new_string(w->worst_path));
        add_number(p, w, WISH_LEAST, "least_mbps", w->least_mbps);
        add_number(p, w, WISH_NUMA, "numa_node", w->numa_node);
        add_number(p, w, WISH_ANSWERS, "answers", w->answers);
        add_flag(p, w, WISH_BUS, "must_be_bus");
        add_flag(p, w, WISH_ALLOW_NONE, "allow_none");
        add_flag(p, w, WISH_INCLUDE_HELD, "include_held");
        if (wishes_have(w, WISH_HOLD) || wishes_have(w, WISH_RUN))
                wishes_add_hold(w, p, w->hold);
        return p;
}

/* Each answer is one object, in a line of its own, and complete by itself. */
static void print_json(const struct session *s, struct json_object *answer)
{
        struct json_object *answers = field_array(answer, "answers");

        for (size_t i = 0; i < array_length(answers); i++) {
                struct json_object *placement = array_at(answers, i);
                struct json_object *lease = field_object(answer, "lease");

                json_object_object_add(placement, "generation",
                                       json_object_get(field(answer, "generation")));
                json_object_object_add(placement, "complete",
                                       json_object_get(field(answer, "complete")));
                if (lease && i == 0)
                        json_object_object_add(placement, "lease", json_object_get(lease));
                session_print_json(s, placement);
        }
}

/* Fewer than were asked for: there are no more, or the search was cut off. */
static void print_fewer(const struct session *s, struct json_object *answer)
{
        const size_t n = array_length(field_array(answer, "answers"));

        if (!wishes_have(&s->wishes, WISH_ANSWERS) || (int64_t)n >= s->wishes.answers)
                return;
        if (field_is_true(answer, "complete"))
                printf("\nThere are no more than %zu answer%s.\n", n, n == 1 ? "" : "s");
        else
                puts("\nThe search was cut off: there may be more answers.");
}

int command_place(struct session *s, int n, char **arguments)
{
        struct json_object *answer;
        uint64_t count;
        int r;

        if (number_parse(arguments[0], &count) < 0 || count < 1 || count > COUNT_MAX)
                return usage("how many items: a number from 1 to 1024 comes first");
        r = check(s, n);
        if (r != EXIT_OK)
                return r;
        if (session_ask(s, "io.p2pd.Place", make_parameters(s, count), &answer) < 0)
                return EXIT_FAILED;
        r = EXIT_OK;
        if (wishes_have(&s->wishes, WISH_RUN)) {
                r = run_held(s, answer, arguments + 1);
        } else if (s->json) {
                print_json(s, answer);
        } else {
                show_place(s, answer, s->wishes.clients);
                print_fewer(s, answer);
        }
        json_object_put(answer);
        return r;
}
