/// Whether a request that failed may have reached the application: the header `x-hms-delivered` of every answer that a
/// sidecar makes itself.
enum Delivery: String, Sendable, CustomStringConvertible {
    /// Not a byte of it: refused, no connection, a TLS failure or alert before the first byte of an answer,
    /// REFUSED_STREAM, a stream above GOAWAY's last, an inbound sidecar that had written nothing to its application.
    /// Any request may be sent again.
    case no
    /// Nobody can tell: only what is repeatable may be sent again.
    case unknown

    var description: String {
        rawValue
    }
}
