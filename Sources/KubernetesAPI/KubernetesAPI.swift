import AsyncHTTPClient
import NIOSSL
let x = HTTPClient.self
