import FoundationEssentials
import KubernetesObjects
import ServiceModel
import TestKit
import Testing

@Suite("Moments as text")
struct UnixTimeTests {
    @Test(
        "RFC 3339 is read, in every zone and down to the nanosecond",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1969-12-31T23:59:59.999999999Z", -1),
            ("2000-02-29T12:30:15Z", 951_827_415_000_000_000),
            ("2026-01-31T12:00:00.123456789+02:00", 1_769_853_600_123_456_789),
            ("2026-01-31t10:00:00.1234567891z", 1_769_853_600_123_456_789),
            ("2026-01-31T00:00:00-10:00", 1_769_853_600_000_000_000),
        ])
    func reads(text: String, nanoseconds: Int64) {
        #expect(UnixTime(text)?.nanoseconds == nanoseconds)
    }

    @Test(
        "everything else is not",
        arguments: [
            "", "2026", "2026-01-31", "2026-01-31T10:00:00", "2026-02-29T10:00:00Z", "1900-02-29T10:00:00Z",
            "2026-13-01T10:00:00Z", "2026-01-32T10:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T10:60:00Z",
            "2026-01-31T10:00:00.Z", "2026-01-31T10:00:00+0200", "2026-01-31T10:00:00Z ", "9999-12-31T23:59:59Z",
            "2026-1-31T10:00:00Z", "+026-01-31T10:00:00Z", "2026-01-31T10:00:00ä",
        ])
    func refuses(text: String) {
        #expect(UnixTime(text) == nil)
    }

    @Test("what is written is read again, and is what the library writes", arguments: [UInt64(1), 2, 3])
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<1000 {
            let time = UnixTime(nanoseconds: Int64.random(in: .min ... .max, using: &random))
            #expect(UnixTime("\(time)") == time)
            let seconds = time.nanoseconds / 1_000_000_000
            let whole = UnixTime(nanoseconds: seconds * 1_000_000_000)
            #expect("\(whole)" == Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601))
        }
    }
}
