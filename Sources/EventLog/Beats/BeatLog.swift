import Glibc
import OpenSSLCrypto
public import RegistryModel

/// The stream of heartbeats: the log's format and code, with one event a batch and a numbering of its own.
///
/// Not thread safe: one owner.
public final class BeatLog {
    private let log: SegmentedLog
    let directory: String

    /// - Parameter cleanStop: whether the last owner closed it.
    public static func open(
        directory: String,
        identity: LogIdentity,
        cleanStop: Bool,
        options: SegmentedLog.Options = .init()
    ) throws -> BeatLog {
        // Only `seal` ends a segment: each sealed one goes on record in the log.
        var options = options
        options.segmentBytes = .max
        let (log, _) = try SegmentedLog.open(
            directory: directory,
            stream: .beats,
            identityIfNew: identity,
            knownDurable: .none,
            cleanStop: cleanStop ? SequenceNumber.none : nil,
            options: options
        )
        return BeatLog(log, directory)
    }

    private init(_ log: SegmentedLog, _ directory: String) {
        self.log = log
        self.directory = directory
    }

    public var lastSequence: SequenceNumber { log.lastSequence }
    public var bytesOnDisk: UInt64 { log.bytesOnDisk }
    /// Time of the first batch in the open segment; nil while it has none.
    public var openSegmentSince: Timestamp? { log.openSegmentSince }

    public func append(_ beats: PackedHeartbeats, time: Timestamp) throws(EventLogError) -> AppendReceipt {
        let event = Event(sequence: log.lastSequence.next, time: time, actor: nil, kind: .heartbeats(beats))
        let receipt = try log.append([EncodedEvent(event)])
        log.beatsInOpenSegment += UInt64(beats.count)
        return receipt
    }

    /// Seals the open segment and begins the next.
    ///
    /// - Returns: what goes on record in the log; nil where there was nothing to seal.
    public func seal() throws(EventLogError) -> BeatsSeal? {
        let first = log.openSegmentFirst
        let count = log.beatsInOpenSegment
        guard first <= log.lastSequence else { return nil }
        try log.roll()
        return BeatsSeal(
            first: first,
            last: log.lastSequence,
            count: count,
            sha256: try Self.digest(of: directory + "/" + SegmentFile.name(first))
        )
    }

    /// Removes a sealed segment, for good.
    func remove(_ path: String, _ bytes: UInt64) throws(EventLogError) {
        guard unlink(path) == 0 else { throw .system(.fileFailed, "can't remove", path) }
        log.forgetSealed(bytes)
        try DurableFile.syncDirectory(of: path, nil)
    }

    public func closeCleanly() throws(EventLogError) {
        try log.closeCleanly()
    }

    private static func digest(of path: String) throws(EventLogError) -> [UInt8] {
        let file = try DurableFile(path: path, mode: .readOnly)
        let hasher: SHA256Hasher
        do {
            hasher = try SHA256Hasher()
        } catch {
            throw EventLogError(.codec, "\(error)")
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1_024, alignment: 16)
        defer { buffer.deallocate() }
        var offset: UInt64 = 0
        while case let count = try file.read(into: buffer, at: offset), count > 0 {
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += UInt64(count)
        }
        return hasher.finalize().bytes
    }
}
