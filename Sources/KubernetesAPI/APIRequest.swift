import NIOHTTP1

/// A request for one resource of the API.
struct APIRequest: Sendable {
    var verb: Verb
    var resource: APIResource
    /// Below the address, without its query: `/api/v1/services`.
    var path: String
    var query: [(String, String)] = []
    /// JSON.
    var body: String?

    /// What RBAC grants.
    enum Verb: String, Sendable {
        case list, watch, create
    }

    /// For messages: `list services`.
    var action: String { "\(verb) \(resource.plural)" }

    var method: HTTPMethod { verb == .create ? .POST : .GET }

    var pathAndQuery: String {
        if query.isEmpty { return path }
        return path + "?" + query.map { "\($0.0)=\(percentEncoded($0.1))" }.joined(separator: "&")
    }
}

/// A kind of object as the API names it in paths and in RBAC rules.
struct APIResource: Sendable, Hashable {
    /// Empty for the core group.
    var group: String
    var plural: String

    static let services = APIResource(group: "", plural: "services")
    static let slices = APIResource(group: "discovery.k8s.io", plural: "endpointslices")
    static let nodes = APIResource(group: "", plural: "nodes")
    static let pods = APIResource(group: "", plural: "pods")
    static let events = APIResource(group: "events.k8s.io", plural: "events")

    /// Where all of them are, in all namespaces.
    var path: String { "\(root)/\(plural)" }

    func path(in namespace: String) -> String { "\(root)/namespaces/\(percentEncoded(namespace))/\(plural)" }

    private var root: String { group.isEmpty ? "/api/v1" : "/apis/\(group)/v1" }
}

/// Everything but RFC 3986's unreserved characters.
func percentEncoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            result.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let digits = String(byte, radix: 16, uppercase: true)
            result += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
        }
    }
    return result
}
