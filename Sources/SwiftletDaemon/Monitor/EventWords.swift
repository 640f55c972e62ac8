/// What a verdict of the datapath means to a person who has a connection in mind.
package enum EventWords {
    /// - Parameter counter: its name in lower case, as in `status` and in metrics.
    package static func text(of counter: String) -> String { words[counter] ?? counter }

    private static let words = [
        "forward": "forwarded", "forward_affinity": "forwarded by session affinity",
        "flow_begun": "forwarded packet by packet",
        "flow_renamed": "past Services, with another source port: a flow has its own",
        "refuse_no_backend": "no ready endpoint",
        "refuse_no_local_backend": "no endpoint on this node, and the traffic policy is Local",
        "refuse_source": "the client is not in loadBalancerSourceRanges",
        "refuse_unknown_port": "the ClusterIP does not serve this port",
        "refuse_raced": "the Service changed too often while it was read",
        "refuse_bad_slot": "a slot belongs to another Service: please report it",
        "refuse_bind": "the port is a NodePort",
        "refuse_unallocated": "no Service has this address of the Service range",
        "refuse_no_port": "no source port of the node is free",
        "refuse_no_address": "the device towards the endpoint has no node address",
        "refuse_no_route": "no route to the endpoint",
        "refuse_flows_full": "the table of flows is full",
        "refuse_untranslated": "it would leave the node for a ClusterIP",
        "refuse_ipsec": "an IPsec policy forbids to masquerade to this endpoint",
        "answer_too_big": "too long for the way to the endpoint",
        "fragment_checksum": "a fragment of SCTP, whose checksum covers all of them",
        "answer_expired": "its TTL ended on this node",
        // Of these there are no events: the status page shows them.
        "pass_not_a_service": "no Service has this address", "pass_protocol": "neither TCP, UDP nor SCTP",
        "pass_host_only": "served for the node's own processes only", "pass_packet": "packets that are no Service's",
        "forward_same_flow": "a UDP socket stayed with its endpoint",
        "reverse_reply": "replies with the Service's address", "reverse_peer": "peers with the Service's address",
        "no_way_back": "no memory for the record of a socket",
        "packet": "packets of clients, translated", "packet_back": "replies, translated",
        "packet_icmp": "ICMP errors, translated", "flow_displaced": "an ended flow gave its place to a new one",
        "port_retry": "a source port was taken, and another one tried",
        "fragment_unknown": "a fragment without its first one", "answer_reset": "answered with a RST",
        "answer_unreachable": "answered with port unreachable", "answer_limited": "an ICMP error too many",
        "dropped": "refused without an answer",
    ]
}
