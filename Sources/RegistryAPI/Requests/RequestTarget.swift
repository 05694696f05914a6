import RegistryModel

/// A request's path and query, split and percent-decoded (RFC 3986).
struct RequestTarget: Sendable, Equatable {
    /// `/v1/services/a` → `["v1", "services", "a"]`
    var path: [String]
    var query: [(name: String, value: String)]

    /// nil where an escape is not two hexadecimal digits of UTF-8.
    init?(_ uri: String) {
        // By bytes: the separators are ASCII, and telling characters apart costs more than all the rest.
        let parts = uri.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        path = []
        query = []
        for segment in parts[0].split(separator: UInt8(ascii: "/")) {
            guard let decoded = PercentCoding.decoded(segment) else { return nil }
            path.append(decoded)
        }
        guard parts.count == 2 else { return }
        for pair in parts[1].split(separator: UInt8(ascii: "&")) {
            let halves = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentCoding.decoded(halves[0]),
                let value = halves.count == 2 ? PercentCoding.decoded(halves[1]) : ""
            else {
                return nil
            }
            query.append((name, value))
        }
    }

    static func == (lhs: RequestTarget, rhs: RequestTarget) -> Bool {
        lhs.path == rhs.path && lhs.query.elementsEqual(rhs.query, by: ==)
    }

    /// - Throws: a problem that names a parameter which the resource does not have, and the nearest that it has.
    func checkParameters(_ known: [String]) throws(ProblemDetails) {
        for (name, _) in query where !known.contains(name) {
            throw .unknownParameter(name, known: known)
        }
    }

    /// The last value of a parameter.
    func parameter(_ name: String) -> String? {
        query.last { $0.name == name }?.value
    }
}
