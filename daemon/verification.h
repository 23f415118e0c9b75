/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Verdicts held against the hardware: what came of real transfers, the newest one of each ordered
 * pair, in memory. Who made the transfer tells (p2pctl verify); p2pd itself moves no data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decide/decide.h"
#include "decide/diff.h"

enum p2pd_verified {
        P2PD_VERIFIED_ARRIVED,    /* every byte was right */
        P2PD_VERIFIED_WRONG_DATA, /* nothing complained, and the bytes were not right */
        P2PD_VERIFIED_REFUSED,    /* the kernel refused to map it */
        P2PD_VERIFIED_FAILED,     /* the transfer was begun and ended in an error */
        P2PD_VERIFIED_MAX,
};

/* Words of the interface: "arrived", "wrong_data", "refused", "failed". */
const char *p2pd_verified_to_string(enum p2pd_verified result);

/* Bytes of the two texts, without their NUL. */
#define P2PD_VERIFICATION_METHOD_MAX 63U
#define P2PD_VERIFICATION_DETAIL_MAX 255U

struct p2pd_verification {
        struct p2p_address provider, client;
        enum p2pd_verified result;
        enum p2p_map map_then; /* under the rules of the running kernel, when it was reported */
        uint64_t generation;   /* likewise */
        uint64_t when_usec;    /* CLOCK_REALTIME, likewise */
        uint32_t uid;          /* who reported it */
        char method[P2PD_VERIFICATION_METHOD_MAX + 1]; /* how it was done: "nvme-read" */
        char detail[P2PD_VERIFICATION_DETAIL_MAX + 1]; /* or "" */
};

/* Does what happened agree with what the verdict says the kernel does and the hardware can. */
enum p2pd_agreement {
        P2PD_AGREEMENT_YES,
        P2PD_AGREEMENT_NO,
        P2PD_AGREEMENT_NEITHER, /* the verdict was unknown, or the failure says nothing about it */
};

enum p2pd_agreement p2pd_verification_agrees(const struct p2pd_verification *v);

/* Worth a loud warning: it contradicts the verdict, or data was corrupted. */
bool p2pd_verification_is_alarming(const struct p2pd_verification *v);

/* One English sentence (no newline) on it, into buf (cut at size). Returns buf. */
#define P2PD_VERIFICATION_TEXT_MAX 640U
const char *p2pd_verification_format(const struct p2pd_verification *v, char *buf, size_t size);

struct p2pd_verifications;

#define P2PD_VERIFICATIONS_MAX 4096U

/* A store of at most max (at least 1). NULL: out of memory. */
struct p2pd_verifications *p2pd_verifications_new(uint32_t max);
/* Accepts NULL; returns NULL. */
struct p2pd_verifications *p2pd_verifications_free(struct p2pd_verifications *s);

/* Takes a copy, in place of the one of the same pair if there is one. When the store is full the
 * one that was put longest ago makes room, and is counted. 0 or -ENOMEM. */
int p2pd_verifications_put(struct p2pd_verifications *s, const struct p2pd_verification *v);

/* The pair's, or NULL. It holds until the next put or follow. */
const struct p2pd_verification *p2pd_verifications_find(const struct p2pd_verifications *s,
                                                        struct p2p_address provider,
                                                        struct p2p_address client);

/* A new generation: forgets what speaks of functions that are gone or another device now. */
void p2pd_verifications_follow(struct p2pd_verifications *s, const struct p2p_diff *diff);

/* How many there are, and the i-th in the order of provider and client (asserted). */
uint32_t p2pd_verifications_n(const struct p2pd_verifications *s);
const struct p2pd_verification *p2pd_verifications_get(const struct p2pd_verifications *s,
                                                       uint32_t i);

/* How many made room for newer ones. */
uint64_t p2pd_verifications_dropped(const struct p2pd_verifications *s);
