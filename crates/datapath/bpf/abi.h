/* Keys and values of the maps: the same as in src/abi.rs, whose test compares
 * them. Addresses are 128 bits, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2); in
 * keys all is in network byte order, so that a longest prefix can match it. */
#define LAYOUT 2 /* in the pin directory's name: src/pins.rs */

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
	struct address vtep; /* HOST_THERE */
	__u8 port[16]; /* PORT_HERE: UUID */
};

#define PORT_PAIR 1 /* the device is one end of a pair whose other end is the workload's */

/* A port, by the ifindex of its device on the host. */
struct port {
	__u8 uuid[16];
	struct address address;
	struct address subnet;
	struct address gateway;
	__u32 subnet_length; /* of 128 bits */
	__u32 vni;
	__u32 mtu; /* bytes of the largest IP packet that the underlay carries */
	__u32 flags;
	__s32 netns; /* PORT_PAIR: number of the workload's namespace, as this one knows it; -1: none */
	__u8 mac[6];
	__u8 gateway_mac[6];
};

/* This host's end of all tunnels. */
struct vtep {
	__u32 ifindex;  /* of the VXLAN device */
	__u32 underlay; /* ifindex of the device that has the address; 0: only by the VXLAN device */
	__be32 ipv4;
	__be16 port; /* of UDP */
	__u16 unused;
};

/* What a probe carries behind its IPv4 header. Only the host that sent it reads
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
	__be32 local;  /* the address here, and the other one */
	__be32 remote;
	__be32 vtep;   /* that it came from; 0: from here */
	__u32 other;   /* VNI of the remote address, as routes here have it, or 0 */
	__u32 unused;
};

_Static_assert(sizeof(struct probe) == 40, "probe.rs");
_Static_assert(sizeof(struct probe_event) == 56, "probe.rs");
_Static_assert(sizeof(struct host_key) == 20, "abi.rs");
_Static_assert(sizeof(struct prefix_key) == 24, "abi.rs");
_Static_assert(sizeof(struct target) == 48, "abi.rs");
_Static_assert(sizeof(struct port) == 96, "abi.rs");
_Static_assert(sizeof(struct vtep) == 16, "abi.rs");

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
MAP(VTEP, BPF_MAP_TYPE_ARRAY, 1, __u32, struct vtep, 0);
MAP(COUNTS, BPF_MAP_TYPE_PERCPU_ARRAY, VERDICTS, __u32, __u64, 0);

/* Not pinned: of the agent that loaded the programs. */
struct {
	int (*type)[BPF_MAP_TYPE_RINGBUF];
	int (*max_entries)[1 << 18];
} PROBES __attribute__((section(".maps"), used));
