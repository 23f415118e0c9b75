/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Options, privileges and the order of starting: everything else belongs to the manager. */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "config.h"
#include "decide/bar-ids.h"
#include "discover/config-reader.h"
#include "log.h"
#include "manager.h"
#include "service.h"

#define SOCKET_PATH "/run/p2pd/io.p2pd"
#define SOCKET_DIRECTORY "/run/p2pd"
#define SETTLE_DEFAULT_MSEC 250U
#define SETTLE_MAX_MSEC 60000U
#define RECHECK_DEFAULT_MSEC 10000U
#define RECHECK_MAX_MSEC 86400000U
/* All connections, and what the daemon needs itself. */
#define DESCRIPTORS_WANTED 8192U

enum { EXIT_USAGE = 2 };

static void print_help(void)
{
        printf("p2pd [--root DIR | --lspci FILE] [OPTION...]\n"
               "\n"
               "Tells which PCIe functions can reach each other by peer-to-peer DMA, and how.\n"
               "\n"
               "  --root DIR          answer for a captured machine (p2pctl capture) in DIR\n"
               "  --lspci FILE        answer for the machine in an `lspci -xxxx` dump\n"
               "  --socket PATH       listen on PATH (default: " SOCKET_PATH ")\n"
               "  --rules WHICH       rules of the `running` kernel (default), or the `newest`\n"
               "                      known\n"
               "  --state DIR         keep BAR ids and leases over restarts in DIR; `off`: do not\n"
               "                      (default: $STATE_DIRECTORY, off with --root and --lspci)\n"
               "  --id-bits N         width of BAR ids, 4 to 16 (default: what fits the machine)\n"
               "  --settle-msec N     quiet time after an event before reading all again (default\n"
               "                      %u)\n"
               "  --recheck-msec N    how often to look for changes without an event, 0: never\n"
               "                      (default %u)\n"
               "  --help, --version\n",
               SETTLE_DEFAULT_MSEC, RECHECK_DEFAULT_MSEC);
}

static int usage_error(const char *text, const char *what)
{
        fprintf(stderr, "p2pd: %s%s%s\nTry p2pd --help.\n", text, what ? ": " : "",
                what ? what : "");
        return -EINVAL;
}

/* A whole number from min to max. */
static int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
        char *end;
        uintmax_t val;

        errno = 0;
        val = strtoumax(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || val < min || val > max)
                return -EINVAL;
        *ret = val;
        return 0;
}

static int parse_msec(const char *text, uint64_t max_msec, uint64_t *ret_usec)
{
        uint64_t msec;
        int r = parse_number(text, 0, max_msec, &msec);

        if (r == 0)
                *ret_usec = msec * 1000U;
        return r;
}

static int parse_id_bits(const char *text, unsigned *ret)
{
        uint64_t bits;
        int r = parse_number(text, P2P_BAR_IDS_WIDTH_MIN, P2P_BAR_IDS_WIDTH_MAX, &bits);

        if (r == 0)
                *ret = (unsigned)bits;
        return r;
}

/* What --state left out means: where the service manager keeps a service's state, for the machine
 * that p2pd runs on. Of several directories the first. */
static const char *default_state_directory(const struct p2pd_manager_params *p)
{
        char *directories = getenv("STATE_DIRECTORY");

        if (p->source != P2P_SOURCE_LIVE || !directories || !*directories)
                return NULL;
        directories[strcspn(directories, ":")] = '\0';
        return directories;
}

static int parse_rules(const char *text, enum p2p_rules_choice *ret)
{
        for (enum p2p_rules_choice c = 0; c < P2P_RULES_MAX; c++)
                if (strcmp(text, p2p_rules_choice_to_string(c)) == 0) {
                        *ret = c;
                        return 0;
                }
        return -EINVAL;
}

enum {
        OPT_ROOT = 256,
        OPT_LSPCI,
        OPT_SOCKET,
        OPT_RULES,
        OPT_STATE,
        OPT_ID_BITS,
        OPT_SETTLE,
        OPT_RECHECK,
        OPT_HELP,
        OPT_VERSION
};

static int parse_source(struct p2pd_manager_params *p, enum p2p_source_kind kind, const char *path)
{
        if (p->path)
                return usage_error("only one of --root and --lspci can be given", NULL);
        p->source = kind;
        p->path = path;
        return 0;
}

