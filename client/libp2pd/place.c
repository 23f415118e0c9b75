/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parameters.h"

/* Place and FindProvider. */

#define _cleanup_(f) __attribute__((cleanup(f)))

P2PD_PUBLIC struct p2pd_placement *p2pd_placement_free(struct p2pd_placement *placement)
{
        if (!placement)
                return NULL;
        for (size_t i = 0; i < placement->n_groups; i++)
                free(placement->groups[i].companions);
        free(placement->groups);
        free(placement);
        return NULL;
}

static void placement_freep(struct p2pd_placement **placement)
{
        p2pd_placement_free(*placement);
}

void p2pd_parameters_add_hold(struct p2pd_text *t, const struct p2pd_hold *hold)
{
        p2pd_parameters_open(t, "hold", "{");
        if (hold->name)
                p2pd_parameters_add_string(t, "name", hold->name);
        if (hold->owner)
                p2pd_parameters_add_string(t, "owner", hold->owner);
        if (hold->seconds > 0)
                p2pd_parameters_add_count(t, "seconds", hold->seconds);
        p2pd_parameters_close(t, "}");
}

static void add_limits(struct p2pd_text *t, const struct p2pd_place_request *request)
{
        if (request->limit_path)
                p2pd_parameters_add_string(t, "worst_path",
                                           p2pd_path_to_string(request->worst_path));
        if (request->limit_numa_node)
                p2pd_parameters_add_count(t, "numa_node", request->numa_node);
        if (request->least_mbps > 0)
                p2pd_parameters_add_count(t, "least_mbps", request->least_mbps);
        if (request->must_be_bus)
                p2pd_parameters_add_true(t, "must_be_bus");
        if (request->allow_none)
                p2pd_parameters_add_true(t, "allow_none");
        if (request->include_held)
                p2pd_parameters_add_true(t, "include_held");
}

static void add_companions(struct p2pd_text *t, const struct p2pd_place_request *request)
{
        p2pd_parameters_open(t, "companions", "[");
        for (size_t i = 0; i < request->n_companions; i++) {
                p2pd_parameters_open(t, NULL, "{");
                p2pd_parameters_add_string(t, "of", request->companions[i].of);
                p2pd_parameters_add_count(t, "count", request->companions[i].count);
                if (request->companions[i].shared)
                        p2pd_parameters_add_true(t, "shared");
                p2pd_parameters_close(t, "}");
        }
        p2pd_parameters_close(t, "]");
}

static char *place_parameters(const struct p2pd_place_request *request)
{
        struct p2pd_text t;

        p2pd_parameters_begin(&t);
        p2pd_parameters_add_count(&t, "count", request->count);
        p2pd_parameters_add_string(&t, "of", request->of);
        if (request->n_companions > 0)
                add_companions(&t, request);
        if (request->n_clients > 0)
                p2pd_parameters_add_list(&t, "clients", request->clients, request->n_clients);
        if (request->n_avoid > 0)
                p2pd_parameters_add_list(&t, "avoid", request->avoid, request->n_avoid);
        add_limits(&t, request);
        p2pd_parameters_add_rules(&t, request->rules);
        if (request->hold)
                p2pd_parameters_add_hold(&t, request->hold);
        return p2pd_parameters_end(&t);
}

static int read_companions(struct p2p_json *j, struct p2pd_group *g)
{
        struct p2p_json_items items = {0};
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(j, &items)) > 0) {
                void *grown = p2pd_grow(g->companions, g->n_companions, sizeof(*g->companions));

                if (!grown)
                        return -ENOMEM;
                g->companions = grown;
                r = p2p_json_read_string(j, g->companions[g->n_companions], sizeof(*g->companions));
                if (r < 0)
                        return r;
                g->n_companions++;
        }
        return r;
}

