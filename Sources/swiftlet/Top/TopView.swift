import Reporting
import SwiftletDaemon

/// What `swiftlet top` shows of a report: sorted, cut to the screen.
struct TopView {
    enum Order: String, CaseIterable {
        case connects, refused, open, imbalance, name

        /// The key that chooses it.
        var key: Character {
            switch self {
            case .connects: "c"
            case .refused: "r"
            case .open: "o"
            case .imbalance: "i"
            case .name: "n"
            }
        }
    }

    var order = Order.connects
    var showsBackends = false

    /// What a key does; false for the one that ends.
    mutating func press(_ key: Character) -> Bool {
        if key == "q" { return false }
        if key == "b" { showsBackends.toggle() }
        if let order = Order.allCases.first(where: { $0.key == key }) { self.order = order }
        return true
    }

    /// The busiest first; by name where they are alike.
    func sorted(_ report: TopReport) -> TopReport {
        var sorted = report
        sorted.services.sort { left, right in
            let (first, second) = (value(of: left), value(of: right))
            return first == second
                ? (left.namespace, left.name) < (right.namespace, right.name) : first > second
        }
        return sorted
    }

    private func value(of service: TopReport.Service) -> Double {
        switch order {
        case .connects: service.connects
        case .refused: service.refused
        case .open: Double(service.open)
        case .imbalance: service.imbalance ?? 0
        case .name: 0
        }
    }

    /// The table, without its last rows where the screen ends.
    ///
    /// - Parameter size: of the screen, in characters; nil for all.
    func text(of report: TopReport, size: (columns: Int, rows: Int)? = nil) -> String {
        let services = sorted(report).services
        var rows: [[String]] = [["SERVICE", "CONN/S", "REFUSED/S", "OPEN", "BACKENDS", "IMBALANCE", "REFUSED FOR"]]
        for service in services {
            let reasons = service.refusedByReason.sorted { $0.key < $1.key }
            rows.append([
                "\(service.namespace)/\(service.name)", tenths(service.connects), tenths(service.refused),
                "\(service.open)", "\(service.backends)", service.imbalance.map(hundredths) ?? "-",
                reasons.map { "\($0.key) \(tenths($0.value))" }.joined(separator: ", "),
            ])
            guard showsBackends else { continue }
            for endpoint in service.endpoints {
                let label = endpoint.servicePort.isEmpty ? "" : " \(endpoint.servicePort)"
                rows.append([
                    "  \(endpoint.address)\(label)" + (endpoint.isActive ? "" : " (terminating)"),
                    endpoint.connects.map(tenths) ?? "-", "", "\(endpoint.open)", "", "", "",
                ])
            }
        }
        var lines = Self.aligned(rows)
        guard let size else { return lines.joined(separator: "\n") }
        let room = max(size.rows - 3, 2)
        if lines.count > room {
            lines = lines.prefix(room - 1) + ["… \(lines.count - room + 1) more lines"]
        }
        return lines.map { String($0.prefix(size.columns)) }.joined(separator: "\n")
    }

    /// The line above the table.
    func heading(of report: TopReport, size: (columns: Int, rows: Int)) -> String {
        let connects = report.services.reduce(0) { $0 + $1.connects }
        let refused = report.services.reduce(0) { $0 + $1.refused }
        let keys = Order.allCases.map { "\($0.key) \($0.rawValue)" } + ["b backends", "q quit"]
        let line =
            "\(tenths(connects)) connects/s, \(tenths(refused)) refused/s · by \(order.rawValue) · "
            + keys.joined(separator: ", ")
        return String(line.prefix(size.columns))
    }

    /// Numbers stand on the right of their column.
    private static func aligned(_ rows: [[String]]) -> [String] {
        let numbers = 1...5
        var rows = rows
        for column in numbers {
            let width = rows.map { $0[column].count }.max() ?? 0
            for row in rows.indices {
                let cell = rows[row][column]
                rows[row][column] = String(repeating: " ", count: width - cell.count) + cell
            }
        }
        return Table.aligned(rows, gap: 3)
    }
}

/// `12.5`.
private func tenths(_ value: Double) -> String {
    let whole = Int64((value * 10).rounded())
    return "\(whole / 10).\(whole % 10)"
}

/// `1.25`.
private func hundredths(_ value: Double) -> String {
    let whole = Int64((value * 100).rounded())
    return "\(whole / 100).\(whole % 100 / 10)\(whole % 10)"
}
