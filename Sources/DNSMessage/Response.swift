/// An answer to a query, and its encoding.
package struct Response: Sendable {
    package var code = ResponseCode.noError
    package var isAuthoritative = false
    package var offersRecursion = false
    package var answers: [Record] = []
    package var authorities: [Record] = []
    package var additionals: [Record] = []

    package init(_ code: ResponseCode = .noError) { self.code = code }

    /// The message for a query, in at most so many bytes.
    ///
    /// Additional records that do not fit are left out. When answers do not, the response says that it is truncated,
    /// and the client asks again over TCP (RFC 2181 9). Addresses take turns in being first, by the query's id: many clients
    /// take the first.
    package func encoded(for query: Query, limit: Int) -> [UInt8] {
        var flags = Header.Flags.response
        if case .other(let opcode) = query.opcode { flags |= UInt16(opcode) << 11 }
        if isAuthoritative { flags |= Header.Flags.authoritative }
        if query.wantsRecursion { flags |= Header.Flags.recursionDesired }
        if offersRecursion { flags |= Header.Flags.recursionAvailable }
        if query.disablesChecking { flags |= Header.Flags.checkingDisabled }
        flags |= code.rawValue & 0xf
        var writer = MessageWriter(id: query.id, flags: flags, question: query)
        writer.limit = limit - (query.extensions == nil ? 0 : MessageWriter.extensionsSize)
        var isTruncated = false
        for (section, records) in [answers(from: query.id), authorities].enumerated() where !isTruncated {
            isTruncated = !records.allSatisfy { writer.append($0, section: section) }
        }
        if !isTruncated { _ = additionals.allSatisfy { writer.append($0, section: 2) } }
        if query.extensions != nil {
            writer.appendExtensions(code, signatures: query.extensions?.wantsSignatures == true)
        }
        return writer.finished(isTruncated: isTruncated)
    }

    /// The answers, of which the addresses at the end are turned round.
    private func answers(from turn: UInt16) -> [Record] {
        let start = answers.firstIndex { $0.type == .a || $0.type == .aaaa } ?? answers.endIndex
        let addresses = answers[start...]
        guard addresses.count > 1, addresses.allSatisfy({ $0.type == .a || $0.type == .aaaa }) else { return answers }
        let middle = start + Int(turn) % addresses.count
        return Array(answers[..<start] + answers[middle...] + answers[start..<middle])
    }

    /// The message for what can be read, but must not be asked.
    package static func formatError(id: UInt16, opcode: UInt8, wantsRecursion: Bool) -> [UInt8] {
        var flags = Header.Flags.response | UInt16(opcode) << 11 | ResponseCode.formatError.rawValue
        if wantsRecursion { flags |= Header.Flags.recursionDesired }
        return [id.high, id.low, flags.high, flags.low] + [UInt8](repeating: 0, count: 8)
    }
}

extension UInt16 {
    var high: UInt8 { UInt8(truncatingIfNeeded: self >> 8) }
    var low: UInt8 { UInt8(truncatingIfNeeded: self) }
}
