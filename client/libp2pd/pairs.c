/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parameters.h"

/* The stream of rows. The client list stays the same for a whole stream; a reply that carries one
 * replaces it. */

#define ADDRESS_BYTES 32

struct pairs {
        p2pd_row_fn callback;
        void *userdata;
        char **clients;
        struct p2pd_verdict *verdicts;
        size_t n_clients, size;
        char *clients_text; /* the JSON that clients was read from */
        size_t clients_length;
};

static void clients_clear(struct pairs *p)
{
        for (size_t i = 0; i < p->n_clients; i++)
                free(p->clients[i]);
        p->n_clients = 0;
}

static void pairs_free(struct pairs *p)
{
        clients_clear(p);
        free(p->clients);
        free(p->verdicts);
        free(p->clients_text);
        free(p);
}

static int pairs_grow(struct pairs *p)
{
        size_t size = p->size ? p->size * 2 : 64;
        struct p2pd_verdict *verdicts;
        char **clients;

        clients = reallocarray(p->clients, size, sizeof(*clients));
        if (!clients)
                return -ENOMEM;
        p->clients = clients;
        verdicts = reallocarray(p->verdicts, size, sizeof(*verdicts));
        if (!verdicts)
                return -ENOMEM;
        p->verdicts = verdicts;
        p->size = size;
        return 0;
}

/* Addresses are all that stands in a row: nothing that a terminal or a table of TABs could trip
 * over, and never longer than an address. */
static bool is_address(const char *text)
{
        size_t n = strspn(text, "0123456789abcdefABCDEF:.");

        return n > 0 && n < ADDRESS_BYTES && text[n] == '\0';
}

static int read_clients(struct pairs *p, struct p2p_json *j)
{
        struct p2p_json_items items = {0};
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        r = p2p_json_next_element(j, &items);
        if (r <= 0)
                return r;
        clients_clear(p);
        for (; r > 0; r = p2p_json_next_element(j, &items)) {
                if (p->n_clients == p->size && (r = pairs_grow(p)) < 0)
                        return r;
                r = p2p_json_read_new_string(j, &p->clients[p->n_clients]);
                if (r < 0)
                        return r;
                p->n_clients++;
                if (!is_address(p->clients[p->n_clients - 1]))
                        return -EBADMSG;
        }
        return r;
}

/* The list of thousands comes with every row, and is the same every time. */
static int read_clients_once(struct pairs *p, struct p2p_json *j)
{
        const char *start = j->at;
        size_t length = p->clients_length;
        char *text;
        int r;

        if (length > 0 && (size_t)(j->end - start) >= length &&
            memcmp(start, p->clients_text, length) == 0) {
                j->at += length;
                return 0;
        }
        r = read_clients(p, j);
        if (r < 0)
                return r;
        p->clients_length = 0;
        length = (size_t)(j->at - start);
        text = realloc(p->clients_text, length);
        if (!text)
                return -ENOMEM;
        memcpy(text, start, length);
        p->clients_text = text;
        p->clients_length = length;
        return 0;
}

/* Neighbours mostly have the same verdict, virtual functions by the hundred: a cell that begins
 * with the text of the one before is not read again. An object's text is no other's beginning. */
static int read_cells(struct pairs *p, struct p2p_json *j)
{
        struct p2p_json_slice last = {0};
        struct p2p_json_items items = {0};
        size_t n = 0;
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(j, &items)) > 0) {
                const char *start = j->at;

                if (n == p->n_clients)
                        return -EBADMSG;
                if (last.length > 0 && (size_t)(j->end - start) >= last.length &&
                    memcmp(start, last.text, last.length) == 0) {
                        p->verdicts[n] = p->verdicts[n - 1];
                        j->at += last.length;
                } else {
                        if (p2pd_read_verdict(j, &p->verdicts[n]) < 0)
                                return -EBADMSG;
                        last = (struct p2p_json_slice){.text = start,
                                                       .length = (size_t)(j->at - start)};
                }
                n++;
        }
        return r < 0 || n != p->n_clients ? -EBADMSG : 0;
}

/* One row: handed to the caller as soon as it is read. */
static int read_row(struct pairs *p, struct p2pd_client *c, uint64_t generation, struct p2p_json *j)
{
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        char provider[ADDRESS_BYTES + 1] = "";
        bool has_cells = false;
        struct p2pd_row row;
        int r;

        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "provider")) {
                        r = p2p_json_read_string(j, provider, sizeof(provider));
                } else if (p2p_json_is(&key, "cells")) {
                        r = read_cells(p, j);
                        has_cells = true;
                } else {
                        r = p2p_json_skip(j);
                }
                if (r < 0)
                        return r;
        }
        if (r < 0 || !has_cells || !is_address(provider))
                return -EBADMSG;
        row = (struct p2pd_row){
                .generation = generation,
                .provider = provider,
                .clients = (const char *const *)p->clients,
                .verdicts = p->verdicts,
                .n_clients = p->n_clients,
        };
        p->callback(c, &row, 0, NULL, p->userdata);
        return 0;
}

/* Members may stand in any order: the rows are read last. */
static int read_rows(struct pairs *p, struct p2pd_client *c, const struct p2pd_reply *reply)
{
        struct p2p_json j = p2pd_reply_json(reply);
        struct p2p_json rows = {0};
        struct p2p_json_items items = {0}, elements = {0};
        struct p2p_json_slice key;
        uint64_t generation = 0;
        int r;

        if (p2p_json_enter_object(&j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(&j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "rows"))
                        rows = j;
                if (p2p_json_is(&key, "generation"))
                        r = p2pd_read_count(&j, &generation);
                else if (p2p_json_is(&key, "clients"))
                        r = read_clients_once(p, &j);
                else
                        r = p2p_json_skip(&j);
                if (r < 0)
                        return r;
        }
        if (r < 0 || !rows.at || p2p_json_enter_array(&rows) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(&rows, &elements)) > 0) {
                r = read_row(p, c, generation, &rows);
                if (r < 0)
                        return r;
        }
        return r;
}

static void on_rows(struct p2pd_client *client, const struct p2pd_reply *reply, void *userdata)
{
        struct pairs *p = userdata;
        int r = p2pd_reply_get_errno(reply);

        /* After an unreadable row the rest of the stream is passed over in silence. */
        if (r == 0 && p->callback) {
                r = read_rows(p, client, reply);
                if (r < 0) {
                        p->callback(client, NULL, r, NULL, p->userdata);
                        p->callback = NULL;
                }
        }
        if (p2pd_reply_continues(reply))
                return;
        if (p->callback)
                p->callback(client, NULL, r, p2pd_reply_get_error_name(reply), p->userdata);
        pairs_free(p);
}

P2PD_PUBLIC int p2pd_client_get_pairs(struct p2pd_client *client, enum p2pd_rules rules,
                                      p2pd_row_fn callback, void *userdata)
{
        struct p2pd_text t;
        struct pairs *p;
        char *parameters;
        int r;

        if (!callback)
                return -EINVAL;
        p2pd_parameters_begin(&t);
        p2pd_parameters_add_rules(&t, rules);
        parameters = p2pd_parameters_end(&t);
        p = calloc(1, sizeof(*p));
        if (!parameters || !p) {
                free(parameters);
                free(p);
                return -ENOMEM;
        }
        p->callback = callback;
        p->userdata = userdata;
        r = p2pd_client_call(client, "io.p2pd.GetPairs", parameters, P2PD_CALL_MORE, on_rows, p);
        free(parameters);
        if (r < 0)
                pairs_free(p);
        return r;
}
