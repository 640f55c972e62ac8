import ServiceModel
import TestKit
import Testing

@Suite("IP addresses")
struct IPAddressTests {
    @Test(
        "read and written",
        arguments: [
            ("0.0.0.0", "0.0.0.0"), ("10.0.0.1", "10.0.0.1"), ("255.255.255.255", "255.255.255.255"),
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("FD00::ABcd", "fd00::abcd"),
            ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:0:0:2:3:0:0:4", "1::2:3:0:0:4"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
            ("1::3:4:5:6:7:8", "1:0:3:4:5:6:7:8"), ("0:0:0:0:0:0:0:0", "::"), ("1:2:3:4:5:6::", "1:2:3:4:5:6::"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
            ("::ffff:10.0.0.1", "10.0.0.1"), ("::ffff:a00:1", "10.0.0.1"),
            ("1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"),
            ("::1.2.3.4", "::102:304"),
        ])
    func canonical(text: String, expected: String) throws {
        #expect(try #require(IPAddress(text)).description == expected)
        #expect(IPAddress("<\(text)>".dropFirst().dropLast()) == IPAddress(text))
    }

    @Test(
        "refused",
        arguments: [
            "", " ", "10", "10.1", "10.0.0", "10.0.0.0.1", "10.0.0.", ".10.0.0.1", "10..0.1", "010.0.0.1", "10.0.0.01",
            "00.0.0.0", "256.0.0.1", "10.0.0.1000", "-1.0.0.0", "+1.0.0.0", "1e1.0.0.0", "0x10.0.0.1", "10.0.0.1 ",
            " 10.0.0.1", "10.0.0.1/8", "10.0.0.1:80", "١.0.0.1", ":", ":::", "1:", ":1", "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:",
            ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1::2::3", "1:::2",
            "12345::",
            "g::", "fe80::1%eth0", "[::1]", "::1/64", "::1.2.3", "::1.2.3.4.5", "::1.2.3.256", "1.2.3.4::",
            "::1.2.3.4:5",
            "1:2:3:4:5:6:7:1.2.3.4", "::ffff:010.0.0.1", "::1 ", "1:2:3:4:5:6:7:8:", "99999999999999999999.0.0.1",
        ])
    func refused(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(
        "spec 58: of an object of the API leading zeros are read, as decimal",
        arguments: [
            ("010.0.0.09", "10.0.0.9"), ("10.0.000.1", "10.0.0.1"), ("::ffff:010.0.0.1", "10.0.0.1"), ("::1", "::1"),
            ("0256.0.0.1", nil), ("10.0.0", nil), ("10.0.0.1 ", nil), ("", nil),
        ])
    func lenient(text: String, expected: String?) {
        #expect(IPAddress.lenient(text)?.description == expected)
        let length = text.contains(":") ? 128 : 32
        #expect(CIDR.lenient("\(text)/\(length)")?.network == IPAddress.lenient(text))
    }

    @Test("any address survives being written and read, in every spelling")
    func roundTrip() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<20_000 {
            let address = IPAddress.random(using: &random)
            #expect(IPAddress(address.description) == address)
            guard address.family == .v6 else { continue }
            let full = (0..<8).map {
                String(UInt16(address.bytes[2 * $0]) << 8 | UInt16(address.bytes[2 * $0 + 1]), radix: 16)
            }
            let padded = full.map { String(repeating: "0", count: 4 - $0.count) + $0.uppercased() }
            #expect(IPAddress(full.joined(separator: ":")) == address)
            #expect(IPAddress(padded.joined(separator: ":")) == address)
        }
    }

    @Test("random bytes never crash the reader, and what it reads it writes")
    func garbage() {
        var random = SeededGenerator(seed: 2)
        let alphabet = Array("0123456789abcdefF:::....%/ ")
        for _ in 0..<20_000 {
            let text = String(
                (0..<Int.random(in: 0...20, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) })
            guard let address = IPAddress(text) else { continue }
            #expect(IPAddress(address.description) == address)
        }
    }

    @Test("kinds of addresses")
    func kinds() {
        func kinds(_ address: IPAddress) -> [Bool] {
            [address.isLoopback, address.isUnspecified, address.isMulticast, address.isLinkLocal]
        }
        for address: IPAddress in ["127.0.0.1", "127.255.0.1", "::1"] {
            #expect(kinds(address) == [true, false, false, false])
        }
        for address: IPAddress in ["0.0.0.0", "::"] { #expect(kinds(address) == [false, true, false, false]) }
        for address: IPAddress in ["224.0.0.1", "239.1.1.1", "ff02::1"] {
            #expect(kinds(address) == [false, false, true, false])
        }
        for address: IPAddress in ["169.254.1.1", "fe80::1", "febf::1"] {
            #expect(kinds(address) == [false, false, false, true])
        }
        for address: IPAddress in ["10.0.0.1", "240.0.0.1", "169.253.0.1", "fec0::1", "::2", "1::"] {
            #expect(kinds(address) == [false, false, false, false])
        }
    }

    @Test("order: IPv4 first, then by number")
    func order() {
        let sorted: [IPAddress] = ["2.0.0.0", "10.0.0.0", "10.0.0.9", "10.0.0.10", "::1", "1::", "ff::"]
        #expect(sorted.reversed().sorted() == sorted)
    }
}

@Suite("Address ranges")
struct CIDRTests {
    @Test(
        "read and written",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("10.1.2.3/8", "10.0.0.0/8"), ("1.2.3.4/0", "0.0.0.0/0"),
            ("1.2.3.4/32", "1.2.3.4/32"),
            ("fd00:1:2:3:4::/48", "fd00:1:2::/48"), ("ff::1/0", "::/0"), ("::1/128", "::1/128"),
            ("1:2:3:4:5::/65", "1:2:3:4::/65"),
            ("1:2:3:4:5::/64", "1:2:3:4::/64"), ("::ffff:10.1.0.0/104", "10.0.0.0/8"),
        ])
    func canonical(text: String, expected: String) throws {
        #expect(try #require(CIDR(text)).description == expected)
    }

    @Test(
        "refused",
        arguments: [
            "", "/", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/+8",
            "10.0.0.0/8 ",
            "10.0/8", "::/129", "::/0x8", "::ffff:10.0.0.0/64", "10.0.0.0/8/8", "10.0.0.0/1000",
        ])
    func refused(text: String) {
        #expect(CIDR(text) == nil)
    }

    @Test("an address is inside when the prefix is equal, in its own family only")
    func contains() throws {
        let v4 = try #require(CIDR("10.96.0.0/12"))
        #expect(v4.contains("10.96.0.0") && v4.contains("10.111.255.255") && !v4.contains("10.112.0.0"))
        let v6 = try #require(CIDR("fd00::/65"))
        #expect(v6.contains("fd00::7fff:ffff:ffff:ffff") && !v6.contains("fd00::8000:0:0:0"))
        let all = try #require(CIDR("0.0.0.0/0"))
        #expect(all.contains("1.2.3.4") && !all.contains("::1"))
    }
}
