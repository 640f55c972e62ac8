import Glibc

/// Owns a file descriptor and closes it. A class, since the thread that waits and the one that wakes it share it.
final class Descriptor: Sendable {
    let number: Int32

    init(adopting number: Int32) { self.number = number }
    deinit { close(number) }
}
