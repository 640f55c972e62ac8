import ArgumentParser
import TestAPIServer

/// A cluster of Services that differ in nothing but their numbers, each with one slice.
struct GeneratedCluster: ExpressibleByArgument {
    let services: Int
    let endpoints: Int

    /// `10000x10`.
    init?(argument: String) {
        let numbers = argument.split(separator: "x").compactMap { Int($0) }
        guard numbers.count == 2, (1...262_144).contains(numbers[0]), (1...100).contains(numbers[1]),
            numbers[0] * numbers[1] <= 4_194_304
        else { return nil }
        services = numbers[0]
        endpoints = numbers[1]
    }

    func fill(_ store: ObjectStore) {
        for number in 0..<services {
            store.put(
                ClusterObjects.service("service-\(number)", ip: vip(number), padding: 200), slice(number, first: nil))
        }
        // Nobody watches from before; and a history that is kept would be searched for each change.
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
