import CDatapath
import ServiceModel
import TestKit

@testable import ServiceMaps

/// What a client of a frontend meets, read from the maps as the datapath reads them.
enum Encounter: Hashable {
    /// Nobody has this frontend.
    case miss
    case refused(DesiredFrontend.Action)
    case served(Set<Endpoint>, affinitySeconds: UInt32)
    /// What must never be seen.
    case broken(String)

    struct Endpoint: Hashable {
        var address: IPAddress
        var port: UInt16
    }
}

/// The C types of one family, chosen apart from the program's own table.
protocol ModelFamily {
    associatedtype ServiceKey: ServiceKeyLayout & BitwiseCopyable
    associatedtype Slot: SlotLayout & BitwiseCopyable
    associatedtype Backend: BackendLayout & BitwiseCopyable
    associatedtype SourceRangeKey: SourceRangeKeyLayout & BitwiseCopyable

    static var family: IPFamily { get }
}

enum Model4: ModelFamily {
    typealias ServiceKey = service4_key
    typealias Slot = slot4
    typealias Backend = backend4
    typealias SourceRangeKey = source_range4_key

    static let family = IPFamily.v4
}

enum Model6: ModelFamily {
    typealias ServiceKey = service6_key
    typealias Slot = slot6
    typealias Backend = backend6
    typealias SourceRangeKey = source_range6_key

    static let family = IPFamily.v6
}

/// The datapath's look-ups: service, slot, and (spec 44) the backend that the slot names.
struct DatapathModel {
    var contents: FakeStore.Contents

    func meet(_ key: FrontendKey) -> Encounter {
        key.address.family == .v4 ? meet(key, Model4.self) : meet(key, Model6.self)
    }

    private func meet<Family: ModelFamily>(_ key: FrontendKey, _: Family.Type) -> Encounter {
        let layout = Family.ServiceKey(key)
        guard let value: service = contents.value(.services(Family.family), layout) else { return .miss }
        guard mayBeFrontend(key) else { return .broken("the filter hides \(key)") }
        guard let entry = value.decoded(sealedFor: layout.seal) else { return .broken("seal of \(key)") }
        guard contents.maps[.servicePorts]?[bytes(entry.service.number)] != nil else { return .broken("no name") }
        guard entry.action == .balance else { return .refused(entry.action) }
        guard entry.run.count > 0 else { return .broken("balances over nothing") }
        var endpoints: Set<Encounter.Endpoint> = []
        for slot in entry.run.first..<entry.run.end {
            switch backend(in: slot, entry, Family.self) {
            case .success(let endpoint): endpoints.insert(endpoint)
            case .failure(let broken): return .broken(broken.text)
            }
        }
        return .served(endpoints, affinitySeconds: entry.affinitySeconds)
    }

    /// What the filter says.
    private func mayBeFrontend(_ key: FrontendKey) -> Bool {
        func isSet(_ bit: UInt32) -> Bool {
            let word: UInt64 = contents.value(.vipFilter, bit / 64) ?? 0
            return word >> UInt64(bit % 64) & 1 == 1
        }
        let bytes = key.address.bytes
        let address = lb_filter_bit(bytes, UInt32(bytes.count))
        return isSet(address) || isSet(address + 1) && isSet(UInt32(LB_FILTER_NODE_PORTS) + UInt32(key.port.number))
    }

    /// Whether a client from there may use a frontend (spec 24); nil where there is none.
    func admits(_ client: IPAddress, at key: FrontendKey) -> Bool? {
        key.address.family == .v4 ? admits(client, key, Model4.self) : admits(client, key, Model6.self)
    }

    private func admits<Family: ModelFamily>(_ client: IPAddress, _ key: FrontendKey, _: Family.Type) -> Bool? {
        entry(Family.ServiceKey(key), Family.self).map { admits(client, $0, Family.self) }
    }

    /// The second look-up: which ranges there are for an entry that was read before.
    func admits<Family: ModelFamily>(_ client: IPAddress, _ entry: ServiceEntry, _: Family.Type) -> Bool {
        !entry.isRestricted || ranges(of: entry.service, Family.self).contains { $0.contains(client) }
    }

    /// The ranges that a service port has.
    func ranges<Family: ModelFamily>(of service: ServiceID, _: Family.Type) -> [CIDR] {
        (contents.maps[.sourceRanges(Family.family)] ?? [:]).compactMap { key, value in
            let decoded = (load(key) as Family.SourceRangeKey).decoded
            let isAllowed = (load(value) as source_range).allow == 1
            return isAllowed && decoded?.service == service ? decoded?.range : nil
        }
    }

    func ranges(of port: ServicePortName) -> [CIDR] {
        (contents.maps[.servicePorts] ?? [:]).flatMap { key, value -> [CIDR] in
            guard (load(value) as service_port).decoded == port else { return [] }
            let id = ServiceID(load(key))
            return port.family == .v4 ? ranges(of: id, Model4.self) : ranges(of: id, Model6.self)
        }
    }

    /// The name of the service port that has a frontend.
    func owner(of key: FrontendKey) -> ServicePortName? {
        let service =
            key.address.family == .v4
            ? entry(Model4.ServiceKey(key), Model4.self)?.service : entry(Model6.ServiceKey(key), Model6.self)?.service
        let name: service_port? = service.flatMap { contents.value(.servicePorts, $0.number) }
        return name?.decoded
    }

    struct Broken: Error {
        var text: String
        /// The backend is there and serves the flows it has, but is in the set no more.
        var isMembershipOnly = false
    }

    func entry<Family: ModelFamily>(_ key: Family.ServiceKey, _: Family.Type) -> ServiceEntry? {
        let value: CDatapath.service? = contents.value(.services(Family.family), key)
        return value?.decoded(sealedFor: key.seal)
    }

    func backend<Family: ModelFamily>(
        in slot: UInt32, _ entry: ServiceEntry, _: Family.Type
    ) -> Result<Encounter.Endpoint, Broken> {
        guard let value: Family.Slot = contents.value(.slots(Family.family), slot), let slot = value.decoded else {
            return .failure(Broken(text: "slot \(slot) is free"))
        }
        guard slot.service == entry.service else { return .failure(Broken(text: "slot of somebody else")) }
        guard let value: Family.Backend = contents.value(.backends(Family.family), slot.backend.number),
            let backend = value.decoded
        else { return .failure(Broken(text: "backend \(slot.backend) is missing")) }
        guard backend.service == entry.service, backend.address == slot.address, backend.port.number == slot.port
        else { return .failure(Broken(text: "backend \(slot.backend) is another one")) }
        guard entry.policy == .cluster ? backend.inCluster : backend.inLocal else {
            return .failure(Broken(text: "backend \(slot.backend) is not in the set", isMembershipOnly: true))
        }
        return .success(Encounter.Endpoint(address: slot.address, port: slot.port))
    }
}

extension DesiredFrontend {
    func admits(_ client: IPAddress) -> Bool {
        guard let sourceRanges else { return true }
        return sourceRanges.admitsVIP && client == key.address || sourceRanges.ranges.contains { $0.contains(client) }
    }
}

extension DesiredServicePort {
    /// What clients of this frontend should meet.
    func encounter(_ frontend: DesiredFrontend) -> Encounter {
        guard frontend.action == .balance else { return .refused(frontend.action) }
        let usable = backends.filter { frontend.policy == .cluster ? $0.inCluster : $0.inLocal }
        guard !usable.isEmpty else { return .refused(.reject) }
        return .served(
            Set(usable.map { Encounter.Endpoint(address: $0.address, port: $0.port.number) }),
            affinitySeconds: affinitySeconds)
    }
}