static int read_group(struct p2p_json *j, struct p2pd_group *g)
{
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "provider"))
                        r = p2p_json_read_string(j, g->provider, sizeof(g->provider));
                else if (p2p_json_is(&key, "companions") && g->n_companions == 0)
                        r = read_companions(j, g);
                else
                        r = p2p_json_skip(j);
                if (r < 0)
                        return r;
        }
        return r < 0 || g->provider[0] == '\0' ? -EBADMSG : 0;
}

static int read_groups(struct p2p_json *j, struct p2pd_placement *p)
{
        struct p2p_json_items items = {0};
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(j, &items)) > 0) {
                struct p2pd_group *grown = p2pd_grow(p->groups, p->n_groups, sizeof(*p->groups));

                if (!grown)
                        return -ENOMEM;
                p->groups = grown;
                p->groups[p->n_groups] = (struct p2pd_group){0};
                r = read_group(j, &p->groups[p->n_groups++]);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_proven(struct p2p_json *j, enum p2pd_proven *ret)
{
        static const char *const words[] = {"nothing", "path", "bottleneck", "numa", "all"};
        unsigned int v;

        if (p2pd_read_word(j, words, P2PD_PROVEN_ALL + 1, &v) < 0)
                return -EBADMSG;
        *ret = (enum p2pd_proven)v;
        return 0;
}

static int read_placement_member(struct p2p_json *j, const struct p2p_json_slice *key,
                                 struct p2pd_placement *p)
{
        uint64_t v;
        int r;

        if (p2p_json_is(key, "groups") && p->n_groups == 0)
                return read_groups(j, p);
        if (p2p_json_is(key, "worst_path"))
                return p2pd_read_path(j, &p->worst_path);
        if (p2p_json_is(key, "worst_provider"))
                return p2pd_read_text(j, p->worst_provider, sizeof(p->worst_provider));
        if (p2p_json_is(key, "worst_client"))
                return p2pd_read_text(j, p->worst_client, sizeof(p->worst_client));
        if (p2p_json_is(key, "worst_map"))
                return p2p_json_take_null(j) ? 0 : p2pd_read_map(j, &p->worst_map);
        if (p2p_json_is(key, "worst_reason"))
                return p2pd_read_text(j, p->worst_reason, sizeof(p->worst_reason));
        if (p2p_json_is(key, "bottleneck_function"))
                return p2pd_read_text(j, p->bottleneck_function, sizeof(p->bottleneck_function));
        if (p2p_json_is(key, "bottleneck_flows"))
                return p2p_json_take_null(j) ? 0 : p2pd_read_count(j, &p->bottleneck_flows);
        if (p2p_json_is(key, "bottleneck_mbps")) {
                if (p2p_json_take_null(j))
                        return 0;
                r = p2pd_read_count(j, &v);
                if (r == 0)
                        p->bottleneck_mbps = (int64_t)v;
                return r;
        }
        if (p2p_json_is(key, "bottleneck_unknown"))
                return p2p_json_read_bool(j, &p->bottleneck_unknown);
        if (p2p_json_is(key, "has_bad"))
                return p2p_json_read_bool(j, &p->has_bad);
        if (p2p_json_is(key, "proven"))
                return read_proven(j, &p->proven);
        return p2p_json_skip(j);
}

/* The first of the answers; the others are passed over. */
static int read_answers(struct p2p_json *j, struct p2pd_placement *p)
{
        struct p2p_json_items elements = {0}, items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        if (p2p_json_next_element(j, &elements) <= 0 || p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                r = read_placement_member(j, &key, p);
                if (r < 0)
                        return r;
        }
        while (r == 0 && (r = p2p_json_next_element(j, &elements)) > 0)
                r = p2p_json_skip(j);
        return r;
}

/* The number of a lease, or null. */
static int read_lease_number(struct p2p_json *j, uint64_t *ret)
{
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_take_null(j))
                return 0;
        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                r = p2p_json_is(&key, "number") ? p2pd_read_count(j, ret) : p2p_json_skip(j);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_placement(const struct p2pd_reply *reply, struct p2pd_placement *p)
{
        struct p2p_json j = p2pd_reply_json(reply);
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_object(&j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(&j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "generation"))
                        r = p2pd_read_count(&j, &p->generation);
                else if (p2p_json_is(&key, "answers") && p->n_groups == 0)
                        r = read_answers(&j, p);
                else if (p2p_json_is(&key, "lease"))
                        r = read_lease_number(&j, &p->lease);
                else
                        r = p2p_json_skip(&j);
                if (r < 0)
                        return r;
        }
        return r < 0 || p->n_groups == 0 ? -EBADMSG : 0;
}

