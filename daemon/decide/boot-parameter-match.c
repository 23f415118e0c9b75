/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/boot-parameter.h"

#include <assert.h>
#include <string.h>

/*
 * Source: Linux drivers/pci/pci.c, pci_dev_str_match(), pci_dev_str_match_path() and
 * __pci_config_acs(), and what lib/vsprintf.c makes of the formats there. The kernel walks the list
 * anew for every function and stops at the first entry that names it or that it cannot read; so an
 * entry that is wrong in its second half may be fatal for one function and harmless for another.
 */

/* What one device text says about one function. */
enum answer { NO, YES, UNREADABLE, CANNOT_TELL };

static bool is_blank(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0';
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char)(c | 0x20);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The kernel's "%x": blanks before it, an optional 0x, any number of digits; what does not fit is
 * lost at the top. Moves *text behind it. */
static bool scan_hex(const char **text, const char *end, uint32_t *ret)
{
        const char *at = *text;
        uint32_t val = 0;

        while (at < end && is_blank(*at))
                at++;
        if (at == end || hex_digit(*at) < 0)
                return false;
        if (at[0] == '0' && at + 1 < end && (at[1] | 0x20) == 'x')
                at += 2;
        for (; at < end && hex_digit(*at) >= 0; at++)
                val = val << 4 | (uint32_t)hex_digit(*at);
        *text = at;
        *ret = val;
        return true;
}

static bool scan_char(const char **text, const char *end, char c)
{
        if (*text == end || **text != c)
                return false;
        (*text)++;
        return true;
}

/* "%x.%x" and nothing behind it. */
static bool scan_devfn(const char *at, const char *end, uint8_t *ret)
{
        uint32_t slot, function;

        if (!scan_hex(&at, end, &slot) || !scan_char(&at, end, '.') ||
            !scan_hex(&at, end, &function) || at != end)
                return false;
        *ret = (uint8_t)((slot & 0x1fU) << 3 | (function & 7U));
        return true;
}

/* "[%x:]%x:%x.%x" and nothing behind it. */
static bool scan_address(const char *at, const char *end, struct p2p_address *ret, bool *ret_real)
{
        uint32_t first, second;
        const char *behind;

        if (!scan_hex(&at, end, &first) || !scan_char(&at, end, ':'))
                return false;
        behind = at;
        if (scan_hex(&behind, end, &second) && scan_char(&behind, end, ':') &&
            scan_devfn(behind, end, &ret->devfn)) {
                ret->segment = first;
                ret->bus = (uint8_t)second;
                *ret_real = second <= UINT8_MAX;
                return true;
        }
        ret->segment = 0;
        ret->bus = (uint8_t)first;
        *ret_real = first <= UINT8_MAX;
        return scan_devfn(at, end, &ret->devfn);
}

/* The path is compared from its end, and what lies before the first difference is not even read. */
static enum answer match_path(const struct p2p_machine *m, const char *text, const char *end,
                              uint32_t function)
{
        struct p2p_address address;
        const char *slash;
        uint8_t devfn;
        bool real;

        while ((slash = memrchr(text, '/', (size_t)(end - text))) != NULL) {
                const struct p2p_function *f = &m->functions[function];

                if (!scan_devfn(slash + 1, end, &devfn))
                        return UNREADABLE;
                if (devfn != f->address.devfn)
                        return NO;
                if (f->parent == P2P_NONE)
                        return f->parent_why == P2P_WHY_KNOWN ? NO : CANNOT_TELL;
                function = f->parent;
                end = slash;
        }
        if (!scan_address(text, end, &address, &real))
                return UNREADABLE;
        return real && p2p_address_compare(address, m->functions[function].address) == 0 ? YES : NO;
}

/* 0 matches all. */
static enum answer match_id(struct p2p_fact fact, uint32_t id)
{
        id &= 0xffffU;
        if (id == 0)
                return YES;
        if (p2p_fact_is_unknown(fact))
                return CANNOT_TELL;
        return p2p_fact_is_known(fact) && fact.val == id ? YES : NO;
}

