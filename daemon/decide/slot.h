/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a function sits and what it is, in terms that survive a restart and a renumbering of buses.
 * The slot names the place; the identity names the kind of device. Both together recognise a device
 * that returns. Another one of the very same kind in the same place is told from it by its serial
 * number, if the device has one and it can be read.
 *
 * A slot is written as the kernel takes device paths in its pci= parameters: the address of the
 * function on the root bus, then device and function of each step down:
 * "0000:00:01.0/00.0/02.0". A virtual function is named after its physical one, with the distance
 * of their routing ids (bus << 8 | devfn, four hex digits): "0000:00:01.0/00.0+0004". Its own
 * devfn would not do, many virtual functions of one device share it on different buses.
 *
 * What stays the same is the root bus's number, which the firmware gives. A segment that a driver
 * numbers as it comes (Intel VMD) may change; then its devices are not recognised.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"

/* Bytes with the NUL: 21 steps below the root bus in any segment, and a virtual function there; no
 * known machine reaches that. */
#define P2P_SLOT_MAX 128U
/* Enough for every machine: PCI has 256 buses. */
#define P2P_SLOT_DEPTH_MAX 256U
#define P2P_SLOT_LONG_MAX (16U + 5U * P2P_SLOT_DEPTH_MAX + 5U + 1U)

struct p2p_slot {
        char text[P2P_SLOT_MAX]; /* "": not known */
};

enum {
        P2P_SLOT_E_UNKNOWN = 1, /* a bridge above, or the physical function, is not known */
        P2P_SLOT_E_TOO_LONG,    /* does not fit */
};

/* The slot of a function (index into m, asserted). 0 or a refusal. */
int p2p_slot_compute(const struct p2p_machine *m, uint32_t function, struct p2p_slot *ret);

/* The same text into buf of any size; P2P_SLOT_LONG_MAX bytes are enough for every machine. */
int p2p_slot_format(const struct p2p_machine *m, uint32_t function, char *buf, size_t size);

/* Does the text look like a slot that p2p_slot_compute() wrote. */
bool p2p_slot_is_valid(const char *text);

/* A function has no subsystem ids (bridges). */
#define P2P_IDENTITY_ABSENT UINT32_MAX

struct p2p_identity {
        bool is_known; /* else the rest is 0, and it is equal to nothing */
        uint32_t vendor, device;
        uint32_t subsystem_vendor, subsystem_device; /* or P2P_IDENTITY_ABSENT */
        uint32_t class_code;                         /* 24 bits */
        struct p2p_fact serial; /* of the device; unknown is always NOT_REPORTED here */
};

/* What function (an index into m, asserted) is. Not known as soon as one of its facts is not, the
 * serial number apart: that it cannot be read neither proves nor refutes anything. */
struct p2p_identity p2p_function_identity(const struct p2p_machine *m, uint32_t function);

/*
 * Three questions, from the weakest to the strictest. A serial number that is there on one side and
 * known not to exist on the other tells two devices apart as two different ones do.
 */

/* Both are known and something differs: the one is certainly not the other. */
bool p2p_identity_is_other(const struct p2p_identity *a, const struct p2p_identity *b);

/* Both are known and nothing that is known on both sides differs: the one may be the other. For an
 * unbroken presence, and where a mistake does no harm. */
bool p2p_identity_may_be(const struct p2p_identity *a, const struct p2p_identity *b);

/* Everything that was recorded is there and equal: the one may be taken for the other after an
 * absence. A serial number that was recorded must be met: one that cannot be read now does not
 * do. One that was not recorded (it could not be read then) cannot be asked for. */
bool p2p_identity_is_same(const struct p2p_identity *recorded, const struct p2p_identity *now);

/* Nothing differs, known or not: what stands for the one stands for the other. */
bool p2p_identity_is_equal(const struct p2p_identity *a, const struct p2p_identity *b);

/* Adds to what was recorded what is known now: for two that were taken for the same (asserted: they
 * are not certainly different). What was known stays, also while it cannot be read. True if the
 * record has changed. */
bool p2p_identity_learn(struct p2p_identity *recorded, const struct p2p_identity *now);

#define P2P_IDENTITY_STRING_MAX 48U

/* Writes "10de:2330:10de:16c1:030200:0011223344556677", "-" for each absent id and an absent serial
 * number, "?" for one that is not known; and "unknown" for an identity that is not known. Returns
 * buf. */
const char *p2p_identity_format(const struct p2p_identity *identity,
                                char buf[static P2P_IDENTITY_STRING_MAX]);

/* Parses what p2p_identity_format() writes, the whole string; without the last colon and what is
 * behind it, as older versions wrote it, the serial number is not known. 0 or -EINVAL. */
int p2p_identity_parse(const char *text, struct p2p_identity *ret);
