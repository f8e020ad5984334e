/* Packets that the underlay cannot carry. */

/* True when the packet, or one of the packets that it will be cut into, is
 * larger than mtu bytes. `content`: where TCP or what else begins. */
INLINE int is_large(struct __sk_buff *skb, __u32 content, __u8 protocol, __u32 mtu)
{
	if (skb->len - sizeof(struct ethhdr) <= mtu)
		return 0;
	if (!skb->gso_size)
		return 1;
	__u32 headers = content - sizeof(struct ethhdr) + sizeof(struct udphdr);
	if (protocol == IPPROTO_TCP) {
		__u8 offset = 0; /* upper half: words of the TCP header */
		bpf_skb_load_bytes(skb, content + 12, &offset, 1);
		headers = content - sizeof(struct ethhdr) + (offset >> 4) * 4;
	}
	return headers + skb->gso_size > mtu;
}

#define TCP_OPTION_MSS 2
#define TCP_FLAG_SYN_BYTE 0x02

/* Where the MSS value is, counted from the start of the options, or 0. */
INLINE __u32 mss_offset(const __u8 *options, __u32 length)
{
	__u32 at = 0;

	for (int i = 0; i < 40; i++) {
		if (at + 4 > length || at > 36)
			return 0;
		__u8 kind = options[at];
		if (kind == 0)
			return 0;
		if (kind == TCP_OPTION_MSS)
			return at + 2;
		__u32 step = kind == 1 ? 1 : options[at + 1];
		if (!step)
			return 0;
		at += step;
	}
	return 0;
}

/* A connection's first packets tell the largest segment that each side takes;
 * no larger one than fits is let through (RFC 879, RFC 8200 8.3). */
NOINLINE int lower_mss(struct __sk_buff *skb, __u32 tcp, __u32 length, __u32 most)
{
	__u8 options[40] = {};

	if (length < 4 || length > sizeof(options))
		return 0;
	if (bpf_skb_load_bytes(skb, tcp + sizeof(struct tcphdr), options, length))
		return 0;
	__u32 at = mss_offset(options, length);
	if (!at || at > 38)
		return 0;
	__be16 old, new = htons(most);
	__builtin_memcpy(&old, options + at, 2);
	if (ntohs(old) <= most)
		return 0;
	bpf_l4_csum_replace(skb, tcp + offsetof(struct tcphdr, check), old, new, 2);
	return bpf_skb_store_bytes(skb, tcp + sizeof(struct tcphdr) + at, &new, 2, 0);
}

/* `tcp`: where its header begins. */
INLINE void clamp_mss(struct __sk_buff *skb, __u32 tcp, __u32 most)
{
	struct {
		__u8 offset, flags;
	} word;

	if (bpf_skb_load_bytes(skb, tcp + 12, &word, 2))
		return;
	if (word.flags & TCP_FLAG_SYN_BYTE)
		lower_mss(skb, tcp, (word.offset >> 4) * 4 - sizeof(struct tcphdr), most);
}
