/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/hold.h"

#include <errno.h>
#include <string.h>

#include "serve/connection.h"
#include "serve/server-private.h"

static int refuse(struct p2pd_call *call, const char *parameter)
{
        return p2pd_refuse_text(call, P2PD_REFUSED_INVALID_PARAMETER, p2pd_text(parameter));
}

int p2pd_call_hold(struct p2pd_call *call, const struct p2pd_argument *argument,
                   struct p2pd_hold *ret)
{
        static const struct p2pd_parameter members[] = {
                {"name", P2PD_PARAMETER_OPTIONAL_STRING},
                {"owner", P2PD_PARAMETER_OPTIONAL_STRING},
                {"seconds", P2PD_PARAMETER_OPTIONAL_INT},
        };
        struct p2p_json object = argument->array;
        struct p2pd_argument arguments[3];
        struct p2pd_hold hold = {.seconds = 0};
        int r;

        r = p2pd_call_members(call, &object, members, 3, arguments);
        if (r != 0)
                return r;
        if (arguments[0].present) {
                if (!p2pd_lease_name_is_valid(arguments[0].text.data, arguments[0].text.size))
                        return refuse(call, "name");
                r = p2pd_call_copy_text(call, arguments[0].text, "name", hold.name,
                                        sizeof(hold.name));
        }
        if (r == 0 && arguments[1].present)
                r = p2pd_call_copy_text(call, arguments[1].text, "owner", hold.owner,
                                        sizeof(hold.owner));
        if (r != 0)
                return r;
        if (arguments[2].present) {
                if (arguments[2].number < 1 || arguments[2].number > P2PD_HOLD_SECONDS_MAX)
                        return refuse(call, "seconds");
                hold.seconds = (uint64_t)arguments[2].number;
        }
        *ret = hold;
        return 0;
}

int p2pd_hold_begin(struct p2pd_server *s, struct p2pd_connection *c, const struct p2pd_hold *hold,
                    const uint32_t *functions, uint32_t n, struct p2pd_lease_obstacle *ret)
{
        struct p2pd_lease_use *use = p2pd_connection_lease_use(c);
        const struct p2pd_lease_request request = {
                .machine = s->snapshot->machine,
                .functions = functions,
                .n_functions = n,
                .name = hold->name[0] ? hold->name : NULL,
                .owner = hold->owner[0] ? hold->owner : NULL,
                .uid = p2pd_connection_uid(c),
                .pid = (uint32_t)use->pid,
                .connection = use->connection,
                .now = p2pd_server_lease_time(s),
                .duration_usec = hold->seconds * 1000000U,
        };
        int r;

        r = p2pd_server_leases_ready(s);
        if (r == 0)
                r = p2pd_lease_keeper_take(s->leases, &request, &use->operation, ret);
        if (r == 0)
                p2pd_server_note_leases(s);
        return r;
}

static void refuse_held(struct p2pd_server *s, struct p2pd_writer *w,
                        const struct p2pd_lease_obstacle *obstacle)
{
        const struct p2pd_lease *lease = obstacle->lease;
        char function[P2P_ADDRESS_STRING_MAX], held[P2P_ADDRESS_STRING_MAX];
        const struct p2pd_refusal_value values[] = {
                {.text = p2pd_text(p2p_address_format(
                         s->snapshot->machine->functions[obstacle->function].address, function))},
                {.text = p2pd_text(p2p_address_format(obstacle->device->address, held))},
                {.number = lease->number},
                {.text = {.data = lease->name[0] ? lease->name : NULL, strlen(lease->name)}},
                {.text = {.data = lease->owner[0] ? lease->owner : NULL, strlen(lease->owner)}},
                {.number = lease->uid},
        };

        p2pd_refusal_write(w, P2PD_REFUSED_LEASE_HELD, values);
}

static void refuse_name(struct p2pd_writer *w, const struct p2pd_lease *lease)
{
        const struct p2pd_refusal_value values[] = {
                {.text = p2pd_text(lease->name)},
                {.number = lease->number},
                {.number = lease->uid},
        };

        p2pd_refusal_write(w, P2PD_REFUSED_LEASE_NAME_TAKEN, values);
}

int p2pd_hold_refuse(struct p2pd_server *s, struct p2pd_writer *w, int refusal,
                     const struct p2pd_lease_obstacle *obstacle)
{
        struct p2pd_refusal_value value = {.number = obstacle->limit};
        char address[P2P_ADDRESS_STRING_MAX];

        switch (refusal) {
        case P2PD_LEASE_E_HELD:
                refuse_held(s, w, obstacle);
                break;
        case P2PD_LEASE_E_NAME_TAKEN:
                refuse_name(w, obstacle->lease);
                break;
        case P2PD_LEASE_E_TOO_MANY:
                p2pd_refusal_write(w, P2PD_REFUSED_LEASE_LIMIT, &value);
                break;
        case P2PD_LEASE_E_UNRECOGNISABLE:
                value.text = p2pd_text(p2p_address_format(
                        s->snapshot->machine->functions[obstacle->function].address, address));
                p2pd_refusal_write(w, P2PD_REFUSED_LEASE_UNRECOGNISABLE, &value);
                break;
        default:
                value.text = p2pd_text(s->status->state_error ? s->status->state_error
                                                              : "the state file is not known");
                p2pd_refusal_write(w, P2PD_REFUSED_LEASE_NOT_SAVED, &value);
        }
        return P2PD_CALL_REFUSED;
}
