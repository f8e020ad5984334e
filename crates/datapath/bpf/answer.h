/* What the host itself says to a workload: ARP, ping of the gateway, ICMP
 * errors. All go back out of the port's device. */

struct arp_ipv4 {
	__be16 hardware, protocol;
	__u8 hardware_length, protocol_length;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN];
	__u8 sender[4];
	__u8 target_mac[ETH_ALEN];
	__u8 target[4];
} __attribute__((packed));

/* RFC 792; linux/icmp.h would need a C library's headers. */
enum icmp { ECHO_REPLY = 0, UNREACHABLE = 3, ECHO = 8, TIME_EXCEEDED = 11 };
#define FRAGMENTATION_NEEDED 4

struct icmp_header {
	__u8 type, code;
	__sum16 checksum;
	__be16 unused, mtu;
};

#define QUOTED (sizeof(struct iphdr) + 8) /* RFC 792: header and 64 bits of the packet */

struct error {
	struct ethhdr eth;
	struct iphdr ip;
	struct {
		struct icmp_header icmp;
		__u8 quoted[QUOTED];
	} message;
} __attribute__((packed));

/* Back to who sent it, from the gateway. */
INLINE void turn(struct ethhdr *eth, const struct port *port)
{
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, port->gateway_mac, ETH_ALEN);
}

INLINE int back(struct __sk_buff *skb, enum verdict verdict)
{
	return end(verdict, bpf_redirect(skb->ifindex, 0));
}

/* What a segment's machines ask each other, and answer the host's kernel, is
 * their own business and the kernel's. */
INLINE int not_ours(const struct port *port, enum verdict verdict)
{
	return port->flags & PORT_SEGMENT ? TC_ACT_UNSPEC : drop(verdict);
}

/* Our MAC for every address of the subnet but the port's own: nobody else may
 * have those, so a probe for one (RFC 5227) stays unanswered. */
INLINE int answer_arp(struct __sk_buff *skb, struct port *port)
{
	struct ethhdr *eth = (void *)(long)skb->data;
	struct arp_ipv4 *arp = (void *)(eth + 1);
	__be32 sender, target;

	if ((void *)(arp + 1) > (void *)(long)skb->data_end)
		return drop(SHORT);
	__builtin_memcpy(&sender, arp->sender, 4);
	__builtin_memcpy(&target, arp->target, 4);
	if (!is_own_mac(port, eth->h_source) || !same_mac(arp->sender_mac, eth->h_source))
		return drop(SPOOFED_MAC);
	if (arp->protocol != htons(ETH_P_IP) || arp->operation != htons(1))
		return not_ours(port, PROTOCOL);
	struct address asked = mapped(target), asking = mapped(sender);
	if (sender && !is_from(skb, port, &asking))
		return not_ours(port, SPOOFED_SOURCE);
	if (!in_prefix(&asked, &port->subnet, port->subnet_length) || is_from(skb, port, &asked))
		return not_ours(port, NO_PORT);
	arp->operation = htons(2);
	__builtin_memcpy(arp->target_mac, arp->sender_mac, ETH_ALEN);
	__builtin_memcpy(arp->target, &sender, 4);
	__builtin_memcpy(arp->sender_mac, port->gateway_mac, ETH_ALEN);
	__builtin_memcpy(arp->sender, &target, 4);
	turn(eth, port);
	return back(skb, ANSWERED);
}

INLINE int answer_ping(struct __sk_buff *skb, struct port *port, struct iphdr *ip)
{
	struct icmp_header *icmp = (void *)(ip + 1);

	if (ip->protocol == IPPROTO_UDP)
		return drop_or_ask(skb, port, NO_PORT);
	if (ip->protocol != IPPROTO_ICMP || ip->ihl != 5 || (ip->frag_off & htons(FRAGMENT)))
		return drop(NO_PORT);
	if ((void *)(icmp + 1) > (void *)(long)skb->data_end)
		return drop(SHORT);
	if (icmp->type != ECHO)
		return drop(NO_PORT);
	__u32 sum = icmp->checksum + htons(ECHO << 8);
	icmp->checksum = sum + (sum >> 16);
	icmp->type = ECHO_REPLY;
	ip->daddr = ip->saddr;
	ip->saddr = ipv4_of(&port->gateway);
	turn(ethernet_of(ip), port);
	return back(skb, ANSWERED);
}

/* RFC 1122 3.2.2: no error about an error, nor about a later fragment. */
INLINE int deserves_error(struct __sk_buff *skb, struct iphdr *ip)
{
	__u8 type;

	if (ip->ihl != 5 || (ip->frag_off & htons(NOT_FIRST_FRAGMENT)))
		return 0;
	if (ip->protocol != IPPROTO_ICMP)
		return 1;
	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + sizeof(struct iphdr), &type, 1))
		return 0;
	return type == ECHO || type == ECHO_REPLY;
}

/* Turns the packet into an error to its sender, from the gateway. An mtu makes
 * it "fragmentation needed" (RFC 1191 4). */
NOINLINE int icmp_error(struct __sk_buff *skb, struct port *port,
						enum verdict verdict, __u32 type, __u32 mtu)
{
	struct error error = {};
	struct iphdr *ip = ipv4_header(skb);

	if (!ip || !deserves_error(skb, ip))
		return drop(verdict);
	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr), error.message.quoted, QUOTED))
		return drop(verdict);
	error.eth = *ethernet_of(ip);
	turn(&error.eth, port);
	error.ip.version = 4;
	error.ip.ihl = 5;
	error.ip.tot_len = htons(sizeof(error) - sizeof(error.eth));
	error.ip.ttl = 64;
	error.ip.protocol = IPPROTO_ICMP;
	error.ip.saddr = ipv4_of(&port->gateway);
	error.ip.daddr = ip->saddr;
	error.ip.check = folded(bpf_csum_diff(0, 0, (void *)&error.ip, sizeof(error.ip), 0));
	error.message.icmp.type = type;
	error.message.icmp.code = mtu ? FRAGMENTATION_NEEDED : 0;
	error.message.icmp.mtu = htons(mtu);
	error.message.icmp.checksum =
		folded(bpf_csum_diff(0, 0, (void *)&error.message, sizeof(error.message), 0));
	if (bpf_skb_change_tail(skb, sizeof(error), 0) ||
	    bpf_skb_store_bytes(skb, 0, &error, sizeof(error), BPF_F_INVALIDATE_HASH))
		return drop(verdict);
	return back(skb, verdict);
}
