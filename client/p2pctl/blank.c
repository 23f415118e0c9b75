/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "blank.h"

#include <string.h>

#define EXTENDED_START 0x100U
#define EXTENDED_ID_SERIAL 0x0003U
#define SERIAL_OFFSET 4U
#define SERIAL_BYTES 8U
/* As many capabilities as fit: a list that is longer goes in circles. */
#define CAPABILITIES_MAX ((4096U - EXTENDED_START) / 4U)

static uint32_t read_32(const uint8_t *b)
{
        return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

bool blank_config(uint8_t *config, size_t n)
{
        static const uint8_t zeros[SERIAL_BYTES] = {0};
        size_t at = EXTENDED_START;
        bool blanked = false;

        for (unsigned int i = 0; i < CAPABILITIES_MAX && at >= EXTENDED_START && at + 4 <= n; i++) {
                uint32_t header = read_32(config + at);

                if (header == 0 || header == UINT32_MAX)
                        break;
                if ((header & 0xffff) == EXTENDED_ID_SERIAL) {
                        size_t end = at + SERIAL_OFFSET + SERIAL_BYTES;
                        size_t bytes = end <= n ? SERIAL_BYTES : n - at - SERIAL_OFFSET;
                        uint8_t *serial = config + at + SERIAL_OFFSET;

                        blanked = blanked || memcmp(serial, zeros, bytes) != 0;
                        memset(serial, 0, bytes);
                }
                at = header >> 20 & 0xffc;
        }
        return blanked;
}

static bool is_kept_parameter(const char *word, size_t n)
{
        static const char *const starts[] = {"pci",       "iommu", "intel_iommu",
                                             "amd_iommu", "vfio",  "swiotlb",
                                             "arm-smmu",  "nvme",  "mem_encrypt"};

        for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
                size_t l = strlen(starts[i]);

                if (n >= l && memcmp(word, starts[i], l) == 0)
                        return true;
        }
        return false;
}

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\n';
}

/* End of the word that begins at at; double quotes hold spaces together, as the kernel reads it. */
static size_t word_end(const char *text, size_t at, size_t n)
{
        bool quoted = false;

        for (; at < n && (quoted || !is_space(text[at])); at++)
                if (text[at] == '"')
                        quoted = !quoted;
        return at;
}

size_t blank_command_line(char *text, size_t n, bool *ret_blanked)
{
        size_t out = 0, at = 0;
        bool blanked = false;

        while (at < n) {
                size_t start, length;

                while (at < n && is_space(text[at]))
                        at++;
                start = at;
                at = word_end(text, at, n);
                length = at - start;
                if (length == 0)
                        continue;
                if (!is_kept_parameter(text + start, length)) {
                        blanked = true;
                        continue;
                }
                if (out > 0)
                        text[out++] = ' ';
                memmove(text + out, text + start, length);
                out += length;
        }
        if (out < n)
                text[out++] = '\n';
        *ret_blanked = blanked;
        return out;
}

size_t blank_cpuinfo(char *text, size_t n, bool *ret_blanked)
{
        size_t out = 0, at = 0;
        bool blanked = false;

        while (at < n) {
                const char *newline = memchr(text + at, '\n', n - at);
                size_t length = newline ? (size_t)(newline - (text + at)) + 1 : n - at;

                if (length >= 6 && memcmp(text + at, "Serial", 6) == 0) {
                        blanked = true;
                } else {
                        memmove(text + out, text + at, length);
                        out += length;
                }
                at += length;
        }
        *ret_blanked = blanked;
        return out;
}

bool is_mac_name(const char *name)
{
        size_t n = strlen(name);

        return n == 15 && name[2] == 'x' && strspn(name + 3, "0123456789abcdef") == 12;
}
