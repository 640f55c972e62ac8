import KubernetesObjects
import ServiceModel
import Testing

@testable import ManifestDirectory

/// Changes of files over time, without a disk.
@Suite("Ownership and last good versions")
struct StateTests {
    private struct Files {
        var state = ManifestState()
        var texts: [String: String] = [:]

        mutating func write(_ text: String, to file: String) {
            texts[file] = text
            state.apply(.parsed(ManifestParser().parse(Array(text.utf8), file: file)), of: file)
        }

        mutating func remove(_ file: String) {
            texts[file] = nil
            state.apply(.gone, of: file)
        }

        mutating func commit(hidden: Set<String> = []) -> StateBatch {
            while true {
                let again = state.filesToReadAgain()
                if again.isEmpty { return state.commit(hidden: hidden) }
                for file in again { write(texts[file] ?? "", to: file) }
            }
        }
    }

    private func names(_ batch: StateBatch) -> [String] {
        batch.events.map { event in
            switch event {
            case .service(let service): "+\(service.name.name):\(service.ports.map { "\($0.port)" }.joined())"
            case .serviceGone(let name): "-\(name.name)"
            case .slice(let slice): "+\(slice.name.name)"
            case .sliceGone(let name): "-\(name.name)"
            case .node(let node): "+\(node.name)"
            case .nodeGone(let name): "-\(name)"
            }
        }
    }

    private let web = Manifests.service()
    private let api = Manifests.service("api", ip: "10.96.0.16")

    @Test("only what changed is told")
    func changes() {
        var files = Files()
        files.write(Manifests.documents(web, api), to: "a.yaml")
        #expect(names(files.commit()) == ["+web:80", "+api:80"])
        files.write(
            Manifests.documents("# a comment\n" + web, Manifests.service("api", ip: "10.96.0.16", port: 81)),
            to: "a.yaml")
        #expect(names(files.commit()) == ["+api:81"])
        files.write(web, to: "a.yaml")
        #expect(names(files.commit()) == ["-api"])
        files.remove("a.yaml")
        #expect(names(files.commit()) == ["-web"])
    }

    @Test("a file that no longer parses keeps its objects, and the problem is told once")
    func broken() {
        var files = Files()
        files.write(Manifests.documents(web, api), to: "a.yaml")
        _ = files.commit()
        files.write("kind: [", to: "a.yaml")
        let broken = files.commit()
        #expect(broken.events.isEmpty)
        #expect(broken.problems.map(\.kind) == [.unparsable])
        let name = { ObjectName(namespace: "default", name: $0) }
        #expect(broken.kept == [name("web"): "a.yaml cannot be parsed", name("api"): "a.yaml cannot be parsed"])
        files.write("kind: [ ", to: "a.yaml")
        #expect(files.commit().isEmpty)
        files.write(web, to: "a.yaml")
        let mended = files.commit()
        #expect(names(mended) == ["-api"])
        #expect(mended.kept == [:])
        #expect(mended.resolved.map(\.kind) == [.unparsable])
    }

    @Test("a Service is kept for what gives it endpoints, and for a directory that cannot be looked into")
    func kept() {
        var files = Files()
        files.write(Manifests.service(extra: "selector: {app: web}"), to: "m/a.yaml")
        files.write(Manifests.pod("web-a", ip: "10.244.0.11"), to: "m/pod.yaml")
        #expect(files.commit().kept == nil)
        files.write("kind: [", to: "m/pod.yaml")
        let name = ObjectName(namespace: "default", name: "web")
        #expect(files.commit().kept == [name: "m/pod.yaml cannot be parsed"])
        files.remove("m/pod.yaml")
        #expect(files.commit().kept == [:])
        files.state.apply(
            .unreadable(StateProblem(.unreadable, origin: "m", cause: "it is gone", advice: "bring it back")), of: "m")
        #expect(files.commit(hidden: ["m"]).kept == [name: "m cannot be read"])
    }

    @Test("an object that is no longer valid keeps its last good version")
    func invalid() {
        var files = Files()
        files.write(Manifests.documents(web, api), to: "a.yaml")
        _ = files.commit()
        files.write(Manifests.documents(web, Manifests.service("api", port: 0)), to: "a.yaml")
        let broken = files.commit()
        #expect(broken.events.isEmpty)
        #expect(broken.problems.map(\.object) == ["Service default/api"])
        let name = ObjectName(namespace: "default", name: "api")
        #expect(broken.kept == [name: "Service default/api in a.yaml cannot be used"])
        files.write(Manifests.documents(api, "---", web), to: "a.yaml")
        let mended = files.commit()
        #expect(mended.events.isEmpty)
        #expect(mended.resolved.count == 1)
        #expect(mended.problems.isEmpty)
    }

