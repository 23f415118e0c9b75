/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "machine.h"

/* Addresses as text, and the stable names of the model's enumerations. */

int p2p_address_compare(struct p2p_address a, struct p2p_address b)
{
        if (a.segment != b.segment)
                return a.segment < b.segment ? -1 : 1;
        if (a.bus != b.bus)
                return a.bus < b.bus ? -1 : 1;
        return (a.devfn > b.devfn) - (a.devfn < b.devfn);
}

static char *put_hex(char *to, uint32_t val, unsigned digits)
{
        while (digits < 8 && val >> (4 * digits) != 0)
                digits++;
        while (digits-- > 0)
                *to++ = "0123456789abcdef"[val >> (4 * digits) & 0xfU];
        return to;
}

/* By hand: the stream of all pairs holds addresses by the million. */
const char *p2p_address_format(struct p2p_address a, char buf[static P2P_ADDRESS_STRING_MAX])
{
        char *to = put_hex(buf, a.segment, 4);

        *to++ = ':';
        to = put_hex(to, a.bus, 2);
        *to++ = ':';
        to = put_hex(to, a.devfn >> 3, 2);
        *to++ = '.';
        to = put_hex(to, a.devfn & 7U, 1);
        *to = '\0';
        return buf;
}

/* One to max hex digits; moves *text behind them. strtoul() would take spaces, signs and 0x. */
static int parse_hex(const char **text, unsigned max, uint32_t *ret)
{
        uint32_t val = 0;
        unsigned n = 0;

        for (; n < max; n++, (*text)++) {
                char c = **text;

                if (c >= '0' && c <= '9')
                        val = val << 4 | (uint32_t)(c - '0');
                else if (c >= 'a' && c <= 'f')
                        val = val << 4 | (uint32_t)(c - 'a' + 10);
                else if (c >= 'A' && c <= 'F')
                        val = val << 4 | (uint32_t)(c - 'A' + 10);
                else
                        break;
        }
        if (n == 0)
                return -EINVAL;
        *ret = val;
        return 0;
}

int p2p_address_parse(const char *text, struct p2p_address *ret)
{
        uint32_t first, bus, device, function, segment = 0;

        if (parse_hex(&text, 8, &first) < 0 || *text++ != ':' || parse_hex(&text, 2, &bus) < 0)
                return -EINVAL;
        if (*text == ':') {
                text++;
                segment = first;
                if (parse_hex(&text, 2, &device) < 0)
                        return -EINVAL;
        } else {
                device = bus;
                bus = first;
        }
        if (*text++ != '.' || parse_hex(&text, 1, &function) < 0 || *text != '\0')
                return -EINVAL;
        if (bus > 0xff || device > 0x1f || function > 7)
                return -EINVAL;
        *ret = (struct p2p_address){
                .segment = segment,
                .bus = (uint8_t)bus,
                .devfn = (uint8_t)(device << 3 | function),
        };
        return 0;
}

const char *p2p_why_to_string(enum p2p_why why)
{
        static const char *const names[P2P_WHY_MAX] = {
                [P2P_WHY_KNOWN] = "known",
                [P2P_WHY_ABSENT] = "absent",
                [P2P_WHY_NOT_IN_SOURCE] = "not-in-source",
                [P2P_WHY_NO_FILE] = "no-file",
                [P2P_WHY_NO_PRIVILEGE] = "no-privilege",
                [P2P_WHY_NOT_CAPTURED] = "not-captured",
                [P2P_WHY_HIDDEN] = "hidden",
                [P2P_WHY_ALL_ONES] = "all-ones",
                [P2P_WHY_MALFORMED] = "malformed",
                [P2P_WHY_NOT_REPORTED] = "not-reported",
                [P2P_WHY_IO_ERROR] = "io-error",
                [P2P_WHY_GONE] = "gone",
                [P2P_WHY_READER_LOST] = "reader-lost",
        };

        return why < P2P_WHY_MAX ? names[why] : NULL;
}

const char *p2p_kind_to_string(enum p2p_kind kind)
{
        static const char *const names[P2P_KIND_MAX] = {
                [P2P_KIND_OTHER] = "other",
                [P2P_KIND_BRIDGE] = "bridge",
                [P2P_KIND_GPU] = "gpu",
                [P2P_KIND_NIC] = "nic",
                [P2P_KIND_NVME] = "nvme",
                [P2P_KIND_STORAGE] = "storage",
                [P2P_KIND_ACCELERATOR] = "accelerator",
                [P2P_KIND_MEMORY] = "memory",
        };

        return kind < P2P_KIND_MAX ? names[kind] : NULL;
}

const char *p2p_group_type_to_string(enum p2p_group_type type)
{
        static const char *const names[P2P_GROUP_TYPE_MAX] = {
                [P2P_GROUP_TRANSLATED] = "translated", [P2P_GROUP_IDENTITY] = "identity",
                [P2P_GROUP_BLOCKED] = "blocked",       [P2P_GROUP_UNMANAGED] = "unmanaged",
                [P2P_GROUP_TYPE_UNKNOWN] = "unknown",
        };

        return type < P2P_GROUP_TYPE_MAX ? names[type] : NULL;
}

const char *p2p_source_kind_to_string(enum p2p_source_kind kind)
{
        static const char *const names[P2P_SOURCE_KIND_MAX] = {
                [P2P_SOURCE_LIVE] = "live",
                [P2P_SOURCE_ROOT] = "root",
                [P2P_SOURCE_LSPCI] = "lspci",
        };

        return kind < P2P_SOURCE_KIND_MAX ? names[kind] : NULL;
}
