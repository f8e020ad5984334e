/* VXLAN by hand (RFC 7348 5). In goes any frame; out comes what is one segment.
 * Many segments in one keep the marks of the tunnel, as the kernel offers
 * nothing to take them off. That is nothing to a socket, but would mislead a
 * network card, or another tunnel, that a workload sends them on to: only what
 * ends in a socket of the workload comes out by hand. */

struct vxlan_header {
	__be32 flags, vni; /* the VNI's upper 24 bits count */
};

#define VXLAN_HAS_VNI 0x08000000

/* What comes after the outer IP header. */
struct inside {
	struct udphdr udp;
	struct vxlan_header vxlan;
	struct ethhdr eth;
} __attribute__((packed));

/* What goes between the frame's Ethernet header and the packet. */
struct wrapper {
	struct iphdr ip;
	struct inside in;
} __attribute__((packed));

struct wrapper_6 {
	struct ipv6hdr ip;
	struct inside in;
} __attribute__((packed));

INLINE __sum16 checksum_of(const struct iphdr *ip)
{
	const __u16 *words = (const __u16 *)ip;
	__u32 sum = 0;

	for (int i = 0; i < 10; i++)
		sum += words[i];
	return folded(sum);
}

/* The source port tells flows apart for who balances by it (RFC 7348 5), out
 * of the dynamic range (RFC 6335 6). No checksum of UDP: RFC 7348 5, RFC 6935 5. */
INLINE void fill(struct inside *to, const struct vtep *vtep, const struct target *target,
		 __u32 length, __u32 hash)
{
	to->udp.source = htons(0xc000 | (hash & 0x3fff));
	to->udp.dest = vtep->port;
	to->udp.len = htons(length);
	to->udp.check = 0;
	to->vxlan.flags = htonl(VXLAN_HAS_VNI);
	to->vxlan.vni = htonl(target->vni << 8);
}

/* The identification is random, as routers of the underlay may fragment. */
INLINE struct iphdr outer_ipv4(const struct vtep *vtep, const struct target *target, __u32 length,
			       __u32 fragment)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(length),
		.id = bpf_get_prandom_u32(),
		.frag_off = htons(fragment),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = ipv4_of(&vtep->address),
		.daddr = ipv4_of(&target->vtep),
	};
	ip.check = checksum_of(&ip);
	return ip;
}

enum wrapping { NOT_FOR_US, WRAPPED, BROKEN };

/* Segments fit as they are: is_large. */
#define GROW(l3)                                                                                   \
	((l3) | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(sizeof(struct ethhdr)) |     \
	 BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_FIXED_GSO)

INLINE enum wrapping put_on(struct __sk_buff *skb, void *wrapper, __u32 size, __u64 flags)
{
	if (bpf_skb_adjust_room(skb, size, BPF_ADJ_ROOM_MAC, flags))
		return NOT_FOR_US;
	return bpf_skb_store_bytes(skb, sizeof(struct ethhdr), wrapper, size, 0) ? BROKEN : WRAPPED;
}

NOINLINE int wrap_ipv6(struct __sk_buff *skb, const struct vtep *vtep, const struct target *target)
{
	__u32 length = skb->len - sizeof(struct ethhdr) + sizeof(struct inside);
	struct wrapper_6 it = {};

	if (length > 0xffff)
		return NOT_FOR_US;
	fill(&it.in, vtep, target, length, bpf_get_hash_recalc(skb));
	it.ip.version = 6;
	it.ip.payload_len = htons(length);
	it.ip.nexthdr = IPPROTO_UDP;
	it.ip.hop_limit = 64;
	__builtin_memcpy(&it.ip.saddr, &vtep->address, sizeof(it.ip.saddr));
	__builtin_memcpy(&it.ip.daddr, &target->vtep, sizeof(it.ip.daddr));
	if (bpf_skb_load_bytes(skb, 0, &it.in.eth, sizeof(it.in.eth)))
		return NOT_FOR_US;
	return put_on(skb, &it, sizeof(it), GROW(BPF_F_ADJ_ROOM_ENCAP_L3_IPV6));
}

/* Puts the frame into VXLAN; fragment is 0 or DONT_FRAGMENT. NOT_FOR_US leaves
 * it as it was. */
