import HTTPTypes
import HummingbirdCore
import NIOCore

/// A request as far as an endpoint looks at it: bodies and headers are not read.
struct EndpointRequest: Sendable {
    var method: HTTPRequest.Method
    /// Without the query.
    var path: String

    /// HEAD is a GET whose body is not sent.
    var reads: Bool { method == .get || method == .head }
}

/// What an endpoint answers.
package struct EndpointAnswer: Sendable, Hashable {
    package enum Content: String, Sendable, Hashable {
        case json = "application/json"
        case html = "text/html; charset=utf-8"
        case text = "text/plain; charset=utf-8"
        case metrics = "text/plain; version=0.0.4; charset=utf-8"
    }

    package var status: Int
    package var content: Content
    package var body: String
    /// Headers beside those that every answer has.
    package var headers: [String: String]

    package init(status: Int = 200, _ content: Content, _ body: String, headers: [String: String] = [:]) {
        self.status = status
        self.content = content
        self.body = body
        self.headers = headers
    }

    static let notFound = EndpointAnswer(status: 404, .text, "404 page not found\n")
    static let methodNotAllowed = EndpointAnswer(
        status: 405, .text, "Method Not Allowed\n", headers: ["Allow": "GET, HEAD"])

    /// The answer to HEAD has the length of the body in its headers, and no body.
    func response(to request: EndpointRequest) -> Response {
        var fields = HTTPFields()
        fields[.contentType] = content.rawValue
        fields[.xContentTypeOptions] = "nosniff"
        for (name, value) in headers {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        let whole = Response(
            status: .init(code: status), headers: fields, body: .init(byteBuffer: ByteBuffer(string: body)))
        return request.method == .head ? whole.createHeadResponse() : whole
    }
}
