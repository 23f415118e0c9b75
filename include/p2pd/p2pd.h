/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef P2PD_P2PD_H
#define P2PD_P2PD_H

/*
 * libp2pd: asks the p2pd daemon which PCIe functions of this machine reach each other by
 * peer-to-peer DMA, and how.
 *
 * A struct p2pd_client is one connection. It fits any event loop: poll the descriptor of
 * p2pd_client_get_fd() for the events of p2pd_client_get_events(), and call p2pd_client_process()
 * when one of them is there; it runs the callbacks of the calls whose replies came in. Programs
 * without an event loop use the functions that take timeout_msec: they send one call and wait for
 * its reply.
 *
 * The daemon answers the calls of a connection one after the other. A stream
 * (p2pd_client_monitor(), p2pd_client_get_pairs(), P2PD_CALL_MORE) holds its connection until it
 * ends: what is asked after it waits. A program that watches and asks uses two clients.
 *
 * Threads: the library holds no global state. Different clients may be used from different threads
 * at the same time; one client must be used by one thread at a time. Nothing here is safe in a
 * signal handler. A descriptor must not be used by parent and child after fork(); all are CLOEXEC.
 *
 * Functions that can fail return 0 (or a count) on success and a negative errno otherwise; what
 * they return through a "ret" parameter is written only on success. What can happen to every call:
 *
 *   -ECONNRESET  the daemon closed the connection (it was restarted, or a limit was passed). The
 *                client is broken from then on; p2pd_client_reconnect() makes it usable again.
 *   -EBADMSG     the daemon sent something that is not a proper reply; the client is broken.
 *   -EMSGSIZE    one reply is larger than 64 MiB; the client is broken.
 *   -ENOBUFS     more than 16 MiB of calls wait to be sent.
 *   -ENOMEM      no memory.
 *
 * The daemon's own refusals are errors by name in the protocol, and come as these:
 *
 *   -ENODEV      io.p2pd.FunctionNotFound
 *   -ENOTUNIQ    io.p2pd.FunctionAmbiguous
 *   -ERANGE      io.p2pd.RangeInvalid
 *   -E2BIG       io.p2pd.TooMuch
 *   -EIO         io.p2pd.ScanFailed
 *   -EACCES      org.varlink.service.PermissionDenied
 *   -EINVAL      org.varlink.service.InvalidParameter
 *   -EOPNOTSUPP  org.varlink.service.MethodNotFound, .MethodNotImplemented, .InterfaceNotFound
 *   -EPROTO      org.varlink.service.ExpectedMore
 *   -EREMOTEIO   any other
 *
 * Functions of the machine are named by address ("0000:03:00.0", "03:00.0") or by what people call
 * them ("nvme0", "mlx5_0"). The protocol itself is documented in io.p2pd.varlink.
 *
 * Everything here is there since version 0.1.0.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the daemon of this machine listens. */
#define P2PD_DEFAULT_PATH "/run/p2pd/io.p2pd"

/* One connection to a daemon. */
struct p2pd_client;

/* One reply, or the news that there will be none. */
struct p2pd_reply;

/*
 * ---- Connection ----
 */

/*
 * Connects to the daemon at path (NULL: P2PD_DEFAULT_PATH). Does not wait: a Unix socket connects
 * at once or fails with the errno of connect(2), in particular -ENOENT (no socket), -ECONNREFUSED
 * (nobody listens) or -EAGAIN (too many are waiting to be accepted, try again). -ENAMETOOLONG if
 * path does not fit a socket address. Free the client with p2pd_client_free().
 * Since 0.1.0.
 */
int p2pd_client_new_path(const char *path, struct p2pd_client **ret);

/*
 * Makes a client of a connected stream socket. On success the descriptor is the client's, which
 * closes it and sets it to non-blocking; on failure it stays the caller's. Does not block.
 * Since 0.1.0.
 */
int p2pd_client_new_fd(int fd, struct p2pd_client **ret);

/*
 * Closes the connection and frees the client. Callbacks that still wait are called once more with
 * -ECANCELED, so that they can free what they hold; from inside of these no call can be made.
 * Accepts NULL; always returns NULL. May be called inside a callback: the client then lives until
 * p2pd_client_process() returns (with -ECANCELED).
 * Since 0.1.0.
 */
struct p2pd_client *p2pd_client_free(struct p2pd_client *client);

