import HTTPTypes

/// Which paths a door has, and which methods each of them takes.
struct RouteTable: Sendable {
    /// Elements of a path; `*` stands for any one of them.
    typealias Shape = [String]

    private(set) var methods: [Shape: Set<String>] = [:]

    /// - Parameter routes: methods and paths of a router, `/v1/services/{service}`.
    init(_ routes: [(method: HTTPRequest.Method, path: String)]) {
        // The router makes HEAD of each GET by itself.
        for (method, path) in routes where method != .head { add(method.rawValue, path) }
    }

    mutating func add(_ method: String, _ path: String) {
        methods[Self.shape(of: path), default: []].insert(method)
    }

    /// For `Allow`; nil where there is nothing at this path.
    func allowed(at path: [String]) -> String? {
        let matches = methods.filter { shape, _ in
            shape.count == path.count && zip(shape, path).allSatisfy { $0 == "*" || $0 == $1 }
        }
        // `certificates/deny` goes before `certificates/*`.
        let nearest = matches.min { $0.key.count { $0 == "*" } < $1.key.count { $0 == "*" } }
        return nearest.map { $0.value.sorted().joined(separator: ", ") }
    }

    private static func shape(of path: String) -> Shape {
        path.split(separator: "/").map { $0.hasPrefix("{") ? "*" : String($0) }
    }
}
