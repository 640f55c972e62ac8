import KubernetesObjects
import FoundationEssentials
import Reporting
import SwiftletDaemon

/// Prints the changes of `swiftlet services --watch` as they come.
struct ServiceWatchPrinter {
    let format: OutputFormat
    let width: Int?
    /// Of the table's columns: the first rows settle them, and longer cells are cut.
    private var widths: [Int] = []

    init(format: OutputFormat, width: Int?) {
        self.format = format
        self.width = format == .wide ? nil : width
    }

    mutating func print(_ changes: [ServiceChange]) throws {
        defer { Terminal.flush() }
        switch format {
        case .json, .yaml:
            for change in changes {
                let json = try ReportCoding.encoder().encode(change)
                let text = String(decoding: json, as: UTF8.self)
                Swift.print(
                    format == .json ? text : "---\n" + (try JSONReader.document(Array(json)).yaml), terminator: "")
                if format == .json { Swift.print("") }
            }
        case .name: for change in changes { Swift.print(change.object.title) }
        case .table, .wide: printRows(changes)
        }
    }

    private mutating func printRows(_ changes: [ServiceChange]) {
        let services = changes.map { change in
            var service = change.object
            if change.type == .deleted { (service.ports, service.leftAlone) = ([], "deleted") }
            return service
        }
        let table = ServiceTable(services, isWide: format == .wide).table
        if widths.isEmpty {
            widths = table.widths(fitting: width)
            Swift.print(table.text(fitting: width))
        } else if !services.isEmpty {
            Swift.print(table.rows(in: width == nil ? zip(widths, table.widths(fitting: nil)).map(max) : widths))
        }
    }
}
