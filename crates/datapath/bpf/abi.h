/* Keys and values of the maps: the same as in src/abi.rs, whose test compares
 * them. Addresses are 128 bits, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2); in
 * keys all is in network byte order, so that a longest prefix can match it. */
#define LAYOUT 3 /* in the pin directory's name: src/pins.rs */

struct address {
	__be32 part[4]; /* an IPv4 address is the last part */
};

/* One address as seen by one network. */
struct host_key {
	__be32 vni;
	struct address address;
};

/* As struct host_key, for a prefix: length counts the 32 bits of the VNI, too. */
struct prefix_key {
	__u32 length;
	struct host_key host;
};

enum kind { NOBODY, PORT_HERE, HOST_THERE };

/* Where packets to an address go. */
struct target {
	__u32 kind;
	__u32 vni;     /* of the network that the address belongs to */
	__u32 ifindex; /* PORT_HERE: of the port's device; 0 when it is gone */
	__u32 unused;
	struct address vtep; /* HOST_THERE; PORT_HERE: next hop, when it is not the port itself */
	__u8 port[16]; /* PORT_HERE: UUID */
#ifdef TWIN /* another layout, for tests of a change from one to the other */
	__u32 spare[2];
#endif
};

#define PORT_PAIR 1    /* the device is one end of a pair whose other end is the workload's */
#define PORT_DHCP 4    /* DHCP is answered, by the agent */
#define PORT_SEGMENT 2 /* behind the device are several machines, each with a MAC of its own */

#define PORT_IPV6 4 /* addresses at most */

/* A port, by the ifindex of its device on the host. What it has none of is
 * zero; further addresses that it may send from have a route to it. */
struct port {
	__u8 uuid[16];
	struct address address; /* IPv4 */
	struct address subnet;
	struct address gateway;
	struct address ipv6[PORT_IPV6];
	struct address ipv6_subnet;
	struct address ipv6_gateway;
	__u32 subnet_length; /* of 128 bits */
	__u32 ipv6_subnet_length;
	__u32 vni;
	__u32 mtu; /* bytes of the largest IP packet that the underlay carries */
	__u32 flags;
	__s32 netns; /* PORT_PAIR: number of the workload's namespace, as this one knows it; -1: none */
	__u8 mac[6];
	__u8 gateway_mac[6];
};

#define VTEP_IPV6 1 /* the underlay is IPv6 */
#define VTEP_SEALS 2 /* SEALS has entries */

/* This host's end of all tunnels. */
struct vtep {
	__u32 ifindex;  /* of the VXLAN device */
	__u32 underlay; /* ifindex of the device that has the address; 0: only by the VXLAN device */
	struct address address;
	/* Whose address has these bits under the mask is on that device's own
	 * link; with nobody's, when that cannot be told. */
	struct address link, link_mask;
	__u32 flags;
	__be16 port; /* of UDP */
	__u16 unused;
};

/* Of a host that is sent to through a tunnel that encrypts, and only so; by
 * its address. */
struct seal {
	__u32 ifindex; /* of the tunnel's device; 0 when it is gone */
};

/* Packets of one network to another that ended in one way. VNI 0 is a network
 * that is not known where the packet ended. */
struct flow {
	__u32 from, to; /* VNI */
	__u32 verdict;
};

struct traffic {
	__u64 packets; /* as they are on the wire, however many the kernel has in one */
	__u64 bytes;   /* of IP */
};

/* What a probe carries behind its IP header. Only the host that sent it reads
 * token and sent again: they are in its own byte order. */
struct probe {
	__be32 magic;
	__u8 kind; /* enum probe_kind */
	__u8 forced; /* goes to vni at vtep, whatever this host's routes say */
	__u8 unused[2];
	__be32 vni;
	struct address vtep;
	__u32 token;
	__u64 sent; /* ns, CLOCK_MONOTONIC */
} __attribute__((packed));

#define PROBE_MAGIC 0x6b6e7062 /* "knpb" */

enum probe_kind { ASK = 1, ANSWER = 2 };

