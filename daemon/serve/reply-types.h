/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The types of the interface file that more than one method answers with. Each writes one value;
 * a field that is null for the interface is left out.
 */

#include "decide/diff.h"
#include "leases.h"
#include "machine.h"
#include "serve/json-writer.h"

/* Names of the enum Map: words of the interface, with underscores. */
const char *p2pd_map_name(enum p2p_map map);

/* NULL: not a type that the specification knows. */
const char *p2pd_port_type_name(struct p2p_fact port_type);

/* "0000:03:00.0" */
void p2pd_write_address(struct p2pd_writer *w, struct p2p_address address);
void p2pd_write_address_field(struct p2pd_writer *w, const char *key, struct p2p_address address);

/* The address of the function with this index; nothing for P2P_NONE. */
void p2pd_write_optional_function_field(struct p2pd_writer *w, const char *key,
                                        const struct p2p_machine *m, uint32_t function);

/* "pci0000:00" */
#define P2PD_ROOT_NAME_MAX 16U
const char *p2pd_root_name(const struct p2p_root *root, char buf[static P2PD_ROOT_NAME_MAX]);

/* A Varlink int has a sign: a value above INT64_MAX is taken for malformed. */
struct p2p_fact p2pd_fit_int(struct p2p_fact fact);

/* "6.18", or "newest". */
#define P2PD_RULES_RELEASE_MAX 16U
const char *p2pd_rules_release(const struct p2p_rules *rules,
                               char buf[static P2PD_RULES_RELEASE_MAX]);

/* Nothing unless the fact is known (and fits). */
void p2pd_write_int_fact(struct p2pd_writer *w, const char *key, struct p2p_fact fact);
void p2pd_write_bool_fact(struct p2pd_writer *w, const char *key, struct p2p_fact fact);
void p2pd_write_hex_fact(struct p2pd_writer *w, const char *key, struct p2p_fact fact,
                         unsigned digits);

/* []string: the names of a function. */
void p2pd_write_names_field(struct p2pd_writer *w, const char *key, const struct p2p_function *f);
/* []string: the ACS bits of a control register that are set. */
void p2pd_write_acs_bits_field(struct p2pd_writer *w, const char *key, uint32_t bits);
/* Link; nothing if the function has none, or nothing about it is known. */
void p2pd_write_link_field(struct p2pd_writer *w, const char *key, const struct p2p_function *f);

/* Unknown, as an element of an array; nothing if this is not a kind of unknown. */
void p2pd_write_unknown(struct p2pd_writer *w, const char *fact, enum p2p_why why);

/* Bar: of the BAR register with this index. */
void p2pd_write_bar(struct p2pd_writer *w, const struct p2p_bar *bar, uint32_t bar_index);
/* Function. leased_by: number of a lease; 0: none is told. */
void p2pd_write_function(struct p2pd_writer *w, const struct p2p_machine *m, uint32_t function,
                         uint64_t leased_by);

/* Verdict */
void p2pd_write_verdict(struct p2pd_writer *w, struct p2p_verdict verdict);
/* Its fields, without the braces. */
void p2pd_write_verdict_fields(struct p2pd_writer *w, struct p2p_verdict verdict);
struct p2p_verdict p2pd_verdict_of(const struct p2p_decision *decision);

/* Change and Flip, as elements of an array. */
void p2pd_write_change(struct p2pd_writer *w, const struct p2p_change *change);
void p2pd_write_flip(struct p2pd_writer *w, const struct p2p_flip *flip);

/* Lease, as of now. m: the machine that its table has followed. */
void p2pd_write_lease(struct p2pd_writer *w, const struct p2pd_lease *lease,
                      const struct p2p_machine *m, struct p2pd_lease_time now);
