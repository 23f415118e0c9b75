/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One call on its way from the envelope to the reply: what every method gets, reads its parameters
 * with and answers by. A method is parse -> decide -> reply; it answers at once into the writer, or
 * leaves a stream that produces the reply (or, with "more", the replies) piece by piece.
 */

#include <stdbool.h>
#include <stdint.h>

#include "decide/rules.h"
#include "serve/descriptor.h"
#include "serve/function-index.h"
#include "serve/json-writer.h"
#include "serve/refusal.h"
#include "serve/varlink-message.h"
#include "snapshot.h"

struct p2pd_connection;
struct p2pd_job;
struct p2pd_server;

/* What a connection is told of as it happens, behind the first reply of a stream. */
enum p2pd_events {
        P2PD_EVENTS_NONE,
        P2PD_EVENTS_MACHINE, /* generations */
        P2PD_EVENTS_LEASES,
};

/* What p2pd_stream.produce returns while there is more to come. */
#define P2PD_STREAM_MORE 1

/*
 * An answer that is produced in pieces, as fast as the client reads. The first member of what a
 * method allocates for it.
 */
struct p2pd_stream {
        /* Writes the next piece, small next to 64 KiB. P2PD_STREAM_MORE; 0: that was the last; or a
         * negative errno, the connection is then closed. */
        int (*produce)(struct p2pd_stream *stream, struct p2pd_writer *w);
        void (*free)(struct p2pd_stream *stream);
        struct p2pd_snapshot *snapshot; /* what it speaks of, held */
        size_t bytes;                   /* what the method allocated for it, charged to the user */
        /* The call does not end with the last piece: what happens of this kind follows. */
        enum p2pd_events then_events;
};

/* Accepts NULL; returns NULL. */
struct p2pd_stream *p2pd_stream_free(struct p2pd_stream *stream);

/* What a call waits for when its method answers later. */
enum p2pd_wait {
        P2PD_WAIT_NOTHING,
        P2PD_WAIT_RESCAN,
        P2PD_WAIT_TABLE, /* a newer generation of the shared table */
        P2PD_WAIT_BAR,   /* a BAR to be registered, or not any more */
        P2PD_WAIT_JOB,   /* what is computed in a thread */
        P2PD_WAIT_LEASE, /* an operation on a lease */
};

struct p2pd_call {
        struct p2pd_server *server;
        struct p2pd_connection *connection;
        struct p2pd_varlink_call message;
        struct p2pd_writer *writer;
        struct p2pd_snapshot *snapshot; /* the current one, lent */
        struct p2pd_stream *stream;     /* left by the method, or NULL */
        enum p2pd_wait waits_for;
        struct p2pd_job *job;           /* submitted by the method, with P2PD_WAIT_JOB; or NULL */
        struct p2pd_descriptor *passed; /* goes with the reply, left by the method; or NULL */
};

/* What methods and the functions below return besides 0 and a negative errno: an error was
 * written, there is nothing more to do. */
#define P2PD_CALL_REFUSED 1

/* Finds the method and runs it. 0 or P2PD_CALL_REFUSED: answered, or a stream is left, or it waits;
 * negative errno: what was written is to be dropped and the connection closed. */
int p2pd_call_run(struct p2pd_call *call);

/* Write the error and return P2PD_CALL_REFUSED. */
int p2pd_refuse(struct p2pd_call *call, enum p2pd_refused kind,
                const struct p2pd_refusal_value *values);
int p2pd_refuse_text(struct p2pd_call *call, enum p2pd_refused kind, struct p2pd_text text);
int p2pd_refuse_too_much(struct p2pd_call *call, uint64_t entries, uint64_t limit);

/* Up to and behind the members of "parameters"; the second one ends the message. */
void p2pd_reply_begin(struct p2pd_writer *w);
void p2pd_reply_end(struct p2pd_writer *w, bool continues);

/* Starts a stream that speaks of the current snapshot and leaves it in the call, which then owns
 * it. */
