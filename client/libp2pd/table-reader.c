/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-internal.h"

#include <errno.h>
#include <stdlib.h>

#include "parameters.h"
#include "table-descriptor.h"

/*
 * One call at a time:
 *
 *     ATTACHING --reply--> TOLD --confirm--> FOLLOWING --reply--> TOLD
 *                                                      --reply, moved--> ATTACHING
 *     TOLD --reattach--> ATTACHING;  all --failure--> ENDED --reattach--> ATTACHING
 *
 * FollowTable is answered at once while a newer generation than the confirmed one is there: so
 * nothing is asked until the caller has confirmed what it was told last.
 */
enum reader_state {
        READER_ATTACHING, /* AttachTable is under way */
        READER_TOLD,      /* nothing is: the last event is not confirmed */
        READER_FOLLOWING, /* FollowTable is under way */
        READER_ENDED,     /* until it is attached again; see error */
};

struct p2pd_table_reader {
        struct p2pd_client *client;
        bool owns_client;
        enum reader_state state;
        int error;
        bool refused; /* the last AttachTable was answered with an error: the daemon is well */
        struct p2pd_table_mapping *mappings; /* the newest first */
        uint64_t n_attached;                 /* mappings so far: the number of the newest */
        uint64_t told, confirmed;            /* generations of the newest mapping */
        bool has_event;
        struct p2pd_table_event event;
};

/* What the two replies say. */
struct answer {
        uint64_t generation, size_bytes;
        bool moved;
};

static void end(struct p2pd_table_reader *reader, int error)
{
        reader->state = READER_ENDED;
        reader->error = error;
        reader->has_event = false;
}

static int read_answer(const struct p2pd_reply *reply, struct answer *ret)
{
        struct p2p_json j = p2pd_reply_json(reply);
        struct p2p_json_items items = {0};
        struct p2p_json_slice key;
        bool has_generation = false;
        int r;

        *ret = (struct answer){0};
        if (p2p_json_enter_object(&j) < 0)
                return -EBADMSG;
        while ((r = p2p_json_next_member(&j, &items, &key)) > 0) {
                if (p2p_json_is(&key, "generation")) {
                        r = p2pd_read_count(&j, &ret->generation);
                        has_generation = true;
                } else if (p2p_json_is(&key, "size_bytes")) {
                        r = p2pd_read_count(&j, &ret->size_bytes);
                } else if (p2p_json_is(&key, "moved")) {
                        r = p2p_json_read_bool(&j, &ret->moved);
                } else {
                        r = p2p_json_skip(&j);
                }
                if (r < 0)
                        return r;
        }
        return r < 0 || !has_generation ? -EBADMSG : 0;
}

static void tell(struct p2pd_table_reader *reader, uint64_t generation)
{
        const struct p2pd_table_mapping *m = reader->mappings;

        reader->state = READER_TOLD;
        reader->told = generation;
        reader->has_event = true;
        reader->event.generation = generation;
        reader->event.memory = m->memory;
        reader->event.bytes = m->bytes;
        reader->event.id_bits = m->id_bits;
        reader->event.attached = reader->n_attached;
}

static int take_table(struct p2pd_table_reader *reader, const struct answer *answer)
{
        struct p2pd_table_mapping *m, *before = reader->mappings;
        int fd = p2pd_passed_take(&reader->client->passed), r;

        if (fd < 0)
                return fd;
        r = p2pd_table_mapping_new(fd, answer->size_bytes, &m);
        if (r < 0)
                return r;
        if (before &&
            (m->instance[0] != before->instance[0] || m->instance[1] != before->instance[1]))
                reader->event.restarted = true;
        reader->event.moved = true;
        m->next = before;
        reader->mappings = m;
        reader->n_attached++;
        reader->confirmed = 0;
        tell(reader, answer->generation);
        return 0;
}

static int ask_attach(struct p2pd_table_reader *reader);
static int ask_follow(struct p2pd_table_reader *reader);

static void on_attached(struct p2pd_client *client, const struct p2pd_reply *reply, void *userdata)
{
        struct p2pd_table_reader *reader = userdata;
        struct answer answer;
        int r = p2pd_reply_get_errno(reply);

        reader->refused = p2pd_reply_get_error_name(reply);
        p2pd_reply_free(client->last_error);
        client->last_error = reader->refused ? p2pd_reply_copy(reply) : NULL;
        if (r == -EALREADY && reader->mappings) {
                /* It was asked for without need: what is there is the newest. */
                reader->state = READER_TOLD;
                r = reader->confirmed == reader->told ? ask_follow(reader) : 0;
        } else if (r == 0) {
                r = read_answer(reply, &answer);
                if (r == 0)
                        r = take_table(reader, &answer);
        }
        p2pd_passed_clear(&client->passed);
        if (r < 0)
                end(reader, r);
}

static void on_followed(struct p2pd_client *client, const struct p2pd_reply *reply, void *userdata)
{
        struct p2pd_table_reader *reader = userdata;
        struct answer answer;
        int r = p2pd_reply_get_errno(reply);

        p2pd_passed_clear(&client->passed);
        if (r == 0)
                r = read_answer(reply, &answer);
        if (r == 0 && answer.moved)
                r = ask_attach(reader);
        else if (r == 0 && answer.generation > reader->confirmed)
                tell(reader, answer.generation);
        else if (r == 0)
                r = -EBADMSG; /* nothing new: asking again would go on without end */
        if (r < 0)
                end(reader, r);
}

