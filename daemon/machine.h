/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The plain records that flow through the daemon: a machine, its PCI functions, their BARs, the
 * root buses and the IOMMU groups. discover/ fills them, decide/ reads them, nobody changes them
 * after p2p_machine_finish(). No policy and no I/O here; links libc only.
 *
 * Every fact is one of three: known with a value, known to be absent (a function without an ACS
 * capability), or unknown with the reason why. Unknown is never zero, off or absent.
 *
 * Functions refer to each other by index into p2p_machine.functions, which is sorted by address;
 * P2P_NONE means "no such function". An index is only meaningful together with its machine.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define P2P_NONE UINT32_MAX
#define P2P_BARS_MAX 6U

/* Why a fact is not simply known. Order: known, absent, then all kinds of unknown. */
enum p2p_why {
        P2P_WHY_KNOWN,         /* the value is there */
        P2P_WHY_ABSENT,        /* read, and known not to exist on this function */
        P2P_WHY_NOT_IN_SOURCE, /* this kind of source cannot carry the fact (an lspci dump has no
                                  IOMMU group) */
        P2P_WHY_NO_FILE,       /* the file that would tell does not exist */
        P2P_WHY_NO_PRIVILEGE,  /* EACCES, EPERM, or config space cut to its first 64 (CardBus: 128)
                                  bytes */
        P2P_WHY_NOT_CAPTURED,  /* a captured root or dump that is shorter than the function's config
                                  space */
        P2P_WHY_HIDDEN, /* 256 bytes of config space on a PCIe function: the kernel cannot see past
                           them */
        P2P_WHY_ALL_ONES,     /* reads return all ones: powered down, or gone from the bus */
        P2P_WHY_MALFORMED,    /* the text or structure does not parse */
        P2P_WHY_NOT_REPORTED, /* the platform says that it does not know (NUMA node -1, link speed
                                 Unknown) */
        P2P_WHY_IO_ERROR,     /* read failed in another way */
        P2P_WHY_GONE,         /* the function vanished between two reads */
        P2P_WHY_READER_LOST,  /* the process that reads config space is no longer there */
        P2P_WHY_MAX,
};

/* Stable name of a reason, as it stands in the protocol ("no-privilege"). Never NULL for a valid
 * value. */
const char *p2p_why_to_string(enum p2p_why why);

/* One numeric fact; val is meaningful only when why is P2P_WHY_KNOWN, and 0 otherwise. */
struct p2p_fact {
        uint64_t val;
        enum p2p_why why;
};

static inline struct p2p_fact p2p_fact_known(uint64_t val)
{
        return (struct p2p_fact){.val = val, .why = P2P_WHY_KNOWN};
}

static inline struct p2p_fact p2p_fact_without(enum p2p_why why)
{
        return (struct p2p_fact){.val = 0, .why = why};
}

static inline bool p2p_fact_is_known(struct p2p_fact f)
{
        return f.why == P2P_WHY_KNOWN;
}
static inline bool p2p_fact_is_absent(struct p2p_fact f)
{
        return f.why == P2P_WHY_ABSENT;
}
static inline bool p2p_fact_is_unknown(struct p2p_fact f)
{
        return f.why > P2P_WHY_ABSENT;
}

/* Segment (sysfs: domain) and bus/device/function. Segments may be wider than 16 bits (Intel VMD:
 * 0x10000). */
struct p2p_address {
        uint32_t segment;
        uint8_t bus;
        uint8_t devfn; /* device << 3 | function, or 8 bits of function with ARI */
};

#define P2P_ADDRESS_STRING_MAX 24U /* "ffffffff:ff:1f.7" and its NUL fit */

/* Total order: segment, bus, devfn. <0, 0, >0. */
int p2p_address_compare(struct p2p_address a, struct p2p_address b);

/* Writes "ssss:bb:dd.f" (segment at least four digits, lower case). Returns buf. */
const char *p2p_address_format(struct p2p_address a, char buf[static P2P_ADDRESS_STRING_MAX]);

/* Parses "ssss:bb:dd.f" or "bb:dd.f" (segment 0); 1 to 8 hex digits of segment, device <= 1f,
 * function <= 7. The whole string must match. Returns 0, or -EINVAL and leaves *ret untouched. */
int p2p_address_parse(const char *text, struct p2p_address *ret);

/* The address kinds never mix: bus addresses are what a TLP carries, physical ones what a CPU uses.
 */
struct p2p_bus_addr {
        uint64_t val;
};
struct p2p_phys_addr {
        uint64_t val;
};

