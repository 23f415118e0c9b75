/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds the JSON text of a call's parameters, and reads the parts that several replies share. */

#include <stdlib.h>

#include "client-internal.h"
#include "common/json-cursor.h"

/* Text that grows; failed stays set once memory ran out. */
struct p2pd_text {
        char *data;
        size_t length, size;
        bool failed;
};

void p2pd_text_append(struct p2pd_text *t, const char *text, size_t length);

/* Opens the object; adds members; closes it and gives the text away: NULL if memory ran out. */
void p2pd_parameters_begin(struct p2pd_text *t);
void p2pd_parameters_add_string(struct p2pd_text *t, const char *key, const char *value);
/* An array of one string; of n strings. */
void p2pd_parameters_add_strings(struct p2pd_text *t, const char *key, const char *value);
void p2pd_parameters_add_list(struct p2pd_text *t, const char *key, const char *const *values,
                              size_t n);
void p2pd_parameters_add_hex(struct p2pd_text *t, const char *key, uint64_t value);
void p2pd_parameters_add_count(struct p2pd_text *t, const char *key, uint64_t value);
void p2pd_parameters_add_true(struct p2pd_text *t, const char *key);
void p2pd_parameters_add_rules(struct p2pd_text *t, enum p2pd_rules rules);
void p2pd_parameters_add_hold(struct p2pd_text *t, const struct p2pd_hold *hold);
char *p2pd_parameters_end(struct p2pd_text *t);

/* A member that is an object ("{" and "}") or an array ("[" and "]"), around what is added between;
 * key NULL: an element of an array. */
void p2pd_parameters_open(struct p2pd_text *t, const char *key, const char *bracket);
void p2pd_parameters_close(struct p2pd_text *t, const char *bracket);

/* On the parameters of a reply. */
static inline struct p2p_json p2pd_reply_json(const struct p2pd_reply *reply)
{
        return p2p_json(reply->parameters, reply->parameters_length, P2P_JSON_DEPTH_MAX);
}

/* Reads a value of that type, or an object's member "distance_hops", "map", "path" or "reason" into
 * *v. 0 or -EBADMSG; for a member 1 if it is none of them (not consumed). */
int p2pd_read_map(struct p2p_json *j, enum p2pd_map *ret);
int p2pd_read_path(struct p2p_json *j, enum p2pd_path *ret);
int p2pd_read_verdict_member(struct p2p_json *j, const struct p2p_json_slice *key,
                             struct p2pd_verdict *v);
int p2pd_read_verdict(struct p2p_json *j, struct p2pd_verdict *ret);

/* A verdict that says nothing yet: all unknown. */
struct p2pd_verdict p2pd_verdict_unknown(void);

/* The member "generation": non-negative. 0 or -EBADMSG. */
int p2pd_read_count(struct p2p_json *j, uint64_t *ret);

/* A string that must be one of n words: its index. 0 or -EBADMSG. */
int p2pd_read_word(struct p2p_json *j, const char *const *words, unsigned int n, unsigned int *ret);

/* A string cut at size - 1 bytes; null leaves buf as it is. 0 or -EBADMSG. */
int p2pd_read_text(struct p2p_json *j, char *buf, size_t size);

/* Makes room for one more element behind n, where n is a power of two (or 0); NULL: no memory, and
 * items stays as it was. */
void *p2pd_grow(void *items, size_t n, size_t item_bytes);

static inline void p2pd_string_freep(char **text)
{
        free(*text);
}
