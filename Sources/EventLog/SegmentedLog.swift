import Glibc
public import OpenSSLCrypto
public import RegistryModel

/// A log in segment files in a directory.
///
/// Not thread safe: one owner. Two owners of one directory are for the daemon's lock to prevent.
public final class SegmentedLog: DurableLog {
    public struct Options: Sendable {
        /// A segment is sealed once it is larger.
        public var segmentBytes: UInt64
        /// How far space is allocated ahead.
        public var allocationStep: UInt64
        public var compressionLevel: Int32
        /// For tests.
        public var failpoints: Failpoints?

        public init(
            segmentBytes: UInt64 = 64 * 1_024 * 1_024,
            allocationStep: UInt64 = 4 * 1_024 * 1_024,
            compressionLevel: Int32 = 3,
            failpoints: Failpoints? = nil
        ) {
            self.segmentBytes = segmentBytes
            self.allocationStep = allocationStep
            self.compressionLevel = compressionLevel
            self.failpoints = failpoints
        }
    }

    /// What opening had to do.
    public struct Recovery: Sendable, Equatable {
        /// There was no log; one was begun.
        public var created = false
        /// Half-written bytes that were cut off.
        public var tornBytes = 0
        /// Where they are kept.
        public var tornFile: String?
        /// Batches of the end that were written and synced again.
        public var rewrittenBatches = 0
    }

    public private(set) var identity: LogIdentity
    public private(set) var lastSequence: SequenceNumber
    public private(set) var lastTime: Timestamp
    /// Heartbeats in the open segment, for ``BeatLog``.
    var beatsInOpenSegment: UInt64
    /// First sequence of the open segment.
    var openSegmentFirst: SequenceNumber { writer.firstSequence }
    /// Time of the open segment's first event; nil while it has none.
    private(set) var openSegmentSince: Timestamp?

    private let directory: String
    private let stream: LogStream
    private let options: Options
    private let compressor: ZstdCompressor
    private var tree: MerkleTree
    private var writer: SegmentWriter
    private var sealedBytes: UInt64
    private var failure: EventLogError?

    /// Opens the log in `directory`, which is there, or begins one.
    ///
    /// - Parameters:
    ///   - identityIfNew: for a log that is begun.
    ///   - knownDurable: the highest sequence that is known from elsewhere to have been durable.
    ///   - cleanStop: the last sequence, where the last owner closed the log; nil after any other end.
    /// - Throws: `damaged`, naming segment and offset, where durable bytes are not what was written.
    public static func open(
        directory: String,
        stream: LogStream = .log,
        identityIfNew: LogIdentity,
        knownDurable: SequenceNumber,
        cleanStop: SequenceNumber?,
        options: Options = Options()
    ) throws -> (log: SegmentedLog, recovery: Recovery) {
        var recovery = Recovery()
        let durable = max(knownDurable, cleanStop ?? .none)
        try SegmentFile.removeTemporary(directory)
        let compressor = try ZstdCompressor(level: options.compressionLevel)
        let segments = try SegmentFile.list(directory)
        guard let tail = segments.last else {
            guard durable == .none else {
                throw EventLogError(.damaged, "\(directory) holds no log, but \(durable) was durable in it")
            }
            recovery.created = true
            let tree = try MerkleTree()
            let header = SegmentHeader(
                stream: stream,
                identity: identityIfNew,
                firstSequence: SequenceNumber(1),
                frontier: []
            )
            let writer = try SegmentWriter.create(in: directory, header, options, compressor: compressor)
            let log = SegmentedLog(directory, stream, identityIfNew, options, compressor, tree, writer)
            return (log, recovery)
        }
        let reader = try SegmentReader(directory: directory, first: tail, decompressor: try ZstdDecompressor())
        guard reader.header.stream == stream else {
            throw EventLogError.damaged("it is a segment of another stream", reader.path, at: 0)
        }
        var tree = try MerkleTree(size: tail.rawValue - 1, frontier: reader.header.frontier)
        let found = try SegmentRecovery(
            directory: directory,
            reader: reader,
            knownDurable: durable,
            wasClean: cleanStop != nil,
            failpoints: options.failpoints
        ).run(&tree)
        recovery.tornBytes = found.tornBytes
        recovery.tornFile = found.tornFile
        recovery.rewrittenBatches = found.rewrittenBatches
        let writer = try SegmentWriter(
            file: try DurableFile(path: reader.path, mode: .readWrite, failpoints: options.failpoints),
            firstSequence: tail,
            end: found.end,
            index: found.index,
            allocationStep: options.allocationStep,
            compressor: compressor
        )
        let log = SegmentedLog(directory, stream, reader.header.identity, options, compressor, tree, writer)
        log.lastSequence = found.lastSequence
        log.lastTime =
            try found.lastTime > Timestamp(rawValue: .min)
            ? found.lastTime : LogReader(directory: directory, stream: stream).lastTime ?? found.lastTime
        log.sealedBytes = try log.bytes(of: segments.dropLast())
        log.beatsInOpenSegment = found.beats
        log.openSegmentSince = found.index.first?.firstTime
        if found.isSealed { try log.beginSegment() }
        return (log, recovery)
    }

