/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "parameters.h"

/* Leases: take, renew, release, list, and the stream of what happens to them. */

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Leases while they are read. */
struct list {
        struct p2pd_lease *leases;
        size_t n;
};

P2PD_PUBLIC struct p2pd_lease *p2pd_leases_free(struct p2pd_lease *leases, size_t n)
{
        for (size_t i = 0; leases && i < n; i++) {
                for (size_t d = 0; d < leases[i].n_devices; d++)
                        free(leases[i].devices[d].slot);
                free(leases[i].devices);
        }
        free(leases);
        return NULL;
}

static void list_clear(struct list *l)
{
        l->leases = p2pd_leases_free(l->leases, l->n);
        l->n = 0;
}

static int read_device(struct p2p_json *j, struct p2pd_leased_device *d)
{
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "function"))
                        r = p2p_json_read_string(j, d->function, sizeof(d->function));
                else if (p2p_json_is(&key, "slot") && !d->slot)
                        r = p2p_json_read_new_string(j, &d->slot);
                else if (p2p_json_is(&key, "lost"))
                        r = p2p_json_read_bool(j, &d->lost);
                else
                        r = p2p_json_skip(j);
                if (r < 0)
                        return r;
        }
        return r < 0 || !d->slot ? -EBADMSG : 0;
}

static int read_devices(struct p2p_json *j, struct p2pd_lease *l)
{
        struct p2p_json_items items = {0};
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(j, &items)) > 0) {
                struct p2pd_leased_device *grown =
                        p2pd_grow(l->devices, l->n_devices, sizeof(*l->devices));

                if (!grown)
                        return -ENOMEM;
                l->devices = grown;
                l->devices[l->n_devices] = (struct p2pd_leased_device){0};
                r = read_device(j, &l->devices[l->n_devices++]);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_id(struct p2p_json *j, uint32_t *ret)
{
        uint64_t v;

        if (p2pd_read_count(j, &v) < 0 || v > UINT32_MAX)
                return -EBADMSG;
        *ret = (uint32_t)v;
        return 0;
}

static int read_member(struct p2p_json *j, const struct p2p_json_slice *key, struct p2pd_lease *l)
{
        if (p2p_json_is(key, "number"))
                return p2pd_read_count(j, &l->number);
        if (p2p_json_is(key, "name"))
                return p2pd_read_text(j, l->name, sizeof(l->name));
        if (p2p_json_is(key, "owner"))
                return p2pd_read_text(j, l->owner, sizeof(l->owner));
        if (p2p_json_is(key, "uid"))
                return read_id(j, &l->uid);
        if (p2p_json_is(key, "pid"))
                return read_id(j, &l->pid);
        if (p2p_json_is(key, "taken_usec"))
                return p2p_json_read_int(j, &l->taken_usec);
        if (p2p_json_is(key, "expires_usec"))
                return p2p_json_take_null(j) ? 0 : p2p_json_read_int(j, &l->expires_usec);
        if (p2p_json_is(key, "devices") && l->n_devices == 0)
                return read_devices(j, l);
        return p2p_json_skip(j);
}

/* One lease, put behind the others of the list; null adds nothing. */
static int read_lease(struct p2p_json *j, struct list *list)
{
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        struct p2pd_lease *grown, *l;
        int r;

        if (p2p_json_take_null(j))
                return 0;
        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        grown = p2pd_grow(list->leases, list->n, sizeof(*list->leases));
        if (!grown)
                return -ENOMEM;
        list->leases = grown;
        l = &list->leases[list->n++];
        *l = (struct p2pd_lease){0};
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                r = read_member(j, &key, l);
                if (r < 0)
                        return r;
        }
        return r < 0 || l->number == 0 ? -EBADMSG : 0;
}

static int read_leases(struct p2p_json *j, struct list *list)
{
        struct p2p_json_items items = {0};
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(j, &items)) > 0) {
                r = read_lease(j, list);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_event_kind(struct p2p_json *j, enum p2pd_lease_event_kind *ret)
{
        /* In the order of the enum, from EXPIRED on. */
        static const char *const words[] = {"expired", "disconnected", "lost",    "back",
                                            "moved",   "taken",        "renewed", "released"};
        struct p2p_json_slice s;

        if (p2p_json_take_null(j))
                return 0;
        if (p2p_json_read_slice(j, &s) < 0)
                return -EBADMSG;
        *ret = P2PD_LEASE_OTHER;
        for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (p2p_json_is(&s, words[i]))
                        *ret = (enum p2pd_lease_event_kind)(P2PD_LEASE_EXPIRED + i);
        return 0;
}

/* What the replies of all the methods hold: a member "leases", or "lease", and of events more. */
static int read_reply(const struct p2pd_reply *reply, struct list *list,
                      struct p2pd_lease_event *event)
{
        struct p2p_json j = p2pd_reply_json(reply);
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_object(&j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(&j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "leases"))
                        r = read_leases(&j, list);
                else if (p2p_json_is(&key, "lease"))
                        r = read_lease(&j, list);
                else if (p2p_json_is(&key, "generation"))
                        r = p2pd_read_count(&j, &event->generation);
                else if (p2p_json_is(&key, "event"))
                        r = read_event_kind(&j, &event->kind);
                else if (p2p_json_is(&key, "function"))
                        r = p2pd_read_text(&j, event->function, sizeof(event->function));
                else
                        r = p2p_json_skip(&j);
                if (r < 0)
                        return r;
        }
        return r;
}

