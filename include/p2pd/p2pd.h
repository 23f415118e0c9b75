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
 *   -ENODATA     io.p2pd.TableUnavailable
 *   -EALREADY    io.p2pd.AlreadyAttached
 *   -EUNATCH     io.p2pd.NotAttached
 *   -ENXIO       io.p2pd.BarNotFound
 *   -EADDRNOTAVAIL io.p2pd.BarUnrecognisable, io.p2pd.LeaseUnrecognisable
 *   -ENOENT      io.p2pd.BarNotRegistered, io.p2pd.LeaseNotFound
 *   -ENOSPC      io.p2pd.IdsExhausted
 *   -EDQUOT      io.p2pd.TooManyRegistrations, io.p2pd.LeaseLimit
 *   -EROFS       io.p2pd.StateNotSaved, io.p2pd.LeaseNotSaved
 *   -ESRCH       io.p2pd.NoPlacement
 *   -EFBIG       io.p2pd.PlacementTooLarge
 *   -EADDRINUSE  io.p2pd.LeaseHeld
 *   -EEXIST      io.p2pd.LeaseNameTaken
 *   -EPERM       io.p2pd.LeaseNotOwner
 *   -EACCES      org.varlink.service.PermissionDenied
 *   -EINVAL      org.varlink.service.InvalidParameter, io.p2pd.SelectorInvalid, io.p2pd.EditInvalid
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

/* What a check asks for beyond the verdict; but for size, all zero is the default. */
struct p2pd_check_options {
        size_t size; /* sizeof(struct p2pd_check_options): later versions add members at the end */
        enum p2pd_rules rules;
        bool allow_slow_link;   /* a link that runs below its best does not count as a fault */
        uint64_t min_bar_bytes; /* one BAR of the provider must be as large; 0: any size will do */
};

/*
 * Is the pair fit for use, all gates considered? options: NULL for the default. because (may be
 * NULL) receives one sentence on what stops it, cut at because_size bytes; "" if nothing does.
 * P2PD_ANSWER_UNKNOWN must be taken for no. Blocks for at most timeout_msec milliseconds (-1: no
 * limit). -EINVAL: options of a size that this version does not know. Since 0.1.0.
 */
int p2pd_client_check(struct p2pd_client *client, const char *provider, const char *client_function,
                      const struct p2pd_check_options *options, int timeout_msec,
                      enum p2pd_answer *ret, char *because, size_t because_size);

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

/*
 * ---- BAR ids ----
 */

/*
 * Gives the BAR (bar_index: its register, 0 to 5) of a function an id, now and whenever it is
 * there, also over restarts; doing it twice is no error. For root and the group p2pd. ret_id (may
 * be NULL): the id, 0 if it has none at the moment. -ENXIO, -EADDRNOTAVAIL, -ENOSPC, -EDQUOT: see
 * the list above. -EROFS: it was done, but a restart forgets it. Blocks for at most timeout_msec
 * milliseconds (-1: no limit). Since 0.1.0.
 */
int p2pd_client_register_bar(struct p2pd_client *client, const char *function,
                             unsigned int bar_index, int timeout_msec, uint32_t *ret_id);

/*
 * Undoes it, also for a device that is not there: function is then the address at which it was seen
 * last, or its slot. ret_id (may be NULL): the id that the BAR keeps because its function is of a
 * kind that has them unasked, or 0. -ENOENT: it was not registered. Otherwise likewise. Since
 * 0.1.0.
 */
int p2pd_client_unregister_bar(struct p2pd_client *client, const char *function,
                               unsigned int bar_index, int timeout_msec, uint32_t *ret_id);
/* The same for the BAR that has this id, or had it when its device was there. Since 0.1.0. */
int p2pd_client_unregister_bar_id(struct p2pd_client *client, uint32_t id, int timeout_msec,
                                  uint32_t *ret_id);

/*
 * ---- Placement ----
 *
 * ACS plans, their verification and what-if have no calls of their own: what they answer is read by
 * people or kept as it is; p2pd_client_call_wait() gives it as JSON.
 */

