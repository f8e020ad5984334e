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

INLINE int is_probe(const struct ethhdr *eth)
{
	return same_mac(eth->h_dest, PROBE_MAC);
}

/* Its IPv4 header, with all of the probe behind it and writable, or NULL. */
INLINE struct iphdr *probe_header(struct __sk_buff *skb)
{
	const __u32 need = sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct probe);

	if (skb->data + need > skb->data_end && bpf_skb_pull_data(skb, need))
		return NULL;
	struct iphdr *ip = (void *)(long)skb->data + sizeof(struct ethhdr);
	struct probe *probe = (void *)(ip + 1);
	if ((void *)(probe + 1) > (void *)(long)skb->data_end)
		return NULL;
	if (ip->version != 4 || ip->ihl != 5 || ip->protocol != PROBE_PROTOCOL)
		return NULL;
	return probe->magic == htonl(PROBE_MAGIC) ? ip : NULL;
}

INLINE struct probe *probe_of(struct iphdr *ip)
{
	return (struct probe *)(ip + 1);
}

/* A probe that is here for good, or came by. */
struct sighting {
	__u32 vni;
	enum verdict verdict;
	__be32 local, remote, vtep;
};

/* Tells the agent. If it does not listen, nothing is lost that it misses. */
INLINE int tell(struct __sk_buff *skb, struct iphdr *ip, const struct sighting *seen)
{
	struct probe *probe = probe_of(ip);
	struct target *other = find(seen->vni, seen->remote);
	struct probe_event event = {
		.sent = probe->sent,
		.now = bpf_ktime_get_ns(),
		.token = probe->token,
		.kind = probe->kind,
		.verdict = seen->verdict,
		.vni = seen->vni,
		.size = skb->len - sizeof(struct ethhdr),
		.local = seen->local,
		.remote = seen->remote,
		.vtep = seen->vtep,
		.other = other ? other->vni : 0,
	};

	bpf_ringbuf_output(&PROBES, &event, sizeof(event), 0);
	return TC_ACT_SHOT;
}

/* Out of the tunnel, unwrapped. */
static __attribute__((noinline)) int take_probe(struct __sk_buff *skb, __u32 vni, __be32 from)
{
	struct iphdr *ip = probe_header(skb);

	if (!ip)
		return TC_ACT_SHOT;
	struct probe *probe = probe_of(ip);
	struct arrival arrival = arrive(vni, ip, from);
	struct sighting seen = { vni, arrival.verdict, ip->daddr, ip->saddr, from };
	tell(skb, ip, &seen);
	if (arrival.verdict != DELIVERED || !arrival.port || probe->kind != ASK)
		return TC_ACT_SHOT;
	probe->kind = ANSWER;
	ip->saddr = seen.local;
	ip->daddr = seen.remote;
	ip->ttl = 64;
	ip->check = 0;
	ip->check = checksum_of(ip);
	__builtin_memcpy(ethernet_of(ip)->h_source, arrival.port->mac, ETH_ALEN);
	struct target *target = find(vni, seen.remote);
	if (!target || target->kind != HOST_THERE)
		return TC_ACT_SHOT;
	return send(skb, target, PROBE_MAC, WHOLE);
}

/* To a port of this host: what to_local checks, and that it may answer. */
INLINE enum verdict cross(struct port *port, struct target *target, __be32 local, __be32 remote)
{
	__u32 ifindex = target->ifindex;
	struct port *other = bpf_map_lookup_elem(&PORTS, &ifindex);

	if (!other || other->vni != target->vni || ipv4_of(&other->address) != remote)
		return NO_PORT;
	struct target *back = find(target->vni, local);
	if (!back || back->kind != PORT_HERE || back->vni != port->vni)
		return NO_RETURN;
	return LOCAL;
}

/* From the agent: the VNI of the port's network is the end of the frame's
 * source. */
__attribute__((section("classifier"), used)) int from_probe(struct __sk_buff *skb)
{
	struct iphdr *ip = probe_header(skb);
	struct target forced = { .kind = HOST_THERE };
	__be32 vni;

	if (!ip)
		return TC_ACT_SHOT;
	struct probe *probe = probe_of(ip);
	probe->sent = bpf_ktime_get_ns();
	__builtin_memcpy(&vni, ethernet_of(ip)->h_source + 2, 4);
	struct sighting seen = { ntohl(vni), NO_SUCH_PORT, ip->saddr, ip->daddr, 0 };
	struct target *from = find(seen.vni, seen.local);
	if (!from || from->kind != PORT_HERE)
		return tell(skb, ip, &seen);
	__u32 ifindex = from->ifindex;
	struct port *port = bpf_map_lookup_elem(&PORTS, &ifindex);
	if (!port || port->vni != seen.vni || ipv4_of(&port->address) != seen.local)
		return tell(skb, ip, &seen);
	struct target *target = &forced;
	if (probe->forced) {
		forced.vni = ntohl(probe->vni);
		forced.vtep = probe->vtep;
	} else {
		target = find(seen.vni, seen.remote);
	}
	seen.verdict = target ? NO_PORT : NO_ROUTE;
	if (!target || target->kind == NOBODY)
		return tell(skb, ip, &seen);
	if (target->kind == PORT_HERE) {
		seen.verdict = cross(port, target, seen.local, seen.remote);
		if (seen.verdict == LOCAL)
			probe->kind = ANSWER;
		return tell(skb, ip, &seen);
	}
	__builtin_memcpy(ethernet_of(ip)->h_source, port->mac, ETH_ALEN);
	one_hop(ip);
	int action = send(skb, target, PROBE_MAC, WHOLE);
	if (action != TC_ACT_SHOT)
		return action;
	ip = probe_header(skb);
	seen.verdict = TUNNEL;
	return ip ? tell(skb, ip, &seen) : TC_ACT_SHOT;
}
