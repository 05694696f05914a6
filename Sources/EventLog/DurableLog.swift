public import OpenSSLCrypto
public import RegistryModel

/// What an append came to.
public struct AppendReceipt: Sendable {
    /// Everything through this is on disk.
    public let durableThrough: SequenceNumber
    public let syncDuration: Duration
    public let bytesWritten: Int
}

/// A durable home for events: what the registry's writer appends to, and what catches a view up.
///
/// To the implementer: one owner calls this, from one thread at a time. `append` takes events that follow
/// ``lastSequence`` without a gap, returns only when all of them would survive the machine, and where it throws, either
/// none of them is there or (`sync-failed`, `dead`) no later append succeeds. `read` shows what was appended, in order.
public protocol DurableLog: AnyObject {
    var identity: LogIdentity { get }
    /// `none` for an empty log.
    var lastSequence: SequenceNumber { get }
    /// Of the last event; the distant past for an empty log.
    var lastTime: Timestamp { get }
    /// Root of the Merkle tree whose leaves are the events' own bytes (RFC 6962); its size is ``lastSequence``.
    var merkleRoot: SHA256Digest { get }
    var bytesOnDisk: UInt64 { get }

    func append(_ events: [EncodedEvent]) throws(EventLogError) -> AppendReceipt

    /// Events from `sequence` on, until `body` returns false. The bytes are valid for the time of the call.
    func read(from sequence: SequenceNumber, _ body: (Event, UnsafeRawBufferPointer) throws -> Bool) throws
}
