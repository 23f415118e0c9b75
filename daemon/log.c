/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define LINE_MAX_BYTES 1024U
#define FIELDS_MAX 5U

/* systemd names the journal's stream in JOURNAL_STREAM as "device:inode" of our stderr. */
static bool stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
                return false;
        return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void log_to_journal(int priority, const struct p2pd_log_fields *fields, const char *text)
{
        char message[LINE_MAX_BYTES + 16], prio[32], address[48], generation[48], id[64];
        struct iovec iov[FIELDS_MAX];
        char buf[P2P_ADDRESS_STRING_MAX];
        int n = 0;

#define FIELD(store, ...)                                                                          \
        do {                                                                                       \
                int len_ = snprintf((store), sizeof(store), __VA_ARGS__);                          \
                iov[n].iov_base = (store);                                                         \
                iov[n].iov_len = (size_t)len_ < sizeof(store) ? (size_t)len_ : sizeof(store) - 1;  \
                n++;                                                                               \
        } while (0)

        FIELD(message, "MESSAGE=%s", text);
        FIELD(prio, "PRIORITY=%d", priority);
        if (fields && fields->address)
                FIELD(address, "P2PD_ADDRESS=%s", p2p_address_format(*fields->address, buf));
        if (fields && fields->generation)
                FIELD(generation, "P2PD_GENERATION=%" PRIu64, fields->generation);
        if (fields && fields->message_id)
                FIELD(id, "MESSAGE_ID=%s", fields->message_id);
#undef FIELD
        (void)sd_journal_sendv(iov, n);
}

/* Names of files may hold anything; neither a terminal nor a journal field should see that. */
static void make_printable(char *text)
{
        for (unsigned char *c = (unsigned char *)text; *c; c++)
                if (*c < 0x20 || *c >= 0x7f)
                        *c = '?';
}

void p2pd_log(int priority, const struct p2pd_log_fields *fields, const char *format, ...)
{
        char text[LINE_MAX_BYTES];
        char buf[P2P_ADDRESS_STRING_MAX];
        int used = 0;
        va_list ap;

        if (priority == LOG_DEBUG && !getenv("P2PD_DEBUG"))
                return;
        if (fields && fields->address)
                used = snprintf(text, sizeof(text),
                                "%s: ", p2p_address_format(*fields->address, buf));
        va_start(ap, format);
        (void)vsnprintf(text + used, sizeof(text) - (size_t)used, format, ap);
        va_end(ap);
        make_printable(text);
        if (stderr_is_journal())
                log_to_journal(priority, fields, text);
        else
                (void)fprintf(stderr, "p2pd: %s\n", text);
}