/* Sends the parameters (which are used up) and reads the leases of the reply. */
static int ask(struct p2pd_client *client, const char *method, struct p2pd_text *parameters,
               int timeout_msec, struct list *ret)
{
        _cleanup_(p2pd_string_freep) char *text = p2pd_parameters_end(parameters);
        _cleanup_(p2pd_reply_freep) struct p2pd_reply *reply = NULL;
        _cleanup_(list_clear) struct list list = {0};
        struct p2pd_lease_event event = {0};
        int r;

        if (!text)
                return -ENOMEM;
        r = p2pd_client_ask(client, method, text, timeout_msec, &reply);
        if (r < 0)
                return r;
        r = read_reply(reply, &list, &event);
        if (r < 0)
                return r;
        *ret = list;
        list = (struct list){0};
        return 0;
}

P2PD_PUBLIC int p2pd_client_take_lease(struct p2pd_client *client, const char *const *functions,
                                       size_t n, const struct p2pd_hold *hold, int timeout_msec,
                                       uint64_t *ret_number)
{
        _cleanup_(list_clear) struct list list = {0};
        struct p2pd_text t;
        int r;

        if (n == 0 || !hold)
                return -EINVAL;
        p2pd_parameters_begin(&t);
        p2pd_parameters_add_list(&t, "functions", functions, n);
        p2pd_parameters_add_hold(&t, hold);
        r = ask(client, "io.p2pd.TakeLease", &t, timeout_msec, &list);
        if (r < 0)
                return r;
        if (list.n != 1)
                return -EBADMSG;
        if (ret_number)
                *ret_number = list.leases[0].number;
        return 0;
}

P2PD_PUBLIC int p2pd_client_renew_lease(struct p2pd_client *client, const char *lease,
                                        uint64_t seconds, int timeout_msec)
{
        _cleanup_(list_clear) struct list list = {0};
        struct p2pd_text t;

        p2pd_parameters_begin(&t);
        p2pd_parameters_add_string(&t, "lease", lease);
        if (seconds > 0)
                p2pd_parameters_add_count(&t, "seconds", seconds);
        return ask(client, "io.p2pd.RenewLease", &t, timeout_msec, &list);
}

P2PD_PUBLIC int p2pd_client_release_lease(struct p2pd_client *client, const char *lease,
                                          int timeout_msec)
{
        _cleanup_(list_clear) struct list list = {0};
        struct p2pd_text t;

        p2pd_parameters_begin(&t);
        p2pd_parameters_add_string(&t, "lease", lease);
        return ask(client, "io.p2pd.ReleaseLease", &t, timeout_msec, &list);
}

P2PD_PUBLIC int p2pd_client_list_leases(struct p2pd_client *client, int timeout_msec,
                                        struct p2pd_lease **ret, size_t *ret_n)
{
        struct list list;
        struct p2pd_text t;
        int r;

        p2pd_parameters_begin(&t);
        r = ask(client, "io.p2pd.ListLeases", &t, timeout_msec, &list);
        if (r < 0)
                return r;
        *ret = list.leases;
        *ret_n = list.n;
        return 0;
}

struct watch {
        p2pd_lease_event_fn callback; /* NULL: it was told of the end */
        void *userdata;
};

static void on_event(struct p2pd_client *client, const struct p2pd_reply *reply, void *userdata)
{
        struct watch *w = userdata;
        int r = p2pd_reply_get_errno(reply);

        if (r == 0 && w->callback) {
                struct p2pd_lease_event event = {.kind = P2PD_LEASES_INITIAL};
                struct list list = {0};

                r = read_reply(reply, &list, &event);
                event.leases = list.leases;
                event.n_leases = list.n;
                w->callback(client, r < 0 ? NULL : &event, r, w->userdata);
                if (r < 0)
                        w->callback = NULL;
                list_clear(&list);
        }
        if (p2pd_reply_continues(reply))
                return;
        if (w->callback)
                w->callback(client, NULL, r, w->userdata);
        free(w);
}

P2PD_PUBLIC int p2pd_client_watch_leases(struct p2pd_client *client, const char *lease,
                                         p2pd_lease_event_fn callback, void *userdata)
{
        _cleanup_(p2pd_string_freep) char *parameters = NULL;
        struct p2pd_text t;
        struct watch *w;
        int r;

        if (!callback)
                return -EINVAL;
        p2pd_parameters_begin(&t);
        if (lease)
                p2pd_parameters_add_string(&t, "lease", lease);
        parameters = p2pd_parameters_end(&t);
        w = calloc(1, sizeof(*w));
        if (!parameters || !w) {
                free(w);
                return -ENOMEM;
        }
        *w = (struct watch){callback, userdata};
        r = p2pd_client_call(client, "io.p2pd.WatchLeases", parameters, P2PD_CALL_MORE, on_event,
                             w);
        if (r < 0)
                free(w);
        return r;
}