void p2pd_call_stream(struct p2pd_call *call, struct p2pd_stream *stream,
                      int (*produce)(struct p2pd_stream *stream, struct p2pd_writer *w),
                      void (*free_stream)(struct p2pd_stream *stream));

/* Submits the job (job.h), which becomes the call's; its answer is awaited. */
void p2pd_call_submit(struct p2pd_call *call, struct p2pd_job *job);

/*
 * Parameters
 */
enum p2pd_parameter_type {
        P2PD_PARAMETER_STRING,
        P2PD_PARAMETER_OPTIONAL_STRING,
        P2PD_PARAMETER_INT,
        P2PD_PARAMETER_OPTIONAL_INT,
        P2PD_PARAMETER_STRINGS,          /* []string */
        P2PD_PARAMETER_OPTIONAL_STRINGS, /* ?[]string */
        P2PD_PARAMETER_OBJECT,
        P2PD_PARAMETER_OPTIONAL_OBJECT,
        P2PD_PARAMETER_OPTIONAL_OBJECTS, /* an array of them */
        P2PD_PARAMETER_OPTIONAL_RULES,   /* ?Rules */
        P2PD_PARAMETER_OPTIONAL_BOOL,
        P2PD_PARAMETER_OPTIONAL_HEX, /* ?string: "0x" and 1 to 16 hexadecimal digits */
};

struct p2pd_parameter {
        const char *name;
        enum p2pd_parameter_type type;
};

#define P2PD_PARAMETERS_MAX 14U

/* The value of a parameter: the member of its type is meaningful if it is present. */
struct p2pd_argument {
        bool present; /* given, and not null */
        struct p2pd_text text;
        int64_t number;
        uint64_t hex;                /* 0 if not present */
        bool yes;                    /* false if not present */
        struct p2p_json array;       /* on the bracket of an array or an object */
        uint32_t n_elements;         /* of an array */
        enum p2p_rules_choice rules; /* if not present: the daemon's default */
};

/* Reads the call's parameters by this table, n at most P2PD_PARAMETERS_MAX (asserted); arguments
 * come in the order of the table. An unknown or repeated member, a wrong type or value, or one
 * that is missing and not optional: InvalidParameter. 0 or P2PD_CALL_REFUSED. */
int p2pd_call_parameters(struct p2pd_call *call, const struct p2pd_parameter *parameters, size_t n,
                         struct p2pd_argument *arguments);

/* The same for the members of an object within the parameters. Consumes it. */
int p2pd_call_members(struct p2pd_call *call, struct p2p_json *object,
                      const struct p2pd_parameter *parameters, size_t n,
                      struct p2pd_argument *arguments);

/* The text without NUL behind it as one with: InvalidParameter with this name if it holds a NUL or
 * has more than size - 1 bytes. 0 or P2PD_CALL_REFUSED. */
int p2pd_call_copy_text(struct p2pd_call *call, struct p2pd_text text, const char *name, char *buf,
                        size_t size);

/* The index of the function that is called so; otherwise FunctionNotFound or FunctionAmbiguous. 0,
 * P2PD_CALL_REFUSED or -ENOMEM. */
int p2pd_call_resolve(struct p2pd_call *call, struct p2pd_text name, uint32_t *ret);

/* The lists that stand for an argument which was left out. */
enum p2pd_default_list {
        P2PD_DEFAULT_ALL,
        P2PD_DEFAULT_SHOWN, /* what is shown without being asked for */
        P2PD_DEFAULT_ENDPOINTS,
};

/* The functions of an optional array of names, in its order, to be freed by the caller. Otherwise
 * like p2pd_call_resolve(). */
int p2pd_call_resolve_list(struct p2pd_call *call, const struct p2pd_argument *argument,
                           enum p2pd_default_list otherwise, uint32_t **ret, uint32_t *ret_n);

/* The verdicts of the current snapshot under the rules that the call asked for. */
const struct p2p_verdicts *p2pd_call_verdicts(const struct p2pd_call *call,
                                              const struct p2pd_argument *rules);
