/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

/* Blocking calls: one asynchronous call, and a small loop of their own around the client. */

struct wait_for_reply {
        struct p2pd_reply *reply;
        int error;
        bool done;
};

static void on_reply(struct p2pd_client *client, const struct p2pd_reply *reply, void *userdata)
{
        struct wait_for_reply *w = userdata;

        (void)client;
        w->done = true;
        /* No name: the connection failed, there is no reply. */
        if (reply->error && !reply->error_name) {
                w->error = reply->error;
                return;
        }
        w->reply = p2pd_reply_copy(reply);
        if (!w->reply)
                w->error = -ENOMEM;
}

int64_t p2pd_now_msec(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int p2pd_client_wait_ready(struct p2pd_client *c, int64_t deadline_msec)
{
        struct pollfd p = {p2pd_client_get_fd(c), p2pd_client_get_events(c), 0};
        int64_t left = -1;
        int r;

        if (deadline_msec >= 0) {
                left = deadline_msec - p2pd_now_msec();
                if (left <= 0)
                        return -ETIMEDOUT;
        }
        r = poll(&p, 1, (int)left);
        if (r < 0 && errno != EINTR)
                return -errno;
        return 0;
}

void p2pd_client_forget(struct p2pd_client *c, const void *userdata)
{
        for (struct p2pd_pending *p = c->first; p; p = p->next)
                if (p->userdata == userdata)
                        p->callback = NULL;
}

P2PD_PUBLIC int p2pd_client_call_wait(struct p2pd_client *client, const char *method,
                                      const char *parameters, int timeout_msec,
                                      struct p2pd_reply **ret)
{
        int64_t deadline = timeout_msec < 0 ? -1 : p2pd_now_msec() + timeout_msec;
        struct wait_for_reply w = {0};
        int r;

        if (client->dispatching)
                return -EBUSY;
        client->last_error = p2pd_reply_free(client->last_error);
        r = p2pd_client_call(client, method, parameters, 0, on_reply, &w);
        if (r < 0)
                return r;
        while (!w.done) {
                r = p2pd_client_wait_ready(client, deadline);
                if (r < 0) {
                        p2pd_client_forget(client, &w);
                        return r;
                }
                r = p2pd_client_process(client);
                if (r < 0 && !w.done)
                        return r;
        }
        if (w.error)
                return w.error;
        if (r == -ECANCELED) {
                /* The reply came, and then another call's callback freed the client. */
                p2pd_reply_free(w.reply);
                return r;
        }
        if (w.reply->error)
                client->last_error = p2pd_reply_copy(w.reply);
        *ret = w.reply;
        return 0;
}

int p2pd_client_ask(struct p2pd_client *c, const char *method, const char *parameters,
                    int timeout_msec, struct p2pd_reply **ret)
{
        struct p2pd_reply *reply;
        int r;

        r = p2pd_client_call_wait(c, method, parameters, timeout_msec, &reply);
        if (r < 0)
                return r;
        if (reply->error) {
                r = reply->error;
                p2pd_reply_free(reply);
                return r;
        }
        *ret = reply;
        return 0;
}

P2PD_PUBLIC const char *p2pd_client_get_error_name(const struct p2pd_client *client)
{
        return client->last_error ? client->last_error->error_name : NULL;
}

P2PD_PUBLIC const char *p2pd_client_get_error_parameters(const struct p2pd_client *client)
{
        return client->last_error ? client->last_error->parameters : NULL;
}
