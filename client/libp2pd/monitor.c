/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parameters.h"

struct monitor {
        p2pd_event_fn callback;
        void *userdata;
        bool had_first;
};

/* An event while it is read. */
struct building {
        struct p2pd_event event;
        struct p2pd_change *changes;
        struct p2pd_flip *flips;
};

static void building_clear(struct building *b)
{
        free(b->changes);
        free(b->flips);
}

/* Reads the words of an array of strings into "a,b", as many as fit. */
static int read_words(struct p2p_json *j, char *buf, size_t size)
{
        struct p2p_json_items items = {0};
        size_t n = 0;
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(j, &items)) > 0) {
                char word[32];
                size_t l;

                if (p2p_json_read_string(j, word, sizeof(word)) < 0)
                        return -EBADMSG;
                l = strlen(word);
                if (n + l + 2 > size)
                        continue;
                if (n > 0)
                        buf[n++] = ',';
                memcpy(buf + n, word, l + 1);
                n += l;
        }
        return r;
}

static int read_kind(struct p2p_json *j, enum p2pd_change_kind *ret)
{
        struct p2p_json_slice s;

        if (p2p_json_read_slice(j, &s) < 0)
                return -EBADMSG;
        if (p2p_json_is(&s, "added"))
                *ret = P2PD_CHANGE_ADDED;
        else if (p2p_json_is(&s, "removed"))
                *ret = P2PD_CHANGE_REMOVED;
        else if (p2p_json_is(&s, "changed"))
                *ret = P2PD_CHANGE_CHANGED;
        else
                return -EBADMSG;
        return 0;
}

static int read_change(struct p2p_json *j, struct p2pd_change *ret)
{
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        *ret = (struct p2pd_change){0};
        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "kind"))
                        r = read_kind(j, &ret->kind);
                else if (p2p_json_is(&key, "function"))
                        r = p2p_json_read_string(j, ret->function, sizeof(ret->function));
                else if (p2p_json_is(&key, "what"))
                        r = read_words(j, ret->what, sizeof(ret->what));
                else
                        r = p2p_json_skip(j);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_flip(struct p2p_json *j, struct p2pd_flip *ret)
{
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        *ret = (struct p2pd_flip){.before = p2pd_verdict_unknown(),
                                  .after = p2pd_verdict_unknown()};
        if (p2p_json_enter_object(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "provider"))
                        r = p2p_json_read_string(j, ret->provider, sizeof(ret->provider));
                else if (p2p_json_is(&key, "client"))
                        r = p2p_json_read_string(j, ret->client, sizeof(ret->client));
                else if (p2p_json_is(&key, "before"))
                        r = p2pd_read_verdict(j, &ret->before);
                else if (p2p_json_is(&key, "after"))
                        r = p2pd_read_verdict(j, &ret->after);
                else
                        r = p2p_json_skip(j);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_changes(struct p2p_json *j, struct building *b)
{
        struct p2p_json_items items = {0};
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(j, &items)) > 0) {
                struct p2pd_change *grown =
                        p2pd_grow(b->changes, b->event.n_changes, sizeof(*b->changes));

                if (!grown)
                        return -ENOMEM;
                b->changes = grown;
                r = read_change(j, &b->changes[b->event.n_changes]);
                if (r < 0)
                        return r;
                b->event.n_changes++;
        }
        return r;
}

static int read_flips(struct p2p_json *j, struct building *b)
{
        struct p2p_json_items items = {0};
        int r;

        if (p2p_json_enter_array(j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_element(j, &items)) > 0) {
                struct p2pd_flip *grown = p2pd_grow(b->flips, b->event.n_flips, sizeof(*b->flips));

                if (!grown)
                        return -ENOMEM;
                b->flips = grown;
                r = read_flip(j, &b->flips[b->event.n_flips]);
                if (r < 0)
                        return r;
                b->event.n_flips++;
        }
        return r;
}

static int read_event(const struct p2pd_reply *reply, struct building *b)
{
        struct p2p_json j = p2pd_reply_json(reply);
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        int r;

        if (p2p_json_enter_object(&j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(&j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "generation"))
                        r = p2pd_read_count(&j, &b->event.generation);
                else if (p2p_json_is(&key, "machine_wide"))
                        r = p2p_json_read_bool(&j, &b->event.machine_wide);
                else if (p2p_json_is(&key, "changes") && b->event.n_changes == 0)
                        r = read_changes(&j, b);
                else if (p2p_json_is(&key, "flips") && b->event.n_flips == 0)
                        r = read_flips(&j, b);
                else if (p2p_json_is(&key, "flips_total"))
                        r = p2pd_read_count(&j, &b->event.flips_total);
                else
                        r = p2p_json_skip(&j);
                if (r < 0)
                        return r;
        }
        b->event.changes = b->changes;
        b->event.flips = b->flips;
        return r;
}

static void on_event(struct p2pd_client *client, const struct p2pd_reply *reply, void *userdata)
{
        struct monitor *m = userdata;
        int r = p2pd_reply_get_errno(reply);

        if (r == 0 && m->callback) {
                struct building b = {.event.initial = !m->had_first};

                r = read_event(reply, &b);
                if (r == 0)
                        m->callback(client, &b.event, 0, m->userdata);
                building_clear(&b);
                m->had_first = true;
                if (r < 0) {
                        m->callback(client, NULL, r, m->userdata);
                        m->callback = NULL;
                }
        }
        if (p2pd_reply_continues(reply))
                return;
        if (m->callback)
                m->callback(client, NULL, r, m->userdata);
        free(m);
}

P2PD_PUBLIC int p2pd_client_monitor(struct p2pd_client *client, p2pd_event_fn callback,
                                    void *userdata)
{
        struct monitor *m;
        int r;

        if (!callback)
                return -EINVAL;
        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->callback = callback;
        m->userdata = userdata;
        r = p2pd_client_call(client, "io.p2pd.Monitor", NULL, P2PD_CALL_MORE, on_event, m);
        if (r < 0)
                free(m);
        return r;
}
