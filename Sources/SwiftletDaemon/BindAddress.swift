public import ManifestDirectory
public import ServiceModel

/// Where something listens: `0.0.0.0:10256`, `[::]:10256`.
public struct BindAddress: Sendable, Hashable, CustomStringConvertible {
    public var address: IPAddress
    /// 0: the kernel chooses one.
    public var port: UInt16

    public init(_ address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    public var description: String {
        switch address.family {
        case .v4: "\(address):\(port)"
        case .v6: "[\(address)]:\(port)"
        }
    }

    public static let healthzPort: UInt16 = 10_256
    public static let metricsPort: UInt16 = 10_249

    /// All addresses of a family, as kube-proxy has it.
    public static func healthz(for family: IPFamily) -> BindAddress {
        BindAddress(family == .v4 ? IPAddress(v4: 0) : IPAddress(v6: 0, 0), port: healthzPort)
    }

    /// The loopback address of a family, as kube-proxy has it.
    public static func metrics(for family: IPFamily) -> BindAddress {
        BindAddress(family == .v4 ? IPAddress(v4: 0x7f00_0001) : IPAddress(v6: 0, 1), port: metricsPort)
    }

    var isDefault: Bool {
        IPFamily.allCases.contains { self == .healthz(for: $0) || self == .metrics(for: $0) }
    }
}

/// A choice of where to listen, which may be nowhere.
public struct BindSetting: Sendable, Hashable {
    public var address: BindAddress?

    public init(_ address: BindAddress?) { self.address = address }

    /// Reads an address, with or without a port; nothing, or `none`, is nowhere.
    public init(_ text: String, defaultPort: UInt16) throws(SettingMistake) {
        if text.isEmpty || text == Self.nowhere {
            self.init(nil)
        } else if let address = IPAddress(text) {
            self.init(BindAddress(address, port: defaultPort))
        } else if let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
            let address = Self.host(text[..<colon])
        {
            self.init(BindAddress(address, port: port))
        } else {
            throw SettingMistake(
                "write an address and a port like 0.0.0.0:\(defaultPort) or [::]:\(defaultPort), or none")
        }
    }

    /// An IPv6 address before a port stands in brackets.
    private static func host(_ text: Substring) -> IPAddress? {
        guard text.hasPrefix("["), text.hasSuffix("]") else {
            return IPAddress(String(text)).flatMap { $0.family == .v4 ? $0 : nil }
        }
        return IPAddress(String(text.dropFirst().dropLast())).flatMap { $0.family == .v6 ? $0 : nil }
    }

    /// Another port, where 0 is nowhere, as kube-proxy's deprecated flags have it.
    public static func port(_ port: UInt16, of address: BindAddress) -> BindSetting {
        BindSetting(port == 0 ? nil : BindAddress(address.address, port: port))
    }

    static let nowhere = "none"

    var text: String { address?.description ?? Self.nowhere }
}
