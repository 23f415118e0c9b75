/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libpci-guard.h"

#include <assert.h>
#include <errno.h>
#include <pci/pci.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct guard {
        jmp_buf escape;
        char *message;
        size_t size;
};

/* libpci's callbacks are given nothing of the caller's, so the way from there to the guard has to
 * be found by thread. Set only while p2pd_libpci_run() runs. */
static _Thread_local struct guard *current;

__attribute__((noreturn, format(printf, 1, 2))) static void on_error(char *format, ...)
{
        va_list ap;

        /* Outside of a guard there is nowhere to go back to. */
        if (!current)
                abort();
        va_start(ap, format);
        (void)vsnprintf(current->message, current->size, format, ap);
        va_end(ap);
        longjmp(current->escape, 1);
}

/* Warnings tell of one file that cannot be read, which its reader sees as well. */
__attribute__((format(printf, 1, 2))) static void on_message(char *format, ...)
{
        (void)format;
}

struct pci_access *p2pd_libpci_alloc(void)
{
        struct pci_access *access = pci_alloc();

        if (!access)
                return NULL;
        access->error = on_error;
        access->warning = on_message;
        access->debug = on_message;
        return access;
}

int p2pd_libpci_run(void (*fn)(void *userdata), void *userdata, char *message, size_t size)
{
        struct guard guard = {.message = message, .size = size};

        assert(!current && size > 0);
        if (setjmp(guard.escape)) {
                current = NULL;
                return -EIO;
        }
        current = &guard;
        fn(userdata);
        current = NULL;
        return 0;
}