enum p2p_bar_kind {
        P2P_BAR_ABSENT, /* no BAR, or the upper half of a 64-bit one */
        P2P_BAR_MEMORY,
        P2P_BAR_IO,
        P2P_BAR_UNKNOWN,
        P2P_BAR_KIND_MAX,
};

struct p2p_bar {
        enum p2p_bar_kind kind;
        bool is_64bit;
        bool prefetchable;
        bool assigned; /* the kernel gave it an address (sysfs flags without UNSET/DISABLED) */
        enum p2p_why phys_why; /* of phys_start */
        enum p2p_why bus_why;  /* of bus_start */
        struct p2p_phys_addr phys_start;
        struct p2p_bus_addr
                bus_start; /* from the BAR register; a VF's from its PF's SR-IOV capability */
        struct p2p_fact size_bytes;       /* never known to be 0 for a present BAR */
        struct p2p_fact resize_now_bytes; /* ABSENT without a resizable BAR capability */
        struct p2p_fact resize_max_bytes;
};

/* PCIe device/port type, the field of the PCI Express capabilities register (PCIe 7.5.3.2). */
enum p2p_port_type {
        P2P_PORT_ENDPOINT = 0,
        P2P_PORT_LEGACY_ENDPOINT = 1,
        P2P_PORT_ROOT_PORT = 4,
        P2P_PORT_UPSTREAM = 5,
        P2P_PORT_DOWNSTREAM = 6,
        P2P_PORT_PCIE_TO_PCI = 7,
        P2P_PORT_PCI_TO_PCIE = 8,
        P2P_PORT_INTEGRATED_ENDPOINT = 9,
        P2P_PORT_EVENT_COLLECTOR = 10,
};

/* ACS control bits (PCIe 7.7.11.3). */
#define P2P_ACS_SV 0x0001U
#define P2P_ACS_TB 0x0002U
#define P2P_ACS_RR 0x0004U
#define P2P_ACS_CR 0x0008U
#define P2P_ACS_UF 0x0010U
#define P2P_ACS_EC 0x0020U
#define P2P_ACS_DT 0x0040U
/* The bits that the kernel's p2pdma takes for "redirects". */
#define P2P_ACS_REDIRECT (P2P_ACS_RR | P2P_ACS_CR | P2P_ACS_EC)

/* What people call the function by its class code; bridges are class 0x06xxxx. */
enum p2p_kind {
        P2P_KIND_OTHER,
        P2P_KIND_BRIDGE,
        P2P_KIND_GPU,         /* 0x03 display controllers */
        P2P_KIND_NIC,         /* 0x02 network controllers, InfiniBand included */
        P2P_KIND_NVME,        /* 0x0108 */
        P2P_KIND_STORAGE,     /* 0x01, other */
        P2P_KIND_ACCELERATOR, /* 0x12 processing accelerators, 0x0b40 co-processors */
        P2P_KIND_MEMORY,      /* 0x05, CXL memory included */
        P2P_KIND_MAX,
};

const char *p2p_kind_to_string(enum p2p_kind kind);

struct p2p_function {
        struct p2p_address address;
        /* Tells it from an earlier one at the same address, of the same running kernel: the inode
         * of its entry in the kernel's list. 0: not known. Says nothing about the hardware, so
         * p2p_diff does not compare it. */
        uint64_t incarnation;

        /* Place in the tree. parent: the upstream bridge (a VF's: its PF's), P2P_NONE on a root
         * bus. When parent_why is not KNOWN, the parent cannot be told, parent is P2P_NONE and so
         * is root. */
        uint32_t parent;
        uint32_t root;   /* index into p2p_machine.roots */
        uint32_t physfn; /* of a VF: its PF, or P2P_NONE if that is not there */
        enum p2p_why parent_why;
        bool is_vf;

        /* Identity. For a VF the ids come from sysfs, its registers read ffff. */
        struct p2p_fact class_code; /* 24 bits */
        struct p2p_fact vendor, device, subsystem_vendor, subsystem_device, revision;
        struct p2p_fact serial;      /* 64 bits, of its own capability; p2p_machine_serial() has the
                                        device's */
        struct p2p_fact header_type; /* 0, 1 or 2, multi-function bit removed */
        struct p2p_fact port_type;   /* enum p2p_port_type; ABSENT: no PCI Express capability */
        const char *driver;          /* NULL: none bound, or driver_why */
        enum p2p_why driver_why;     /* ABSENT: known to have none */
        const char *const
                *names; /* names of its children: "nvme0", "mlx5_0", "eth2", "renderD128" */
        uint32_t n_names;

