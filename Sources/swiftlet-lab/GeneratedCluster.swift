import ArgumentParser
import LabAPIServer

/// A cluster of Services that differ in nothing but their numbers, each with one slice.
struct GeneratedCluster: ExpressibleByArgument, Hashable {
    let services: Int
    let endpoints: Int
    /// How many of the Services are to find no room in the maps.
    let pending: Int

    init(services: Int, endpoints: Int, pending: Int = 0) {
        self.services = services
        self.endpoints = endpoints
        self.pending = pending
    }

    /// `10000x10`, or `10000x10:9000`.
    init?(argument: String) {
        let parts = argument.split(separator: ":", maxSplits: 1)
        let numbers = (parts.first ?? "").split(separator: "x").compactMap { Int($0) }
        let pending = parts.count > 1 ? Int(parts[1]) : 0
        guard numbers.count == 2, (1...262_144).contains(numbers[0]), (1...100).contains(numbers[1]),
            numbers[0] * numbers[1] <= 4_194_304, let pending, (0..<numbers[0]).contains(pending)
        else { return nil }
        self.init(services: numbers[0], endpoints: numbers[1], pending: pending)
    }

    var defaultValueDescription: String { "\(services)x\(endpoints)" }

    func fill(_ store: ObjectStore) {
        for number in 0..<services {
            store.put(
                ClusterObjects.service("service-\(number)", ip: vip(number), padding: 200), slice(number, first: nil))
        }
        // No client watches from an earlier version; and a history that is kept would be searched for each change.
        store.compact()
    }

    func vip(_ number: Int) -> String { "10.\(96 + number >> 16).\(number >> 8 & 0xff).\(number & 0xff)" }

    /// The slice of a Service.
    ///
    /// - Parameter first: the address of its first endpoint; nil for the usual one.
    func slice(_ number: Int, first: String?) -> ObjectContent {
        var addresses = (0..<endpoints).map { endpoint in
            let pod = number * endpoints + endpoint
            return "10.\(128 + pod >> 16).\(pod >> 8 & 0xff).\(pod & 0xff)"
        }
        if let first { addresses[0] = first }
        return ClusterObjects.slice(
            "service-\(number)-x7k2p", of: "service-\(number)", addresses: addresses)
    }
}