/* What became of a probe here, for the agent. */
struct probe_event {
	__u64 sent;
	__u64 now;
	__u32 token;
	__u32 kind;    /* enum probe_kind; an ASK from here is one that did not leave */
	__u32 verdict; /* of verdict.h */
	__u32 vni;     /* of the network here */
	__u32 size;    /* bytes of the IP packet */
	__u32 other;   /* VNI of the remote address, as routes here have it, or 0 */
	struct address local; /* the address here, and the other one */
	struct address remote;
	struct address vtep; /* that it came from; nothing: from here */
};

_Static_assert(sizeof(struct probe) == 40, "probe.rs");
_Static_assert(sizeof(struct probe_event) == 88, "probe.rs");
_Static_assert(sizeof(struct host_key) == 20, "abi.rs");
_Static_assert(sizeof(struct flow) == 12, "abi.rs");
_Static_assert(sizeof(struct traffic) == 16, "abi.rs");
_Static_assert(sizeof(struct prefix_key) == 24, "abi.rs");
#ifndef TWIN
_Static_assert(sizeof(struct target) == 48, "abi.rs");
#endif
_Static_assert(sizeof(struct port) == 196, "abi.rs");
_Static_assert(sizeof(struct vtep) == 64, "abi.rs");
_Static_assert(sizeof(struct seal) == 4, "abi.rs");

/* What a workload asks of DHCP, as it was sent. */
struct question {
	__u32 ifindex;
	__u32 length; /* of frame, in bytes */
	__u8 port[16];
	__u8 frame[640];
};

/* Questions of a port in a period of 2^30 ns, about a second. */
struct rate {
	__u64 period;
	__u64 count;
};

/* For the agent alone: what it is to answer, as text. */
struct offer {
	__u32 length;
	__u8 text[4092];
};

_Static_assert(sizeof(struct question) == 664, "abi.rs");
_Static_assert(sizeof(struct offer) == 4096, "abi.rs");

#define MAP(name, kind, entries, k, v, flags)                                   \
	struct {                                                                \
		int (*type)[kind];                                              \
		int (*max_entries)[entries];                                    \
		int (*map_flags)[flags];                                        \
		int (*pinning)[1];                                              \
		k *key;                                                         \
		v *value;                                                       \
	} name __attribute__((section(".maps"), used))

MAP(PORTS, BPF_MAP_TYPE_HASH, 65536, __u32, struct port, BPF_F_NO_PREALLOC);
MAP(HOSTS, BPF_MAP_TYPE_HASH, 1 << 20, struct host_key, struct target, BPF_F_NO_PREALLOC);
MAP(PREFIXES, BPF_MAP_TYPE_LPM_TRIE, 1 << 20, struct prefix_key, struct target, BPF_F_NO_PREALLOC);
/* Its memory is there beforehand: an entry that cannot be made would be a host
 * that is sent to in the clear. */
MAP(SEALS, BPF_MAP_TYPE_HASH, 16384, struct address, struct seal, 0);
MAP(VTEP, BPF_MAP_TYPE_ARRAY, 1, __u32, struct vtep, 0);
MAP(COUNTS, BPF_MAP_TYPE_PERCPU_ARRAY, VERDICTS, __u32, __u64, 0);
/* What the agent has not seen yet is made here: its keys are pairs of networks
 * that are in the tables, so there is an end to them. */
MAP(FLOWS, BPF_MAP_TYPE_PERCPU_HASH, 65536, struct flow, struct traffic, BPF_F_NO_PREALLOC);
MAP(RATES, BPF_MAP_TYPE_LRU_HASH, 4096, __u32, struct rate, 0);
MAP(OFFERS, BPF_MAP_TYPE_HASH, 65536, __u32, struct offer, BPF_F_NO_PREALLOC);

struct {
	int (*type)[BPF_MAP_TYPE_RINGBUF];
	int (*max_entries)[1 << 16]; /* bytes: a hundred questions */
	int (*pinning)[1];
} QUESTIONS __attribute__((section(".maps"), used));

/* Not pinned: of the agent that loaded the programs. */
struct {
	int (*type)[BPF_MAP_TYPE_RINGBUF];
	int (*max_entries)[1 << 18];
} PROBES __attribute__((section(".maps"), used));