/*
 * Gives up the present connection (what waits on it is called back with -ECANCELED) and connects
 * anew to the same path; the descriptor changes. Errors are those of p2pd_client_new_path(), and
 * the client is then broken with -ENOTCONN; -EOPNOTSUPP for a client made of a descriptor; -EBUSY
 * inside a callback. Nothing is asked again by itself. Does not block.
 * Since 0.1.0.
 */
int p2pd_client_reconnect(struct p2pd_client *client);

/* The descriptor to poll, or -1 for a broken client. It stays the client's. Since 0.1.0. */
int p2pd_client_get_fd(const struct p2pd_client *client);

/*
 * The poll(2) events to wait for at the moment: POLLIN, with POLLOUT while calls wait to be sent.
 * Ask again before every poll. 0 for a broken client.
 * Since 0.1.0.
 */
short p2pd_client_get_events(const struct p2pd_client *client);

/*
 * Sends and receives what is possible without waiting, and runs the callbacks of the replies that
 * are complete. Returns how many callbacks ran. When the connection fails, the callbacks of all
 * waiting calls run with the error, and the error is returned, now and until the client is
 * reconnected. -EBUSY inside a callback. -ECANCELED: a callback freed the client.
 * Since 0.1.0.
 */
int p2pd_client_process(struct p2pd_client *client);

/* How many calls wait for a (further) reply. Since 0.1.0. */
size_t p2pd_client_get_pending(const struct p2pd_client *client);

/*
 * ---- Any call ----
 */

enum p2pd_call_flags {
        P2PD_CALL_MORE = 1,   /* several replies are welcome: streams */
        P2PD_CALL_ONEWAY = 2, /* no reply is wanted; the callback must be NULL */
};

/*
 * Receives a reply. It is valid until the callback returns. With P2PD_CALL_MORE the callback runs
 * for each reply, for the last time when p2pd_reply_continues() is false.
 */
typedef void (*p2pd_reply_fn)(struct p2pd_client *client, const struct p2pd_reply *reply,
                              void *userdata);

/*
 * Sends a call. method: full name, "io.p2pd.GetStatus". parameters: the text of a JSON object, or
 * NULL for none. flags: of enum p2pd_call_flags. Calls may be sent before earlier ones are
 * answered; replies come in the order of the calls. callback NULL: replies are dropped.
 * Returns 0; -EINVAL for a bad method name, parameters that are not a JSON object, or wrong flags;
 * the connection's error for a broken client. Does not block: what the socket does not take at
 * once is sent by p2pd_client_process(). May be used inside a callback.
 * Since 0.1.0.
 */
int p2pd_client_call(struct p2pd_client *client, const char *method, const char *parameters,
                     unsigned int flags, p2pd_reply_fn callback, void *userdata);

/*
 * Sends a call and waits for its reply, at most timeout_msec milliseconds (-1: as long as it
 * takes). Returns 0 when a reply came, also for one that carries an error: see
 * p2pd_reply_get_errno(). -ETIMEDOUT: no reply in time; it will be dropped when it comes. -EBUSY
 * inside a callback. Callbacks of other calls run while this one waits. Free the reply with
 * p2pd_reply_free().
 * Since 0.1.0.
 */
int p2pd_client_call_wait(struct p2pd_client *client, const char *method, const char *parameters,
                          int timeout_msec, struct p2pd_reply **ret);

/* 0 for an answer, a negative errno for an error (see the list above). Since 0.1.0. */
int p2pd_reply_get_errno(const struct p2pd_reply *reply);

/*
 * The full name of the daemon's error ("io.p2pd.FunctionNotFound"); NULL for an answer, and where
 * the connection failed. Lives as long as the reply.
 * Since 0.1.0.
 */
const char *p2pd_reply_get_error_name(const struct p2pd_reply *reply);

/*
 * The text of the JSON object with the parameters of the answer or of the error, checked to be
 * well-formed; "{}" if there are none. ret_length (may be NULL): its length in bytes. Lives as long
 * as the reply.
 * Since 0.1.0.
 */
const char *p2pd_reply_get_parameters(const struct p2pd_reply *reply, size_t *ret_length);

/* True if further replies to the same call will follow. Since 0.1.0. */
bool p2pd_reply_continues(const struct p2pd_reply *reply);

/* Frees a reply of p2pd_client_call_wait(); never one that a callback got. Accepts NULL; always
 * returns NULL. Since 0.1.0. */
struct p2pd_reply *p2pd_reply_free(struct p2pd_reply *reply);

