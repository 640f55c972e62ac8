package import ServiceModel

extension UnixTime: LosslessStringConvertible {
    private static let nanosecondsPerSecond: Int64 = 1_000_000_000
    private static let secondsPerDay: Int64 = 86_400

    /// Reads RFC 3339: `2026-01-31T10:00:00Z`, `2026-01-31T12:00:00.123456789+02:00`; nil for everything else, and for
    /// what 64 bits of nanoseconds have no room for.
    package init?(_ text: String) {
        var rest = Array(text.utf8)[...]
        guard let year = rest.number(4), rest.take("-"), let month = rest.number(2), rest.take("-"),
            let day = rest.number(2), rest.take("Tt "), let hour = rest.number(2), rest.take(":"),
            let minute = rest.number(2), rest.take(":"), let second = rest.number(2),
            let fraction = rest.fraction(), let offset = rest.offset(), rest.isEmpty,
            (1...12).contains(month), (1...Self.days(in: month, year)).contains(day),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        let days = Self.daysSince1970(year, month, day)
        let seconds = days * Self.secondsPerDay + (hour * 60 + minute) * 60 + second - offset
        let (scaled, isTooLarge) = seconds.multipliedReportingOverflow(by: Self.nanosecondsPerSecond)
        let (total, isOver) = scaled.addingReportingOverflow(fraction)
        guard !isTooLarge, !isOver else { return nil }
        self.init(nanoseconds: total)
    }

    /// RFC 3339 in UTC, with as many digits of the second as are needed.
    package var description: String {
        let seconds = nanoseconds.floored(by: Self.nanosecondsPerSecond)
        let days = seconds.floored(by: Self.secondsPerDay)
        let time = seconds - days * Self.secondsPerDay
        let (year, month, day) = Self.date(days)
        var text = "\(year.padded(4))-\(month.padded(2))-\(day.padded(2))T"
        text += "\((time / 3600).padded(2)):\((time / 60 % 60).padded(2)):\((time % 60).padded(2))"
        let remainder = nanoseconds % Self.nanosecondsPerSecond
        let fraction = remainder < 0 ? remainder + Self.nanosecondsPerSecond : remainder
        if fraction != 0 {
            var digits = fraction.padded(9)
            while digits.hasSuffix("0") { digits.removeLast() }
            text += ".\(digits)"
        }
        return text + "Z"
    }

    private static func days(in month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 2: daysSince1970(year, 3, 1) - daysSince1970(year, 2, 1)
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Counts in years that begin in March, so that the day of a leap year is the last one.
    private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let marchYear = month > 2 ? year : year - 1
        let era = marchYear.floored(by: 400)
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted.floored(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

extension ArraySlice<UInt8> {
    fileprivate mutating func take(_ characters: StaticString) -> Bool {
        guard let first, characters.withUTF8Buffer({ $0.contains(first) }) else { return false }
        removeFirst()
        return true
    }

    fileprivate mutating func digit() -> Int64? {
        guard let first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return nil }
        removeFirst()
        return Int64(first - UInt8(ascii: "0"))
    }

    /// A number of that many digits.
    fileprivate mutating func number(_ count: Int) -> Int64? {
        var number: Int64 = 0
        for _ in 0..<count {
            guard let digit = digit() else { return nil }
            number = number * 10 + digit
        }
        return number
    }

    /// `.123` as nanoseconds, what is finer is cut off; 0 if there is none.
    fileprivate mutating func fraction() -> Int64? {
        guard take(".") else { return 0 }
        var nanoseconds: Int64 = 0
        var unit: Int64 = 100_000_000
        guard first.map((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) == true else { return nil }
        while let digit = digit() {
            nanoseconds += digit * unit
            unit /= 10
        }
        return nanoseconds
    }

    /// `Z` or `+02:00`, as seconds.
    fileprivate mutating func offset() -> Int64? {
        if take("Zz") { return 0 }
        let isNegative = first == UInt8(ascii: "-")
        guard take("+-"), let hours = number(2), take(":"), let minutes = number(2), hours < 24, minutes < 60
        else { return nil }
        let seconds = (hours * 60 + minutes) * 60
        return isNegative ? -seconds : seconds
    }
}

extension Int64 {
    /// Divided and rounded down, for the time before 1970.
    fileprivate func floored(by divisor: Int64) -> Int64 {
        self / divisor - (self % divisor < 0 ? 1 : 0)
    }

    fileprivate func padded(_ width: Int) -> String {
        let digits = String(magnitude)
        let zeros = String(repeating: "0", count: Swift.max(0, width - digits.count))
        return (self < 0 ? "-" : "") + zeros + digits
    }
}