/* Companions that each item is to have. */
struct p2pd_companion {
        const char *of;     /* selector: "nic", "nvme,vendor=144d"; see Place in io.p2pd.varlink */
        unsigned int count; /* for each item, at least 1 */
        bool shared;        /* handed round among the items instead of each its own */
};

/* How to hold what was chosen. */
struct p2pd_hold {
        const char *name;  /* the lease is kept until released or expired, also over restarts of the
                              daemon; NULL: it ends with the client's connection */
        const char *owner; /* what the holder says of itself, or NULL */
        uint64_t seconds;  /* until it expires, up to 3155760000; 0: never */
};

/* What is asked for; but for size, count and of, all zero is no wish. */
struct p2pd_place_request {
        size_t size;        /* sizeof(struct p2pd_place_request): later versions add members */
        unsigned int count; /* items, at least 1 */
        const char *of;     /* selector of the items: "gpu" */
        const struct p2pd_companion *companions;
        size_t n_companions;
        const char *const *clients; /* functions that each item must reach and be reached by */
        size_t n_clients;
        const char *const *avoid; /* selectors of what is not to be chosen */
        size_t n_avoid;
        bool limit_path, limit_numa_node; /* whether the next two count */
        enum p2pd_path worst_path;        /* no pair's path may be worse */
        unsigned int numa_node;           /* all are to be on it */
        uint64_t least_mbps;              /* for each flow, 10^6 bytes a second */
        bool must_be_bus;                 /* all pairs, by bus address */
        bool allow_none;                  /* rather a choice with a pair that cannot than none */
        bool include_held;                /* also what leases hold; not together with hold */
        enum p2pd_rules rules;
        const struct p2pd_hold *hold; /* NULL: only answer */
};

/* How much of an answer is proven to be the best; each includes those before it. */
enum p2pd_proven {
        P2PD_PROVEN_NOTHING,
        P2PD_PROVEN_PATH,       /* no choice has a better worst path */
        P2PD_PROVEN_BOTTLENECK, /* nor, with that, a larger bottleneck */
        P2PD_PROVEN_NUMA,       /* nor, with these, fewer NUMA nodes */
        P2PD_PROVEN_ALL,        /* it is the best */
};

/* An item with its companions, all by address. */
struct p2pd_group {
        char provider[32];
        char (*companions)[32]; /* in the order of the request's companions */
        size_t n_companions;
};

/* The answer. */
struct p2pd_placement {
        uint64_t generation;
        struct p2pd_group *groups; /* in the order of addresses */
        size_t n_groups;
        enum p2pd_path worst_path; /* of all pairs */
        char worst_provider[32];   /* the first pair that decides; "" if there is none */
        char worst_client[32];
        enum p2pd_map worst_map; /* UNKNOWN without such a pair */
        char worst_reason[64];
        int64_t bottleneck_mbps;      /* for each flow, all at once; -1: no known link limits it */
        char bottleneck_function[32]; /* the link above it; "" without one */
        uint64_t bottleneck_flows;    /* that share it */
        bool bottleneck_unknown;      /* some flow uses a link of unknown bandwidth */
        bool has_bad;                 /* some pair's map is none or unknown; only with allow_none */
        enum p2pd_proven proven;
        uint64_t lease; /* number of the lease, 0 if nothing is held */
};

/*
 * The best choice, and with hold the lease on it: nobody else gets these devices between the answer
 * and the lease. Free it with p2pd_placement_free(). -ESRCH: nothing meets the request;
 * p2pd_client_get_error_parameters() has the limit that fails first, and a sentence. -EINVAL also:
 * a request of a size that this version does not know, or a selector that cannot be read. -EFBIG,
 * and with hold -EEXIST, -EDQUOT, -EADDRNOTAVAIL, -EROFS: see the list above; hold is for root and
 * the group p2pd. More than the best answer: by p2pd_client_call(). Blocks for at most timeout_msec
 * milliseconds (-1: no limit); after -ETIMEDOUT a lease may still come to be: look for it, or end
 * the connection if it has no name. Since 0.1.0.
 */
