import Glibc
public import OpenSSLCrypto
public import RegistryModel

/// Looks through a whole log and misses nothing: every checksum, length, sequence, time and leaf; headers and footers
/// are made again from the events and compared, so that a changed byte of an index is found too. It goes on behind
/// damage and lists all of it. It changes nothing.
///
/// Bad bytes at the very end of what nothing says was durable are a torn tail, as in recovery: a crash, or a batch that
/// is being written. Anything else is a finding.
public struct LogAudit {
    /// Something that is not as it was written.
    public struct Finding: Sendable, Equatable {
        public var path: String
        public var offset: UInt64
        /// First sequence of the batch that it concerns.
        public var batch: SequenceNumber?
        public var what: String

        public init(path: String, offset: UInt64, batch: SequenceNumber? = nil, what: String) {
            self.path = path
            self.offset = offset
            self.batch = batch
            self.what = what
        }
    }

    /// An event as it is shown.
    public struct Shown {
        public let event: Event
        /// Hash of its bytes.
        public let leaf: SHA256Digest
        /// Of the segment that holds it.
        public let epoch: Epoch
        /// Whether everything before it is there and sound.
        public let isProven: Bool
        public let path: String
        /// Of its batch, in the file.
        public let offset: UInt64
    }

    public struct Segment: Sendable {
        public var path: String
        public var first: SequenceNumber
        public var last: SequenceNumber
        public var identity: LogIdentity
        public var isSealed: Bool
    }

    public struct Summary: Sendable {
        public var segments: [Segment] = []
        public var batches: UInt64 = 0
        public var events: UInt64 = 0
        /// What the batches hold, before compression.
        public var rawBytes: UInt64 = 0
        /// The first event held.
        public var first = SequenceNumber.none
        /// Everything from ``first`` through this is sound.
        public var intactThrough = SequenceNumber.none
        /// The last sound event, behind damage too.
        public var last = SequenceNumber.none
        public var firstTime: Timestamp?
        public var lastTime: Timestamp?
        /// Over everything intact.
        public var root: SHA256Digest?
        public var findings: [Finding] = []
        /// Half-written bytes at the end.
        public var torn: Finding?
    }

    let directory: String
    let stream: LogStream
    /// What is known from elsewhere to have been durable.
    let knownDurable: SequenceNumber
    /// The log's end is final: nothing half-written may stand there.
    let isClosed: Bool
    let decompressor: ZstdDecompressor
    let hasher: MerkleHasher

    var summary = Summary()
    var expected = SequenceNumber(1)
    var identity: LogIdentity?
    /// nil behind damage, until a segment's header says how it stands.
    var tree: MerkleTree?
    var isDamaged = false
    /// Times don't decrease from here on.
    var floor = Timestamp(rawValue: .min)

    /// - Throws: `file-failed` where the directory can't be read.
    public init(
        directory: String,
        stream: LogStream,
        knownDurable: SequenceNumber = .none,
        isClosed: Bool = false
    ) throws(EventLogError) {
        self.directory = directory
        self.stream = stream
        self.knownDurable = knownDurable
        self.isClosed = isClosed
        decompressor = try ZstdDecompressor()
        hasher = try MerkleHasher()
        _ = try SegmentFile.list(directory)
    }

    /// - Parameters:
    ///   - progress: bytes of files looked through, and in all.
    ///   - body: shown every sound event, in order.
    public mutating func run(
        progress: (UInt64, UInt64) -> Void = { _, _ in },
        _ body: (Shown) throws -> Void
    ) throws -> Summary {
        let segments = try SegmentFile.list(directory)
        let sizes = segments.map { Self.size(directory + "/" + SegmentFile.name($0)) }
        let total = sizes.reduce(0, +)
        var done: UInt64 = 0
        if let first = segments.first {
            expected = first
            summary.first = first
            summary.intactThrough = SequenceNumber(first.rawValue - 1)
        }
        tree = try MerkleTree()
        for (index, first) in segments.enumerated() {
            progress(done, total)
            try audit(first, isFirst: index == 0, isLast: index == segments.count - 1, body)
            done += sizes[index]
        }
        if summary.last < knownDurable {
            find(
                directory,
                0,
                nil,
                "the log ends with \(summary.last), but everything through \(knownDurable) was durable"
            )
        }
        progress(total, total)
        return summary
    }

    /// Which log it is, and the tree before its first event; nil where no first segment says so.
    public func start() throws -> (identity: LogIdentity, tree: MerkleTree)? {
        guard let first = try SegmentFile.list(directory).first,
            let reader = try open(directory + "/" + SegmentFile.name(first), first),
            let tree = try? MerkleTree(size: first.rawValue - 1, frontier: reader.header.frontier)
        else { return nil }
        return (reader.header.identity, tree)
    }

    private static func size(_ path: String) -> UInt64 {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(clamping: status.st_size) : 0
    }

    // MARK: One segment

    private mutating func audit(
        _ first: SequenceNumber,
        isFirst: Bool,
        isLast: Bool,
        _ body: (Shown) throws -> Void
    ) throws {
        let path = directory + "/" + SegmentFile.name(first)
        guard let reader = try open(path, first) else {
            return find(path, 0, first, "the segment has no sound header")
        }
        try checkHeader(reader, isFirst: isFirst)
        var walk = SegmentWalk(offset: reader.start)
        summary.segments.append(
            Segment(
                path: path,
                first: first,
                last: SequenceNumber(first.rawValue - 1),
                identity: reader.header.identity,
                isSealed: false
            )
        )
        let size = try reader.size()
        var goesOn = true
        while goesOn { goesOn = try step(reader, &walk, size, isLast: isLast, body) }
        summary.segments[summary.segments.count - 1].isSealed = walk.isSealed
        if !walk.isSealed, !isLast { find(path, walk.offset, nil, "the segment has no footer, though another follows") }
    }

    /// nil where there is no sound header.
    private func open(_ path: String, _ first: SequenceNumber) throws(EventLogError) -> SegmentReader? {
        do {
            return try SegmentReader(path: path, first: first, decompressor: decompressor)
        } catch {
            guard error.code == .damaged else { throw error }
            return nil
        }
    }

    private mutating func checkHeader(_ reader: SegmentReader, isFirst: Bool) throws {
        let header = reader.header
        let path = reader.path
        if header.stream != stream { find(path, 0, nil, "it is a segment of another stream") }
        if let identity, header.identity.registryID != identity.registryID {
            find(path, 0, nil, "it belongs to registry \(header.identity.registryID), not \(identity.registryID)")
        }
        if header.firstSequence != expected {
            find(
                path,
                0,
                header.firstSequence,
                "\(expected) should follow, but the segment begins with \(header.firstSequence)"
            )
        }
        let resumed = try? MerkleTree(size: header.firstSequence.rawValue - 1, frontier: header.frontier)
        if resumed == nil { find(path, 0, nil, "the frontier has another number of subtrees than its size") }
        if let tree, !isFirst, tree.frontier != header.frontier {
            find(path, 0, nil, "the Merkle frontier is not that of the events before it")
        }
        if isFirst || tree == nil { tree = resumed }
        identity = header.identity
        expected = header.firstSequence
    }

    mutating func find(_ path: String, _ offset: UInt64, _ batch: SequenceNumber?, _ what: String) {
        summary.findings.append(Finding(path: path, offset: offset, batch: batch, what: what))
        isDamaged = true
    }
}

/// How far a segment has been looked through.
struct SegmentWalk {
    var offset: UInt64
    var index: [SegmentFooter.Entry] = []
    var isSealed = false
}