/*
 * The name of the error that the daemon answered to the last blocking call of this client
 * ("io.p2pd.FunctionNotFound"); NULL if it did not answer with an error. Does not block. Valid
 * until the next blocking call or the end of the client. Since 0.1.0.
 */
const char *p2pd_client_get_error_name(const struct p2pd_client *client);

/* The parameters of that error as JSON text, NULL without one. Likewise. Since 0.1.0. */
const char *p2pd_client_get_error_parameters(const struct p2pd_client *client);

/*
 * ---- Answers in C ----
 */

/* Whose rules decide. */
enum p2pd_rules {
        P2PD_RULES_DEFAULT, /* the daemon's choice */
        P2PD_RULES_RUNNING, /* as the running kernel would */
        P2PD_RULES_NEWEST,  /* as the newest kernel that p2pd knows would */
};

/* How a client reaches memory. */
enum p2pd_map {
        P2PD_MAP_REGULAR,     /* ordinary memory, no BAR */
        P2PD_MAP_BUS,         /* by bus address, below a common upstream bridge */
        P2PD_MAP_HOST_BRIDGE, /* through the host bridge (dma_map_resource) */
        P2PD_MAP_NONE,        /* not at all: bounce */
        P2PD_MAP_UNKNOWN,     /* a fact that decides is unknown: treat it as none */
};

/* What lies between two functions. */
enum p2pd_path {
        P2PD_PATH_LOC,     /* the same function */
        P2PD_PATH_PIX,     /* a common upstream bridge, distance at most 4 */
        P2PD_PATH_PXB,     /* a common upstream bridge, farther */
        P2PD_PATH_PHB,     /* the same host bridge */
        P2PD_PATH_NODE,    /* another host bridge, same NUMA node */
        P2PD_PATH_SYS,     /* another NUMA node */
        P2PD_PATH_UNKNOWN, /* cannot be told */
};

/* Yes, no, or unknown. */
enum p2pd_answer { P2PD_ANSWER_YES, P2PD_ANSWER_NO, P2PD_ANSWER_UNKNOWN };

/* "regular", "bus", "host-bridge", "none", "unknown"; never NULL. Since 0.1.0. */
const char *p2pd_map_to_string(enum p2pd_map map);

/* "LOC", "PIX", "PXB", "PHB", "NODE", "SYS", "unknown"; never NULL. Since 0.1.0. */
const char *p2pd_path_to_string(enum p2pd_path path);

/* The short verdict on an ordered pair: the client does DMA to the provider's memory. */
struct p2pd_verdict {
        int64_t distance_hops; /* as the Linux kernel's p2pdma counts; -1: unknown */
        enum p2pd_map map;
        enum p2pd_path path;
        char reason[64]; /* stable name of what decides: "acs-redirect" */
};

/* The verdict on one pair. Blocks for at most timeout_msec milliseconds (-1: no limit). Since
 * 0.1.0. */
int p2pd_client_get_distance(struct p2pd_client *client, const char *provider,
                             const char *client_function, enum p2pd_rules rules, int timeout_msec,
                             struct p2pd_verdict *ret);

/*
 * Is the pair fit for use, all gates considered? because (may be NULL) receives one sentence on
 * what stops it, cut at because_size bytes; "" if nothing does. P2PD_ANSWER_UNKNOWN must be taken
 * for no. Blocks for at most timeout_msec milliseconds (-1: no limit). Since 0.1.0.
 */
int p2pd_client_check(struct p2pd_client *client, const char *provider, const char *client_function,
                      enum p2pd_rules rules, int timeout_msec, enum p2pd_answer *ret, char *because,
                      size_t because_size);

/*
 * Why a pair is what it is: one English sentence per line, the reasons in the order of the gates,
 * then the constraints. Strings from devices in it may hold any character. Free the text with
 * free(). Blocks for at most timeout_msec milliseconds (-1: no limit).
 * Since 0.1.0.
 */
int p2pd_client_explain_text(struct p2pd_client *client, const char *provider,
                             const char *client_function, enum p2pd_rules rules, int timeout_msec,
                             char **ret);

