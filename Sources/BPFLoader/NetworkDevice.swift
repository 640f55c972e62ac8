import CLibbpf
import Glibc
import SystemPackage
import SystemCalls

/// A device of the calling thread's network namespace. The index is what counts, and stays when the device is renamed; the
/// name is for people.
package struct NetworkDevice: Hashable, Sendable {
    package let index: UInt32
    package let name: String

    package init(index: UInt32, name: String) {
        self.index = index
        self.name = name
    }

    package static func == (one: NetworkDevice, other: NetworkDevice) -> Bool { one.index == other.index }

    package func hash(into hasher: inout Hasher) { hasher.combine(index) }

    /// Finds a device by its name.
    package init(named name: String) throws(BPFError) {
        let index = if_nametoindex(name)
        guard index > 0 else { throw BPFError(.find, "device \(name)", .last) }
        self.init(index: index, name: name)
    }

    /// The devices of the calling thread's network namespace.
    package static func all() throws(BPFError) -> [NetworkDevice] {
        guard let list = if_nameindex() else { throw BPFError(.read, "network devices", .last) }
        defer { if_freenameindex(list) }
        var devices: [NetworkDevice] = []
        var next = list
        while next.pointee.if_index != 0, let name = next.pointee.if_name {
            devices.append(NetworkDevice(index: next.pointee.if_index, name: String(cString: name)))
            next += 1
        }
        return devices
    }
}

/// Which packets of a device a program sees.
package enum TrafficDirection: String, CaseIterable, Sendable {
    /// What the device receives.
    case ingress
    /// What it sends.
    case egress

    var tcxType: UInt32 {
        switch self {
        case .ingress: UInt32(SWL_TCX_INGRESS)
        case .egress: UInt32(SWL_TCX_EGRESS)
        }
    }
}
