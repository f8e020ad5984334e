/* Probes: what an agent sends to know that packets cross, and how large ones.
 *
 * A probe is a packet (protocol 253, RFC 3692) from a port of this host to an
 * address that its network reaches. The agent writes it into the device
 * kannas-probe, whose program from_probe treats it as from_port treats the
 * port's own: the same tables, the same tunnel. At the other host it passes the
 * checks of every packet, and then is answered here on behalf of the port,
 * whose workload never sees it; the answer comes back by the tables of that
 * network. So one round trip shows that both programs on both hosts, their
 * tables and the underlay carry this pair of networks, both ways, at that size.
 *
 * What tells a probe is the frame's destination in the tunnel, PROBE_MAC: what
 * comes from a port is sent to TUNNEL_MAC whatever it was addressed to, so no
 * workload can send one or have one answered. Probes are not in COUNTS. */

#define PROBE_PROTOCOL 253 /* for experiments: RFC 3692 */

INLINE int is_probe(const struct ethhdr *eth)
{
	return same_mac(eth->h_dest, PROBE_MAC);
}

INLINE int is_probe_frame(struct __sk_buff *skb)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	return (void *)(eth + 1) <= (void *)(long)skb->data_end && is_probe(eth);
}

/* The probe, writable as all before it, or NULL. No probe is so short that it
 * would not be one behind the longer header. */
INLINE struct probe *probe_of(struct __sk_buff *skb, struct ends *ends)
{
	const __u32 need = sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct probe);

	if (skb->data + need > skb->data_end && bpf_skb_pull_data(skb, need))
		return NULL;
	struct ethhdr *eth = (void *)(long)skb->data;
	if ((void *)eth + need > (void *)(long)skb->data_end)
		return NULL;
	struct iphdr *ip = (void *)(eth + 1);
	struct probe *probe = (void *)(ip + 1);
	if (eth->h_proto == htons(ETH_P_IPV6)) {
		struct ipv6hdr *ipv6 = (void *)ip;
		if (ipv6->version != 6 || ipv6->nexthdr != PROBE_PROTOCOL)
			return NULL;
		*ends = ends_of_ipv6(ipv6);
		probe = (void *)(ipv6 + 1);
	} else {
		if (eth->h_proto != htons(ETH_P_IP) || ip->version != 4 || ip->ihl != 5 ||
		    ip->protocol != PROBE_PROTOCOL)
			return NULL;
		*ends = (struct ends){ mapped(ip->saddr), mapped(ip->daddr) };
	}
	return probe->magic == htonl(PROBE_MAGIC) ? probe : NULL;
}

/* Addresses the packet anew, as if it had just been sent. */
INLINE void send_anew(struct __sk_buff *skb, const struct ends *ends, const __u8 *mac)
{
	struct ethhdr *eth = (void *)(long)skb->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ipv6hdr *ipv6 = (void *)ip;

	if ((void *)(ipv6 + 1) > (void *)(long)skb->data_end)
		return;
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	if (!is_mapped(&ends->to)) {
		__builtin_memcpy(&ipv6->saddr, &ends->from, sizeof(ipv6->saddr));
		__builtin_memcpy(&ipv6->daddr, &ends->to, sizeof(ipv6->daddr));
		ipv6->hop_limit = 63;
		return;
	}
	ip->saddr = ipv4_of(&ends->from);
	ip->daddr = ipv4_of(&ends->to);
	ip->ttl = 63;
	ip->check = 0;
	ip->check = checksum_of(ip);
}

/* To another host; TC_ACT_SHOT when it cannot be. */
NOINLINE int send_probe(struct __sk_buff *skb, struct target *target)
{
	__u32 zero = 0;
	struct vtep *vtep = bpf_map_lookup_elem(&VTEP, &zero);
	struct ethhdr *eth = (void *)(long)skb->data;

	if (!vtep || !vtep->ifindex || (void *)(eth + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	__builtin_memcpy(eth->h_dest, PROBE_MAC, ETH_ALEN);
	const struct seal *seal = seal_of(vtep, &target->vtep);
	if (seal)
		return seal->ifindex ? into_tunnel(skb, vtep, target, seal) : TC_ACT_SHOT;
	switch (wrap(skb, vtep, target, DONT_FRAGMENT)) {
	case WRAPPED:
		return into_underlay(vtep, &target->vtep);
	case BROKEN:
		return TC_ACT_SHOT;
	case NOT_FOR_US:
		break;
	}
	return by_kernel(skb, vtep, target, BPF_F_DONT_FRAGMENT);
}

/* A probe as this host sees it: from its own end. */
struct sighting {
	__u32 vni;
	enum verdict verdict;
	struct ends ends; /* from here, to there */
	struct address vtep;
};

/* Tells the agent. If it does not listen, nothing is lost that it misses. */
NOINLINE int tell(struct __sk_buff *skb, const struct sighting *seen)
{
	struct ends any;
	struct probe *probe = probe_of(skb, &any);

	if (!probe)
		return TC_ACT_SHOT;
	struct target *other = find(seen->vni, seen->ends.to);
	struct probe_event *event = bpf_ringbuf_reserve(&PROBES, sizeof(*event), 0);

	if (!event)
		return TC_ACT_SHOT;
	event->sent = probe->sent;
	event->now = bpf_ktime_get_ns();
	event->token = probe->token;
	event->kind = probe->kind;
	event->verdict = seen->verdict;
	event->vni = seen->vni;
	event->size = skb->len - sizeof(struct ethhdr);
	event->other = other ? other->vni : 0;
	event->local = seen->ends.from;
	event->remote = seen->ends.to;
	event->vtep = seen->vtep;
	bpf_ringbuf_submit(event, 0);
	return TC_ACT_SHOT;
}

/* Takes `wrapping` bytes off; not 0 when that cannot be. */
NOINLINE int unwrap_probe(struct __sk_buff *skb, __u32 wrapping)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	__be16 protocol;

	if (bpf_skb_load_bytes(skb, wrapping + offsetof(struct ethhdr, h_proto), &protocol, 2))
		return 1;
	flags |= protocol == htons(ETH_P_IPV6) ? BPF_F_ADJ_ROOM_DECAP_L3_IPV6 :
						 BPF_F_ADJ_ROOM_DECAP_L3_IPV4;
	if (bpf_skb_adjust_room(skb, -(__s32)wrapping, BPF_ADJ_ROOM_MAC, flags))
		return 1;
	return bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &protocol, 2, 0) != 0;
}

