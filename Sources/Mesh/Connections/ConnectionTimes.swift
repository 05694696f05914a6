import NIOCore

/// How long it took until a connection could take its first request.
struct ConnectionTimes: Sendable, Equatable {
    /// Name look-up and TCP.
    var connect: TimeAmount
    /// nil where there is none.
    var tls: TimeAmount?

    var total: TimeAmount { connect + (tls ?? .zero) }
}
