import Hummingbird
let x = Router<BasicRequestContext>.self
