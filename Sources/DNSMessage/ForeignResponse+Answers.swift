extension ForeignResponse {
    /// By the header's word.
    package var hasAnswers: Bool { bytes[6] | bytes[7] != 0 }

    /// Aliases and addresses among the answers, to be put behind an alias of our own; others are left out.
    package func addresses(for question: Question) -> [Record] { (try? read(question.type)) ?? [] }

    /// The SOA record that says how long an absence may be remembered, for behind an alias of our own.
    package var authority: Record? { try? readAuthority() }

    private func readAuthority() throws(MessageReader.Overrun) -> Record? {
        var reader = MessageReader(bytes)
        let header = try Header(&reader)
        try reader.skipName()
        try reader.skip(4)
        for _ in 0..<header.answers { try reader.skipRecord() }
        for _ in 0..<header.authorities {
            let name = try reader.name()
            let type = RecordType(rawValue: try reader.uint16())
            try reader.skip(2)
            let time = try reader.uint32()
            let end = Int(try reader.uint16()) + reader.offset
            if type == .soa {
                var zone = Record.Authority(
                    primary: try reader.name(), mailbox: try reader.name(), serial: try reader.uint32(), minimum: 0)
                zone.refresh = try reader.uint32()
                zone.retry = try reader.uint32()
                zone.expire = try reader.uint32()
                zone.minimum = try reader.uint32()
                return Record(name, timeToLive: time, .authority(zone))
            }
            guard end >= reader.offset else { throw MessageReader.Overrun() }
            try reader.skip(end - reader.offset)
        }
        return nil
    }

    private func read(_ type: RecordType) throws(MessageReader.Overrun) -> [Record] {
        var reader = MessageReader(bytes)
        let header = try Header(&reader)
        try reader.skipName()
        try reader.skip(4)
        var records: [Record] = []
        for _ in 0..<header.answers {
            let name = try reader.name()
            let found = RecordType(rawValue: try reader.uint16())
            try reader.skip(2)
            let time = try reader.uint32()
            let end = Int(try reader.uint16()) + reader.offset
            switch found {
            case .a where type == .a && end - reader.offset == 4,
                .aaaa where type == .aaaa && end - reader.offset == 16:
                var address: [UInt8] = []
                while reader.offset < end { address.append(try reader.byte()) }
                records.append(Record(name, timeToLive: time, .address(address)))
            case .cname: records.append(Record(name, timeToLive: time, .alias(try reader.name())))
            default: break
            }
            guard end >= reader.offset else { throw MessageReader.Overrun() }
            try reader.skip(end - reader.offset)
        }
        return records
    }
}
