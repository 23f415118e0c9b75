/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "leases.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lease-table.h"

const char *p2pd_lease_event_to_string(enum p2pd_lease_event_kind kind)
{
        static const char *const names[P2PD_LEASE_EVENT_MAX] = {
                [P2PD_LEASE_EXPIRED] = "expired", [P2PD_LEASE_DISCONNECTED] = "disconnected",
                [P2PD_LEASE_LOST] = "lost",       [P2PD_LEASE_BACK] = "back",
                [P2PD_LEASE_MOVED] = "moved",     [P2PD_LEASE_TAKEN] = "taken",
                [P2PD_LEASE_RENEWED] = "renewed", [P2PD_LEASE_RELEASED] = "released",
        };

        return kind < P2PD_LEASE_EVENT_MAX ? names[kind] : NULL;
}

static bool is_letter(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

bool p2pd_lease_name_is_valid(const char *name, size_t length)
{
        if (length == 0 || length > P2PD_LEASE_NAME_MAX || !is_letter(*name))
                return false;
        for (size_t i = 0; i < length; i++)
                if (name[i] == '\0' ||
                    (!is_letter(name[i]) && !is_digit(name[i]) && !strchr("._:@/+-", name[i])))
                        return false;
        return true;
}

struct p2pd_leases *p2pd_leases_new(const struct p2pd_leases_params *params)
{
        struct p2pd_leases *l = calloc(1, sizeof(*l));

        assert(params->max > 0 && params->max_per_user > 0 && params->max_devices > 0);
        if (!l)
                return NULL;
        l->params = *params;
        l->last_number = params->last_number;
        return l;
}

void p2pd_lease_free(struct p2pd_lease *lease)
{
        if (!lease)
                return;
        free(lease->devices);
        free(lease);
}

struct p2pd_leases *p2pd_leases_free(struct p2pd_leases *l)
{
        if (!l)
                return NULL;
        for (uint32_t i = 0; i < l->n; i++)
                p2pd_lease_free(l->items[i]);
        free(l->items);
        free(l->holders);
        free(l->vf_holders);
        free(l);
        return NULL;
}

void p2pd_leases_index(struct p2pd_leases *l)
{
        for (uint32_t i = 0; i < l->n_functions; i++)
                l->holders[i] = l->vf_holders[i] = NULL;
        for (uint32_t i = 0; i < l->n; i++) {
                struct p2pd_lease *lease = l->items[i];

                for (uint32_t j = 0; j < lease->n_devices; j++) {
                        const struct p2pd_lease_device *d = &lease->devices[j];

                        if (d->function != P2P_NONE)
                                l->holders[d->function] = lease;
                        if (d->physfn != P2P_NONE)
                                l->vf_holders[d->physfn] = lease;
                }
        }
}

struct p2pd_lease *p2pd_lease_new(uint32_t n_devices, const char *name, const char *owner)
{
        struct p2pd_lease *lease = calloc(1, sizeof(*lease));

        if (!lease)
                return NULL;
        lease->devices = calloc(n_devices, sizeof(*lease->devices));
        if (!lease->devices) {
                free(lease);
                return NULL;
        }
        if (name)
                memcpy(lease->name, name, strnlen(name, P2PD_LEASE_NAME_MAX));
        if (owner)
                memcpy(lease->owner, owner, strnlen(owner, P2PD_LEASE_OWNER_MAX));
        return lease;
}

int p2pd_leases_reserve(struct p2pd_leases *l)
{
        uint32_t size = l->size ? 2 * l->size : 16;
        struct p2pd_lease **items;

        if (l->n < l->size)
                return 0;
        items = realloc(l->items, size * sizeof(*items));
        if (!items)
                return -ENOMEM;
        l->items = items;
        l->size = size;
        return 0;
}

void p2pd_leases_append(struct p2pd_leases *l, struct p2pd_lease *lease)
{
        l->items[l->n++] = lease;
        l->n_devices += lease->n_devices;
        if (lease->number > l->last_number)
                l->last_number = lease->number;
        p2pd_leases_index(l);
}

/* Which leases to remove, and what their holders are told. */
struct removal {
        bool (*matches)(const struct p2pd_lease *lease, uint64_t key);
        uint64_t key;
        enum p2pd_lease_event_kind kind;
};

/* How many. Each is told first, if there is anybody to tell. */
static uint32_t remove_matching(struct p2pd_leases *l, const struct removal *what,
                                p2pd_lease_event_fn on_event, void *userdata)
{
        const uint32_t n = l->n;
        uint32_t kept = 0;

        for (uint32_t i = 0; i < n; i++)
                if (on_event && what->matches(l->items[i], what->key))
                        on_event(what->kind, l->items[i], NULL, userdata);
        for (uint32_t i = 0; i < n; i++) {
                if (!what->matches(l->items[i], what->key)) {
                        l->items[kept++] = l->items[i];
                        continue;
                }
                l->n_devices -= l->items[i]->n_devices;
                p2pd_lease_free(l->items[i]);
        }
        l->n = kept;
        if (kept < n)
                p2pd_leases_index(l);
        return n - kept;
}

static bool has_number(const struct p2pd_lease *lease, uint64_t number)
{
        return lease->number == number;
}

static bool is_over(const struct p2pd_lease *lease, uint64_t boot_usec)
{
        return lease->term.deadline_usec != 0 && lease->term.deadline_usec <= boot_usec;
}

static bool is_tied_to(const struct p2pd_lease *lease, uint64_t connection)
{
        return lease->connection != 0 && lease->connection == connection;
}

/* TOO_MANY, and the limit that is passed; or 0. */
static int check_limits(const struct p2pd_leases *l, const struct p2pd_lease_request *request,
                        struct p2pd_lease_obstacle *obstacle)
{
        uint32_t of_user = 0;

        for (uint32_t i = 0; i < l->n; i++)
                of_user += l->items[i]->uid == request->uid;
        if (l->n >= l->params.max)
                obstacle->limit = l->params.max;
        else if (request->uid != 0 && of_user >= l->params.max_per_user)
                obstacle->limit = l->params.max_per_user;
        else if (l->n_devices > l->params.max_devices ||
                 request->n_functions > l->params.max_devices - l->n_devices)
                obstacle->limit = l->params.max_devices;
        return obstacle->limit != 0 ? P2PD_LEASE_E_TOO_MANY : 0;
}

/* The device of the lease by which it holds the function, or its physical or a virtual one. */
static const struct p2pd_lease_device *find_device(const struct p2pd_lease *lease,
                                                   uint32_t function, bool by_vf)
{
        for (uint32_t i = 0; i < lease->n_devices; i++) {
                const struct p2pd_lease_device *d = &lease->devices[i];

                if ((by_vf ? d->physfn : d->function) == function)
                        return d;
        }
        return NULL;
}

static int check_held(const struct p2pd_leases *l, const struct p2p_machine *m, uint32_t function,
                      struct p2pd_lease_obstacle *obstacle)
{
        const struct p2p_function *f = &m->functions[function];
        uint32_t held = function;
        bool by_vf = false;

        obstacle->lease = l->holders[function];
        if (!obstacle->lease && f->is_vf && f->physfn != P2P_NONE) {
                held = f->physfn;
                obstacle->lease = l->holders[held];
        }
        if (!obstacle->lease) {
                held = function;
                by_vf = true;
                obstacle->lease = l->vf_holders[held];
        }
        if (!obstacle->lease)
                return 0;
        obstacle->function = function;
        obstacle->device = find_device(obstacle->lease, held, by_vf);
        return P2PD_LEASE_E_HELD;
}

/* Fills the device; UNRECOGNISABLE, or HELD with its obstacle. */
static int check_device(const struct p2pd_leases *l, const struct p2p_machine *m, uint32_t function,
                        struct p2pd_lease_device *ret, struct p2pd_lease_obstacle *obstacle)
{
        const struct p2p_function *f = &m->functions[function];
        struct p2pd_lease_device d = {
                .address = f->address,
                .identity = p2p_function_identity(m, function),
                .function = function,
                .physfn = f->is_vf ? f->physfn : P2P_NONE,
        };

        if (p2p_slot_compute(m, function, &d.slot) != 0 || !d.identity.is_known) {
                obstacle->function = function;
                return P2PD_LEASE_E_UNRECOGNISABLE;
        }
        *ret = d;
        return check_held(l, m, function, obstacle);
}

/* Fills the lease's devices. seen: by function, all false. */
static int check_request(const struct p2pd_leases *l, const struct p2pd_lease_request *request,
                         bool *seen, struct p2pd_lease *lease, struct p2pd_lease_obstacle *obstacle)
{
        int r;

        *obstacle = (struct p2pd_lease_obstacle){.function = P2P_NONE};
        if (request->name) {
                obstacle->lease = p2pd_leases_find_name(l, request->name);
                if (obstacle->lease)
                        return P2PD_LEASE_E_NAME_TAKEN;
        }
        r = check_limits(l, request, obstacle);
        for (uint32_t i = 0; i < request->n_functions && r == 0; i++) {
                const uint32_t function = request->functions[i];

                assert(function < l->n_functions);
                if (seen[function])
                        continue;
                seen[function] = true;
                r = check_device(l, request->machine, function, &lease->devices[lease->n_devices],
                                 obstacle);
                lease->n_devices++;
        }
        return r;
}

int p2pd_leases_take(struct p2pd_leases *l, const struct p2pd_lease_request *request,
                     const struct p2pd_lease **ret, struct p2pd_lease_obstacle *ret_obstacle)
{
        struct p2pd_lease_obstacle obstacle;
        struct p2pd_lease *lease;
        bool *seen;
        int r;

        assert(request->machine == l->machine && request->n_functions > 0);
        assert(!request->name || p2pd_lease_name_is_valid(request->name, strlen(request->name)));
        assert(!request->owner || strlen(request->owner) <= P2PD_LEASE_OWNER_MAX);
        assert(request->connection != 0);
        lease = p2pd_lease_new(request->n_functions, request->name, request->owner);
        seen = calloc((size_t)l->n_functions + 1, sizeof(*seen));
        if (!lease || !seen || p2pd_leases_reserve(l) < 0) {
                p2pd_lease_free(lease);
                free(seen);
                return -ENOMEM;
        }
        r = check_request(l, request, seen, lease, &obstacle);
        free(seen);
        if (r != 0) {
                p2pd_lease_free(lease);
                *ret_obstacle = obstacle;
                return r;
        }
        lease->number = l->last_number + 1;
        lease->uid = request->uid;
        lease->pid = request->pid;
        lease->connection = request->name ? 0 : request->connection;
        lease->taken_usec = request->now.wall_usec;
        lease->term = p2pd_lease_term_of(request->now, request->duration_usec);
        p2pd_leases_append(l, lease);
        *ret = lease;
        return 0;
}

static struct p2pd_lease *find_number(const struct p2pd_leases *l, uint64_t number)
{
        for (uint32_t i = 0; i < l->n; i++)
                if (l->items[i]->number == number)
                        return l->items[i];
        return NULL;
}

const struct p2pd_lease *p2pd_leases_find_number(const struct p2pd_leases *l, uint64_t number)
{
        return find_number(l, number);
}

const struct p2pd_lease *p2pd_leases_find_name(const struct p2pd_leases *l, const char *name)
{
        for (uint32_t i = 0; i < l->n; i++)
                if (l->items[i]->name[0] && strcmp(l->items[i]->name, name) == 0)
                        return l->items[i];
        return NULL;
}

/* Decimal digits and nothing else. */
static bool parse_number(const char *text, uint64_t *ret)
{
        uint64_t number = 0;

        for (; is_digit(*text); text++)
                if (__builtin_mul_overflow(number, 10U, &number) ||
                    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
                        return false;
        *ret = number;
        return *text == '\0';
}

int p2pd_leases_find_for(const struct p2pd_leases *l, const char *which, uint32_t uid,
                         const struct p2pd_lease **ret)
{
        const struct p2pd_lease *lease;
        uint64_t number;

        if (!is_digit(*which))
                lease = p2pd_leases_find_name(l, which);
        else
                lease = parse_number(which, &number) ? find_number(l, number) : NULL;
        if (!lease)
                return P2PD_LEASE_E_UNKNOWN;
        if (uid != 0 && uid != lease->uid)
                return P2PD_LEASE_E_NOT_OWNER;
        *ret = lease;
        return 0;
}

int p2pd_leases_renew(struct p2pd_leases *l, uint64_t number, struct p2pd_lease_term term)
{
        struct p2pd_lease *lease = find_number(l, number);

        if (!lease)
                return P2PD_LEASE_E_UNKNOWN;
        lease->term = term;
        return 0;
}

int p2pd_leases_release(struct p2pd_leases *l, uint64_t number)
{
        const struct removal what = {.matches = has_number, .key = number};

        return remove_matching(l, &what, NULL, NULL) > 0 ? 0 : P2PD_LEASE_E_UNKNOWN;
}

uint32_t p2pd_leases_expire(struct p2pd_leases *l, uint64_t boot_usec, p2pd_lease_event_fn on_event,
                            void *userdata)
{
        const struct removal what = {is_over, boot_usec, P2PD_LEASE_EXPIRED};

        return remove_matching(l, &what, on_event, userdata);
}

uint64_t p2pd_leases_next_expiry(const struct p2pd_leases *l)
{
        uint64_t next = 0;

        for (uint32_t i = 0; i < l->n; i++) {
                const uint64_t usec = l->items[i]->term.deadline_usec;

                if (usec != 0 && (next == 0 || usec < next))
                        next = usec;
        }
        return next;
}

uint32_t p2pd_leases_disconnect(struct p2pd_leases *l, uint64_t connection,
                                p2pd_lease_event_fn on_event, void *userdata)
{
        const struct removal what = {is_tied_to, connection, P2PD_LEASE_DISCONNECTED};

        return remove_matching(l, &what, on_event, userdata);
}

void p2pd_leases_held(const struct p2pd_leases *l, const struct p2p_machine *m, uint64_t except,
                      bool *ret_held)
{
        assert(m == l->machine);
        for (uint32_t i = 0; i < m->n_functions; i++) {
                const struct p2p_function *f = &m->functions[i];
                const struct p2pd_lease *of_pf =
                        f->is_vf && f->physfn != P2P_NONE ? l->holders[f->physfn] : NULL;

                ret_held[i] = (l->holders[i] && l->holders[i]->number != except) ||
                              (of_pf && of_pf->number != except);
        }
        for (uint32_t i = 0; i < l->n; i++) {
                const struct p2pd_lease *lease = l->items[i];

                for (uint32_t j = 0; j < lease->n_devices; j++)
                        if (lease->number != except && lease->devices[j].physfn != P2P_NONE)
                                ret_held[lease->devices[j].physfn] = true;
        }
}

const struct p2pd_lease *p2pd_leases_holder(const struct p2pd_leases *l,
                                            const struct p2p_machine *m, uint32_t function)
{
        assert(m == l->machine && function < m->n_functions);
        (void)m;
        return l->holders[function];
}

uint32_t p2pd_leases_n_devices(const struct p2pd_leases *l)
{
        return l->n_devices;
}

uint32_t p2pd_leases_n(const struct p2pd_leases *l)
{
        return l->n;
}

const struct p2pd_lease *p2pd_leases_get(const struct p2pd_leases *l, uint32_t i)
{
        assert(i < l->n);
        return l->items[i];
}

uint64_t p2pd_leases_n_learned(const struct p2pd_leases *l)
{
        return l->n_learned;
}

uint64_t p2pd_leases_last_number(const struct p2pd_leases *l)
{
        return l->last_number;
}
