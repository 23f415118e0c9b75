/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options of the commands around placement and leases: what somebody wishes to have. */

#include <getopt.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* Their numbers, for getopt_long() behind WISH_OPTION. */
enum wish {
        WISH_OF,
        WISH_WITH,
        WISH_SHARE,
        WISH_CLIENT,
        WISH_AVOID,
        WISH_WORST,
        WISH_LEAST,
        WISH_NUMA,
        WISH_BUS,
        WISH_ALLOW_NONE,
        WISH_INCLUDE_HELD,
        WISH_ANSWERS,
        WISH_HOLD,
        WISH_RUN,
        WISH_FOR,
        WISH_OWNER,
        WISH_FREE,
        WISH_ONE_WAY,
        WISH_WATCH,
        WISH_MAX,
};

#define WISH_OPTION 1024
#define WISH_BIT(wish) (1U << (wish))

struct wishes {
        unsigned int given; /* WISH_BIT() of each that was; the rest has a meaning only then */
        struct json_object *companions, *clients, *avoid; /* arrays as in the call, or NULL */
        const char *of, *worst_path, *hold, *owner;
        int64_t least_mbps, numa_node, answers;
        uint64_t seconds, free_bytes;
};

/* The options for getopt_long(), WISH_MAX of them in the order of the enumeration. */
extern const struct option wish_options[];

/* Takes one of them up; argument: getopt's optarg. EXIT_OK, or EXIT_USAGE after the user was told.
 */
int wishes_parse(struct wishes *w, enum wish wish, const char *argument);

static inline bool wishes_have(const struct wishes *w, enum wish wish)
{
        return w->given & WISH_BIT(wish);
}

/* Adds the member "hold" of a call, made of --owner and --for; name may be NULL. */
void wishes_add_hold(const struct wishes *w, struct json_object *parameters, const char *name);

void wishes_clear(struct wishes *w);
