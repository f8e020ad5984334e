/* The ways on: to a port of this host, to another host, out of the tunnel. */

/* RFC 1624: 256 less in the header is 256 more in its checksum's sum. */
INLINE void one_hop(struct iphdr *ip)
{
	__u32 sum = ip->check + htons(0x0100);

	ip->check = sum + (sum >> 16);
	ip->ttl--;
}

/* To who has that address on the device's link; the kernel asks for its MAC. */
NOINLINE int to_neighbour(__u32 ifindex, const struct address *to)
{
	struct bpf_redir_neigh next = {};

	if (is_mapped(to)) {
		next.nh_family = 2; /* AF_INET */
		next.ipv4_nh = ipv4_of(to);
	} else {
		next.nh_family = 10; /* AF_INET6 */
		__builtin_memcpy(next.ipv6_nh, to, sizeof(next.ipv6_nh));
	}
	return bpf_redirect_neigh(ifindex, &next, sizeof(next), 0);
}

/* The port that a target is, if it still is. */
INLINE struct port *port_of(const struct target *target)
{
	__u32 ifindex = target->ifindex;
	struct port *port = bpf_map_lookup_elem(&PORTS, &ifindex);

	if (!port || port->vni != target->vni)
		return NULL;
	return same_address((void *)port->uuid, (void *)target->port) ? port : NULL;
}

INLINE int deliver(struct ethhdr *eth, struct port *port, const struct target *target,
		   const struct address *to)
{
	__builtin_memcpy(eth->h_dest, port->mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, port->gateway_mac, ETH_ALEN);
	if (port->flags & PORT_PAIR)
		return bpf_redirect_peer(target->ifindex, 0);
	if (port->flags & PORT_SEGMENT)
		return to_neighbour(target->ifindex, is_nothing(&target->vtep) ? to : &target->vtep);
	return bpf_redirect(target->ifindex, 0);
}

INLINE int to_local(struct __sk_buff *skb, void *ip, const struct port *from, struct target *target,
		    const struct ends *ends)
{
	struct port *port = port_of(target);

	/* What comes back to where it is from would do so until its last hop. */
	if (!port || target->ifindex == skb->ifindex)
		return drop_between(skb, from->vni, target->vni, NO_PORT);
	struct target *back = find(port->vni, ends->from);
	if (!back || back->kind != PORT_HERE || back->ifindex != skb->ifindex)
		return drop_between(skb, from->vni, target->vni, NO_RETURN);
	count(skb, from->vni, target->vni, LOCAL);
	if (is_mapped(&ends->to))
		one_hop(ip);
	else
		((struct ipv6hdr *)ip)->hop_limit--;
	return end(LOCAL, deliver(ethernet_of(ip), port, target, &ends->to));
}

INLINE int is_on_link(const struct vtep *vtep, const struct address *to)
{
	__u32 differs = 0;

	for (int i = 0; i < 4; i++)
		differs |= (to->part[i] & vtep->link_mask.part[i]) ^ vtep->link.part[i];
	return !differs;
}

/* Who is on the link needs no look into the kernel's routes. */
INLINE int into_underlay(const struct vtep *vtep, const struct address *to)
{
	if (is_on_link(vtep, to))
		return to_neighbour(vtep->underlay, to);
	return bpf_redirect_neigh(vtep->underlay, NULL, 0, 0);
}

/* The host is sent to encrypted only. */
INLINE const struct seal *seal_of(const struct vtep *vtep, const struct address *host)
{
	return vtep->flags & VTEP_SEALS ? bpf_map_lookup_elem(&SEALS, host) : NULL;
}

/* What is too large for the underlay is fragmented outside of the tunnel; one in
 * user space reads no more at a time. */
#define TUNNEL_MOST 4000

/* Through the tunnel or not at all: what cannot be wrapped here goes nowhere,
 * as the kernel's VXLAN device would send it in the clear. The device is of
 * layer 3: the kernel takes the Ethernet header off. */
