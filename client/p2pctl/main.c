/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line: options, the table of commands, and the end. */

#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "number.h"

enum {
        OPT_SOCKET = 256,
        OPT_ROOT,
        OPT_LSPCI,
        OPT_JSON,
        OPT_RULES,
        OPT_COLOR,
        OPT_ALL,
        OPT_DISTANCE,
        OPT_NO_SERIALS,
        OPT_FROM,
        OPT_MIN_BAR,
        OPT_ALLOW_SLOW_LINK,
        OPT_HELP,
        OPT_VERSION,
};

/* Which options a command takes besides the general ones. */
enum {
        TAKES_ALL = 1,
        TAKES_DISTANCE = 2,
        TAKES_NO_SERIALS = 4,
        TAKES_FROM = 8,
        TAKES_MIN_BAR = 16,
        TAKES_ALLOW_SLOW_LINK = 32,
        TAKES_OWN_MAX = 64,
};

/* The options of wishes.h stand behind these. */
#define TAKES(wish) ((unsigned int)TAKES_OWN_MAX << (wish))

#define TAKES_PLACE                                                                                \
        (TAKES(WISH_OF) | TAKES(WISH_WITH) | TAKES(WISH_SHARE) | TAKES(WISH_CLIENT) |              \
         TAKES(WISH_AVOID) | TAKES(WISH_WORST) | TAKES(WISH_LEAST) | TAKES(WISH_NUMA) |            \
         TAKES(WISH_BUS) | TAKES(WISH_ALLOW_NONE) | TAKES(WISH_INCLUDE_HELD) |                     \
         TAKES(WISH_ANSWERS) | TAKES(WISH_HOLD) | TAKES(WISH_RUN) | TAKES(WISH_FOR) |              \
         TAKES(WISH_OWNER))

struct command {
        const char *name, *arguments;
        int min, max; /* arguments; max -1: any number */
        unsigned int takes;
        command_fn run;
        const char *summary;
};

