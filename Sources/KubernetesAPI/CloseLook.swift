import AsyncHTTPClient
import KubernetesObjects
import NIOCore
package import ServiceModel

/// Lists for an explanation, as the API server sends them: asked for once, never followed.
package struct CloseLook: Sendable {
    /// JSON, a List of the lists that came.
    package var list: String
    /// What could not be listed, and why.
    package var unseen: [String]

    /// What is to be looked at.
    package struct Subject: Sendable {
        /// Nil where an address leads to none.
        package var service: ObjectName?
        package var selector: [String: String]
        package var address: IPAddress?
        /// The pod that asks; nil where it is not said.
        package var client: ObjectName?

        package init(
            service: ObjectName? = nil, selector: [String: String] = [:], address: IPAddress? = nil,
            client: ObjectName? = nil
        ) {
            self.service = service
            self.selector = selector
            self.address = address
            self.client = client
        }
    }

    /// Asks for all Services and Nodes, and for the slices and pods that may be the subject's.
    package static func take(
        _ connection: APIConnection, of subject: Subject, requests: RequestBoard = RequestBoard(),
        timeouts: Timeouts = Timeouts(), time: Timekeeper
    ) async -> CloseLook {
        let wanted = Self.requests(for: subject)
        return await APISession.with(connection, requests: requests, time: time, timeouts: timeouts) { session in
            var bodies: [String] = []
            var unseen: [String] = []
            for request in wanted {
                do throws(KubernetesError) {
                    let answer = try await session.send(request)
                    guard let body = try? await answer.body.collect(upTo: mostBytes) else {
                        unseen.append("cannot \(request.action): the answer broke off or is larger than 64 MiB")
                        continue
                    }
                    bodies.append(String(buffer: body))
                } catch {
                    unseen.append("\(error)")
                }
            }
            return CloseLook(
                list: #"{"apiVersion":"v1","kind":"List","items":["# + bodies.joined(separator: ",") + "]}",
                unseen: Array(Set(unseen)).sorted())
        }
    }

    private static let mostBytes = 64 << 20
    private static let nameLabel = "kubernetes.io/service-name"

    private static func requests(for subject: Subject) -> [APIRequest] {
        func list(_ resource: APIResource, in namespace: String? = nil, _ query: [(String, String)] = []) -> APIRequest
        {
            APIRequest(
                verb: .list, resource: resource, path: namespace.map { resource.path(in: $0) } ?? resource.path,
                query: query)
        }
        var requests = [list(.services), list(.nodes)]
        if let address = subject.address {
            requests.append(list(.pods, in: nil, [("fieldSelector", "status.podIP=\(address)")]))
        }
        if let client = subject.client {
            requests.append(list(.pods, in: client.namespace, [("fieldSelector", "metadata.name=\(client.name)")]))
        }
        guard let service = subject.service else { return requests }
        // Those of the namespace show labels that are misspelt or missing; those of others, a slice in the wrong place.
        requests += [
            list(.slices, in: service.namespace),
            list(.slices, in: nil, [("labelSelector", "\(nameLabel)=\(service.name)")]),
        ]
        if subject.selector.isEmpty { return requests }
        let selector = subject.selector.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return requests + [
            list(.pods, in: service.namespace),
            list(.pods, in: nil, [("labelSelector", selector.joined(separator: ","))]),
        ]
    }
}
