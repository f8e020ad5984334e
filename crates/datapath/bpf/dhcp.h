/* Questions of DHCP (RFC 2131) go to the agent, which answers them by itself. */

#define DHCP_SERVER 67
#define DHCP_LEAST (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr) + 240)

/* A client asks a few times and waits longer each time. */
#define QUESTIONS_A_PERIOD 16

INLINE int is_too_often(__u32 ifindex)
{
	__u64 period = bpf_ktime_get_ns() >> 30;
	struct rate *rate = bpf_map_lookup_elem(&RATES, &ifindex);

	if (rate && rate->period == period)
		return rate->count++ >= QUESTIONS_A_PERIOD;
	struct rate first = { period, 1 };
	bpf_map_update_elem(&RATES, &ifindex, &first, 0);
	return 0;
}

INLINE int is_dhcp(struct __sk_buff *skb, struct iphdr *ip)
{
	__be16 to;

	if (ip->protocol != IPPROTO_UDP || (ip->frag_off & htons(FRAGMENT)))
		return 0;
	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + ip->ihl * 4 + 2, &to, sizeof(to)))
		return 0;
	return to == htons(DHCP_SERVER);
}

/* A packet that is to be dropped for `verdict`, unless it asks DHCP. */
NOINLINE int drop_or_ask(struct __sk_buff *skb, struct port *port, enum verdict verdict)
{
	struct iphdr *ip = ipv4_header(skb);
	__u32 length = skb->len;

	if (!(port->flags & PORT_DHCP) || !ip || !is_dhcp(skb, ip) || length < DHCP_LEAST)
		return drop(verdict);
	struct question *it = NULL;
	if (!is_too_often(skb->ifindex))
		it = bpf_ringbuf_reserve(&QUESTIONS, sizeof(*it), 0);
	if (!it)
		return drop(verdict);
	if (length > sizeof(it->frame))
		length = sizeof(it->frame);
	it->ifindex = skb->ifindex;
	it->length = length;
	__builtin_memcpy(it->port, port->uuid, sizeof(it->port));
	if (bpf_skb_load_bytes(skb, 0, it->frame, length)) {
		bpf_ringbuf_discard(it, 0);
		return drop(SHORT);
	}
	bpf_ringbuf_submit(it, 0);
	return drop(ANSWERED);
}