/* "VENDOR:DEVICE[:SUBVENDOR:SUBDEVICE]"; *ret_end: behind what was taken. */
static enum answer match_ids(const struct p2p_function *f, const char *text, const char *end,
                             const char **ret_end)
{
        const struct p2p_fact facts[4] = {
                f->vendor,
                f->device,
                f->subsystem_vendor,
                f->subsystem_device,
        };
        enum answer answer = YES;
        const char *at = text;
        uint32_t ids[4] = {0};
        unsigned n = 0;

        while (n < 4 && (n == 0 || scan_char(&at, end, ':')) && scan_hex(&at, end, &ids[n])) {
                n++;
                if (n == 2 || n == 4)
                        *ret_end = at;
        }
        if (n < 2)
                return UNREADABLE;
        if (n == 3)
                ids[2] = 0;
        for (unsigned i = 0; i < 4; i++) {
                enum answer one = match_id(facts[i], ids[i]);

                if (one == NO)
                        return NO;
                if (one == CANNOT_TELL)
                        answer = CANNOT_TELL;
        }
        return answer;
}

/* The first `len` bytes of text are the entry. *ret_clean: nothing but a separator follows. */
static enum answer match_device(const struct p2p_machine *m, const char *text, size_t len,
                                uint32_t function, bool *ret_clean)
{
        const char *end = text + len, *behind = end;
        enum answer answer;

        if (len >= 4 && memcmp(text, "pci:", 4) == 0)
                answer = match_ids(&m->functions[function], text + 4, end, &behind);
        else
                answer = match_path(m, text, end, function);
        *ret_clean = behind == end;
        return answer;
}

uint32_t p2p_boot_entries(const char *value)
{
        uint32_t n = 0;

        for (const char *at = value; *at; n++) {
                at = strchrnul(at, ';');
                if (*at)
                        at++;
        }
        return n;
}

const char *p2p_boot_entry(const char *value, uint32_t entry, size_t *ret_len)
{
        for (; entry > 0; entry--)
                value = strchrnul(value, ';') + 1;
        *ret_len = (size_t)(strchrnul(value, ';') - value);
        return value;
}

/* The flags before '@', bit 0 rightmost. */
static enum p2p_boot_stop scan_flags(const char *text, size_t len, uint16_t *ret_mask,
                                     uint16_t *ret_flags)
{
        uint16_t mask = 0, flags = 0;
        bool out_of_range = false;

        for (size_t bit = 0; bit < len; bit++) {
                const char c = text[len - 1 - bit];

                if (c == 'x' || c == 'X')
                        continue;
                if (c != '0' && c != '1')
                        return P2P_BOOT_STOP_BAD_FLAGS;
                if (bit > 6) {
                        out_of_range = true;
                        continue;
                }
                mask |= (uint16_t)(1U << bit);
                flags |= (uint16_t)((c == '1') << bit);
        }
        if (out_of_range)
                return P2P_BOOT_STOP_FLAGS_RANGE;
        *ret_mask = mask;
        *ret_flags = flags;
        return P2P_BOOT_STOP_NONE;
}

static struct p2p_boot_match stopped(struct p2p_boot_match match, enum p2p_boot_stop stop)
{
        match.kind = P2P_BOOT_MATCH_STOPPED;
        match.stop = stop;
        match.mask = match.flags = 0;
        return match;
}

/* Takes the flags off the front of the entry. */
static enum p2p_boot_stop take_flags(const char **text, size_t *len, struct p2p_boot_match *match)
{
        const char *at = memchr(*text, '@', *len);
        enum p2p_boot_stop stop;

        /* The kernel looks for the '@' beyond the entry's end, and does not take the ';' then. */
        if (!at)
                return strchr(*text, '@') ? P2P_BOOT_STOP_BAD_FLAGS : P2P_BOOT_STOP_NO_FLAGS;
        stop = scan_flags(*text, (size_t)(at - *text), &match->mask, &match->flags);
        *len -= (size_t)(at + 1 - *text);
        *text = at + 1;
        return stop;
}

