/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every method of the two interfaces, one function each, and the texts that describe them. */

#include <stdbool.h>

#include "serve/text.h"

struct p2pd_bar_wish;
struct p2pd_call;
struct p2pd_connection;
struct p2pd_lease;
struct p2pd_lease_obstacle;
struct p2pd_lease_request;
struct p2pd_server;
struct p2pd_table_use;
struct p2pd_verification;
struct p2pd_writer;

enum p2pd_method_flags {
        P2PD_METHOD_NEEDS_MORE = 1, /* makes no sense without "more" */
        P2PD_METHOD_CHANGES = 2,    /* for those who may change state */
};

struct p2pd_method {
        const char *name; /* without the interface */
        int (*run)(struct p2pd_call *call);
        unsigned flags;
};

struct p2pd_interface {
        const char *name;
        const char *description; /* the interface file, as it is */
        const struct p2pd_method *methods;
        size_t n_methods;
};

/* *ret_n interfaces, in the order in which GetInfo names them. */
const struct p2pd_interface *p2pd_interfaces(size_t *ret_n);

/* NULL: there is none. */
const struct p2pd_interface *p2pd_interface_find(struct p2pd_text name);
const struct p2pd_method *p2pd_method_find(const struct p2pd_interface *interface,
                                           struct p2pd_text name);

/* The methods return as p2pd_call_run() does. What they take and give is in the interface file. */
int p2pd_method_get_info(struct p2pd_call *call);
int p2pd_method_get_interface_description(struct p2pd_call *call);
int p2pd_method_get_status(struct p2pd_call *call);
int p2pd_method_list_functions(struct p2pd_call *call);
int p2pd_method_list_bars(struct p2pd_call *call);
int p2pd_method_get_matrix(struct p2pd_call *call);
int p2pd_method_get_pairs(struct p2pd_call *call);
int p2pd_method_get_distance(struct p2pd_call *call);
int p2pd_method_map(struct p2pd_call *call);
int p2pd_method_explain(struct p2pd_call *call);
int p2pd_method_check(struct p2pd_call *call);
int p2pd_method_monitor(struct p2pd_call *call);
int p2pd_method_rescan(struct p2pd_call *call);
int p2pd_method_report_verification(struct p2pd_call *call);
int p2pd_method_attach_table(struct p2pd_call *call);
int p2pd_method_follow_table(struct p2pd_call *call);
int p2pd_method_register_bar(struct p2pd_call *call);
int p2pd_method_unregister_bar(struct p2pd_call *call);
int p2pd_method_place(struct p2pd_call *call);
int p2pd_method_find_provider(struct p2pd_call *call);
int p2pd_method_take_lease(struct p2pd_call *call);
int p2pd_method_renew_lease(struct p2pd_call *call);
int p2pd_method_release_lease(struct p2pd_call *call);
int p2pd_method_list_leases(struct p2pd_call *call);
int p2pd_method_watch_leases(struct p2pd_call *call);
int p2pd_method_plan_acs(struct p2pd_call *call);
int p2pd_method_verify_acs(struct p2pd_call *call);
int p2pd_method_what_if(struct p2pd_call *call);

/* The reply to a Rescan that waited: 0, or the negative errno that reading the machine gave. */
void p2pd_reply_rescan(struct p2pd_server *s, struct p2pd_writer *w, int result);

/* The reply to a FollowTable that waited, and to one that need not. */
void p2pd_reply_follow_table(struct p2pd_server *s, struct p2pd_writer *w,
                             const struct p2pd_table_use *use);

/* The reply to a RegisterBar or UnregisterBar: what came of the wish. */
void p2pd_reply_wish(struct p2pd_server *s, struct p2pd_writer *w,
                     const struct p2pd_bar_wish *wish);

/* The reply to whoever waits for an operation on a lease, which is done: also the end of a Place
 * that holds. */
void p2pd_reply_lease(struct p2pd_server *s, struct p2pd_writer *w, struct p2pd_connection *c);

/* Verification, as a value. */
void p2pd_write_verification(struct p2pd_writer *w, const struct p2pd_verification *v);