static const struct command commands[] = {
        {"status", "", 0, 0, 0, command_status, "what the daemon sees, and how it is"},
        {"list", "[--all] [FUNCTION...]", 0, -1, TAKES_ALL, command_list,
         "functions with names, link, NUMA node, IOMMU group, driver, ACS"},
        {"tree", "[--all]", 0, 0, TAKES_ALL, command_tree,
         "the topology drawn, links and ACS marked"},
        {"matrix", "[--distance] [FUNCTION...]", 0, -1, TAKES_DISTANCE, command_matrix,
         "who reaches whom: providers by clients"},
        {"pairs", "", 0, 0, 0, command_pairs, "every ordered pair, separated by TABs"},
        {"why", "PROVIDER CLIENT", 2, 2, 0, command_why,
         "one pair: verdict, path drawn, reasons, remedies"},
        {"map", "CLIENT ADDRESS LENGTH", 2, 3, 0, command_map,
         "how a client reaches a range of physical memory"},
        {"bars", "[FUNCTION...]", 0, -1, 0, command_bars, "memory BARs, their ids and addresses"},
        {"register", "FUNCTION BAR", 2, 2, 0, command_register, "gives a BAR an id"},
        {"unregister", "FUNCTION BAR | ID", 1, 2, 0, command_unregister,
         "undoes it, also for a device that is gone"},
        {"table", "[ADDRESS [CLIENT]]", 0, 2, 0, command_table,
         "what the shared table holds, or says of an address"},
        {"check", "[--all] [PROVIDER [CLIENT]]", 0, 2,
         TAKES_ALL | TAKES_MIN_BAR | TAKES_ALLOW_SLOW_LINK, command_check,
         "can these pairs work? all gates; exit code"},
        {"verify", "PROVIDER CLIENT", 2, 2, TAKES_FROM, command_verify,
         "one real transfer between two, where they allow it"},
        {"place", "N --of SELECTOR ...", 1, -1, TAKES_PLACE, command_place,
         "the best groups: N items with companions"},
        {"lease", "NAME FUNCTION...", 2, -1, TAKES(WISH_FOR) | TAKES(WISH_OWNER), command_lease,
         "holds these functions under a name"},
        {"renew", "NAME|NUMBER", 1, 1, TAKES(WISH_FOR), command_renew,
         "lets a lease last longer (or for ever)"},
        {"release", "NAME|NUMBER", 1, 1, 0, command_release, "ends a lease"},
        {"leases", "[--watch [NAME|NUMBER]]", 0, 1, TAKES(WISH_WATCH), command_leases,
         "who holds which devices"},
        {"find-provider", "CLIENT...", 1, -1,
         TAKES(WISH_ANSWERS) | TAKES(WISH_INCLUDE_HELD) | TAKES(WISH_FREE), command_find_provider,
         "the nearest peer-to-peer memory for all of them"},
        {"acs", "plan [PROVIDER CLIENT]...", 1, -1, TAKES(WISH_ONE_WAY), command_acs,
         "which ACS bits to clear, and how"},
        {"acs", "verify", 1, -1, TAKES(WISH_ONE_WAY), command_acs,
         "did the boot parameters take effect?"},
        {"what-if", "EDIT...", 1, -1, 0, command_what_if,
         "the pairs that flip on an edited machine"},
        {"monitor", "", 0, 0, 0, command_monitor, "changes as they happen"},
        {"rescan", "", 0, 0, 0, command_rescan, "reads the machine again now"},
        {"capture", "[--no-serials] DIR", 1, 1, TAKES_NO_SERIALS | TAKES_FROM, command_capture,
         "writes this machine as a captured root"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(void)
{
        puts("p2pctl [OPTION...] COMMAND [ARGUMENT...]\n"
             "\n"
             "Asks p2pd which PCIe functions reach each other by peer-to-peer DMA, and how.\n"
             "\n"
             "Commands:");
        for (size_t i = 0; i < N_COMMANDS; i++)
                printf("  %-13s %-28s %s\n", commands[i].name, commands[i].arguments,
                       commands[i].summary);
        puts("\n"
             "A function is named by address (0000:03:00.0, 03:00.0) or by what people call it\n"
             "(nvme0, mlx5_0, eth2, renderD128). The client does DMA to the provider's memory.\n"
             "\n"
             "Options:\n"
             "  --socket PATH          the daemon to ask (" P2PD_DEFAULT_PATH ")\n"
             "  --root DIR             answer for the captured machine in DIR, without a daemon\n"
             "  --lspci FILE           answer for the machine in a dump of `lspci -xxxx`\n"
             "  --json                 the answers as JSON\n"
             "  --rules running|newest as the running kernel decides, or the newest known\n"
             "  --color auto|always|never\n"
             "  --all                  list, tree, check: every function, not only candidates\n"
             "  --distance             matrix: hops as well\n"
             "  --min-bar SIZE         check: one BAR of the provider is as large (16G, 256M)\n"
             "  --allow-slow-link      check: links may run below their best\n"
             "  --of SELECTOR          place: what the items are (gpu; nic,vendor=15b3; nvme*)\n"
             "  --with SELECTOR:COUNT  place: so many companions for each item\n"
             "  --share SELECTOR:COUNT place: the same, handed round among the items\n"
             "  --client FUNCTION      place: each item must reach it, and be reached\n"
             "  --avoid SELECTOR       place: what is not to be chosen\n"
             "  --worst PATH           place: no pair worse than PIX, PXB, PHB, NODE\n"
             "  --least MBPS           place: for each flow, when all run at once\n"
             "  --numa NODE, --bus     place: all on the node; all pairs by bus address\n"
             "  --allow-none           place: rather with pairs that cannot than nothing\n"
             "  --answers N            place, find-provider: the N best\n"
             "  --include-held         place, find-provider: also what leases hold\n"
             "  --hold NAME            place: holds the answer under a name\n"
             "  --run -- COMMAND...    place: holds it while the command runs\n"
             "  --for TIME, --owner TEXT  of a lease: 90s, 8h, 1d12h; whose it is\n"
             "  --free SIZE            find-provider: so much of its memory is free\n"
             "  --one-way              acs plan: not the other direction as well\n"
             "  --watch                leases: what happens to them\n"
             "  --no-serials           capture: leave out what identifies this very machine\n"
             "  --help, --version\n"
             "\n"
             "Exit codes: 0 ok; 1 failure, check found a pair that cannot, or verify's data did\n"
             "not arrive; 2 usage; 3 check found a pair that is unknown, or verify is not "
             "possible.\n"
             "acs plan and acs verify: as check; place --run: the command's.");
}

static int usage_error(const char *format, const char *what)
{
        fputs("p2pctl: ", stderr);
        fprintf(stderr, format, what);
        fputs("\nTry `p2pctl --help`.\n", stderr);
        return EXIT_USAGE;
}

struct options {
        struct session *session;
        enum color_choice color;
        unsigned int takes; /* which of the commands' own options were given */
        bool help, version;
};

static int parse_rules(const char *text, enum p2pd_rules *ret)
{
        if (strcmp(text, "running") == 0)
                *ret = P2PD_RULES_RUNNING;
        else if (strcmp(text, "newest") == 0)
                *ret = P2PD_RULES_NEWEST;
        else
                return usage_error("--rules is running or newest, not '%s'", text);
        return EXIT_OK;
}

static int parse_color(const char *text, enum color_choice *ret)
{
        if (!text || strcmp(text, "always") == 0)
                *ret = COLOR_ALWAYS;
        else if (strcmp(text, "auto") == 0)
                *ret = COLOR_AUTO;
        else if (strcmp(text, "never") == 0)
                *ret = COLOR_NEVER;
        else
                return usage_error("--color is auto, always or never, not '%s'", text);
        return EXIT_OK;
}

static int parse_size(const char *text, uint64_t *ret)
{
        if (number_parse(text, ret) < 0)
                return usage_error("--min-bar is a size such as 256M or 0x10000000, not '%s'",
                                   text);
        return EXIT_OK;
}

static int parse_option(int option, struct options *o)
{
        struct session *s = o->session;

        if (option >= WISH_OPTION) {
                const enum wish wish = (enum wish)(option - WISH_OPTION);

                o->takes |= TAKES(wish);
                return wishes_parse(&s->wishes, wish, optarg);
        }
        switch (option) {
        case OPT_SOCKET:
                s->socket_path = optarg;
                return EXIT_OK;
        case OPT_ROOT:
                s->root = optarg;
                return EXIT_OK;
        case OPT_LSPCI:
                s->lspci = optarg;
                return EXIT_OK;
        case OPT_JSON:
                s->json = true;
                return EXIT_OK;
        case OPT_RULES:
                return parse_rules(optarg, &s->rules);
        case OPT_COLOR:
                return parse_color(optarg, &o->color);
        case OPT_ALL:
                s->all = true;
                o->takes |= TAKES_ALL;
                return EXIT_OK;
        case OPT_DISTANCE:
                s->distance = true;
                o->takes |= TAKES_DISTANCE;
                return EXIT_OK;
        case OPT_NO_SERIALS:
                s->no_serials = true;
                o->takes |= TAKES_NO_SERIALS;
                return EXIT_OK;
        case OPT_FROM:
                s->from = optarg;
                o->takes |= TAKES_FROM;
                return EXIT_OK;
        case OPT_MIN_BAR:
                o->takes |= TAKES_MIN_BAR;
                return parse_size(optarg, &s->min_bar_bytes);
        case OPT_ALLOW_SLOW_LINK:
                s->allow_slow_link = true;
                o->takes |= TAKES_ALLOW_SLOW_LINK;
                return EXIT_OK;
        case OPT_HELP:
                o->help = true;
                return EXIT_OK;
        case OPT_VERSION:
                o->version = true;
                return EXIT_OK;
        default:
                fputs("Try `p2pctl --help`.\n", stderr);
                return EXIT_USAGE;
        }
}

static int parse_options(int argc, char **argv, struct options *o)
{
        static const struct option own[] = {
                {"socket", required_argument, NULL, OPT_SOCKET},
                {"root", required_argument, NULL, OPT_ROOT},
                {"lspci", required_argument, NULL, OPT_LSPCI},
                {"json", no_argument, NULL, OPT_JSON},
                {"rules", required_argument, NULL, OPT_RULES},
                {"color", optional_argument, NULL, OPT_COLOR},
                {"all", no_argument, NULL, OPT_ALL},
                {"distance", no_argument, NULL, OPT_DISTANCE},
                {"no-serials", no_argument, NULL, OPT_NO_SERIALS},
                {"from", required_argument, NULL, OPT_FROM},
                {"min-bar", required_argument, NULL, OPT_MIN_BAR},
                {"allow-slow-link", no_argument, NULL, OPT_ALLOW_SLOW_LINK},
                {"help", no_argument, NULL, OPT_HELP},
                {"version", no_argument, NULL, OPT_VERSION},
        };
        struct option options[sizeof(own) / sizeof(own[0]) + WISH_MAX + 1] = {0};
        int option, r;

        memcpy(options, own, sizeof(own));
        memcpy(options + sizeof(own) / sizeof(own[0]), wish_options, WISH_MAX * sizeof(options[0]));

        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
                r = parse_option(option, o);
                if (r != EXIT_OK)
                        return r;
        }
        if (!!o->session->socket_path + !!o->session->root + !!o->session->lspci > 1)
                return usage_error("%s exclude each other", "--socket, --root and --lspci");
        return EXIT_OK;
}

static const struct command *find_command(const char *name)
{
        for (size_t i = 0; i < N_COMMANDS; i++)
                if (strcmp(commands[i].name, name) == 0)
                        return &commands[i];
        return NULL;
}

static int check_command(const struct command *c, int n, unsigned int takes)
{
        static const char *const names[] = {"--all",  "--distance", "--no-serials",
                                            "--from", "--min-bar",  "--allow-slow-link"};

        const unsigned int n_names = sizeof(names) / sizeof(names[0]);

        for (unsigned int i = 0; i < n_names + WISH_MAX; i++)
                if (takes & ~c->takes & (1U << i)) {
                        fprintf(stderr, "p2pctl: %s has no option %s%s\nTry `p2pctl --help`.\n",
                                c->name, i < n_names ? "" : "--",
                                i < n_names ? names[i] : wish_options[i - n_names].name);
                        return EXIT_USAGE;
                }
        if (n < c->min || (c->max >= 0 && n > c->max)) {
                fprintf(stderr, "p2pctl: %s arguments\nUsage: p2pctl %s %s\n",
                        n < c->min ? "too few" : "too many", c->name, c->arguments);
                return EXIT_USAGE;
        }
        return EXIT_OK;
}

int main(int argc, char **argv)
{
        struct session session = {0};
        struct options o = {.session = &session};
        const struct command *command;
        int r;

        setlocale(LC_ALL, "");
        r = parse_options(argc, argv, &o);
        if (r != EXIT_OK)
                return r;
        session.terminal = terminal_detect(o.color);
        if (o.help) {
                print_help();
                return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
        }
        if (o.version) {
                puts("p2pctl " P2PD_VERSION);
                return EXIT_OK;
        }
        if (optind == argc)
                return usage_error("%s", "which command?");
        command = find_command(argv[optind]);
        if (!command)
                return usage_error("there is no command '%s'", argv[optind]);
        r = check_command(command, argc - optind - 1, o.takes);
        if (r != EXIT_OK)
                return r;
        r = command->run(&session, argc - optind - 1, argv + optind + 1);
        session_close(&session);
        wishes_clear(&session.wishes);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                perror("p2pctl: cannot write the answer");
                r = EXIT_FAILED;
        }
        return r;
}
