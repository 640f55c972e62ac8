/// Whether a line comes as fast as it must: 4 KiB of it, or its end, in each portion of time.
struct LineSpeed {
    private static let portionSize = 4096

    private let portion: Duration
    /// When there was no more than so much of the line.
    private var last: (bytes: Int, at: Duration)?

    init(portion: Duration) { self.portion = portion }

    mutating func beginLine() { last = nil }

    /// To be asked with each piece that arrives.
    mutating func isDrip(_ unfinished: Int, at now: Duration) -> Bool {
        guard unfinished > 0 else {
            last = nil
            return false
        }
        guard let last, unfinished >= last.bytes, unfinished < last.bytes + Self.portionSize else {
            last = (unfinished, now)
            return false
        }
        return now - last.at > portion
    }
}
