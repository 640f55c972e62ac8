import Reporting
import ServiceModel
import SwiftletDaemon

/// The rows of `swiftlet services`: one for each service port, and one for a Service that has none.
struct ServiceTable {
    private static let titles = ["SERVICE", "TYPE", "FRONTENDS", "BACKENDS", "CONNECTS", "REASON"]
    private static let wideTitles = [
        "SERVICE", "TYPE", "FRONTENDS", "BACKENDS", "AFFINITY", "POLICY", "CONNECTS", "REFUSED", "REASON",
    ]

    private(set) var table: Table
    private let isWide: Bool

    init(_ services: [ServiceListing.Item], isWide: Bool) {
        self.isWide = isWide
        table = Table(isWide ? Self.wideTitles : Self.titles)
        table.hangsLast = true
        table.lists = [2]
        for service in services { add(service) }
    }

    private mutating func add(_ service: ServiceListing.Item) {
        if service.ports.isEmpty {
            let leftAlone = service.leftAlone.map { $0 + (isWide ? service.docs.seeAlso : "") }
            let reason = ([leftAlone] + service.problems).compactMap(\.self).joined(separator: "; ")
            let dashes = Array(repeating: "-", count: isWide ? 6 : 3)
            table.add(row: [service.title, service.type] + dashes + [reason])
        }
        for port in service.ports { table.add(row: cells(of: port, in: service)) }
    }

    private func cells(of port: ServiceListing.Port, in service: ServiceListing.Item) -> [String] {
        let most = isWide ? Int.max : 3
        let frontends = shortened(port.frontends.filter { $0.scope == "fromNode" }.map(\.endpoint), most: most)
        let backends = shortened(port.backends.map(\.summary), most: most)
        let empty = port.reason.map { $0 + (isWide ? port.docs.seeAlso : "") }
        let reason = ([empty ?? port.remark] + service.problems(of: port)).compactMap(\.self).joined(separator: "; ")
        let label = port.name.isEmpty ? service.title : "\(service.title):\(port.name)"
        let head = [label, service.type, frontends, backends]
        let connects = "\(port.connections.forwarded)"
        guard isWide else { return head + [connects, reason] }
        let refused = "\(port.connections.refused)\(port.connections.reasonsText)"
        return head + [port.affinityText, service.policyText, connects, refused, reason]
    }
}

func shortened(_ items: [String], most: Int) -> String {
    if items.isEmpty { return "-" }
    let rest = items.count - min(items.count, most)
    return items.prefix(most).joined(separator: ",") + (rest > 0 ? ",+\(rest)" : "")
}

extension ServiceListing.Item {
    /// `default/web`.
    var title: String { "\(namespace)/\(name)" }
}