int p2pd_client_place(struct p2pd_client *client, const struct p2pd_place_request *request,
                      int timeout_msec, struct p2pd_placement **ret);

/* Accepts NULL; always returns NULL. Since 0.1.0. */
struct p2pd_placement *p2pd_placement_free(struct p2pd_placement *placement);

/* A function whose peer-to-peer memory all of some clients can use. */
struct p2pd_near {
        char function[32];
        uint64_t distance_hops; /* summed over the clients */
        uint64_t equal;         /* how many are as near: the kernel draws lots among them */
};

/*
 * The provider of peer-to-peer memory nearest to all n clients (at least 1), as the kernel's own
 * search would find it, but always the same one and none that a lease holds. min_available_bytes:
 * of memory that is free, 0: any. Returns 1 with *ret, or 0 if there is none. Blocks for at most
 * timeout_msec milliseconds (-1: no limit). Since 0.1.0.
 */
int p2pd_client_find_provider(struct p2pd_client *client, const char *const *clients, size_t n,
                              uint64_t min_available_bytes, enum p2pd_rules rules, int timeout_msec,
                              struct p2pd_near *ret);

/*
 * ---- Leases ----
 *
 * Who holds which devices; they are not offered to anybody else. To change them is for root and
 * the group p2pd. A lease is named by its name, or by its number as a string.
 */

struct p2pd_leased_device {
        char function[32]; /* its address, or the last one */
        char *slot;        /* its place, which survives renumbering */
        bool lost;         /* it was unplugged, or another device is there; it stays held */
};

struct p2pd_lease {
        uint64_t number; /* from 1, never given twice */
        char name[64];   /* "": it ends with a connection */
        char owner[128]; /* what the holder says of itself; it may hold any character */
        uint32_t uid, pid;
        int64_t taken_usec, expires_usec; /* of the realtime clock; expires 0: never */
        struct p2pd_leased_device *devices;
        size_t n_devices;
};

/*
 * Takes n functions (at least 1), all or none. ret_number (may be NULL): the lease's number.
 * -EADDRINUSE: a lease holds one, or another function of the same hardware; -EEXIST: the name is
 * taken; -EDQUOT, -EADDRNOTAVAIL: see the list above; -EROFS: it could not be made to last, and
 * nothing is held. Blocks as p2pd_client_place() does. Since 0.1.0.
 */
int p2pd_client_take_lease(struct p2pd_client *client, const char *const *functions, size_t n,
                           const struct p2pd_hold *hold, int timeout_msec, uint64_t *ret_number);

/* Lets it expire seconds from now, 0: never. -ENOENT: there is none; -EPERM: it is another user's;
 * -EROFS: it is as it was. Blocks for at most timeout_msec milliseconds (-1: no limit). Since
 * 0.1.0. */
int p2pd_client_renew_lease(struct p2pd_client *client, const char *lease, uint64_t seconds,
                            int timeout_msec);

/* Ends it. Errors likewise; -EROFS: it stands. Since 0.1.0. */
int p2pd_client_release_lease(struct p2pd_client *client, const char *lease, int timeout_msec);

/* All of them, in the order of numbers. Free the array with p2pd_leases_free(). Blocks for at most
 * timeout_msec milliseconds (-1: no limit). Since 0.1.0. */
int p2pd_client_list_leases(struct p2pd_client *client, int timeout_msec, struct p2pd_lease **ret,
                            size_t *ret_n);

/* Accepts NULL; always returns NULL. Since 0.1.0. */
struct p2pd_lease *p2pd_leases_free(struct p2pd_lease *leases, size_t n);

