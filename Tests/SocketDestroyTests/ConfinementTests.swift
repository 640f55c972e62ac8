import CNamespaces
import Glibc
import Synchronization
import TestKit
import Testing

/// What the process may still do that enters network namespaces. The filter is a thread's: each test has one of its own.
@Suite("confinement", .tags(.kernel), .serialized)
struct ConfinementTests {
    @Test("it refuses what such a process is not there for")
    func refuses() throws {
        let outcomes = try confined {
            [
                "write a file": failure(of: open("/dev/null", O_WRONLY)),
                "make a file": failure(of: open("/tmp/swiftlet-confinement", O_RDONLY | O_CREAT, 0o600)),
                "internet": failure(of: socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)),
                "unix": failure(of: socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)),
                "routes": failure(of: socket(AF_NETLINK, CInt(SOCK_RAW.rawValue), 0)),
                "signals": failure(of: kill(getppid(), 0)),
                "executable memory": mmap(nil, 4_096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                    == MAP_FAILED ? errno : 0,
                "rename": failure(of: rename("/nowhere", "/nowhere-else")),
                "directories": failure(of: mkdir("/tmp/swiftlet-confinement", 0o700)),
            ]
        }
        for (what, error) in outcomes { #expect(error == EPERM, "\(what)") }
    }

    @Test("it allows to look, and to speak about sockets")
    func allows() throws {
        let outcomes = try confined {
            [
                "a namespace": failure(of: open("/proc/self/ns/net", O_RDONLY)),
                "a list": opendir("/proc").map { closedir($0) } ?? errno,
                "about sockets": failure(of: socket(AF_NETLINK, CInt(SOCK_RAW.rawValue), 4)),
            ]
        }
        for (what, error) in outcomes { #expect(error == 0, "\(what)") }
    }

    @Test("an iterator needs a link, and is asked for")
    func iterates() throws {
        let outcome = try confined { ["no link": swl_iterate(-1)] }
        #expect(outcome == ["no link": -EBADF], "the kernel has seen the call")
    }
}

/// The errno of a call that failed; 0 for one that did not, whose descriptor is closed.
private func failure(of result: CInt) -> CInt {
    guard result >= 0 else { return errno }
    if result > 2 { close(result) }
    return 0
}

/// Runs a closure in a thread that is confined, and ends.
private func confined(_ body: @escaping @Sendable () -> [String: CInt]) throws -> [String: CInt] {
    final class Job: Sendable {
        let body: @Sendable () -> [String: CInt]
        let outcome = Mutex<[String: CInt]>([:])
        init(_ body: @escaping @Sendable () -> [String: CInt]) { self.body = body }
    }
    let job = Job(body)
    var thread = pthread_t()
    let status = pthread_create(
        &thread, nil,
        { raw in
            guard let raw else { return nil }
            let job = Unmanaged<Job>.fromOpaque(raw).takeRetainedValue()
            let status = swl_confine()
            let outcome = status == 0 ? job.body() : ["confine": -status]
            job.outcome.withLock { $0 = outcome }
            return nil
        }, Unmanaged.passRetained(job).toOpaque())
    try #require(status == 0)
    pthread_join(thread, nil)
    return job.outcome.withLock { $0 }
}