    @Test("an object that lost its name keeps its last good version")
    func nameless() {
        var files = Files()
        files.write(web, to: "a.yaml")
        _ = files.commit()
        files.write(web.replacing("name: web", with: "nam: web"), to: "a.yaml")
        let batch = files.commit()
        #expect(batch.events.isEmpty)
        #expect(batch.problems.count == 1)
    }

    @Test("of two files with one object the first by name keeps it, whatever came first")
    func duplicates() {
        var files = Files()
        files.write(web, to: "b.yaml")
        _ = files.commit()
        files.write(Manifests.service(port: 81), to: "a.yaml")
        let taken = files.commit()
        #expect(names(taken) == ["+web:81"])
        #expect(
            taken.problems.map(\.description) == [
                "cannot use Service default/web in b.yaml (document 1): a.yaml defines it already; keep one of them"
            ])
        files.remove("a.yaml")
        let back = files.commit()
        #expect(names(back) == ["+web:80"])
        #expect(back.resolved.map(\.kind) == [.duplicate])
    }

    @Test("an object that moves to another file is not touched")
    func moved() {
        for (from, to) in [("a.yaml", "b.yaml"), ("b.yaml", "a.yaml")] {
            var files = Files()
            files.write(web, to: from)
            _ = files.commit()
            files.remove(from)
            files.write(web, to: to)
            #expect(files.commit().isEmpty)
        }
    }

    @Test("an unreadable file keeps its objects until it is gone")
    func unreadable() {
        var files = Files()
        files.write(web, to: "a.yaml")
        _ = files.commit()
        let problem = SystemError(13).problem(with: "a.yaml")
        files.state.apply(.unreadable(problem), of: "a.yaml")
        let batch = files.commit()
        #expect(batch.events.isEmpty)
        #expect(batch.problems.map(\.description) == ["cannot read a.yaml: permission denied; let swiftlet read it"])
        files.remove("a.yaml")
        let gone = files.commit()
        #expect(names(gone) == ["-web"])
        #expect(gone.resolved == [problem])
    }

    @Test("pods, slices and Endpoints take turns as a Service changes")
    func synthesis() {
        var files = Files()
        let selecting = Manifests.service(extra: "selector: {app: web}")
        files.write(selecting, to: "service.yaml")
        files.write(Manifests.pod("a", ip: "10.244.0.11"), to: "pod.yaml")
        #expect(names(files.commit()) == ["+web:80", "+web@pods-ipv4-80"])
        files.write(Manifests.pod("a", ip: "10.244.0.11", ready: false), to: "pod.yaml")
        #expect(names(files.commit()) == ["+web@pods-ipv4-80"])
        files.write(Manifests.slice(), to: "slice.yaml")
        #expect(names(files.commit()) == ["+web-1", "-web@pods-ipv4-80"])
        files.remove("slice.yaml")
        #expect(names(files.commit()) == ["-web-1", "+web@pods-ipv4-80"])
        files.remove("pod.yaml")
        #expect(names(files.commit()) == ["-web@pods-ipv4-80"])
        files.remove("service.yaml")
        #expect(names(files.commit()) == ["-web"])
    }

    @Test("kinds that are passed over are named once")
    func passedOver() {
        var files = Files()
        files.write("apiVersion: apps/v1\nkind: Deployment", to: "a.yaml")
        #expect(files.commit().passedOver == ["apps/v1 Deployment"])
        files.write("apiVersion: apps/v1\nkind: Deployment\nspec: {}", to: "a.yaml")
        #expect(files.commit().isEmpty)
    }

    @Test("merged batches say what the single ones came to")
    func merging() {
        var files = Files()
        files.write(web, to: "a.yaml")
        var merged = files.commit()
        files.write(Manifests.documents(Manifests.service(port: 81), "kind: ["), to: "a.yaml")
        merged.merge(files.commit())
        #expect(names(merged) == ["+web:81"])
        #expect(merged.problems.count == 1)
        files.write(web, to: "a.yaml")
        merged.merge(files.commit())
        #expect(names(merged) == ["+web:80"])
        #expect(merged.problems.isEmpty && merged.resolved.isEmpty)
    }
}

@Suite("Quiet period")
struct QuietPeriodTests {
    @Test("a burst ends 10 ms after its last change, and 40 ms after its first one")
    func ends() {
        var burst = QuietPeriod()
        let start = ContinuousClock().now
        #expect(burst.end == nil)
        burst.noteChange(at: start)
        #expect(burst.end == start + .milliseconds(10))
        burst.noteChange(at: start + .milliseconds(9))
        #expect(burst.end == start + .milliseconds(19))
        burst.noteChange(at: start + .milliseconds(39))
        #expect(burst.end == start + .milliseconds(40))
        burst.reset()
        #expect(burst.end == nil)
    }
}
