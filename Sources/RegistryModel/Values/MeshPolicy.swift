/// Rules for calls to a service, and for its leases. What is nil is left to the next in line: the caller's own
/// `mesh:` block, then what is built in.
public struct MeshPolicy: Sendable, Equatable {
    /// More tries after the first, 0 to 10.
    public var retries: UInt32?
    /// From the request's head to the answer's head, all tries together, in milliseconds.
    public var timeoutMilliseconds: UInt64?
    public var perTryTimeoutMilliseconds: UInt64?
    /// How long an instance may be silent before it is unhealthy.
    public var ttlMilliseconds: UInt64?
    /// How long an instance may be unhealthy before it is deregistered.
    public var deregisterAfterMilliseconds: UInt64?

    public init(
        retries: UInt32? = nil,
        timeoutMilliseconds: UInt64? = nil,
        perTryTimeoutMilliseconds: UInt64? = nil,
        ttlMilliseconds: UInt64? = nil,
        deregisterAfterMilliseconds: UInt64? = nil
    ) {
        self.retries = retries
        self.timeoutMilliseconds = timeoutMilliseconds
        self.perTryTimeoutMilliseconds = perTryTimeoutMilliseconds
        self.ttlMilliseconds = ttlMilliseconds
        self.deregisterAfterMilliseconds = deregisterAfterMilliseconds
    }
}