        /* Config space. */
        uint32_t config_bytes;             /* how many bytes could be read */
        struct p2p_fact config_size_bytes; /* how many there are for the kernel: 256 or 4096 */
        struct p2p_fact secondary_bus, subordinate_bus; /* bridges */
        struct p2p_fact acs_capability;                 /* 16 bits; ABSENT: no ACS capability */
        struct p2p_fact acs_control; /* 16 bits; ABSENT likewise. Both unknown with the same why */
        struct p2p_fact acs_offset;  /* of the capability in config space */
        struct p2p_fact
                memory_decoding; /* command register bit 1; a VF's: SR-IOV VF Memory Space Enable */
        struct p2p_fact bus_master;      /* command register bit 2 */
        struct p2p_fact ari;             /* ARI forwarding on the parent port, 0/1 */
        struct p2p_fact ats, pri, pasid; /* 0/1 enabled; ABSENT: no such capability */
        struct p2p_fact sriov_total_vfs, sriov_num_vfs; /* PF only; ABSENT elsewhere */

        /* Link towards the parent, as this function reports it. Speeds in MT/s, widths in lanes;
         * ABSENT: not PCIe or integrated. */
        struct p2p_fact link_speed_mts, link_width_lanes, link_speed_max_mts, link_width_max_lanes;

        /* Platform. */
        struct p2p_fact numa_node;
        struct p2p_fact dma_mask_bits;
        uint32_t group;         /* index into p2p_machine.groups, or P2P_NONE */
        enum p2p_why group_why; /* ABSENT: known to be in no group */
        struct p2p_fact p2pmem_size_bytes, p2pmem_available_bytes,
                p2pmem_published; /* ABSENT: no provider */
        const char *cpulist;      /* local_cpulist text ("0-15"), or NULL */

        struct p2p_bar bars[P2P_BARS_MAX];
};

/* One root bus, "pciSSSS:BB": what the kernel calls a PCI host bridge. */
struct p2p_root {
        uint32_t segment;
        uint8_t bus;
        /* The function that stands for it in the kernel's list: lowest devfn with this bus number
         * directly on the root bus; P2P_NONE if there is none. p2p_machine_finish() computes it. */
        uint32_t first_function;
};

enum p2p_region_kind {
        P2P_REGION_DIRECT,
        P2P_REGION_DIRECT_RELAXABLE,
        P2P_REGION_RESERVED,
        P2P_REGION_MSI,
        P2P_REGION_OTHER,
        P2P_REGION_KIND_MAX,
};

struct p2p_region {
        uint64_t start, end; /* IOVA, end included */
        enum p2p_region_kind kind;
};

enum p2p_group_type {
        P2P_GROUP_TRANSLATED, /* DMA, DMA-FQ */
        P2P_GROUP_IDENTITY,
        P2P_GROUP_BLOCKED,
        P2P_GROUP_UNMANAGED, /* VFIO */
        P2P_GROUP_TYPE_UNKNOWN,
        P2P_GROUP_TYPE_MAX,
};

const char *p2p_group_type_to_string(enum p2p_group_type type);

struct p2p_group {
        uint32_t number;
        enum p2p_group_type type;
        enum p2p_why type_why, regions_why;
        struct p2p_region *regions;
        uint32_t n_regions;
};

enum p2p_cpu_vendor {
        P2P_CPU_UNKNOWN,
        P2P_CPU_AMD,
        P2P_CPU_HYGON,
        P2P_CPU_INTEL,
        P2P_CPU_ZHAOXIN,
        P2P_CPU_OTHER,
        P2P_CPU_VENDOR_MAX,
};

enum p2p_source_kind { P2P_SOURCE_LIVE, P2P_SOURCE_ROOT, P2P_SOURCE_LSPCI, P2P_SOURCE_KIND_MAX };

const char *p2p_source_kind_to_string(enum p2p_source_kind kind);

/* Something noticed while reading, for status and logs: who is at fault, where, what. */
struct p2p_warning {
        bool has_address;
        struct p2p_address address;
        const char *text; /* "config: capability list loops at 0x140" */
};

struct p2p_machine {
        enum p2p_source_kind source;
        struct p2p_function *functions; /* sorted by address, no two alike */
        uint32_t n_functions;
        struct p2p_root *roots; /* sorted by segment, bus */
        uint32_t n_roots;
        struct p2p_group *groups; /* sorted by number */
        uint32_t n_groups;
        struct p2p_warning
                *warnings; /* at most P2P_WARNINGS_MAX; n_warnings_dropped counts the rest */
        uint32_t n_warnings, n_warnings_dropped;