static int ask_attach(struct p2pd_table_reader *reader)
{
        int r = p2pd_client_call(reader->client, "io.p2pd.AttachTable", NULL, 0, on_attached,
                                 reader);

        if (r == 0)
                reader->state = READER_ATTACHING;
        return r;
}

static int ask_follow(struct p2pd_table_reader *reader)
{
        struct p2pd_text t;
        char *parameters;
        int r;

        p2pd_parameters_begin(&t);
        p2pd_parameters_add_count(&t, "confirmed", reader->confirmed);
        parameters = p2pd_parameters_end(&t);
        if (!parameters)
                return -ENOMEM;
        r = p2pd_client_call(reader->client, "io.p2pd.FollowTable", parameters, 0, on_followed,
                             reader);
        free(parameters);
        if (r == 0)
                reader->state = READER_FOLLOWING;
        return r;
}

static int reader_new(struct p2pd_client *client, bool owns_client, struct p2pd_table_reader **ret)
{
        struct p2pd_table_reader *reader = calloc(1, sizeof(*reader));
        int r;

        if (!reader)
                return -ENOMEM;
        reader->client = client;
        client->passed.wanted = true;
        r = ask_attach(reader);
        if (r < 0) {
                p2pd_table_reader_free(reader);
                return r;
        }
        reader->owns_client = owns_client;
        *ret = reader;
        return 0;
}

P2PD_PUBLIC int p2pd_table_reader_new_path(const char *path, struct p2pd_table_reader **ret)
{
        struct p2pd_client *client;
        int r;

        r = p2pd_client_new_path(path, &client);
        if (r < 0)
                return r;
        r = reader_new(client, true, ret);
        if (r < 0)
                p2pd_client_free(client);
        return r;
}

P2PD_PUBLIC int p2pd_table_reader_new_client(struct p2pd_client *client,
                                             struct p2pd_table_reader **ret)
{
        if (client->dispatching || client->passed.wanted || client->first)
                return -EBUSY;
        return reader_new(client, false, ret);
}

P2PD_PUBLIC struct p2pd_table_reader *p2pd_table_reader_free(struct p2pd_table_reader *reader)
{
        if (!reader)
                return NULL;
        p2pd_client_forget(reader->client, reader);
        p2pd_passed_clear(&reader->client->passed);
        reader->client->passed.wanted = false;
        if (reader->owns_client)
                p2pd_client_free(reader->client);
        p2pd_table_mapping_free(reader->mappings);
        free(reader);
        return NULL;
}

P2PD_PUBLIC int p2pd_table_reader_get_fd(const struct p2pd_table_reader *reader)
{
        return reader->state == READER_ENDED ? -1 : p2pd_client_get_fd(reader->client);
}

P2PD_PUBLIC short p2pd_table_reader_get_events(const struct p2pd_table_reader *reader)
{
        return reader->state == READER_ENDED ? 0 : p2pd_client_get_events(reader->client);
}

P2PD_PUBLIC int p2pd_table_reader_process(struct p2pd_table_reader *reader,
                                          struct p2pd_table_event *ret)
{
        int r;

        if (reader->client->dispatching)
                return -EBUSY;
        if (reader->state == READER_ENDED)
                return reader->error;
        r = p2pd_client_process(reader->client);
        if (r < 0 && reader->state != READER_ENDED)
                end(reader, r);
        if (reader->state == READER_ENDED) {
                /* The daemon must not wait for confirmations that will never come. */
                if (reader->owns_client || !reader->refused)
                        p2pd_client_break(reader->client, reader->error);
                return reader->error;
        }
        if (!reader->has_event)
                return 0;
        *ret = reader->event;
        reader->has_event = reader->event.moved = false;
        reader->event.interrupted = reader->event.restarted = false;
        return 1;
}

P2PD_PUBLIC int p2pd_table_reader_wait(struct p2pd_table_reader *reader, int timeout_msec,
                                       struct p2pd_table_event *ret)
{
        int64_t deadline = timeout_msec < 0 ? -1 : p2pd_now_msec() + timeout_msec;
        int r;

        while ((r = p2pd_table_reader_process(reader, ret)) == 0) {
                if (reader->state == READER_TOLD)
                        return -EDEADLK;
                r = p2pd_client_wait_ready(reader->client, deadline);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : 0;
}

P2PD_PUBLIC int p2pd_table_reader_confirm(struct p2pd_table_reader *reader,
                                          const struct p2pd_table_event *event)
{
        if (event->attached != reader->n_attached)
                return event->attached < reader->n_attached ? -ESTALE : -EINVAL;
        if (event->generation > reader->told)
                return -EINVAL;
        if (event->generation > reader->confirmed)
                reader->confirmed = event->generation;
        if (reader->mappings)
                reader->mappings->next = p2pd_table_mapping_free(reader->mappings->next);
        if (reader->state == READER_ENDED)
                return reader->error;
        return reader->state == READER_TOLD && reader->confirmed == reader->told
                       ? ask_follow(reader)
                       : 0;
}

P2PD_PUBLIC int p2pd_table_reader_reattach(struct p2pd_table_reader *reader)
{
        int r;

        if (reader->client->dispatching)
                return -EBUSY;
        /* Otherwise an answer is to come that brings it. */
        if (reader->state == READER_TOLD)
                return ask_attach(reader);
        if (reader->state != READER_ENDED)
                return 0;
        r = p2pd_client_reconnect(reader->client);
        if (r < 0)
                return r;
        /* The daemon no longer waited for what this reader would confirm. */
        reader->event.interrupted = reader->mappings;
        return ask_attach(reader);
}
