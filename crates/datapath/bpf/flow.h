/* Counters of each pair of networks, by what became of the packets. */

#define TCP_HEADERS 52 /* bytes of IPv4 and of TCP with timestamps (RFC 7323) */

/* How many packets one of several segments is on the wire. */
INLINE __u64 segments(const struct __sk_buff *skb, __u32 length)
{
	__u32 size = skb->gso_size;

	if (!size || length <= TCP_HEADERS)
		return 1;
	return (length - TCP_HEADERS + size - 1) / size;
}

NOINLINE int count(const struct __sk_buff *skb, __u32 from, __u32 to, enum verdict verdict)
{
	struct flow flow = { from, to, verdict };
	__u32 length = skb->len - sizeof(struct ethhdr);
	struct traffic *traffic = bpf_map_lookup_elem(&FLOWS, &flow);

	if (!traffic) {
		struct traffic none = {};
		bpf_map_update_elem(&FLOWS, &flow, &none, BPF_NOEXIST);
		traffic = bpf_map_lookup_elem(&FLOWS, &flow);
	}
	if (!traffic)
		return 0;
	traffic->packets += segments(skb, length);
	traffic->bytes += length;
	return 0;
}

INLINE int drop_between(const struct __sk_buff *skb, __u32 from, __u32 to, enum verdict verdict)
{
	count(skb, from, to, verdict);
	return drop(verdict);
}
