/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/asked.h"

#include <errno.h>
#include <stdlib.h>

#include "serve/server-private.h"

int p2pd_asked_read(struct p2pd_call *call, const struct p2pd_argument *argument, const char *name,
                    uint32_t max, struct p2pd_asked *ret)
{
        const struct p2p_machine *m = call->snapshot->machine;
        uint32_t *functions, n;
        int r;

        *ret = (struct p2pd_asked){.n_clients = 0};
        if (!argument->present)
                return 0;
        if (argument->n_elements > max)
                return p2pd_refuse_too_much(call, argument->n_elements, max);
        r = p2pd_call_resolve_list(call, argument, P2PD_DEFAULT_ALL, &functions, &n);
        if (r != 0)
                return r;
        ret->clients = calloc(n + 1U, sizeof(*ret->clients));
        if (!ret->clients)
                r = -ENOMEM;
        for (uint32_t i = 0; r == 0 && i < n; i++) {
                const struct p2p_function *f = &m->functions[functions[i]];

                if (!p2p_function_is_endpoint(f))
                        r = p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER, p2pd_text(name));
                ret->clients[ret->n_clients++] = f->address;
        }
        free(functions);
        return r;
}

/* Another device may stand there by now, even a bridge: it is gone all the same. */
static uint32_t find_client(const struct p2p_machine *m, struct p2p_address address)
{
        uint32_t function = p2p_machine_find(m, address);

        return function != P2P_NONE && p2p_function_is_endpoint(&m->functions[function]) ? function
                                                                                         : P2P_NONE;
}

static int find_clients(struct p2pd_asked *asked, struct p2pd_job *job)
{
        for (uint32_t i = 0; i < asked->n_clients; i++) {
                char text[P2P_ADDRESS_STRING_MAX];
                struct p2pd_refusal_value value;

                asked->functions[i] = find_client(job->snapshot->machine, asked->clients[i]);
                if (asked->functions[i] != P2P_NONE)
                        continue;
                value = (struct p2pd_refusal_value){
                        .text = p2pd_text(p2p_address_format(asked->clients[i], text))};
                p2pd_refusal_write(&job->writer, P2PD_REFUSED_FUNCTION_NOT_FOUND, &value);
                return P2PD_CALL_REFUSED;
        }
        return 0;
}

int p2pd_asked_prepare(struct p2pd_asked *asked, struct p2pd_job *job, struct p2pd_server *s,
                       bool with_held)
{
        const struct p2p_machine *m = s->snapshot->machine;
        int r = p2pd_server_leases_ready(s);

        if (r < 0)
                return r;
        p2pd_job_set_snapshot(job, s->snapshot);
        free(asked->functions);
        free(asked->held);
        asked->functions = calloc(asked->n_clients + 1U, sizeof(*asked->functions));
        asked->held = calloc(m->n_functions + 1U, sizeof(*asked->held));
        if (!asked->functions || !asked->held)
                return -ENOMEM;
        if (with_held)
                p2pd_leases_held(p2pd_lease_keeper_table(s->leases), m, 0, asked->held);
        return find_clients(asked, job);
}

void p2pd_asked_deinit(struct p2pd_asked *asked)
{
        free(asked->clients);
        free(asked->functions);
        free(asked->held);
}
