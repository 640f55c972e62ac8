/// What could not be put into the kernel, or taken out of it: what happened, to which pin, link or lock, and what to do.
package struct InstallError: Error, CustomStringConvertible, Sendable {
    package var description: String

    package init(_ description: String) { self.description = description }
}
