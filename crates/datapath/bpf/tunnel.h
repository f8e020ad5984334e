/* VXLAN by hand (RFC 7348 5). In goes any frame; out comes what is one segment.
 * Many segments in one keep the marks of the tunnel, as the kernel offers
 * nothing to take them off. That is nothing to a socket, but would mislead a
 * network card, or another tunnel, that a workload sends them on to: only what
 * ends in a socket of the workload comes out by hand. */

struct vxlan_header {
	__be32 flags, vni; /* the VNI's upper 24 bits count */
};

#define VXLAN_HAS_VNI 0x08000000

/* What goes between the frame's Ethernet header and the packet. */
struct wrapper {
	struct iphdr ip;
	struct udphdr udp;
	struct vxlan_header vxlan;
	struct ethhdr eth;
} __attribute__((packed));

/* What comes out of the underlay, after its Ethernet header. */
struct wrapped {
	struct wrapper by;
	struct iphdr packet;
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
 * of the dynamic range (RFC 6335 6). The identification is random, as routers
 * of the underlay may fragment. */
INLINE void fill(struct wrapper *to, const struct vtep *vtep, const struct target *target,
		 __u32 length, __u32 hash, __u32 fragment)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(length),
		.id = bpf_get_prandom_u32(),
		.frag_off = htons(fragment),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = vtep->ipv4,
		.daddr = ipv4_of(&target->vtep),
	};
	ip.check = checksum_of(&ip);
	to->ip = ip;
	to->udp.source = htons(0xc000 | (hash & 0x3fff));
	to->udp.dest = vtep->port;
	to->udp.len = htons(length - sizeof(to->ip));
	to->udp.check = 0;
	to->vxlan.flags = htonl(VXLAN_HAS_VNI);
	to->vxlan.vni = htonl(target->vni << 8);
}

enum wrapping { NOT_FOR_US, WRAPPED, BROKEN };

/* Puts the frame into VXLAN; fragment is 0 or DONT_FRAGMENT. NOT_FOR_US leaves
 * it as it was. */
INLINE enum wrapping wrap(struct __sk_buff *skb, const struct vtep *vtep,
			  const struct target *target, __u32 fragment)
{
	/* Segments fit as they are: is_large. */
	const __u64 flags = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |
			    BPF_F_ADJ_ROOM_ENCAP_L2(sizeof(struct ethhdr)) |
			    BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_FIXED_GSO;
	__u32 length = skb->len - sizeof(struct ethhdr) + sizeof(struct wrapper);
	struct wrapper wrapper;

	if (!vtep->underlay || length > 0xffff)
		return NOT_FOR_US;
	fill(&wrapper, vtep, target, length, bpf_get_hash_recalc(skb), fragment);
	if (bpf_skb_load_bytes(skb, 0, &wrapper.eth, sizeof(wrapper.eth)))
		return NOT_FOR_US;
	if (bpf_skb_adjust_room(skb, sizeof(wrapper), BPF_ADJ_ROOM_MAC, flags))
		return NOT_FOR_US;
	if (bpf_skb_store_bytes(skb, sizeof(struct ethhdr), &wrapper, sizeof(wrapper), 0))
		return BROKEN;
	return WRAPPED;
}

/* The packet, when it is a whole one in VXLAN for us; else NULL. */
INLINE struct wrapped *wrapped_of(struct __sk_buff *skb, const struct vtep *vtep)
{
	const __u32 need = sizeof(struct ethhdr) + sizeof(struct wrapped);
	struct ethhdr *eth = (void *)(long)skb->data;
	struct wrapped *it = (void *)(eth + 1);

	if (skb->protocol != htons(ETH_P_IP))
		return NULL;
	if ((void *)(&it->by.vxlan) > (void *)(long)skb->data_end)
		return NULL;
	if (it->by.ip.protocol != IPPROTO_UDP || it->by.ip.daddr != vtep->ipv4 || it->by.ip.ihl != 5)
		return NULL;
	if (it->by.udp.dest != vtep->port || it->by.udp.check || (it->by.ip.frag_off & htons(FRAGMENT)))
		return NULL;
	if (skb->data + need > skb->data_end && bpf_skb_pull_data(skb, need))
		return NULL;
	it = (void *)(long)skb->data + sizeof(struct ethhdr);
	if ((void *)(it + 1) > (void *)(long)skb->data_end)
		return NULL;
	if (it->by.vxlan.flags != htonl(VXLAN_HAS_VNI) || it->by.eth.h_proto != htons(ETH_P_IP))
		return NULL;
	return it->packet.version == 4 && it->packet.ihl >= 5 ? it : NULL;
}

/* True when the packet is of a TCP connection that the port's workload has. */
INLINE int ends_here(struct __sk_buff *skb, const struct port *port, const struct iphdr *packet)
{
	const __u32 at = sizeof(struct ethhdr) + offsetof(struct wrapped, packet);
	struct bpf_sock_tuple it = {};

	if (port->netns < 0 || packet->protocol != IPPROTO_TCP)
		return 0;
	it.ipv4.saddr = packet->saddr;
	it.ipv4.daddr = packet->daddr;
	if (bpf_skb_load_bytes(skb, at + packet->ihl * 4, &it.ipv4.sport, 4))
		return 0;
	struct bpf_sock *socket = bpf_skc_lookup_tcp(skb, &it, sizeof(it.ipv4), port->netns, 0);
	if (!socket)
		return 0;
	int connected = socket->state != BPF_TCP_LISTEN;
	bpf_sk_release(socket);
	return connected;
}

/* Takes the wrapper off; not 0 when it cannot be. */
INLINE long unwrap(struct __sk_buff *skb)
{
	return bpf_skb_adjust_room(skb, -(__s32)sizeof(struct wrapper), BPF_ADJ_ROOM_MAC,
				   BPF_F_ADJ_ROOM_FIXED_GSO);
}
