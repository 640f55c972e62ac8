import Glibc
import ServiceModel

/// The addresses of this network namespace's devices, loopback included, IPv6 link-local ones left out: they
/// mean nothing without a device.
enum NodeAddresses {
    static func current() -> [IPAddress] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var addresses: Set<IPAddress> = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ifa_next
            if let address = entry.ifa_addr.flatMap(IPAddress.init(socketAddress:)), !address.isLinkLocal {
                addresses.insert(address)
            }
        }
        return addresses.sorted()
    }
}

extension IPAddress {
    /// The address in a sockaddr_in or sockaddr_in6; nil for other families.
    fileprivate init?(socketAddress pointer: UnsafeMutablePointer<sockaddr>) {
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET:
            let address = pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { $0.pointee.sin_addr.s_addr }
            self.init(v4: UInt32(bigEndian: address))
        case AF_INET6:
            let bytes = pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { $0.pointee.sin6_addr }
            let words = withUnsafeBytes(of: bytes) { $0.loadUnaligned(as: (UInt64, UInt64).self) }
            self.init(v6: UInt64(bigEndian: words.0), UInt64(bigEndian: words.1))
        default:
            return nil
        }
    }
}
