/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of libp2pd share: the client, its calls under way, its replies. */

#include "p2pd/p2pd.h"

#include <sys/types.h>

#define P2PD_PUBLIC __attribute__((visibility("default")))

#define P2PD_REPLY_BYTES_MAX (64U << 20)
#define P2PD_UNSENT_BYTES_MAX (16U << 20)

/* Bytes from begin to end of data are in use. */
struct p2pd_bytes {
        char *data;
        size_t begin, end, size;
};

/* A reply. One that a callback sees borrows its text from the receive buffer. */
struct p2pd_reply {
        int error; /* 0 or negative errno */
        char *error_name;
        char *parameters;
        size_t parameters_length;
        bool continues;
};

/* What was sent along with the bytes of a reply, of which at most one is kept. */
struct p2pd_passed {
        bool wanted; /* else none is taken in */
        int fd;      /* -1: none; else the first that came and was not taken yet */
        int error;   /* why one that was sent could not be taken in, or 0 */
};

/* A call that waits for its (next) reply. */
struct p2pd_pending {
        struct p2pd_pending *next;
        p2pd_reply_fn callback; /* NULL: the reply is dropped */
        void *userdata;
        bool more;
};

struct p2pd_client {
        int fd;
        int broken; /* 0, or the negative errno that ended the connection */
        char *path; /* NULL: made of a descriptor */
        struct p2pd_bytes in, out;
        size_t searched; /* bytes of in behind its begin that hold no NUL */
        struct p2pd_passed passed;
        struct p2pd_pending *first, **last;
        bool dispatching; /* a callback runs */
        bool freed;       /* by a callback; dies when dispatching ends */
        bool closing;     /* no further calls */
        struct p2pd_reply *last_error;
};

/* Takes the message text apart in place: error, error_name and parameters point into it, ended by
 * NULs written over it. 0 or -EBADMSG. */
int p2pd_reply_parse(char *text, size_t length, struct p2pd_reply *ret);

/* Copies a reply into memory of its own. NULL: no memory. */
struct p2pd_reply *p2pd_reply_copy(const struct p2pd_reply *reply);

/* The negative errno for an error's full name. */
int p2pd_errno_from_name(const char *name);

/* Ends the connection with this error (negative errno), and calls back who waits; the client is
 * broken then. Not inside a callback (asserted). */
void p2pd_client_break(struct p2pd_client *c, int error);

/* The caller's replies will find nobody: its calls under way are those with this userdata. */
void p2pd_client_forget(struct p2pd_client *c, const void *userdata);

/* Milliseconds of the monotonic clock; and waits for the client's descriptor until then (-1: as
 * long as it takes). 0, also when a signal came; -ETIMEDOUT or the errno of poll(2). */
int64_t p2pd_now_msec(void);
int p2pd_client_wait_ready(struct p2pd_client *c, int64_t deadline_msec);

/* Sends a call, waits, and keeps an error reply for p2pd_client_get_error_name(). 0 with an answer;
 * its errno for an error. */
int p2pd_client_ask(struct p2pd_client *c, const char *method, const char *parameters,
                    int timeout_msec, struct p2pd_reply **ret);

static inline void p2pd_reply_freep(struct p2pd_reply **reply)
{
        p2pd_reply_free(*reply);
}
