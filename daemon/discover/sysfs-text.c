/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sysfs-text.h"

#include <errno.h>
#include <string.h>

/* isspace() and friends ask the locale. */
static bool is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static int digit_value(char c)
{
        if (is_digit(c))
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* Reads digits from *text on and moves it past them. */
static int take_u64(const char **text, const char *end, unsigned base, uint64_t *ret)
{
        const char *s = *text;
        uint64_t val = 0;
        unsigned n = 0;

        if (base == 16 && end - s > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
                s += 2;
        for (; s < end; s++, n++) {
                int digit = digit_value(*s);

                if (digit < 0 || (unsigned)digit >= base)
                        break;
                if (val > (UINT64_MAX - (unsigned)digit) / base)
                        return -ERANGE;
                val = val * base + (unsigned)digit;
        }
        if (n == 0)
                return -EINVAL;
        *text = s;
        *ret = val;
        return 0;
}

static struct p2p_slice trim(const char *text, size_t length)
{
        while (length && is_space(text[0]))
                text++, length--;
        while (length && is_space(text[length - 1]))
                length--;
        return (struct p2p_slice){.text = text, .length = length};
}

static bool slice_is(struct p2p_slice s, const char *text)
{
        return s.length == strlen(text) && !memcmp(s.text, text, s.length);
}

static struct p2p_fact slice_number(struct p2p_slice s, unsigned base, uint64_t max)
{
        const char *at = s.text;
        uint64_t val;

        if (take_u64(&at, s.text + s.length, base, &val) < 0 || at != s.text + s.length ||
            val > max)
                return p2p_fact_without(P2P_WHY_MALFORMED);
        return p2p_fact_known(val);
}

struct p2p_slice p2p_text_line(const char *text)
{
        return trim(text, strcspn(text, "\n"));
}

int p2p_text_parse_u64(const char *text, unsigned base, uint64_t *ret)
{
        const char *end = text + strlen(text);
        uint64_t val;
        int r;

        r = take_u64(&text, end, base, &val);
        if (r < 0)
                return r;
        while (is_space(*text))
                text++;
        if (*text)
                return -EINVAL;
        *ret = val;
        return 0;
}

struct p2p_fact p2p_text_number(const char *text, unsigned base, uint64_t max)
{
        uint64_t val;

        if (p2p_text_parse_u64(text, base, &val) < 0 || val > max)
                return p2p_fact_without(P2P_WHY_MALFORMED);
        return p2p_fact_known(val);
}

struct p2p_fact p2p_text_numa_node(const char *text)
{
        if (slice_is(p2p_text_line(text), "-1"))
                return p2p_fact_without(P2P_WHY_NOT_REPORTED);
        return p2p_text_number(text, 10, INT32_MAX);
}

struct p2p_fact p2p_text_link_speed_mts(const char *text)
{
        struct p2p_slice line = p2p_text_line(text);
        const char *at = line.text, *end = line.text + line.length;
        uint64_t whole, mts;
        unsigned scale = 100;

        if (line.length >= 7 && !memcmp(line.text, "Unknown", 7))
                return p2p_fact_without(P2P_WHY_NOT_REPORTED);
        if (take_u64(&at, end, 10, &whole) < 0 || whole > 1000000)
                return p2p_fact_without(P2P_WHY_MALFORMED);
        mts = whole * 1000;
        if (at < end && *at == '.')
                for (at++; at < end && is_digit(*at); at++, scale /= 10)
                        mts += (unsigned)(*at - '0') * scale;
        if (end - at < 5 || memcmp(at, " GT/s", 5) || mts == 0)
                return p2p_fact_without(P2P_WHY_MALFORMED);
        return p2p_fact_known(mts);
}

struct p2p_fact p2p_text_link_width(const char *text)
{
        struct p2p_fact width = p2p_text_number(text, 10, 255);

        if (p2p_fact_is_known(width) && (width.val == 0 || width.val == 255))
                return p2p_fact_without(P2P_WHY_NOT_REPORTED);
        if (p2p_fact_is_known(width) && width.val > 32)
                return p2p_fact_without(P2P_WHY_MALFORMED);
        return width;
}

static bool parse_resource(const char *line, const char *end, struct p2p_resource *ret)
{
        uint64_t *const fields[] = {&ret->start, &ret->end, &ret->flags};

        for (unsigned i = 0; i < 3; i++) {
                while (line < end && is_space(*line))
                        line++;
                if (take_u64(&line, end, 16, fields[i]) < 0 || (line < end && !is_space(*line)))
                        return false;
        }
        while (line < end && is_space(*line))
                line++;
        if (line != end)
                return false;
        /* The kernel writes "nothing there" as all zeros; a resource of no bytes ends before it
         * starts. */
        return ret->end >= ret->start;
}

size_t p2p_text_resources(const char *text, struct p2p_resource *ret, size_t max)
{
        size_t n = 0;

        while (*text && n < max) {
                size_t length = strcspn(text, "\n");

                ret[n] = (struct p2p_resource){0};
                ret[n].is_malformed = !parse_resource(text, text + length, &ret[n]);
                n++;
                text += length + (text[length] == '\n');
        }
        return n;
}

/* "VVVV:DDDD" in upper case hexadecimal. */
static void parse_id_pair(struct p2p_slice value, struct p2p_fact *vendor, struct p2p_fact *device)
{
        const char *colon = memchr(value.text, ':', value.length);

        if (!colon) {
                *vendor = *device = p2p_fact_without(P2P_WHY_MALFORMED);
                return;
        }
        *vendor = slice_number((struct p2p_slice){value.text, (size_t)(colon - value.text)}, 16,
                               UINT16_MAX);
        *device = slice_number(
                (struct p2p_slice){colon + 1, value.length - (size_t)(colon - value.text) - 1}, 16,
                UINT16_MAX);
}

static void parse_uevent_line(struct p2p_slice key, struct p2p_slice value, struct p2p_uevent *ret)
{
        if (slice_is(key, "DRIVER"))
                ret->driver = value;
        else if (slice_is(key, "PCI_CLASS"))
                ret->class_code = slice_number(value, 16, 0xffffff);
        else if (slice_is(key, "PCI_ID"))
                parse_id_pair(value, &ret->vendor, &ret->device);
        else if (slice_is(key, "PCI_SUBSYS_ID"))
                parse_id_pair(value, &ret->subsystem_vendor, &ret->subsystem_device);
}

void p2p_text_uevent(const char *text, struct p2p_uevent *ret)
{
        const struct p2p_fact missing = p2p_fact_without(P2P_WHY_NO_FILE);

        *ret = (struct p2p_uevent){
                .class_code = missing,
                .vendor = missing,
                .device = missing,
                .subsystem_vendor = missing,
                .subsystem_device = missing,
        };
        while (*text) {
                size_t length = strcspn(text, "\n");
                const char *equals = memchr(text, '=', length);

                /* MODALIAS and its like need no look. */
                if (equals && (*text == 'D' || *text == 'P')) {
                        size_t n_key = (size_t)(equals - text);

                        parse_uevent_line((struct p2p_slice){text, n_key},
                                          trim(equals + 1, length - n_key - 1), ret);
                }
                text += length + (text[length] == '\n');
        }
}

static enum p2p_cpu_vendor cpu_vendor(struct p2p_slice name)
{
        static const struct {
                const char *name;
                enum p2p_cpu_vendor vendor;
        } vendors[] = {
                {"AuthenticAMD", P2P_CPU_AMD},
                {"HygonGenuine", P2P_CPU_HYGON},
                {"GenuineIntel", P2P_CPU_INTEL},
                {"Shanghai", P2P_CPU_ZHAOXIN},
        };

        for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
                if (slice_is(name, vendors[i].name))
                        return vendors[i].vendor;
        return P2P_CPU_OTHER;
}

/* Keys by which the architectures without vendor_id are known. */
static bool is_other_architecture(struct p2p_slice key)
{
        static const char *const keys[] = {"CPU implementer", "isa",     "hart",
                                           "CPU Family",      "machine", "platform"};

        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                if (slice_is(key, keys[i]))
                        return true;
        return false;
}

static void parse_cpuinfo_line(struct p2p_slice key, struct p2p_slice value, struct p2p_cpu *ret)
{
        if (slice_is(key, "vendor_id")) {
                if (value.length == 0)
                        return;
                ret->vendor = cpu_vendor(value);
                ret->vendor_text = value;
                ret->why = P2P_WHY_KNOWN;
        } else if (slice_is(key, "cpu family")) {
                ret->family = slice_number(value, 10, UINT32_MAX);
                ret->is_x86 = true;
        } else if (slice_is(key, "model")) {
                /* Elsewhere "model" is a name. */
                ret->model = slice_number(value, 10, UINT32_MAX);
        } else if (ret->why != P2P_WHY_KNOWN && is_other_architecture(key)) {
                ret->vendor = P2P_CPU_OTHER;
                if (slice_is(key, "CPU implementer"))
                        ret->vendor_text = value;
                ret->why = P2P_WHY_KNOWN;
        }
}

void p2p_text_cpuinfo(const char *text, struct p2p_cpu *ret)
{
        *ret = (struct p2p_cpu){
                .vendor = P2P_CPU_UNKNOWN,
                .why = P2P_WHY_MALFORMED,
                .family = p2p_fact_without(P2P_WHY_MALFORMED),
                .model = p2p_fact_without(P2P_WHY_MALFORMED),
        };
        while (*text) {
                size_t length = strcspn(text, "\n");
                const char *colon = memchr(text, ':', length);
                size_t n_key = colon ? (size_t)(colon - text) : 0;

                if (length == 0 && ret->why == P2P_WHY_KNOWN)
                        break;
                /* A text that was cut off may have cut this value as well. */
                if (colon && text[length] == '\n')
                        parse_cpuinfo_line(trim(text, n_key), trim(colon + 1, length - n_key - 1),
                                           ret);
                text += length + (text[length] == '\n');
        }
        if (ret->why == P2P_WHY_KNOWN && !ret->is_x86)
                ret->family = ret->model = p2p_fact_without(P2P_WHY_ABSENT);
}

struct p2p_slice p2p_text_version_release(const char *text)
{
        static const char start[] = "Linux version ";
        size_t length;

        if (strncmp(text, start, sizeof(start) - 1))
                return (struct p2p_slice){0};
        text += sizeof(start) - 1;
        length = strcspn(text, " \n");
        /* Without anything after it, the text may have been cut inside the release. */
        if (length == 0 || !text[length])
                return (struct p2p_slice){0};
        return (struct p2p_slice){text, length};
}

enum p2p_group_type p2p_text_group_type(const char *text, enum p2p_why *ret_why)
{
        static const struct {
                const char *name;
                enum p2p_group_type type;
        } types[] = {
                {"DMA", P2P_GROUP_TRANSLATED},      {"DMA-FQ", P2P_GROUP_TRANSLATED},
                {"identity", P2P_GROUP_IDENTITY},   {"blocked", P2P_GROUP_BLOCKED},
                {"unmanaged", P2P_GROUP_UNMANAGED},
        };
        struct p2p_slice line = p2p_text_line(text);

        *ret_why = P2P_WHY_KNOWN;
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                if (slice_is(line, types[i].name))
                        return types[i].type;
        *ret_why = slice_is(line, "unknown") ? P2P_WHY_NOT_REPORTED : P2P_WHY_MALFORMED;
        return P2P_GROUP_TYPE_UNKNOWN;
}

static enum p2p_region_kind region_kind(struct p2p_slice name)
{
        if (slice_is(name, "direct"))
                return P2P_REGION_DIRECT;
        if (slice_is(name, "direct-relaxable"))
                return P2P_REGION_DIRECT_RELAXABLE;
        if (slice_is(name, "reserved"))
                return P2P_REGION_RESERVED;
        if (slice_is(name, "msi"))
                return P2P_REGION_MSI;
        return P2P_REGION_OTHER;
}

int p2p_text_next_region(const char **text, struct p2p_region *ret)
{
        const char *at = *text, *end;
        struct p2p_slice kind;
        struct p2p_region region;

        while (is_space(*at))
                at++;
        if (!*at)
                return 0;
        end = at + strcspn(at, "\n");
        *text = *end ? end + 1 : end;
        if (take_u64(&at, end, 16, &region.start) < 0 || at == end || !is_space(*at))
                return -EINVAL;
        while (at < end && is_space(*at))
                at++;
        if (take_u64(&at, end, 16, &region.end) < 0 || at == end || !is_space(*at))
                return -EINVAL;
        kind = trim(at, (size_t)(end - at));
        if (kind.length == 0 || region.end < region.start)
                return -EINVAL;
        region.kind = region_kind(kind);
        *ret = region;
        return 1;
}

struct p2p_fact p2p_text_kernel_option(const char *line, const char *name)
{
        size_t n = strlen(name);
        struct p2p_slice rest;

        if (line[0] == '#' && line[1] == ' ' && !strncmp(line + 2, name, n)) {
                rest = p2p_text_line(line + 2 + n);
                return slice_is(rest, "is not set") ? p2p_fact_known(0)
                                                    : p2p_fact_without(P2P_WHY_NO_FILE);
        }
        if (strncmp(line, name, n) || line[n] != '=')
                return p2p_fact_without(P2P_WHY_NO_FILE);
        rest = p2p_text_line(line + n + 1);
        return slice_is(rest, "y")   ? p2p_fact_known(1)
               : slice_is(rest, "n") ? p2p_fact_known(0)
                                     : p2p_fact_without(P2P_WHY_MALFORMED);
}

/* Reads exactly min to max hexadecimal digits. */
static bool take_hex(const char **text, const char *end, unsigned min, unsigned max, uint32_t *ret)
{
        uint32_t val = 0;
        unsigned n = 0;

        while (*text < end && n < max) {
                int digit = digit_value(**text);

                if (digit < 0)
                        break;
                val = val << 4 | (uint32_t)digit;
                (*text)++;
                n++;
        }
        *ret = val;
        return n >= min;
}

static bool take_char(const char **text, const char *end, char c)
{
        if (*text == end || **text != c)
                return false;
        (*text)++;
        return true;
}

int p2p_text_address(const char *text, size_t length, struct p2p_address *ret)
{
        const char *end = text + length;
        uint32_t segment, bus, device, function;

        if (!take_hex(&text, end, 4, 8, &segment) || !take_char(&text, end, ':') ||
            !take_hex(&text, end, 2, 2, &bus) || !take_char(&text, end, ':') ||
            !take_hex(&text, end, 2, 2, &device) || device > 0x1f || !take_char(&text, end, '.') ||
            !take_hex(&text, end, 1, 1, &function) || function > 7 || text != end)
                return -EINVAL;
        *ret = (struct p2p_address){
                .segment = segment,
                .bus = (uint8_t)bus,
                .devfn = (uint8_t)(device << 3 | function),
        };
        return 0;
}

/* "pci0000:00" */
static bool parse_root(const char *text, size_t length, struct p2p_place *place)
{
        const char *end = text + length;
        uint32_t segment, bus;

        if (length < 3 || memcmp(text, "pci", 3))
                return false;
        text += 3;
        if (!take_hex(&text, end, 4, 8, &segment) || !take_char(&text, end, ':') ||
            !take_hex(&text, end, 2, 2, &bus) || text != end)
                return false;
        place->root_segment = segment;
        place->root_bus = (uint8_t)bus;
        return true;
}

int p2p_text_place(const char *path, struct p2p_address self, struct p2p_place *ret)
{
        struct p2p_place place = {0};
        struct p2p_address last = {0};
        bool in_root = false, has_last = false;

        while (*path) {
                size_t length = strcspn(path, "/");
                struct p2p_address address;

                if (parse_root(path, length, &place)) {
                        in_root = true;
                        has_last = place.has_parent = false;
                } else if (in_root && length) {
                        if (p2p_text_address(path, length, &address) < 0)
                                return -EINVAL;
                        place.has_parent = has_last;
                        place.parent = last;
                        last = address;
                        has_last = true;
                }
                path += length + (path[length] == '/');
        }
        if (!in_root || !has_last || p2p_address_compare(last, self))
                return -EINVAL;
        *ret = place;
        return 0;
}