INLINE int into_tunnel(struct __sk_buff *skb, const struct vtep *vtep, const struct target *target,
		       const struct seal *seal)
{
	__u32 ifindex = seal->ifindex;

	if (wrap(skb, vtep, target, 0) != WRAPPED)
		return TC_ACT_SHOT;
	return bpf_redirect(ifindex, 0);
}

INLINE enum verdict sealable(const struct __sk_buff *skb, const struct seal *seal, int large)
{
	if (!seal->ifindex)
		return NO_TUNNEL;
	return large && skb->len > TUNNEL_MOST - sizeof(struct wrapper_6) ? TOO_BIG : REMOTE;
}

INLINE int to_remote(struct __sk_buff *skb, struct ethhdr *eth, const struct port *from,
		     struct target *target, int large)
{
	__u32 zero = 0;
	struct vtep *vtep = bpf_map_lookup_elem(&VTEP, &zero);

	if (!vtep || !vtep->ifindex)
		return drop_between(skb, from->vni, target->vni, TUNNEL);
	const struct seal *seal = seal_of(vtep, &target->vtep);
	enum verdict verdict = seal ? sealable(skb, seal, large) : REMOTE;
	if (verdict != REMOTE)
		return drop_between(skb, from->vni, target->vni, verdict);
	count(skb, from->vni, target->vni, REMOTE);
	__builtin_memcpy(eth->h_dest, TUNNEL_MAC, ETH_ALEN);
	if (seal) {
		int action = into_tunnel(skb, vtep, target, seal);
		return action == TC_ACT_SHOT ? drop(TUNNEL) : end(REMOTE, action);
	}
	switch (large ? NOT_FOR_US : wrap(skb, vtep, target, 0)) {
	case WRAPPED:
		return end(REMOTE, into_underlay(vtep, &target->vtep));
	case BROKEN:
		return drop(TUNNEL);
	case NOT_FOR_US:
		break;
	}
	int action = by_kernel(skb, vtep, target, 0);
	return action == TC_ACT_SHOT ? drop(TUNNEL) : end(REMOTE, action);
}

/* Where a packet out of the tunnel goes, or the reason why it goes nowhere. */
struct arrival {
	struct port *port;
	struct target *target;
	__u32 from; /* VNI of the source; 0: it is not known here */
	enum verdict verdict;
};

/* Written by each program that takes packets from other hosts: whether this one
 * came in the clear, and that matters. */
#define IN_THE_CLEAR(skb) ((skb)->cb[0])

INLINE struct arrival arrive(const struct __sk_buff *skb, __u32 vni, const struct ends *ends,
			     const struct address *from)
{
	struct arrival it = { .verdict = FOREIGN };
	/* The table also has ports of networks that this one reaches: not for
	 * packets of this VNI. */
	it.target = find(vni, ends->to);

	if (!it.target || it.target->kind != PORT_HERE || it.target->vni != vni)
		return it;
	it.port = port_of(it.target);
	if (!it.port)
		return it;
	struct target *back = find(vni, ends->from);
	it.verdict = DELIVERED;
	it.from = back ? back->vni : 0;
	if (!back || back->kind != HOST_THERE)
		it.verdict = NO_RETURN;
	else if (!same_address(&back->vtep, from))
		it.verdict = WRONG_VTEP;
	else if (IN_THE_CLEAR(skb) && bpf_map_lookup_elem(&SEALS, from))
		it.verdict = UNSEALED;
	return it;
}

/* VNIs that no network here has are counted only in all: senders could make up
 * any number of them. */
INLINE int refuse(const struct __sk_buff *skb, __u32 vni, const struct arrival *it)
{
	if (it->verdict == FOREIGN)
		return drop(FOREIGN);
	return drop_between(skb, it->from, vni, it->verdict);
}