enum p2pd_lease_event_kind {
        P2PD_LEASES_INITIAL,     /* the present state: leases */
        P2PD_LEASE_EXPIRED,      /* its time was over: it has ended */
        P2PD_LEASE_DISCONNECTED, /* its connection has ended, and so has it */
        P2PD_LEASE_LOST,         /* device was unplugged; it stays held */
        P2PD_LEASE_BACK,         /* device is there again */
        P2PD_LEASE_MOVED,        /* device has another address now */
        P2PD_LEASE_TAKEN,
        P2PD_LEASE_RENEWED,
        P2PD_LEASE_RELEASED, /* it has ended */
        P2PD_LEASE_OTHER,    /* something that this version does not know: list them again */
};

struct p2pd_lease_event {
        enum p2pd_lease_event_kind kind;
        uint64_t generation;
        const struct p2pd_lease *leases; /* INITIAL: all; else the one it is about, as it is then */
        size_t n_leases;
        char function[32]; /* LOST, BACK, MOVED: the device; else "" */
};

/* Receives an event (valid until it returns), or the end: event NULL with a negative errno, or 0 if
 * the daemon ended the stream. */
typedef void (*p2pd_lease_event_fn)(struct p2pd_client *client,
                                    const struct p2pd_lease_event *event, int status,
                                    void *userdata);

/*
 * Asks to be told what happens to a lease (NULL: to any), first how they are. Holds the connection
 * for itself like p2pd_client_monitor(); the connection to which a lease is tied may be used for
 * it. The end with -ENOENT: there is no such lease. Returns as p2pd_client_call() does. Does not
 * block. Since 0.1.0.
 */
int p2pd_client_watch_leases(struct p2pd_client *client, const char *lease,
                             p2pd_lease_event_fn callback, void *userdata);

/*
 * ---- The shared table ----
 *
 * The daemon keeps its answers in memory that any process can look into without a call; how to
 * look is p2pd/table.h. A struct p2pd_table_reader gets that memory and follows its generations:
 *
 *         p2pd_table_reader_new_path(NULL, &reader);
 *         for (;;) {
 *                 poll() for p2pd_table_reader_get_fd() and p2pd_table_reader_get_events()
 *                 r = p2pd_table_reader_process(reader, &event);
 *                 if (r < 0)
 *                         the daemon is gone: p2pd_table_reader_reattach(), now or later
 *                 if (r <= 0)
 *                         continue;
 *                 if (event.moved)
 *                         p2p_table_attach(&table, event.memory, event.bytes);
 *                 look again at what was kept of earlier generations
 *                 p2pd_table_reader_confirm(reader, &event);
 *         }
 *
 * Confirming is what makes ids safe to keep: an id that stood for a BAR that is gone is given to
 * another one only when every reader has confirmed a generation without it. So whoever keeps ids,
 * addresses or clients found in the table looks at them again before it confirms, and a reader that
 * never confirms holds all such ids back. The next event comes only after the last one was
 * confirmed; lookups show the newest generation at any time.
 *
 * When the table does not fit its memory any more the daemon makes a new one; lookups in the old
 * one then say P2P_TABLE_MOVED, and an event brings the new one. The old memory stays mapped until
 * an event of the new one is confirmed or the reader is freed. While the daemon is gone the table
 * stays as it was last, and nobody tells what changes in the machine: do not start new transfers
 * by it.
 *
 * Threads: a reader must be used by one thread at a time. The memory may be looked into by all
 * threads, each with a struct p2p_table of its own; confirm, reattach and free only when no thread
 * uses what that gives up.
 */

struct p2pd_table_reader;

/* There is a newer generation than the one that was confirmed last, or a first one. */
struct p2pd_table_event {
        uint64_t generation;
        bool moved;       /* the memory is another than before, or the first: attach to it */
        bool interrupted; /* it was attached anew after the connection was lost: meanwhile ids may
                             have been given to other BARs without its confirmation */
        bool restarted;   /* that, and it is another daemon: generations count anew */
        unsigned int id_bits; /* BAR ids are less than 2 to the power of this */
        const void *memory;   /* for p2p_table_attach(); 8-byte aligned, to be read only */
        uint64_t bytes;
        uint64_t attached; /* for p2pd_table_reader_confirm(): which memory this is about */
};

