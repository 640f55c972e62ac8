/// Why a command ends without its result: what happened, and what to do.
struct CommandError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
