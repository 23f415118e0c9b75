/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a function and its parts are put into words: the same everywhere. Everything that is added
 * here is safe for the terminal. */

#include <json-c/json.h>
#include <stdbool.h>

#include "terminal.h"
#include "text.h"

/* Names of the children, "nvme0 mlx5_0"; nothing if there are none. At most max of them, then a
 * count of the rest; 0: all. */
void describe_names(const struct terminal *t, struct text *out, struct json_object *names,
                    size_t max);

/* "16 GT/s x8", with "(of 32 GT/s x16)" when it runs below its best; "-" without a link. */
void describe_link(struct text *out, struct json_object *link);

/* The same in little room: "16/32 GT/s x8/16". */
void describe_link_briefly(struct text *out, struct json_object *link);

/* A member that is a hexadecimal number of bytes: "128 GiB"; what it says where it is none; "?"
 * where it is not there. */
void describe_size(struct text *out, struct json_object *object, const char *name);

/* True if speed or width is known to be below what this end can do. */
bool link_is_below_best(struct json_object *link);

/* The set bits, "SV RR CR"; "none set"; "-" where the function has no ACS; "?" where it could not
 * be read. *ret_style, may be NULL: caution for redirects, unknown. */
void describe_acs(struct text *out, struct json_object *function, enum style *ret_style);

/* True if the named fact (by its start: "acs" is also "acs_control") is among the unknown ones. */
bool is_unknown(struct json_object *function, const char *fact);

/* What the function is, by pci.ids; by its ids where that does not say. */
struct pci_access;
void describe_device(const struct terminal *t, struct text *out, struct pci_access *ids,
                     struct json_object *function);

/* The address without its segment when all functions of the list are of segment 0. */
bool all_in_segment_0(struct json_object *functions);
const char *short_address(const char *address, bool without_segment);
