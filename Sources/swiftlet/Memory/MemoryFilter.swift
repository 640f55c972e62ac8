import ArgumentParser
import DatapathInstall
import FoundationEssentials
import KubernetesObjects
import Reporting
import ServiceMaps
import ServiceModel
import Settings
import SwiftletDaemon

/// Which of the remembered flows, affinities and sockets are shown: by Service, or by an address at either end.
struct MemoryFilter {
    private let subjects: [(subject: ExplainQuestion.Subject, proto: IPProtocol?)]
    private let addresses: [IPAddress]
    private let namespace: String?

    /// - Throws: for a word that is neither a Service nor an address.
    init(words: [String], namespace: String? = nil) throws {
        self.namespace = namespace
        addresses = words.compactMap { IPAddress($0) }
        subjects = try words.filter { IPAddress($0) == nil }.map { word in
            if let complaint = ExplainQuestion.Subject.complaint(about: word) { throw ValidationError(complaint) }
            let (own, proto) = ExplainQuestion.Subject.parted(word)
            guard let subject = ExplainQuestion.Subject(own, namespace: namespace) else {
                throw ValidationError("\(word) is neither [NAMESPACE/]NAME[:PORT] nor ADDRESS[:PORT]")
            }
            return (subject, proto)
        }
    }

    /// - Parameters:
    ///   - proto: `TCP`; nil where it is not remembered.
    ///   - ends: addresses with their ports, as text; an end without a port is one of any.
    func admits(
        _ port: MapMemory.ServicePort, _ proto: String? = nil, ends: [(address: String, port: Int?)]
    ) -> Bool {
        if subjects.isEmpty && addresses.isEmpty { return namespace == nil || namespace == port.namespace }
        let isNamed = subjects.contains { subject, wanted in
            if let wanted, let proto, proto != "\(wanted)" { return false }
            return switch subject {
            case .address(let address, let number):
                ends.contains { $0.address == "\(address)" && ($0.port == nil || $0.port == Int(number.number)) }
            case .service(let namespace, let name, let place):
                port.service == name && (namespace == nil || namespace == port.namespace)
                    && (place == nil || place == port.port || ends.contains { $0.port.map(String.init) == place })
            }
        }
        return isNamed || addresses.contains { address in ends.contains { $0.address == "\(address)" } }
    }
}

extension MemoryFilter {
    /// What is asked after and is not there; what is remembered of a Service may outlive it.
    ///
    /// - Parameter known: Services that are in the maps.
    func missing(among known: [ObjectName]) -> String? {
        for case .service(let namespace, let name, _) in subjects.map(\.subject) {
            if let missing = known.missing(name, in: namespace) { return missing }
        }
        guard subjects.isEmpty && addresses.isEmpty, let namespace else { return nil }
        return known.missing(namespace: namespace)
    }
}

extension [ObjectName] {
    /// Says that there is no such Service, and what is near; nil where it is there.
    func missing(_ name: String, in namespace: String?) -> String? {
        if contains(where: { $0.name == name && (namespace == nil || $0.namespace == namespace) }) { return nil }
        let word = (namespace.map { "\($0)/" } ?? "") + name
        let other = first { $0.name == name }.map { "; there is \($0)" }
        let near = Set(map(\.name)).sorted().nearest(to: name).map { "; did you mean \($0)?" }
        return "no Service \(word) is in the maps\(other ?? near ?? "")"
    }

    /// The same of a namespace.
    func missing(namespace: String) -> String? {
        if contains(where: { $0.namespace == namespace }) { return nil }
        let near = Set(map(\.namespace)).sorted().nearest(to: namespace).map { "; did you mean \($0)?" }
        return "no Service in namespace \(namespace)\(near ?? "")"
    }
}

/// What the commands about remembered things share.
struct MemoryOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "[NAMESPACE/]NAME[:PORT], or ADDRESS[:PORT] of either end; several may be named.", valueName: "subject"),
        completion: .services)
    var subjects: [String] = []

    @Option(name: .shortAndLong, help: ArgumentHelp("Only Services of this namespace.", valueName: "namespace"))
    var namespace: String?

    @OptionGroup var pins: PinOptions
    @OptionGroup var format: OutputOptions

    func filter() throws -> MemoryFilter { try MemoryFilter(words: subjects, namespace: namespace) }

    func memory() throws -> MapMemory {
        try pins.requireDatapath()
        let daemon = DaemonReport.ask(pins.pins)
        return MapMemory(
            pins: pins.pins, programmed: try ProgrammedState.read(from: BPFMapStore(pins: pins.pins)),
            timeouts: daemon?.flowTimeouts ?? FlowTimeouts())
    }

    /// A table, or the word that there is nothing; names are those of the Services.
    func show<Record: Encodable>(
        _ records: [Record], of memory: MapMemory, as key: String, servicePort: (Record) -> MapMemory.ServicePort,
        table: () -> Table
    ) throws {
        switch format.output {
        case .json, .yaml: try format.printData(RecordList(key: key, records: records))
        case .name: for name in Set(records.map { servicePort($0).text }).sorted() { print(name) }
        case .table, .wide:
            records.isEmpty ? Terminal.write(raw: "no \(key)\n") : format.printTable(table())
        }
        guard records.isEmpty, let missing = try filter().missing(among: memory.services) else { return }
        Terminal.write(error: missing)
    }
}

/// `{"flows": […], "schema": 1}`.
private struct RecordList<Record: Encodable>: Encodable {
    struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    var key: String
    var records: [Record]

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(1, forKey: Key(stringValue: "schema"))
        try container.encode(records, forKey: Key(stringValue: key))
    }
}

extension MapMemory.ServicePort {
    /// `default/web:http`; `-` for one that has gone.
    var text: String {
        if service.isEmpty { return "-" }
        return "\(namespace)/\(service)" + (port.isEmpty ? "" : ":\(port)")
    }
}

/// `10.96.0.15:80`, an IPv6 address in brackets.
func socketText(_ address: String, _ port: Int) -> String { "\(hostText(address)):\(port)" }

func hostText(_ address: String) -> String { address.contains(":") ? "[\(address)]" : address }

/// `45s`, `12m`, `3h`, `2d`: the biggest unit of which there are two, as kubectl tells ages.
func spanText(_ seconds: Int) -> String {
    switch seconds {
    case ..<120: "\(seconds)s"
    case ..<7_200: "\(seconds / 60)m"
    case ..<172_800: "\(seconds / 3_600)h"
    default: "\(seconds / 86_400)d"
    }
}
