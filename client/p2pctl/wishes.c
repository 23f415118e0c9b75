/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wishes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "number.h"
#include "session.h"
#include "text.h"
#include "wish-text.h"

const struct option wish_options[WISH_MAX] = {
        [WISH_OF] = {"of", required_argument, NULL, WISH_OPTION + WISH_OF},
        [WISH_WITH] = {"with", required_argument, NULL, WISH_OPTION + WISH_WITH},
        [WISH_SHARE] = {"share", required_argument, NULL, WISH_OPTION + WISH_SHARE},
        [WISH_CLIENT] = {"client", required_argument, NULL, WISH_OPTION + WISH_CLIENT},
        [WISH_AVOID] = {"avoid", required_argument, NULL, WISH_OPTION + WISH_AVOID},
        [WISH_WORST] = {"worst", required_argument, NULL, WISH_OPTION + WISH_WORST},
        [WISH_LEAST] = {"least", required_argument, NULL, WISH_OPTION + WISH_LEAST},
        [WISH_NUMA] = {"numa", required_argument, NULL, WISH_OPTION + WISH_NUMA},
        [WISH_BUS] = {"bus", no_argument, NULL, WISH_OPTION + WISH_BUS},
        [WISH_ALLOW_NONE] = {"allow-none", no_argument, NULL, WISH_OPTION + WISH_ALLOW_NONE},
        [WISH_INCLUDE_HELD] = {"include-held", no_argument, NULL, WISH_OPTION + WISH_INCLUDE_HELD},
        [WISH_ANSWERS] = {"answers", required_argument, NULL, WISH_OPTION + WISH_ANSWERS},
        [WISH_HOLD] = {"hold", required_argument, NULL, WISH_OPTION + WISH_HOLD},
        [WISH_RUN] = {"run", no_argument, NULL, WISH_OPTION + WISH_RUN},
        [WISH_FOR] = {"for", required_argument, NULL, WISH_OPTION + WISH_FOR},
        [WISH_OWNER] = {"owner", required_argument, NULL, WISH_OPTION + WISH_OWNER},
        [WISH_FREE] = {"free", required_argument, NULL, WISH_OPTION + WISH_FREE},
        [WISH_ONE_WAY] = {"one-way", no_argument, NULL, WISH_OPTION + WISH_ONE_WAY},
        [WISH_WATCH] = {"watch", no_argument, NULL, WISH_OPTION + WISH_WATCH},
};

/* A value that is none: says what would be one. */
static int bad_value(enum wish wish, const char *what, const char *argument)
{
        fprintf(stderr, "p2pctl: --%s is %s, not '%s'\nTry `p2pctl --help`.\n",
                wish_options[wish].name, what, argument);
        return EXIT_USAGE;
}

static void add_string(struct json_object **array, const char *string)
{
        if (!*array)
                *array = must_have(json_object_new_array());
        json_object_array_add(*array, must_have(json_object_new_string(string)));
}

static int add_companion(struct wishes *w, enum wish wish, const char *argument)
{
        struct json_object *companion;
        unsigned int count;
        size_t bytes;

        if (companion_parse(argument, &bytes, &count) < 0)
                return bad_value(wish, "SELECTOR:COUNT with COUNT from 1 to 999, such as nic:1",
                                 argument);
        if (!w->companions)
                w->companions = must_have(json_object_new_array());
        companion = must_have(json_object_new_object());
        json_object_object_add(companion, "of", json_object_new_string_len(argument, (int)bytes));
        json_object_object_add(companion, "count", json_object_new_int64(count));
        if (wish == WISH_SHARE)
                json_object_object_add(companion, "shared", json_object_new_boolean(1));
        json_object_array_add(w->companions, companion);
        return EXIT_OK;
}

static int parse_path(struct wishes *w, const char *argument)
{
        static const char *const paths[] = {"LOC", "PIX", "PXB", "PHB", "NODE", "SYS"};

        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
                if (strcasecmp(argument, paths[i]) == 0) {
                        w->worst_path = paths[i];
                        return EXIT_OK;
                }
        return bad_value(WISH_WORST, "LOC, PIX, PXB, PHB, NODE or SYS", argument);
}

static int parse_count(enum wish wish, const char *argument, uint64_t min, uint64_t max,
                       const char *what, int64_t *ret)
{
        uint64_t v;

        if (!isdigit((unsigned char)*argument) || number_parse(argument, &v) < 0 || v < min ||
            v > max)
                return bad_value(wish, what, argument);
        *ret = (int64_t)v;
        return EXIT_OK;
}

int wishes_parse(struct wishes *w, enum wish wish, const char *argument)
{
        w->given |= WISH_BIT(wish);
        switch (wish) {
        case WISH_OF:
                w->of = argument;
                return EXIT_OK;
        case WISH_WITH:
        case WISH_SHARE:
                return add_companion(w, wish, argument);
        case WISH_CLIENT:
                add_string(&w->clients, argument);
                return EXIT_OK;
        case WISH_AVOID:
                add_string(&w->avoid, argument);
                return EXIT_OK;
        case WISH_WORST:
                return parse_path(w, argument);
        case WISH_LEAST:
                return parse_count(wish, argument, 1, UINT32_MAX, "a number of MB/s",
                                   &w->least_mbps);
        case WISH_NUMA:
                return parse_count(wish, argument, 0, INT32_MAX, "the number of a NUMA node",
                                   &w->numa_node);
        case WISH_ANSWERS:
                return parse_count(wish, argument, 1, 64, "a number from 1 to 64", &w->answers);
        case WISH_HOLD:
                w->hold = argument;
                return EXIT_OK;
        case WISH_OWNER:
                w->owner = argument;
                return EXIT_OK;
        case WISH_FOR:
                if (duration_parse(argument, &w->seconds) < 0)
                        return bad_value(wish, "a time such as 90s, 8h or 1d12h", argument);
                return EXIT_OK;
        case WISH_FREE:
                if (number_parse(argument, &w->free_bytes) < 0)
                        return bad_value(wish, "a size such as 64K or 16M", argument);
                return EXIT_OK;
        default: /* flags */
                return EXIT_OK;
        }
}

void wishes_add_hold(const struct wishes *w, struct json_object *parameters, const char *name)
{
        struct json_object *hold = must_have(json_object_new_object());

        if (name)
                json_object_object_add(hold, "name", json_object_new_string(name));
        if (w->owner)
                json_object_object_add(hold, "owner", json_object_new_string(w->owner));
        if (wishes_have(w, WISH_FOR))
                json_object_object_add(hold, "seconds", json_object_new_int64((int64_t)w->seconds));
        json_object_object_add(parameters, "hold", hold);
}

void wishes_clear(struct wishes *w)
{
        json_object_put(w->companions);
        json_object_put(w->clients);
        json_object_put(w->avoid);
        *w = (struct wishes){0};
}
