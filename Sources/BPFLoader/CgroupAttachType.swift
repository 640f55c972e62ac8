import CLibbpf

/// The hooks of a cgroup that a program can be attached to.
package enum CgroupAttachType: CaseIterable, Sendable {
    case connect4, connect6
    case sendMessage4, sendMessage6
    case receiveMessage4, receiveMessage6
    case peerName4, peerName6
    case socketName4, socketName6
    case bind4, bind6
    case postBind4, postBind6
    case socketCreate, socketRelease
    case ingress, egress

    var kernelType: bpf_attach_type {
        switch self {
        case .connect4: BPF_CGROUP_INET4_CONNECT
        case .connect6: BPF_CGROUP_INET6_CONNECT
        case .sendMessage4: BPF_CGROUP_UDP4_SENDMSG
        case .sendMessage6: BPF_CGROUP_UDP6_SENDMSG
        case .receiveMessage4: BPF_CGROUP_UDP4_RECVMSG
        case .receiveMessage6: BPF_CGROUP_UDP6_RECVMSG
        case .peerName4: BPF_CGROUP_INET4_GETPEERNAME
        case .peerName6: BPF_CGROUP_INET6_GETPEERNAME
        case .socketName4: BPF_CGROUP_INET4_GETSOCKNAME
        case .socketName6: BPF_CGROUP_INET6_GETSOCKNAME
        case .bind4: BPF_CGROUP_INET4_BIND
        case .bind6: BPF_CGROUP_INET6_BIND
        case .postBind4: BPF_CGROUP_INET4_POST_BIND
        case .postBind6: BPF_CGROUP_INET6_POST_BIND
        case .socketCreate: BPF_CGROUP_INET_SOCK_CREATE
        case .socketRelease: BPF_CGROUP_INET_SOCK_RELEASE
        case .ingress: BPF_CGROUP_INET_INGRESS
        case .egress: BPF_CGROUP_INET_EGRESS
        }
    }

    init?(_ type: bpf_attach_type) {
        guard let match = Self.allCases.first(where: { $0.kernelType == type }) else { return nil }
        self = match
    }

    /// The hook of a program's section: "cgroup/connect4".
    package init?(section: String) {
        guard let match = Self.allCases.first(where: { $0.section == section }) else { return nil }
        self = match
    }

    /// The section name of programs for this hook.
    package var section: String {
        switch self {
        case .ingress, .egress: "cgroup_skb/\(self)"
        default: "cgroup/\(self)"
        }
    }
}

extension CgroupAttachType: CustomStringConvertible {
    /// The name that libbpf and bpftool use: "connect4".
    package var description: String {
        switch self {
        case .connect4: "connect4"
        case .connect6: "connect6"
        case .sendMessage4: "sendmsg4"
        case .sendMessage6: "sendmsg6"
        case .receiveMessage4: "recvmsg4"
        case .receiveMessage6: "recvmsg6"
        case .peerName4: "getpeername4"
        case .peerName6: "getpeername6"
        case .socketName4: "getsockname4"
        case .socketName6: "getsockname6"
        case .bind4: "bind4"
        case .bind6: "bind6"
        case .postBind4: "post_bind4"
        case .postBind6: "post_bind6"
        case .socketCreate: "sock_create"
        case .socketRelease: "sock_release"
        case .ingress: "ingress"
        case .egress: "egress"
        }
    }
}