/*
 * Connects to the daemon at path (NULL: P2PD_DEFAULT_PATH) and asks for the table. Does not block:
 * the first event comes by p2pd_table_reader_process(). Errors are those of p2pd_client_new_path().
 * Since 0.1.0.
 */
int p2pd_table_reader_new_path(const char *path, struct p2pd_table_reader **ret);

/*
 * Likewise on the connection of a client, which stays the caller's and must outlive the reader; it
 * can have one reader. What is asked on that client while the reader waits for a newer generation
 * is answered only after that: not before p2pd_table_reader_confirm() is the connection free for
 * other calls. After a blocking call on it, process the reader once before the next poll. -EBUSY:
 * inside a callback, or the client has a reader or a call under way. A connection that had a reader
 * before cannot get the same table again (-EALREADY by process): reconnect it first. What the
 * daemon refuses, p2pd_client_get_error_name() names as well. Since 0.1.0.
 */
int p2pd_table_reader_new_client(struct p2pd_client *client, struct p2pd_table_reader **ret);

/* Ends it: all its memory is unmapped, and the daemon no longer waits for what it confirms (with
 * new_client: when the client is freed). Accepts NULL; always returns NULL. Since 0.1.0. */
struct p2pd_table_reader *p2pd_table_reader_free(struct p2pd_table_reader *reader);

/* The descriptor to poll, as p2pd_client_get_fd(); -1 when it must be attached again. Does not
 * block. Since 0.1.0. */
int p2pd_table_reader_get_fd(const struct p2pd_table_reader *reader);

/* The poll(2) events to wait for at the moment, as p2pd_client_get_events(); 0 when it must be
 * attached again. Ask again before every poll. Does not block. Since 0.1.0. */
short p2pd_table_reader_get_events(const struct p2pd_table_reader *reader);

/*
 * Sends and receives what is possible without waiting. 1: *ret says what is new. 0: nothing is. A
 * negative errno: there will be no events until p2pd_table_reader_reattach(). -ECONNRESET: the
 * daemon is gone; -ENODATA: it has no table now; -EBADMSG: what came is no table, or could be
 * shortened under its readers; -EPROTONOSUPPORT: a table of a newer layout; -EMFILE: no descriptor
 * is left; or what can happen to every call. -EBUSY (and nothing else is changed) inside a
 * callback. Does not block. Since 0.1.0.
 */
int p2pd_table_reader_process(struct p2pd_table_reader *reader, struct p2pd_table_event *ret);

/* For programs without a loop: waits for the next event, at most timeout_msec milliseconds (-1: as
 * long as it takes). 0 with *ret; -ETIMEDOUT; -EDEADLK: the last event was not confirmed, so none
 * can come; or as above. Since 0.1.0. */
int p2pd_table_reader_wait(struct p2pd_table_reader *reader, int timeout_msec,
                           struct p2pd_table_event *ret);

/*
 * "I use nothing any more that was taken from a generation older than this event's": tells the
 * daemon, unmaps memory from before the event's, and asks for the next event. Confirming again does
 * nothing. -ESTALE: the reader was attached anew since this event; nothing is done, the newer event
 * counts. -EINVAL: an event that this reader did not give. Or the error of a connection that has
 * ended. Does not block. Since 0.1.0.
 */
int p2pd_table_reader_confirm(struct p2pd_table_reader *reader,
                              const struct p2pd_table_event *event);

/*
 * Asks for the table anew. After an error: connects again, to the same path. While all is well: for
 * a program that finds P2P_TABLE_MOVED and cannot confirm yet; if there is no other table, that
 * changes nothing. Earlier memory stays mapped. Errors are those of p2pd_client_reconnect(); try
 * again later. Does not block. Since 0.1.0.
 */
int p2pd_table_reader_reattach(struct p2pd_table_reader *reader);

#ifdef __cplusplus
}
#endif

#endif