    private init(
        _ directory: String,
        _ stream: LogStream,
        _ identity: LogIdentity,
        _ options: Options,
        _ compressor: ZstdCompressor,
        _ tree: MerkleTree,
        _ writer: SegmentWriter
    ) {
        self.directory = directory
        self.stream = stream
        self.identity = identity
        self.options = options
        self.compressor = compressor
        self.tree = tree
        self.writer = writer
        lastSequence = .none
        lastTime = Timestamp(rawValue: .min)
        sealedBytes = 0
        beatsInOpenSegment = 0
    }

    public var merkleRoot: SHA256Digest {
        tree.root
    }

    /// What the tree of ``lastSequence`` leaves is made of: enough to have its root later.
    public var merkleFrontier: [SHA256Digest] {
        tree.frontier
    }

    public var bytesOnDisk: UInt64 {
        sealedBytes + writer.end
    }

    // MARK: Appending

    public func append(_ events: [EncodedEvent]) throws(EventLogError) -> AppendReceipt {
        if let failure { throw failure }
        guard let first = events.first, let last = events.last else {
            return AppendReceipt(durableThrough: lastSequence, syncDuration: .zero, bytesWritten: 0)
        }
        var previous = lastSequence
        for event in events {
            guard event.sequence == previous.next else {
                throw EventLogError(.outOfOrder, "\(event.sequence) does not follow \(previous)")
            }
            previous = event.sequence
        }
        return try fatally { () throws(EventLogError) in
            if writer.isSealed || writer.end >= options.segmentBytes { try roll() }
            let written = try writer.append(events, durableThrough: lastSequence)
            for event in events { event.bytes.withUnsafeBytes { tree.append($0) } }
            lastSequence = last.sequence
            lastTime = last.time
            if openSegmentSince == nil { openSegmentSince = first.time }
            return AppendReceipt(
                durableThrough: lastSequence,
                syncDuration: written.syncDuration,
                bytesWritten: written.bytes
            )
        }
    }

    /// Seals the open segment, if it holds anything, and begins the next.
    public func roll() throws(EventLogError) {
        if let failure { throw failure }
        guard writer.firstSequence <= lastSequence else { return }
        try fatally { () throws(EventLogError) in
            try writer.seal(lastSequence: lastSequence, lastTime: lastTime, root: tree.root)
            try beginSegment()
        }
    }

    /// Ends this epoch: what follows belongs to another, in segments of its own; numbering and tree go on.
    public func beginEpoch(_ epoch: Epoch) throws(EventLogError) {
        if let failure { throw failure }
        try fatally { () throws(EventLogError) in
            if writer.firstSequence <= lastSequence {
                try writer.seal(lastSequence: lastSequence, lastTime: lastTime, root: tree.root)
            }
            identity.epoch = epoch
            try beginSegment()
        }
    }

    /// Gives back what was allocated ahead, and syncs. Nothing may be appended afterwards.
    public func closeCleanly() throws(EventLogError) {
        if let failure { throw failure }
        try fatally { () throws(EventLogError) in try writer.trim() }
        failure = EventLogError(.dead, "the log is closed")
    }

    private func beginSegment() throws(EventLogError) {
        let header = SegmentHeader(
            stream: stream,
            identity: identity,
            firstSequence: lastSequence.next,
            frontier: tree.frontier
        )
        let next = try SegmentWriter.create(in: directory, header, options, compressor: compressor)
        sealedBytes += writer.end
        writer = next
        beatsInOpenSegment = 0
        openSegmentSince = nil
    }

    /// Remembers failures after which nothing may be written.
    private func fatally<R>(_ body: () throws(EventLogError) -> R) throws(EventLogError) -> R {
        do {
            return try body()
        } catch {
            if error.code != .diskFull, error.code != .writeFailed { failure = error }
            throw error
        }
    }

    // MARK: Reading

    public func read(
        from sequence: SequenceNumber,
        _ body: (Event, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        var due = max(sequence, SequenceNumber(1))
        var goesOn = true
        let reader = try LogReader(directory: directory, stream: stream)
        try reader.forEach(from: due, through: lastSequence) { event, bytes in
            guard event.sequence == due else { return false }
            due = due.next
            goesOn = try body(event, bytes)
            return goesOn
        }
        // A reader of a live log takes what it can't read for what is not written yet; its owner knows better.
        guard !goesOn || due > lastSequence else {
            throw EventLogError(
                .damaged,
                "\(directory) does not give \(due), though everything through \(lastSequence) was durable; "
                    + "see hms-replay verify",
                path: directory
            )
        }
    }

    /// A sealed segment is gone.
    func forgetSealed(_ bytes: UInt64) {
        sealedBytes -= min(bytes, sealedBytes)
    }

    private func bytes(of segments: ArraySlice<SequenceNumber>) throws -> UInt64 {
        var total: UInt64 = 0
        for first in segments {
            var status = stat()
            if stat(directory + "/" + SegmentFile.name(first), &status) == 0 {
                total += UInt64(clamping: status.st_size)
            }
        }
        return total
    }
}