/* Out of the tunnel a probe takes three steps of their own, as no more than 512
 * bytes of stack may be in use at once: it is seen, turned round, sent back. */

NOINLINE int see_probe(struct __sk_buff *skb, __u32 vni, const struct address *from)
{
	struct ends ends;

	if (!probe_of(skb, &ends))
		return FOREIGN;
	struct arrival arrival = arrive(skb, vni, &ends, from);
	if (arrival.verdict == DELIVERED && !arrival.port)
		arrival.verdict = FOREIGN;
	struct sighting seen = { vni, arrival.verdict, { ends.to, ends.from }, *from };
	tell(skb, &seen);
	return arrival.verdict;
}

/* Not 0 when it is no question. */
NOINLINE int turn_probe(struct __sk_buff *skb, __u32 vni)
{
	struct ends ends;
	struct probe *probe = probe_of(skb, &ends);

	if (!probe || probe->kind != ASK)
		return 1;
	struct target *here = find(vni, ends.to);
	struct port *port = here ? port_of(here) : NULL;
	if (!port)
		return 1;
	probe->kind = ANSWER;
	struct ends back = { ends.to, ends.from };
	send_anew(skb, &back, port->mac);
	return 0;
}

NOINLINE int send_back(struct __sk_buff *skb, __u32 vni)
{
	struct ends ends;

	if (!probe_of(skb, &ends))
		return TC_ACT_SHOT;
	struct target *target = find(vni, ends.to);
	return target && target->kind == HOST_THERE ? send_probe(skb, target) : TC_ACT_SHOT;
}

INLINE int take_probe(struct __sk_buff *skb, __u32 vni, const struct address *from)
{
	if (see_probe(skb, vni, from) != DELIVERED || turn_probe(skb, vni))
		return TC_ACT_SHOT;
	return send_back(skb, vni);
}

NOINLINE int probe_out_of_ipv6(struct __sk_buff *skb, struct vtep *vtep)
{
	struct wrapper_6 *it = wrapper_of_ipv6(skb, vtep);

	if (!it || !is_probe(&it->in.eth))
		return TC_ACT_UNSPEC;
	struct address from = ipv6_of(&it->ip.saddr);
	__u32 vni = ntohl(it->in.vxlan.vni) >> 8;
	return unwrap_probe(skb, sizeof(*it)) ? TC_ACT_SHOT : take_probe(skb, vni, &from);
}

/* To a port of this host: what to_local checks, and that it may answer. */
INLINE enum verdict cross(struct port *port, struct target *target, const struct ends *ends)
{
	if (!port_of(target))
		return NO_PORT;
	struct target *back = find(target->vni, ends->from);
	if (!back || back->kind != PORT_HERE || back->vni != port->vni)
		return NO_RETURN;
	return LOCAL;
}

/* From the agent: the VNI of the port's network is the end of the frame's
 * source. */
__attribute__((section("classifier"), used)) int from_probe(struct __sk_buff *skb)
{
	struct ends ends;
	struct probe *probe = probe_of(skb, &ends);
	struct target forced = { .kind = HOST_THERE };
	__be32 vni;

	if (!probe)
		return TC_ACT_SHOT;
	probe->sent = bpf_ktime_get_ns();
	if (bpf_skb_load_bytes(skb, ETH_ALEN + 2, &vni, 4))
		return TC_ACT_SHOT;
	struct sighting seen = { ntohl(vni), NO_SUCH_PORT, ends, {} };
	struct target *from = find(seen.vni, ends.from);
	if (!from || from->kind != PORT_HERE || from->vni != seen.vni)
		return tell(skb, &seen);
	struct port *port = port_of(from);
	if (!port)
		return tell(skb, &seen);
	struct target *target = &forced;
	if (probe->forced) {
		forced.vni = ntohl(probe->vni);
		forced.vtep = probe->vtep;
	} else {
		target = find(seen.vni, ends.to);
	}
	seen.verdict = target ? NO_PORT : NO_ROUTE;
	if (!target || target->kind == NOBODY)
		return tell(skb, &seen);
	if (target->kind == PORT_HERE) {
		seen.verdict = cross(port, target, &ends);
		if (seen.verdict == LOCAL)
			probe->kind = ANSWER;
		return tell(skb, &seen);
	}
	send_anew(skb, &ends, port->mac);
	int action = send_probe(skb, target);
	seen.verdict = TUNNEL;
	return action == TC_ACT_SHOT ? tell(skb, &seen) : action;
}
