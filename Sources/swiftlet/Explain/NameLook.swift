import DNSMessage
import DatapathInstall
import Glibc
import NameServer
import Reporting
import ServiceModel
import SwiftletDaemon

/// What this node's name server says of a name, asked as its clients ask.
struct NameLook {
    private enum Word {
        /// Aliases and addresses, as they stand in the answers.
        case found([String])
        /// `NXDOMAIN`, or another word for nothing.
        case nothing(String)
        case silent
    }

    private let name: String
    private let service: ObjectName
    private let place: String
    private let word: Word
    private let daemon: DaemonReport

    /// Nil for a subject that is no name of DNS, and where no daemon can be asked.
    init?(_ subject: String, pins: PinOptions) {
        name = "\(subject.prefix(while: { $0 != ":" }))"
        guard let service = ExplainQuestion.Subject.service(ofName: name), let daemon = DaemonReport.ask(pins.pins)
        else {
            return nil
        }
        self.service = service
        self.daemon = daemon
        let places = daemon.names.map { $0.serviceIPs.isEmpty ? $0.addresses : $0.serviceIPs } ?? []
        place = places.joined(separator: ", ")
        word = daemon.names.map { [name] in Self.ask(name, of: $0) } ?? .silent
    }

    /// Puts what the name leads to in front, and lets it decide where it does not lead to the Service's address.
    func complete(_ explanation: inout Explanation) {
        guard daemon.names != nil else {
            return insert("which swiftlet does not answer here: that is --dns-bind", in: &explanation)
        }
        switch word {
        case .silent:
            insert("which \(place) should answer, and does not", in: &explanation)
        case .nothing(let code):
            insert("of which \(place) says \(code)", in: &explanation)
            guard explanation.works || isDirect(explanation) else { return }
            let reason = Reason(.noSuchName, object: "Service \(service)", text: "\(name) does not exist (\(code))")
            explanation.decide(reason, works: false)
        case .found(let records):
            insert(
                "which \(place) answers while process \(daemon.pid) runs: \(records.joined(separator: ", "))",
                in: &explanation)
            guard isDirect(explanation) else { return }
            let text = "\(name) leads straight to \(records.joined(separator: ", ")): nothing is translated"
            explanation.decide(Reason(.works, object: "Service \(service)", text: text, remedy: ""), works: true)
        }
    }

    /// The Service has no address of its own, as it should be.
    private func isDirect(_ explanation: Explanation) -> Bool {
        [ReasonCode.headless, .externalName].contains { $0.rawValue == explanation.verdict.code }
    }

    private func insert(_ text: String, in explanation: inout Explanation) {
        explanation.steps.insert(.init(text: "\(name) is a name of \(service), \(text)"), at: 0)
    }

    private static func ask(_ text: String, of names: DaemonReport.Names) -> Word {
        // Pods' resolvers complete `NAME.NAMESPACE` like that.
        var domain = text.split(separator: ".").count == 2 && !text.hasSuffix(".") ? "\(text).svc" : text
        if !text.hasSuffix(names.domain), !text.hasSuffix(".") { domain += ".\(names.domain)" }
        guard let name = DomainName(domain),
            let server = names.addresses.first.flatMap({ NameServerSettings.Address($0) })
        else { return .silent }
        let types: [RecordType] = text.hasPrefix("_") ? [.srv] : [.a, .aaaa]
        let answers = types.compactMap { exchange(Question(name, $0), with: server) }
        if answers.isEmpty { return .silent }
        var records: [String] = []
        for record in zip(types, answers).flatMap({ $1.addresses(for: Question(name, $0)) }).map(\.shown)
        where !records.contains(record) {
            records.append(record)
        }
        if !records.isEmpty { return .found(records) }
        if answers.contains(where: \.hasAnswers) { return .found(["SRV records"]) }
        switch answers[0].code {
        case .nameError: return .nothing("NXDOMAIN")
        case .noError: return .nothing("no such record")
        case .refused: return .nothing("REFUSED")
        default: return .nothing("SERVFAIL")
        }
    }

    /// One datagram each way, within two seconds; nil without an answer.
    private static func exchange(_ question: Question, with server: NameServerSettings.Address) -> ForeignResponse? {
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(server.address.family == .v4 ? AF_INET : AF_INET6, type, 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let query = Query.message(for: question)
        guard server.address.withSocketAddress(port: server.port, { Glibc.connect(descriptor, $0, $1) }) == 0,
            send(descriptor, query, query.count, Int32(MSG_NOSIGNAL)) == query.count
        else { return nil }
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 2000) > 0 else { return nil }
        let bytes = [UInt8](unsafeUninitializedCapacity: 65_535) { buffer, count in
            count = max(0, recv(descriptor, buffer.baseAddress, buffer.count, 0))
        }
        return ForeignResponse(bytes)
    }
}

extension Record {
    fileprivate var shown: String {
        switch content {
        case .address(let bytes): "\(IPAddress(bytes))"
        case .alias(let name): "\(name)"
        default: "a record"
        }
    }
}

extension IPAddress {
    /// Four bytes or sixteen, as they travel.
    fileprivate init(_ bytes: [UInt8]) {
        func word(_ part: some Sequence<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
        if bytes.count == 4 {
            self.init(v4: UInt32(truncatingIfNeeded: word(bytes)))
        } else {
            self.init(v6: word(bytes.prefix(8)), word(bytes.suffix(8)))
        }
    }
}