INLINE int hand_over(const struct __sk_buff *skb, struct ethhdr *eth, const struct arrival *it,
		     const struct address *to)
{
	count(skb, it->from, it->target->vni, DELIVERED);
	return end(DELIVERED, deliver(eth, it->port, it->target, to));
}

/* Takes `wrapping` bytes off and delivers; TC_ACT_UNSPEC leaves it to the
 * kernel. */
INLINE int out_ipv4(struct __sk_buff *skb, __u32 vni, struct address from, const __u32 wrapping)
{
	const __u32 need = sizeof(struct ethhdr) + wrapping + sizeof(struct iphdr);

	if (skb->data + need > skb->data_end && bpf_skb_pull_data(skb, need))
		return drop(SHORT);
	struct iphdr *ip = (void *)(long)skb->data + need - sizeof(*ip);
	if ((void *)(ip + 1) > (void *)(long)skb->data_end || ip->version != 4 || ip->ihl < 5)
		return drop(SHORT);
	struct ends ends = { mapped(ip->saddr), mapped(ip->daddr) };
	struct arrival it = arrive(skb, vni, &ends, &from);
	if (it.verdict != DELIVERED || !it.port || !it.target)
		return refuse(skb, vni, &it);
	if (!wrapping)
		return hand_over(skb, ethernet_of(ip), &it, &ends.to);
	__u8 tcp = it.port->netns >= 0 && ip->protocol == IPPROTO_TCP;
	if (skb->gso_size && (!tcp || !ends_here(skb, it.port, &ends, need - sizeof(*ip) + ip->ihl * 4)))
		return TC_ACT_UNSPEC;
	if (bpf_skb_adjust_room(skb, -(__s32)wrapping, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_DECAP_L3_IPV4))
		return drop(TUNNEL);
	ip = ipv4_header(skb);
	if (!ip)
		return drop(SHORT);
	ethernet_of(ip)->h_proto = htons(ETH_P_IP);
	return hand_over(skb, ethernet_of(ip), &it, &ends.to);
}

INLINE int out_ipv6_of(struct __sk_buff *skb, __u32 vni, const struct address *from,
		       const __u32 wrapping)
{
	const __u32 need = sizeof(struct ethhdr) + wrapping + sizeof(struct ipv6hdr);

	if (skb->data + need > skb->data_end && bpf_skb_pull_data(skb, need))
		return drop(SHORT);
	struct ipv6hdr *ip = (void *)(long)skb->data + need - sizeof(*ip);
	if ((void *)(ip + 1) > (void *)(long)skb->data_end || ip->version != 6)
		return drop(SHORT);
	struct ends ends = ends_of_ipv6(ip);
	struct arrival it = arrive(skb, vni, &ends, from);
	if (it.verdict != DELIVERED || !it.port || !it.target)
		return refuse(skb, vni, &it);
	__u8 tcp = it.port->netns >= 0 && ip->nexthdr == IPPROTO_TCP;
	if (wrapping && skb->gso_size && (!tcp || !ends_here(skb, it.port, &ends, need)))
		return TC_ACT_UNSPEC;
	if (wrapping && bpf_skb_adjust_room(skb, -(__s32)wrapping, BPF_ADJ_ROOM_MAC,
					    BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_DECAP_L3_IPV6))
		return drop(TUNNEL);
	ip = ipv6_header(skb);
	if (!ip)
		return drop(SHORT);
	ethernet_of(ip)->h_proto = htons(ETH_P_IPV6);
	return hand_over(skb, ethernet_of(ip), &it, &ends.to);
}

NOINLINE int out_ipv6(struct __sk_buff *skb, __u32 vni, const struct address *from, __u32 wrapping)
{
	switch (wrapping) {
	case sizeof(struct wrapper):
		return out_ipv6_of(skb, vni, from, sizeof(struct wrapper));
	case sizeof(struct wrapper_6):
		return out_ipv6_of(skb, vni, from, sizeof(struct wrapper_6));
	default:
		return out_ipv6_of(skb, vni, from, 0);
	}
}
