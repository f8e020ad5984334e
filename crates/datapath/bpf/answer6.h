/* As answer.h, in IPv6: neighbour discovery (RFC 4861), ping of the gateway,
 * ICMPv6 errors (RFC 4443). */

#define ALL_NODES ((struct address){ { htonl(0xff020000), 0, 0, htonl(1) } })

#define IS_ROUTER 0x80000000
#define SOLICITED 0x40000000
#define OVERRIDE 0x20000000
#define OPTION_TARGET_MAC 2

/* The first two bytes are no part of it: the rest is aligned for them. */
struct advertisement {
	__u16 unused;
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct {
		struct icmpv6_header icmp;
		struct address target;
		__u8 option, option_length, mac[ETH_ALEN];
	} message;
};

INLINE void fill_icmpv6(struct ipv6hdr *ip, const void *from, const void *to, __u32 length)
{
	ip->version = 6;
	ip->payload_len = htons(length);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = 255;
	__builtin_memcpy(&ip->saddr, from, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, to, sizeof(ip->daddr));
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
	const __u32 size = sizeof(struct advertisement) - sizeof(__u16);
	struct ipv6hdr *ip = ipv6_header(skb);
	struct advertisement it = {};
	struct address *target = &it.message.target, *from = (void *)&it.ip.daddr;
	__u32 flags = SOLICITED | OVERRIDE;

	/* It begins as its answer does: type, code, and the target. */
	if (!ip || bpf_skb_load_bytes(skb, offset, &it.message, offsetof(struct advertisement, message.option) -
					       offsetof(struct advertisement, message)))
		return drop(SHORT);
	/* RFC 4861 7.1.1: it comes from no farther than the link. */
	if (ip->hop_limit != 255 || it.message.icmp.code)
		return drop(PROTOCOL);
	it.ip.daddr = ip->saddr;
	it.eth = *ethernet_of(ip);
	turn(&it.eth, port);
	if (!is_nothing(from) && !is_link_local(from) && !is_from(skb, port, from))
		return not_ours(port, SPOOFED_SOURCE);
	if (is_gateway_ipv6(port, target))
		flags |= IS_ROUTER;
	else if (!in_prefix(target, &port->ipv6_subnet, port->ipv6_subnet_length) ||
		 is_from(skb, port, target))
		return not_ours(port, NO_PORT);
	if (is_nothing(from)) { /* tries whether the address is free: RFC 4862 5.4 */
		*from = ALL_NODES;
		flags &= ~SOLICITED;
	}
	fill_icmpv6(&it.ip, target, from, sizeof(it.message));
	it.message.icmp.type = ADVERTISEMENT;
	it.message.icmp.value = htonl(flags);
	it.message.option = OPTION_TARGET_MAC;
	it.message.option_length = 1; /* of 8 bytes */
	__builtin_memcpy(it.message.mac, port->gateway_mac, ETH_ALEN);
	it.message.icmp.checksum = 0;
	it.message.icmp.checksum = icmpv6_checksum(&it.ip, &it.message, sizeof(it.message));
	if (bpf_skb_change_tail(skb, size, 0) ||
	    bpf_skb_store_bytes(skb, 0, &it.eth, size, BPF_F_INVALIDATE_HASH))
		return drop(SHORT);
	return back(skb, ANSWERED);
}

NOINLINE int answer_ping_ipv6(struct __sk_buff *skb, struct port *port)
{
	struct ipv6hdr *ip = ipv6_header(skb);
	struct icmpv6_header icmp;

	if (!ip || ip->nexthdr != IPPROTO_ICMPV6)
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
	turn(ethernet_of(ip), port);
	if (bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + sizeof(*ip), &icmp, sizeof(icmp), 0))
		return drop(SHORT);
	return back(skb, ANSWERED);
}

#define QUOTED_6 88 /* bytes of the packet at most: its header and the beginning of what follows it */

struct error_6 {
	__u16 unused;
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct {
		struct icmpv6_header icmp;
		__u8 quoted[QUOTED_6];
	} message;
};

/* RFC 4443 2.4 (e) */
INLINE int deserves_error_ipv6(struct __sk_buff *skb, struct ipv6hdr *ip, __u32 content)
{
	struct address from = ipv6_of(&ip->saddr);
	__u8 type;

	if (!is_routable(&from))
		return 0;
	if (PROTOCOL_OF(content) != IPPROTO_ICMPV6)
		return 1;
	if (bpf_skb_load_bytes(skb, AT(content), &type, 1))
		return 0;
	return type >= FIRST_INFORMATION && type != REDIRECT_6;
}

/* Turns the packet into an error to its sender, from the gateway. An mtu makes
 * it "packet too big" (RFC 4443 3.2). */
NOINLINE int icmpv6_error(struct __sk_buff *skb, struct port *port, enum verdict verdict, __u32 mtu,
			  __u32 content)
{
	const __u32 headers = offsetof(struct error_6, message.quoted) - sizeof(__u16);
	__u32 quoted = skb->len - sizeof(struct ethhdr);
	struct ipv6hdr *ip = ipv6_header(skb);
	struct error_6 error = {};

	if (!ip || !deserves_error_ipv6(skb, ip, content))
		return drop(verdict);
	if (quoted > QUOTED_6)
		quoted = QUOTED_6;
	if (quoted < sizeof(*ip))
		return drop(verdict);
	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr), error.message.quoted, quoted))
		return drop(verdict);
	error.eth = *ethernet_of(ip);
	turn(&error.eth, port);
	fill_icmpv6(&error.ip, &port->ipv6_gateway, &ip->saddr, sizeof(struct icmpv6_header) + quoted);
	error.message.icmp.type = mtu ? PACKET_TOO_BIG : TIME_EXCEEDED_6;
	error.message.icmp.value = htonl(mtu);
	error.message.icmp.checksum =
		icmpv6_checksum(&error.ip, &error.message, sizeof(error.message));
	if (bpf_skb_change_tail(skb, headers + quoted, 0) ||
	    bpf_skb_store_bytes(skb, 0, &error.eth, headers + quoted, BPF_F_INVALIDATE_HASH))
		return drop(verdict);
	return back(skb, verdict);
}