/* 1: go on; 0: done, exit well; negative: usage error, told. */
static int parse_option(int option, struct p2pd_manager_params *p)
{
        switch (option) {
        case OPT_ROOT:
                return parse_source(p, P2P_SOURCE_ROOT, optarg) < 0 ? -EINVAL : 1;
        case OPT_LSPCI:
                return parse_source(p, P2P_SOURCE_LSPCI, optarg) < 0 ? -EINVAL : 1;
        case OPT_SOCKET:
                p->socket_path = optarg;
                return 1;
        case OPT_RULES:
                if (parse_rules(optarg, &p->rules) < 0)
                        return usage_error("--rules takes running or newest, not", optarg);
                return 1;
        case OPT_STATE:
                p->state_directory = optarg;
                return 1;
        case OPT_ID_BITS:
                if (parse_id_bits(optarg, &p->id_bits) < 0)
                        return usage_error("--id-bits takes 4 to 16, not", optarg);
                return 1;
        case OPT_SETTLE:
                if (parse_msec(optarg, SETTLE_MAX_MSEC, &p->settle_usec) < 0)
                        return usage_error("--settle-msec takes 0 to 60000, not", optarg);
                return 1;
        case OPT_RECHECK:
                if (parse_msec(optarg, RECHECK_MAX_MSEC, &p->recheck_usec) < 0)
                        return usage_error("--recheck-msec takes 0 to 86400000, not", optarg);
                return 1;
        case OPT_HELP:
                print_help();
                return 0;
        case OPT_VERSION:
                puts("p2pd " P2PD_VERSION);
                return 0;
        default:
                fprintf(stderr, "Try p2pd --help.\n");
                return -EINVAL;
        }
}

static int parse_options(int argc, char **argv, struct p2pd_manager_params *p)
{
        static const struct option options[] = {
                {"root", required_argument, NULL, OPT_ROOT},
                {"lspci", required_argument, NULL, OPT_LSPCI},
                {"socket", required_argument, NULL, OPT_SOCKET},
                {"rules", required_argument, NULL, OPT_RULES},
                {"state", required_argument, NULL, OPT_STATE},
                {"id-bits", required_argument, NULL, OPT_ID_BITS},
                {"settle-msec", required_argument, NULL, OPT_SETTLE},
                {"recheck-msec", required_argument, NULL, OPT_RECHECK},
                {"help", no_argument, NULL, OPT_HELP},
                {"version", no_argument, NULL, OPT_VERSION},
                {NULL, 0, NULL, 0},
        };
        int option, r;

        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
                r = parse_option(option, p);
                if (r <= 0)
                        return r;
        }
        if (optind < argc)
                return usage_error("takes no arguments", argv[optind]);
        if (!p->state_directory)
                p->state_directory = default_state_directory(p);
        else if (strcmp(p->state_directory, "off") == 0)
                p->state_directory = NULL;
        return 1;
}

/*
 * Only a live machine needs privilege, and only for config space: that is the reader's. It is
 * forked before anything else exists, then this process gives up all it has, for good.
 */
static int split_privileges(struct p2pd_manager_params *params)
{
        int r;

        if (params->source == P2P_SOURCE_LIVE) {
                r = p2pd_config_reader_new(&params->reader);
                if (r < 0) {
                        p2pd_log(LOG_ERR, NULL, "cannot start the config space reader: %s",
                                 strerror(-r));
                        return r;
                }
        }
        r = p2pd_drop_capabilities();
        if (r < 0)
                p2pd_log(LOG_ERR, NULL, "cannot give up capabilities: %s", strerror(-r));
        return r;
}

/* The server's own limit on connections is meant to be the one that counts. */
static void raise_descriptor_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS_WANTED)
                return;
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
        struct p2pd_manager_params params = {
                .source = P2P_SOURCE_LIVE,
                .rules = P2P_RULES_RUNNING,
                .settle_usec = SETTLE_DEFAULT_MSEC * 1000U,
                .recheck_usec = RECHECK_DEFAULT_MSEC * 1000U,
        };
        struct p2pd_manager *manager = NULL;
        int r;

        r = parse_options(argc, argv, &params);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
        r = p2pd_service_take_sockets(&params.n_sockets);
        if (r < 0) {
                p2pd_log(LOG_ERR, NULL, "cannot take over sockets: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        if (!params.socket_path && params.n_sockets == 0) {
                params.socket_path = SOCKET_PATH;
                (void)mkdir(SOCKET_DIRECTORY, 0755);
        }
        (void)signal(SIGPIPE, SIG_IGN);
        /* A limit on file sizes is an error like a full disk. */
        (void)signal(SIGXFSZ, SIG_IGN);
        raise_descriptor_limit();
        /* The scan thread's machine becomes the loop's: one heap for both keeps the daemon small.
         */
        (void)mallopt(M_ARENA_MAX, 1);
        r = split_privileges(&params);
        if (r == 0)
                r = p2pd_manager_new(&params, &manager);
        if (r == 0)
                r = p2pd_manager_run(manager);
        p2pd_manager_free(manager);
        p2pd_config_reader_free(params.reader);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
