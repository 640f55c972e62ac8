package import ManifestDirectory
package import Observability
import ServiceModel

/// A choice of where to listen, which may be nowhere.
package struct BindSetting: Sendable, Hashable {
    package var address: ListenAddress?

    package init(_ address: ListenAddress?) { self.address = address }

    /// Reads an address, with or without a port; nothing, or `none`, is nowhere.
    package init(_ text: String, for place: BindPlace) throws(SettingMistake) {
        if text == Self.nowhere {
            self.init(nil)
            return
        }
        do throws(ListenAddressError) {
            self.init(try ListenAddress.parse(text, defaultPort: place.port))
        } catch {
            throw SettingMistake(
                "write an address and a port like 0.0.0.0:\(place.port) or [::]:\(place.port), or none")
        }
    }

    /// The usual address with another port, where 0 is nowhere, as kube-proxy's deprecated flags have it.
    package init(port: UInt16, for place: BindPlace) {
        self.init(port == 0 ? nil : ListenAddress(host: place.host(for: .v4), port: port))
    }

    private static let nowhere = "none"

    var text: String { address?.description ?? Self.nowhere }
}

/// The two places where a process answers operators, and kube-proxy's defaults for them.
package enum BindPlace: Sendable {
    /// All addresses of a family.
    case healthz
    /// The loopback address of a family.
    case metrics

    var port: UInt16 {
        switch self {
        case .healthz: 10_256
        case .metrics: 10_249
        }
    }

    func host(for family: IPFamily) -> String {
        switch self {
        case .healthz: family == .v4 ? "0.0.0.0" : "::"
        case .metrics: family == .v4 ? "127.0.0.1" : "::1"
        }
    }

    func usual(for family: IPFamily) -> ListenAddress? { ListenAddress(host: host(for: family), port: port) }

    /// Whether this is a default address.
    func isUsual(_ address: ListenAddress?) -> Bool { IPFamily.allCases.contains { usual(for: $0) == address } }
}