/* A piece of a mapped range. */
struct p2pd_segment {
        uint64_t address;      /* CPU physical address of its start */
        uint64_t length_bytes; /* 0 stands for 2^64: the whole address space */
        enum p2pd_map map;
        bool own;             /* the client's own BAR: no DMA happens, use BAR and offset */
        bool has_dma_address; /* false where the IOMMU decides, or where no way exists */
        uint64_t dma_address; /* what to put into the transaction */
        char function[32];    /* whose BAR, as an address; "" for regular memory */
        int bar_index;        /* 0 to 5, -1 for regular memory */
        uint64_t bar_offset_bytes;
        char reason[64];
};

/*
 * How a client function reaches the CPU physical range of length_bytes (at least 1) at address:
 * pieces in address order, cut at BAR borders, without gaps. Free the array with free(). Blocks for
 * at most timeout_msec milliseconds (-1: no limit).
 * Since 0.1.0.
 */
int p2pd_client_map(struct p2pd_client *client, const char *client_function, uint64_t address,
                    uint64_t length_bytes, enum p2pd_rules rules, int timeout_msec,
                    struct p2pd_segment **ret, size_t *ret_n);

/* The most asked facts of GetStatus; the rest is there by p2pd_client_call(). */
struct p2pd_summary {
        uint64_t generation;     /* of the machine, from 1, grows with each change */
        uint64_t functions;      /* PCIe functions seen */
        uint64_t endpoints;      /* of them: not bridges */
        uint64_t acs_unknown;    /* of all: ACS could not be read */
        enum p2pd_rules rules;   /* which are meant by P2PD_RULES_DEFAULT */
        char version[32];        /* of the daemon */
        char source[16];         /* "live", "root", "lspci" */
        char kernel_release[80]; /* "" if unknown */
};

/* Blocks for at most timeout_msec milliseconds (-1: no limit). Since 0.1.0. */
int p2pd_client_get_summary(struct p2pd_client *client, int timeout_msec, struct p2pd_summary *ret);

/*
 * ---- Streams ----
 */

/* One row of verdicts: this provider, with each client in the order of clients. Both are addresses
 * of less than 32 bytes, of hexadecimal digits, colons and dots only. */
struct p2pd_row {
        uint64_t generation;
        const char *provider;
        const char *const *clients;
        const struct p2pd_verdict *verdicts;
        size_t n_clients; /* of both arrays */
};

/*
 * Receives a row (valid until it returns), or the end of the stream: row NULL with status 0, or
 * with a negative errno and then the daemon's error name, if it had one, in error_name.
 */
typedef void (*p2pd_row_fn)(struct p2pd_client *client, const struct p2pd_row *row, int status,
                            const char *error_name, void *userdata);

/*
 * Asks for the verdicts of every ordered pair of endpoint functions, a function with itself
 * included, row by row in the order of addresses. 4,000 functions give 16 million verdicts.
 * Returns as p2pd_client_call() does. Does not block.
 * Since 0.1.0.
 */
int p2pd_client_get_pairs(struct p2pd_client *client, enum p2pd_rules rules, p2pd_row_fn callback,
                          void *userdata);

enum p2pd_change_kind { P2PD_CHANGE_ADDED, P2PD_CHANGE_REMOVED, P2PD_CHANGE_CHANGED };

/* A function that came, went or changed. */
struct p2pd_change {
        enum p2pd_change_kind kind;
        char function[32];
        char what[128]; /* "acs,link": see Change in io.p2pd.varlink */
};

/* A pair whose verdict is not what it was. */
struct p2pd_flip {
        char provider[32];
        char client[32];
        struct p2pd_verdict before;
        struct p2pd_verdict after;
};

struct p2pd_event {
        uint64_t generation;
        bool initial;      /* the present state: no changes, no flips */
        bool machine_wide; /* something changed that concerns no single function */
        const struct p2pd_change *changes;
        size_t n_changes;
        const struct p2pd_flip *flips; /* the first ones */
        size_t n_flips;
        uint64_t flips_total; /* of the generation, under the daemon's rules */
};

/* Receives an event (valid until it returns), or the end: event NULL with a negative errno, or 0 if
 * the daemon ended the stream. */
typedef void (*p2pd_event_fn)(struct p2pd_client *client, const struct p2pd_event *event,
                              int status, void *userdata);

/*
 * Asks to be told of every new generation of the machine, first of the present one. Ends with the
 * connection, and holds it for itself: nothing asked later on this client is answered. Returns as
 * p2pd_client_call() does. Does not block. Since 0.1.0.
 */
int p2pd_client_monitor(struct p2pd_client *client, p2pd_event_fn callback, void *userdata);

#ifdef __cplusplus
}
#endif

#endif
