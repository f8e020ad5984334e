/* As answer.h, in IPv6: neighbour discovery (RFC 4861), ping of the gateway,
 * ICMPv6 errors (RFC 4443). */

#define ALL_NODES ((struct address){ { htonl(0xff020000), 0, 0, htonl(1) } })

#define IS_ROUTER 0x80000000
#define SOLICITED 0x40000000
#define OVERRIDE 0x20000000
#define OPTION_TARGET_MAC 2

struct solicitation {
	struct icmpv6_header icmp;
	struct address target;
} __attribute__((packed));

struct advertisement {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct {
		struct icmpv6_header icmp;
		struct address target;
		__u8 option, option_length, mac[ETH_ALEN];
	} message;
} __attribute__((packed));

INLINE struct ipv6hdr icmpv6_in(struct ends ends, __u32 length, __u8 hop_limit)
{
	struct ipv6hdr ip = {
		.version = 6,
		.payload_len = htons(length),
		.nexthdr = IPPROTO_ICMPV6,
		.hop_limit = hop_limit,
	};

	__builtin_memcpy(&ip.saddr, &ends.from, sizeof(ip.saddr));
	__builtin_memcpy(&ip.daddr, &ends.to, sizeof(ip.daddr));
	return ip;
}

/* The gateway's link-local address is the same on every port. */
INLINE int is_gateway_ipv6(const struct port *port, const struct address *it)
{
	const struct address local = LINK_LOCAL_GATEWAY;

	return same_address(it, &port->ipv6_gateway) || same_address(it, &local);
}

/* Tells our MAC for every address of the subnet but the port's own; nothing for
 * other link-local ones, so that who tries whether one is free has it. */
NOINLINE int answer_solicitation(struct __sk_buff *skb, struct port *port)
{
	const __u32 offset = sizeof(struct ethhdr) + sizeof(struct ipv6hdr);
	struct ipv6hdr *ip = ipv6_header(skb);
	struct advertisement it = {};
	struct solicitation asked;

	if (!port || !ip || bpf_skb_load_bytes(skb, offset, &asked, sizeof(asked)))
		return drop(SHORT);
	struct address from = ipv6_of(&ip->saddr), to = from, target = asked.target;
	int tries = is_nothing(&from); /* whether the address is free: RFC 4862 5.4 */
	/* RFC 4861 7.1.1: it comes from no farther than the link. */
	if (ip->hop_limit != 255 || asked.icmp.code)
		return drop(PROTOCOL);
	if (!tries && !is_link_local(&from) && !is_from(skb, port, from))
		return not_ours(port, SPOOFED_SOURCE);
	int gateway = is_gateway_ipv6(port, &target);
	if (!gateway && (!in_prefix(&target, &port->ipv6_subnet, port->ipv6_subnet_length) ||
			 is_from(skb, port, target)))
		return not_ours(port, NO_PORT);
	it.eth = *(struct ethhdr *)(void *)(long)skb->data;
	turn(&it.eth, port);
	if (tries)
		to = ALL_NODES;
	it.ip = icmpv6_in((struct ends){ target, to }, sizeof(it.message), 255);
	it.message.icmp.type = ADVERTISEMENT;
	it.message.icmp.value =
		htonl(OVERRIDE | (tries ? 0 : SOLICITED) | (gateway ? IS_ROUTER : 0));
	it.message.target = target;
	it.message.option = OPTION_TARGET_MAC;
	it.message.option_length = 1; /* of 8 bytes */
	__builtin_memcpy(it.message.mac, port->gateway_mac, ETH_ALEN);
	it.message.icmp.checksum = icmpv6_checksum(&it.ip, &it.message, sizeof(it.message));
	if (bpf_skb_change_tail(skb, sizeof(it), 0) ||
	    bpf_skb_store_bytes(skb, 0, &it, sizeof(it), BPF_F_INVALIDATE_HASH))
		return drop(SHORT);
	return back(skb, ANSWERED);
}

NOINLINE int answer_ping_ipv6(struct __sk_buff *skb, struct port *port)
{
	struct ipv6hdr *ip = ipv6_header(skb);
	struct icmpv6_header icmp;

	if (!port || !ip || ip->nexthdr != IPPROTO_ICMPV6)
		return drop(NO_PORT);
	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + sizeof(*ip), &icmp, sizeof(icmp)))
		return drop(SHORT);
	if (icmp.type != ECHO_6)
		return drop(NO_PORT);
	/* RFC 1624; the addresses only change places. */
	__u32 sum = (__u16)~icmp.checksum + (__u16)~htons(ECHO_6 << 8) + htons(ECHO_REPLY_6 << 8);
	icmp.checksum = folded(sum);
	icmp.type = ECHO_REPLY_6;
	struct in6_addr asked = ip->daddr;
	ip->daddr = ip->saddr;
	ip->saddr = asked;
	ip->hop_limit = 64;
	turn((struct ethhdr *)ip - 1, port);
	if (bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + sizeof(*ip), &icmp, sizeof(icmp), 0))
		return drop(SHORT);
	return back(skb, ANSWERED);
}

#define QUOTED_6 128 /* bytes of the packet at most: its header and most of what follows it */

struct error_6 {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct {
		struct icmpv6_header icmp;
		__u8 quoted[QUOTED_6];
	} message;
} __attribute__((packed));

/* RFC 4443 2.4 (e) */
INLINE int deserves_error_ipv6(struct __sk_buff *skb, struct ipv6hdr *ip)
{
	struct address from = ipv6_of(&ip->saddr);
	__u8 type;

	if (!is_routable(&from))
		return 0;
	struct content content = content_of(skb, ip->nexthdr);
	if (content.protocol != IPPROTO_ICMPV6)
		return 1;
	if (bpf_skb_load_bytes(skb, content.at, &type, 1))
		return 0;
	return type >= FIRST_INFORMATION && type != REDIRECT_6;
}

/* Turns the packet into an error to its sender, from the gateway. An mtu makes
 * it "packet too big" (RFC 4443 3.2). */
NOINLINE int icmpv6_error(struct __sk_buff *skb, struct port *port, enum verdict verdict, __u32 mtu)
{
	const __u32 headers = sizeof(struct error_6) - QUOTED_6;
	__u32 quoted = skb->len - sizeof(struct ethhdr);
	struct ipv6hdr *ip = ipv6_header(skb);
	struct error_6 error = {};

	if (!port || !ip || !deserves_error_ipv6(skb, ip))
		return drop(verdict);
	if (quoted > QUOTED_6)
		quoted = QUOTED_6;
	if (quoted < sizeof(*ip))
		return drop(verdict);
	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr), error.message.quoted, quoted))
		return drop(verdict);
	error.eth = *((struct ethhdr *)ip - 1);
	turn(&error.eth, port);
	struct ends ends = { port->ipv6_gateway, ipv6_of(&ip->saddr) };
	error.ip = icmpv6_in(ends, sizeof(struct icmpv6_header) + quoted, 64);
	error.message.icmp.type = mtu ? PACKET_TOO_BIG : TIME_EXCEEDED_6;
	error.message.icmp.value = htonl(mtu);
	error.message.icmp.checksum =
		icmpv6_checksum(&error.ip, &error.message, sizeof(error.message));
	if (bpf_skb_change_tail(skb, headers + quoted, 0) ||
	    bpf_skb_store_bytes(skb, 0, &error, headers + quoted, BPF_F_INVALIDATE_HASH))
		return drop(verdict);
	return back(skb, verdict);
}