struct p2p_boot_match p2p_boot_match_function(const struct p2p_machine *m,
                                              const struct p2p_boot_kernel *kernel,
                                              enum p2p_boot_parameter parameter, const char *value,
                                              uint32_t function)
{
        const bool config = parameter == P2P_BOOT_CONFIG_ACS;
        struct p2p_boot_match match = {.mask = config ? 0 : P2P_ACS_REDIRECT};
        bool clean;

        assert(function < m->n_functions && parameter < P2P_BOOT_PARAMETER_MAX);
        for (const char *at = value; *at; match.entry++) {
                size_t len = (size_t)(strchrnul(at, ';') - at);
                const char *device = at;
                bool misread = false;
                enum answer answer;

                at += len + (at[len] != '\0');
                if (config && kernel->misreads && match.mask != 0) {
                        misread = memchr(device, '@', len) != NULL;
                } else if (config) {
                        enum p2p_boot_stop stop = take_flags(&device, &len, &match);

                        if (stop != P2P_BOOT_STOP_NONE)
                                return stopped(match, stop);
                }
                answer = match_device(m, device, len, function, &clean);
                if (answer == UNREADABLE)
                        return stopped(match,
                                       misread ? P2P_BOOT_STOP_MISREAD : P2P_BOOT_STOP_BAD_DEVICE);
                if (answer == CANNOT_TELL || answer == YES) {
                        match.kind = answer == YES ? P2P_BOOT_MATCH_ENTRY : P2P_BOOT_MATCH_UNKNOWN;
                        return match;
                }
                if (!clean)
                        return stopped(match, P2P_BOOT_STOP_TRAILING);
        }
        return (struct p2p_boot_match){.kind = P2P_BOOT_MATCH_NONE};
}

const char *p2p_boot_stop_text(enum p2p_boot_stop stop)
{
        switch (stop) {
        case P2P_BOOT_STOP_NO_FLAGS:
                return "there is no '@' between flags and device";
        case P2P_BOOT_STOP_BAD_FLAGS:
                return "the flags before '@' are not all 0, 1 or x";
        case P2P_BOOT_STOP_FLAGS_RANGE:
                return "the flags name a bit above DT";
        case P2P_BOOT_STOP_BAD_DEVICE:
                return "the device is neither an address with a path nor pci:VENDOR:DEVICE";
        case P2P_BOOT_STOP_TRAILING:
                return "other text than ';' follows the device";
        case P2P_BOOT_STOP_MISREAD:
                return "this kernel reads no more than the first entry of a config_acs list";
        case P2P_BOOT_STOP_NONE:
        case P2P_BOOT_STOP_MAX:
                break;
        }
        return "it can be read";
}

uint16_t p2p_boot_acs_control(const struct p2p_boot_kernel *kernel, uint16_t capability,
                              uint16_t firmware, bool iommu,
                              const struct p2p_boot_match matches[static P2P_BOOT_PARAMETER_MAX])
{
        uint16_t control = firmware;

        if (iommu)
                control |= P2P_BOOT_ACS_DEFAULT & capability;
        for (unsigned i = 0; i < P2P_BOOT_PARAMETER_MAX; i++) {
                const uint16_t mask = matches[i].mask, flags = matches[i].flags;

                if (matches[i].kind != P2P_BOOT_MATCH_ENTRY || !kernel->has[i])
                        continue;
                if (!kernel->has[P2P_BOOT_CONFIG_ACS]) {
                        control &= (uint16_t)~mask;
                } else if (kernel->misreads) {
                        control = (uint16_t)((control & ~mask) | (firmware & mask));
                        control |= i == P2P_BOOT_CONFIG_ACS ? flags : (uint16_t)~mask;
                } else {
                        control = (uint16_t)((firmware & ~mask) | (flags & mask));
                }
        }
        return (uint16_t)((control & capability) | (firmware & ~capability));
}
