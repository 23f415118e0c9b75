/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The shared table as p2pctl gets at it, and what is said of it in more than one place. */

#include <p2pd/table.h>
#include <stdint.h>

#include "session.h"

/* The table, attached. */
struct shared_table {
        struct p2pd_table_reader *reader;
        struct p2p_table table;
        const unsigned char *memory;
        uint64_t bytes;
        unsigned int id_bits;
};

/* Asks the daemon for it. 0, or negative after the user was told; in any case the reader is to be
 * freed. */
int shared_table_attach(struct session *s, struct shared_table *ret);

/* Prints all of it; an exit code. */
int shared_table_print(struct session *s, struct shared_table *t);

/* Tells the user why the table does not answer: an enum p2p_table_result. */
void shared_table_tell(int result);

/* Prints a label and what stands behind it. */
void print_labelled(const struct session *s, const char *label, const char *value);

/* Texts and JSON of what the table has. */
#define SHARED_TEXT_SIZE 24U
const char *format_owner(const struct p2p_table_record *r, char buf[static SHARED_TEXT_SIZE]);
const char *format_hex(uint64_t value, char buf[static SHARED_TEXT_SIZE]);
void json_add_string(struct json_object *o, const char *name, const char *value);
void json_add_int(struct json_object *o, const char *name, uint64_t value);
void json_add_bool(struct json_object *o, const char *name, bool value);
void json_add_hex(struct json_object *o, const char *name, uint64_t value);
struct json_object *json_of_record(const struct p2p_table_record *r);
const char *kind_to_word(unsigned int kind);
