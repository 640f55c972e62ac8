/// Which of the node's addresses serve NodePorts (spec 21), as `--nodeport-addresses` says.
package enum NodePortAddresses: Sendable, Hashable {
    /// The Node object's first address of each family, and loopback.
    case primary
    /// Local addresses inside one of these ranges; loopback only if a range holds it.
    case within([CIDR])
    /// Those of `primary` and those inside the ranges.
    case primaryAndWithin([CIDR])
    /// All local addresses, and loopback.
    case all

    /// The ranges that were written.
    package var ranges: [CIDR] {
        switch self {
        case .within(let ranges), .primaryAndWithin(let ranges): ranges
        case .primary, .all: []
        }
    }

    /// The addresses, sorted, with 127.0.0.1 and ::1 flagged host-only.
    ///
    /// Before there is a Node object with an address `primary` means all local addresses.
    package func select(node: Node?, localAddresses: [IPAddress]) -> [NodePortAddress] {
        let loopback = [IPAddress(v4: 0x7f00_0001), IPAddress(v6: 0, 1)]
        let primary = (node?.primaryAddresses ?? localAddresses.filter { !$0.isLoopback }) + loopback
        func within(_ ranges: [CIDR]) -> [IPAddress] {
            (localAddresses + loopback).filter { address in ranges.contains { $0.contains(address) } }
        }
        let selected =
            switch self {
            case .primary: primary
            case .within(let ranges): within(ranges)
            case .primaryAndWithin(let ranges): primary + within(ranges)
            case .all: localAddresses + loopback
            }
        return Set(selected)
            .filter { !$0.isUnspecified && !$0.isMulticast }
            .map { NodePortAddress($0, hostOnly: $0.isLoopback) }
            .sorted()
    }
}