P2PD_PUBLIC int p2pd_client_place(struct p2pd_client *client,
                                  const struct p2pd_place_request *request, int timeout_msec,
                                  struct p2pd_placement **ret)
{
        _cleanup_(p2pd_string_freep) char *parameters = NULL;
        _cleanup_(p2pd_reply_freep) struct p2pd_reply *reply = NULL;
        _cleanup_(placement_freep) struct p2pd_placement *p = NULL;
        int r;

        if (request->size != sizeof(*request) || !request->of || request->count == 0)
                return -EINVAL;
        parameters = place_parameters(request);
        /* Memory first: a lease that was given must not be lost for want of it. */
        p = calloc(1, sizeof(*p));
        if (!parameters || !p)
                return -ENOMEM;
        p->worst_path = P2PD_PATH_UNKNOWN;
        p->worst_map = P2PD_MAP_UNKNOWN;
        p->bottleneck_mbps = -1;
        r = p2pd_client_ask(client, "io.p2pd.Place", parameters, timeout_msec, &reply);
        if (r < 0)
                return r;
        r = read_placement(reply, p);
        if (r < 0)
                return r;
        if (request->hold && p->lease == 0)
                return -EBADMSG;
        *ret = p;
        p = NULL;
        return 0;
}

static int read_near(struct p2p_json *j, struct p2pd_near *near)
{
        struct p2p_json_items elements = {0}, items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        r = p2p_json_next_element(j, &elements);
        if (r <= 0)
                return r;
        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "function"))
                        r = p2p_json_read_string(j, near->function, sizeof(near->function));
                else if (p2p_json_is(&key, "distance_hops"))
                        r = p2pd_read_count(j, &near->distance_hops);
                else
                        r = p2p_json_skip(j);
                if (r < 0)
                        return r;
        }
        while (r == 0 && (r = p2p_json_next_element(j, &elements)) > 0)
                r = p2p_json_skip(j);
        return r;
}

P2PD_PUBLIC int p2pd_client_find_provider(struct p2pd_client *client, const char *const *clients,
                                          size_t n, uint64_t min_available_bytes,
                                          enum p2pd_rules rules, int timeout_msec,
                                          struct p2pd_near *ret)
{
        _cleanup_(p2pd_string_freep) char *parameters = NULL;
        _cleanup_(p2pd_reply_freep) struct p2pd_reply *reply = NULL;
        struct p2p_json_items items = {0};
        struct p2pd_near near = {0};
        struct p2p_json_slice key;
        struct p2pd_text t;
        struct p2p_json j;
        int r;

        if (n == 0)
                return -EINVAL;
        p2pd_parameters_begin(&t);
        p2pd_parameters_add_list(&t, "clients", clients, n);
        if (min_available_bytes > 0)
                p2pd_parameters_add_hex(&t, "min_available_bytes", min_available_bytes);
        p2pd_parameters_add_rules(&t, rules);
        parameters = p2pd_parameters_end(&t);
        if (!parameters)
                return -ENOMEM;
        r = p2pd_client_ask(client, "io.p2pd.FindProvider", parameters, timeout_msec, &reply);
        if (r < 0)
                return r;
        j = p2pd_reply_json(reply);
        if (p2p_json_enter_object(&j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(&j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "providers"))
                        r = read_near(&j, &near);
                else if (p2p_json_is(&key, "equal"))
                        r = p2pd_read_count(&j, &near.equal);
                else
                        r = p2p_json_skip(&j);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if (near.function[0] == '\0')
                return 0;
        *ret = near;
        return 1;
}
