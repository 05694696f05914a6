import HTTPTypes
import NIOHTTP1
import RegistryModel

/// The four requests that make up nearly all load, told from the rest by their head alone.
enum HotRoute: Sendable {
    case lookup(ServiceName, LookupQuery)
    case register(InstanceKey)
    case registerMany
    case heartbeats

    /// nil: a matter for the router.
    ///
    /// - Throws: what is wrong with a request that is certainly one of the four.
    init?(_ head: HTTPRequestHead) throws {
        switch head.method {
        case .GET:
            guard head.uri.hasPrefix("/v1/services/"), let target = RequestTarget(head.uri), target.path.count == 3
            else { return nil }
            // What has to wait for a sequence, or answers from history, is not hot.
            guard target.parameter("after") == nil, target.parameter("at") == nil else { return nil }
            self = .lookup(try ServiceName(target.path[2]), try LookupQuery(target))
        case .PUT:
            guard head.uri.hasPrefix("/v1/services/"), let target = RequestTarget(head.uri), target.path.count == 5,
                target.path[3] == "instances"
            else { return nil }
            try target.checkParameters([])
            self = .register(
                InstanceKey(service: try ServiceName(target.path[2]), id: try InstanceID(target.path[4]))
            )
        case .POST where head.uri == "/v1/heartbeats": self = .heartbeats
        case .POST where head.uri == "/v1/instances": self = .registerMany
        default: return nil
        }
    }

    /// As the router would know them.
    static let paths: [(method: HTTPRequest.Method, path: String)] = [
        (.get, "/v1/services/{service}"), (.put, "/v1/services/{service}/instances/{id}"),
        (.post, "/v1/heartbeats"), (.post, "/v1/instances"),
    ]

    var isWrite: Bool {
        if case .lookup = self { false } else { true }
    }
}
