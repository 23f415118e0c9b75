/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/boot-parameter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/rules.h"

/*
 * Sources: Linux kernel/params.c next_arg() for the command line, drivers/pci/pci.c pci_setup() for
 * the pci= parameter.
 */

enum trait { HAS_DISABLE_ACS_REDIR, HAS_CONFIG_ACS, MISREADS };

/* What kernels do with the parameters, with the mainline commit that brought it. */
static const struct {
        enum trait trait;
        uint32_t since; /* P2P_RELEASE() */
        uint32_t until; /* first release without it again; 0: still so */
} traits[] = {
        /* aaca43fda742 */
        {HAS_DISABLE_ACS_REDIR, P2P_RELEASE(4, 19), 0},
        /* 47c8846a49ba, with the fault; mended by 9cf8a952d57b */
        {HAS_CONFIG_ACS, P2P_RELEASE(6, 11), 0},
        {MISREADS, P2P_RELEASE(6, 11), P2P_RELEASE(6, 15)},
};

/* The stable series that got 9cf8a952d57b, and the patch level it came with. */
static const struct {
        uint32_t series, patch;
} mended[] = {
        {P2P_RELEASE(6, 12), 23},
        {P2P_RELEASE(6, 13), 11},
        {P2P_RELEASE(6, 14), 2},
};

const char *p2p_boot_misread_fixed_in(void)
{
        return "6.12.23, 6.13.11, 6.14.2, 6.15";
}

const char *p2p_boot_parameter_to_string(enum p2p_boot_parameter parameter)
{
        static const char *const names[P2P_BOOT_PARAMETER_MAX] = {
                [P2P_BOOT_DISABLE_ACS_REDIR] = "disable_acs_redir",
                [P2P_BOOT_CONFIG_ACS] = "config_acs",
        };

        return parameter < P2P_BOOT_PARAMETER_MAX ? names[parameter] : NULL;
}

static bool has_trait(const struct p2p_rules *rules, enum trait trait)
{
        for (size_t i = 0; i < sizeof(traits) / sizeof(traits[0]); i++)
                if (traits[i].trait == trait)
                        return rules->release >= traits[i].since &&
                               (traits[i].until == 0 || rules->release < traits[i].until);
        return false;
}

struct p2p_boot_kernel p2p_boot_kernel_for(const struct p2p_machine *m)
{
        const struct p2p_rules rules = p2p_rules_for(m, P2P_RULES_RUNNING);
        struct p2p_boot_kernel k = {
                .release_known = rules.release_known,
                .has[P2P_BOOT_DISABLE_ACS_REDIR] = has_trait(&rules, HAS_DISABLE_ACS_REDIR),
                .has[P2P_BOOT_CONFIG_ACS] = has_trait(&rules, HAS_CONFIG_ACS),
                .misreads = has_trait(&rules, MISREADS),
        };

        for (size_t i = 0; i < sizeof(mended) / sizeof(mended[0]); i++)
                if (rules.release == mended[i].series && rules.patch >= mended[i].patch)
                        k.misreads = false;
        return k;
}

struct span {
        const char *text;
        size_t len;
};

static bool span_is(struct span s, const char *text)
{
        return s.len == strlen(text) && memcmp(s.text, text, s.len) == 0;
}

/* The kernel takes '-' for '_' in names of parameters. */
static bool span_is_parameter(struct span s, const char *name)
{
        if (s.len != strlen(name))
                return false;
        for (size_t i = 0; i < s.len; i++)
                if ((s.text[i] == '-' ? '_' : s.text[i]) != name[i])
                        return false;
        return true;
}

/* In the kernel's table of characters the no-break space of Latin-1 is white as well. */
static bool is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0';
}

/* One argument, and the rest behind it. Quotes keep blanks together; those around a value or around
 * the whole argument do not belong to it. Returns false for an argument without value. */
static bool next_argument(const char **text, struct span *ret_name, struct span *ret_value)
{
        bool in_quote = **text == '"', quoted = in_quote;
        const char *at = *text + quoted;
        size_t n, equals = 0, end, value;

        for (n = 0; at[n]; n++) {
                if (is_space(at[n]) && !in_quote)
                        break;
                if (equals == 0 && at[n] == '=')
                        equals = n;
                if (at[n] == '"')
                        in_quote = !in_quote;
        }
        for (*text = at + n; is_space(**text);)
                (*text)++;
        end = n;
        value = equals + 1;
        if (equals > 0 && at[value] == '"' && value < n) {
                value++;
                quoted = true;
        }
        if (quoted && end > 0 && at[end - 1] == '"')
                end--;
        *ret_name = (struct span){at, equals > 0 ? equals : end};
        *ret_value = (struct span){at + value, equals > 0 && end > value ? end - value : 0};
        return equals > 0;
}

/* Appends a comma, if there is something before it, and the option. 0 or -ENOMEM. */
static int append_option(char **list, struct span option)
{
        const size_t before = *list ? strlen(*list) : 0;
        char *p = realloc(*list, before + option.len + 2);

        if (!p)
                return -ENOMEM;
        *list = p;
        if (before > 0)
                p[before] = ',';
        p += before + (before > 0);
        memcpy(p, option.text, option.len);
        p[option.len] = '\0';
        return 0;
}

static int take_option(struct p2p_boot_line *line, struct span option)
{
        static const char *const prefixes[P2P_BOOT_PARAMETER_MAX] = {
                [P2P_BOOT_DISABLE_ACS_REDIR] = "disable_acs_redir=",
                [P2P_BOOT_CONFIG_ACS] = "config_acs=",
        };

        for (unsigned i = 0; i < P2P_BOOT_PARAMETER_MAX; i++) {
                const size_t n = strlen(prefixes[i]);
                char *value;

                if (option.len < n || memcmp(option.text, prefixes[i], n) != 0)
                        continue;
                value = strndup(option.text + n, option.len - n);
                if (!value)
                        return -ENOMEM;
                free(line->value[i]);
                line->value[i] = value;
                line->n_given[i]++;
                return 0;
        }
        return append_option(&line->other_options, option);
}

static int take_options(struct p2p_boot_line *line, struct span options)
{
        while (options.len > 0) {
                const char *comma = memchr(options.text, ',', options.len);
                struct span option = {options.text,
                                      comma ? (size_t)(comma - options.text) : options.len};
                const size_t taken = option.len + (comma != NULL);
                int r = option.len > 0 ? take_option(line, option) : 0;

                if (r < 0)
                        return r;
                options.text += taken;
                options.len -= taken;
        }
        return 0;
}

int p2p_boot_line_parse(const char *command_line, struct p2p_boot_line *ret)
{
        struct p2p_boot_line line = {.has_acs_override = false};
        const char *at = command_line ? command_line : "";
        struct span name, value;

        while (is_space(*at))
                at++;
        while (*at) {
                bool has_value = next_argument(&at, &name, &value);
                int r = 0;

                if (!has_value && span_is(name, "--"))
                        break;
                if (has_value && span_is(name, "pci"))
                        r = take_options(&line, value);
                else if (span_is_parameter(name, "pcie_acs_override"))
                        line.has_acs_override = true;
                if (r < 0) {
                        p2p_boot_line_deinit(&line);
                        return r;
                }
        }
        *ret = line;
        return 0;
}

void p2p_boot_line_deinit(struct p2p_boot_line *line)
{
        for (unsigned i = 0; i < P2P_BOOT_PARAMETER_MAX; i++)
                free(line->value[i]);
        free(line->other_options);
        *line = (struct p2p_boot_line){.has_acs_override = false};
}