INLINE enum wrapping wrap(struct __sk_buff *skb, const struct vtep *vtep,
			  const struct target *target, __u32 fragment)
{
	__u32 length = skb->len - sizeof(struct ethhdr) + sizeof(struct wrapper);
	struct wrapper wrapper;

	if (!vtep->underlay || length > 0xffff)
		return NOT_FOR_US;
	if (vtep->flags & VTEP_IPV6)
		return wrap_ipv6(skb, vtep, target);
	wrapper.ip = outer_ipv4(vtep, target, length, fragment);
	fill(&wrapper.in, vtep, target, length - sizeof(wrapper.ip), bpf_get_hash_recalc(skb));
	if (bpf_skb_load_bytes(skb, 0, &wrapper.in.eth, sizeof(wrapper.in.eth)))
		return NOT_FOR_US;
	return put_on(skb, &wrapper, sizeof(wrapper), GROW(BPF_F_ADJ_ROOM_ENCAP_L3_IPV4));
}

/* By the kernel's VXLAN device; TC_ACT_SHOT when it cannot be. */
NOINLINE int by_kernel(struct __sk_buff *skb, const struct vtep *vtep, const struct target *target,
		       __u64 flags)
{
	struct bpf_tunnel_key key = { .tunnel_id = target->vni, .tunnel_ttl = 64 };

	flags |= BPF_F_ZERO_CSUM_TX;
	if (vtep->flags & VTEP_IPV6) {
		flags |= BPF_F_TUNINFO_IPV6;
		__builtin_memcpy(key.remote_ipv6, &target->vtep, sizeof(key.remote_ipv6));
		__builtin_memcpy(key.local_ipv6, &vtep->address, sizeof(key.local_ipv6));
	} else {
		key.remote_ipv4 = ntohl(ipv4_of(&target->vtep));
		key.local_ipv4 = ntohl(ipv4_of(&vtep->address));
	}
	if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags) < 0)
		return TC_ACT_SHOT;
	return bpf_redirect(vtep->ifindex, 0);
}

/* True when what comes after the outer IP header is VXLAN for us. */
INLINE int is_vxlan(const struct inside *in, const struct vtep *vtep)
{
	return in->udp.dest == vtep->port && !in->udp.check &&
	       in->vxlan.flags == htonl(VXLAN_HAS_VNI);
}

/* The headers of one packet in VXLAN for us, in IPv4; else NULL. */
INLINE struct wrapper *wrapper_of(struct __sk_buff *skb, const struct vtep *vtep)
{
	struct ethhdr *eth = (void *)(long)skb->data;
	struct wrapper *it = (void *)(eth + 1);

	if (skb->protocol != htons(ETH_P_IP))
		return NULL;
	if ((void *)(it + 1) > (void *)(long)skb->data_end)
		return NULL;
	if (it->ip.protocol != IPPROTO_UDP || it->ip.daddr != ipv4_of(&vtep->address) || it->ip.ihl != 5)
		return NULL;
	return is_vxlan(&it->in, vtep) && !(it->ip.frag_off & htons(FRAGMENT)) ? it : NULL;
}

INLINE struct wrapper_6 *wrapper_of_ipv6(struct __sk_buff *skb, const struct vtep *vtep)
{
	struct ethhdr *eth = (void *)(long)skb->data;
	struct wrapper_6 *it = (void *)(eth + 1);

	if (skb->protocol != htons(ETH_P_IPV6))
		return NULL;
	if ((void *)(it + 1) > (void *)(long)skb->data_end)
		return NULL;
	struct address to = ipv6_of(&it->ip.daddr);
	if (it->ip.nexthdr != IPPROTO_UDP || !same_address(&to, &vtep->address))
		return NULL;
	return is_vxlan(&it->in, vtep) ? it : NULL;
}

/* True when the packet is of a TCP connection that the port's workload has;
 * `at`: where the TCP header begins. */
INLINE int ends_here(struct __sk_buff *skb, const struct port *port, const struct ends *ends, __u32 at)
{
	struct bpf_sock_tuple it = {};
	int ipv4 = is_mapped(&ends->to);
	void *ports = ipv4 ? &it.ipv4.sport : &it.ipv6.sport;

	if (bpf_skb_load_bytes(skb, at, ports, 4))
		return 0;
	if (ipv4) {
		it.ipv4.saddr = ipv4_of(&ends->from);
		it.ipv4.daddr = ipv4_of(&ends->to);
	} else {
		__builtin_memcpy(it.ipv6.saddr, &ends->from, sizeof(ends->from));
		__builtin_memcpy(it.ipv6.daddr, &ends->to, sizeof(ends->to));
	}
	struct bpf_sock *socket = bpf_skc_lookup_tcp(skb, &it, ipv4 ? sizeof(it.ipv4) : sizeof(it.ipv6),
						     port->netns, 0);
	if (!socket)
		return 0;
	int connected = socket->state != BPF_TCP_LISTEN;
	bpf_sk_release(socket);
	return connected;
}
