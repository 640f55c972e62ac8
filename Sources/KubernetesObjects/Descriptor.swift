import Glibc

/// Owns a file descriptor and closes it. A class, since the thread that waits and the one that wakes it share it.
package final class Descriptor: Sendable {
    package let number: Int32

    package init(adopting number: Int32) { self.number = number }
    deinit { close(number) }
}
