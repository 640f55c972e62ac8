import ArgumentParser
import FoundationEssentials
import Glibc
import SwiftletDaemon

struct DebugInfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "debuginfo",
        abstract: "Write one archive with everything that a bug report needs.",
        discussion: """
            In it: status, Services and why some do not work, maps, flows, sockets, settings, the last lines of the log, and
            what the node says of devices, routes, rules, programs and the kernel's settings. No file that holds a secret is
            read, neither kubeconfigs nor manifests, and what looks like one is taken out of the rest. Addresses and names of
            this node are in it: look before you publish it.

            Examples:
              swiftlet debuginfo
              swiftlet debuginfo --file /tmp/report.tar.gz
              kubectl -n kube-system exec ds/swiftlet -- swiftlet debuginfo --file - > report.tar.gz
            """)

    @Option(
        help: ArgumentHelp(
            "The archive to write, which must not be there (default: swiftlet-debuginfo-HOST-TIME.tar.gz here); - is standard "
                + "output.", valueName: "file"), completion: .file())
    var file: String?

    @OptionGroup var pins: PinOptions

    func run() throws {
        let now = Date()
        let stamp = now.formatted(.iso8601).filter { $0.isLetter || $0.isNumber }
        let name = "swiftlet-debuginfo-\(ProcessInfo.processInfo.hostName)-\(stamp)"
        let path = file ?? "\(name).tar.gz"
        let archive = try Archive(
            path: path == "-" ? nil : path, directory: name, time: Int(now.timeIntervalSince1970))
        var contents = ""
        for part in DebugInfoParts(pins: pins).all {
            let text: String
            do {
                text = Redaction.redacted(try part.read())
                contents += "\(part.name)  \(part.what)\n"
            } catch {
                text = Redaction.redacted("\(error)") + "\n"
                contents += "\(part.name)  \(part.what): could not be had\n"
            }
            try archive.add(part.name, text)
        }
        try archive.add("contents.txt", contents)
        try archive.close()
        if path != "-" { print(path) }
        Terminal.write(
            error:
                "it names addresses, Services and processes of this node, and no secret that is known as one: look before "
                + "you publish it")
    }
}
