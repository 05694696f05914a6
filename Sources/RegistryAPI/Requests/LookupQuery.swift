import MaterializedView
import RegistryModel

/// What a look-up asks for, from its query parameters.
struct LookupQuery: Sendable {
    static let parameters = ["status", "version", "tag", "zone", "after", "at"]

    var filter: InstanceFilter
    /// The view must hold at least this.
    var after: SequenceNumber?
    /// A moment of the past that is asked about.
    var at: String?

    init(_ target: RequestTarget, defaultStatus: InstanceFilter.Status = .routable) throws(ProblemDetails) {
        filter = InstanceFilter(status: defaultStatus)
        for (name, value) in target.query {
            switch name {
            case "status": filter.status = try Self.status(value)
            case "version": filter.version = value
            case "tag": filter.tag = value
            case "zone": filter.zone = value
            case "at": at = value
            case "after":
                guard let sequence = UInt64(value) else {
                    throw .badRequest("after=\(value.prefix(40)) is not a sequence number")
                }
                after = SequenceNumber(sequence)
            default: throw .unknownParameter(name, known: Self.parameters)
            }
        }
    }

    private static func status(_ text: String) throws(ProblemDetails) -> InstanceFilter.Status {
        switch text {
        case "routable": return .routable
        case "all": return .all
        default:
            guard let health = Health(text) else {
                throw .badRequest(
                    "status=\(text.prefix(40)) means nothing",
                    hint: "routable, all, starting, healthy, degraded, unhealthy or draining"
                )
            }
            return .health(health)
        }
    }
}
