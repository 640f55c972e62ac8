/// What the daemon, or a command that asks it or prepares for it, could not do: to which object, and what to do.
package struct DaemonError: Error, CustomStringConvertible, Sendable {
    package var description: String

    package init(_ description: String) { self.description = description }
}
