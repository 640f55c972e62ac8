/// A resource record of class IN.
package struct Record: Sendable, Hashable {
    package enum Content: Sendable, Hashable {
        /// Four bytes or sixteen, as they are written: A or AAAA.
        case address([UInt8])
        case alias(DomainName)
        case pointer(DomainName)
        case nameServer(DomainName)
        case service(priority: UInt16, weight: UInt16, port: UInt16, target: DomainName)
        /// One string of at most 255 bytes.
        case text(String)
        case authority(Authority)
    }

    /// A zone, and how long its absences may be remembered (RFC 2308).
    package struct Authority: Sendable, Hashable {
        package var primary: DomainName
        package var mailbox: DomainName
        package var serial: UInt32
        /// Seconds, as are the others.
        package var refresh: UInt32 = 7200
        package var retry: UInt32 = 1800
        package var expire: UInt32 = 86400
        package var minimum: UInt32

        package init(primary: DomainName, mailbox: DomainName, serial: UInt32, minimum: UInt32) {
            self.primary = primary
            self.mailbox = mailbox
            self.serial = serial
            self.minimum = minimum
        }
    }

    package var name: DomainName
    /// Seconds.
    package var timeToLive: UInt32
    package var content: Content

    package init(_ name: DomainName, timeToLive: UInt32, _ content: Content) {
        self.name = name
        self.timeToLive = timeToLive
        self.content = content
    }

    package var type: RecordType {
        switch content {
        case .address(let bytes): bytes.count == 4 ? .a : .aaaa
        case .alias: .cname
        case .pointer: .ptr
        case .nameServer: .ns
        case .service: .srv
        case .text: .txt
        case .authority: .soa
        }
    }
}