        enum p2p_cpu_vendor cpu_vendor; /* P2P_CPU_UNKNOWN with cpu_why */
        enum p2p_why cpu_why;
        const char *cpu_vendor_text; /* "AuthenticAMD", or NULL */
        bool is_x86;                 /* meaningful when the vendor is known */
        struct p2p_fact cpu_family, cpu_model;
        const char *kernel_release; /* "7.3.4+deb13-amd64", or NULL with kernel_why */
        enum p2p_why kernel_why;
        const char *kernel_command_line;   /* or NULL */
        struct p2p_fact kernel_has_p2pdma; /* 0/1 */
        struct p2p_fact numa_nodes;        /* how many the platform has */
        const char *iommu_kind; /* "intel", "amd", "virtio", "smmu", ..., "none" when known absent,
                                   or NULL */

        struct p2p_arena *arena; /* owns every string and array that hangs from this record */
};

#define P2P_WARNINGS_MAX 256U

/* An empty machine; everything unknown (NOT_IN_SOURCE). NULL: out of memory. */
struct p2p_machine *p2p_machine_new(enum p2p_source_kind source);

/* Accepts NULL; returns NULL. */
struct p2p_machine *p2p_machine_free(struct p2p_machine *m);

static inline void p2p_machine_freep(struct p2p_machine **m)
{
        if (*m)
                p2p_machine_free(*m);
}

/* Memory that lives as long as the machine, zeroed, aligned for any type. NULL: out of memory (or n
 * * size wraps). */
void *p2p_machine_alloc(struct p2p_machine *m, size_t n, size_t size);

/* Copies a string of at most len bytes (stops at NUL) into the machine. NULL: out of memory. */
const char *p2p_machine_strndup(struct p2p_machine *m, const char *text, size_t len);

/* Adds a function, all facts NOT_IN_SOURCE, all indices P2P_NONE. The pointer holds until the next
 * add. The caller may set parent, physfn, root and group as indices in the order of adding;
 * finish() renumbers them. NULL: memory. */
struct p2p_function *p2p_machine_add_function(struct p2p_machine *m, struct p2p_address address);

/* Makes room for n functions in all at once. 0 or -ENOMEM. */
int p2p_machine_reserve(struct p2p_machine *m, uint32_t n);

/* Index of the root bus (segment, bus), added if new; P2P_NONE: out of memory. */
uint32_t p2p_machine_add_root(struct p2p_machine *m, uint32_t segment, uint8_t bus);

/* Index of the group with that number, added if new (type and regions unknown, NO_FILE); P2P_NONE:
 * out of memory. */
uint32_t p2p_machine_add_group(struct p2p_machine *m, uint32_t number);

/* Notes a warning; address may be NULL. Never fails: past P2P_WARNINGS_MAX, or without memory, it
 * is only counted. */
void p2p_machine_warn(struct p2p_machine *m, const struct p2p_address *address, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

/*
 * Sorts functions, roots and groups, renumbers the indices, drops functions that appear twice (the
 * first stays, with a warning), breaks parent loops (each function of a loop gets parent_why
 * MALFORMED and a warning), gives every function its parent's root, and finds each root's first
 * function. After this the machine is read-only. Returns 0 or -ENOMEM.
 */
int p2p_machine_finish(struct p2p_machine *m);

/* Index of the function at this address, or P2P_NONE. O(log n). */
uint32_t p2p_machine_find(const struct p2p_machine *m, struct p2p_address address);

/*
 * The Device Serial Number of the device that the function belongs to. A device of several
 * functions has it in function 0 (PCIe 7.9.3): a function without the capability has what that one
 * has, a virtual function what its physical one has. ABSENT: neither has the capability. Unknown
 * also where the function that would have it cannot be told or is not there.
 */
struct p2p_fact p2p_machine_serial(const struct p2p_machine *m, uint32_t function);

/* By class code; an unknown class is P2P_KIND_OTHER. */
enum p2p_kind p2p_function_kind(const struct p2p_function *f);

/* An endpoint in the sense of the pair list: class known and not 0x06xxxx, or class unknown and
 * header type not 1/2. */
bool p2p_function_is_endpoint(const struct p2p_function *f);

/* Worth showing unasked: an endpoint that is no virtual function, of a kind other than OTHER, with
 * a memory BAR. */
bool p2p_function_is_candidate(const struct p2p_function *f);
