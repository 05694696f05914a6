public import OpenSSLCrypto
public import RegistryModel

/// Reads a log's directory, live or a copy, and changes nothing. A live log's last, half-written batch is not there yet.
public struct LogReader {
    private let directory: String
    private let stream: LogStream
    private let decompressor: ZstdDecompressor

    /// - Throws: `file-failed` where the directory can't be read.
    public init(directory: String, stream: LogStream) throws(EventLogError) {
        self.directory = directory
        self.stream = stream
        decompressor = try ZstdDecompressor()
        _ = try SegmentFile.list(directory)
    }

    /// First sequences of the segments, in order.
    public func segments() throws(EventLogError) -> [SequenceNumber] {
        try SegmentFile.list(directory)
    }

    /// Where the segment that begins with `first` is.
    public static func path(of first: SequenceNumber, in directory: String) -> String {
        directory + "/" + SegmentFile.name(first)
    }

    /// Which stream a segment's file belongs to and with which event it begins, by its header, whatever its name.
    ///
    /// - Throws: `damaged` where it is none.
    public static func header(
        ofSegmentAt path: String
    ) throws(EventLogError) -> (stream: LogStream, first: SequenceNumber) {
        let file = try DurableFile(path: path, mode: .readOnly)
        let bytes = try file.bytes(at: 0, count: SegmentHeader.maximumBytes)
        guard let header = bytes.withUnsafeBytes({ SegmentHeader($0) }) else {
            throw .damaged("it is no segment of a log", path, at: 0)
        }
        return (header.stream, header.firstSequence)
    }

    /// Which log this is, by its last segment; nil where there is none.
    public var identity: LogIdentity? {
        get throws { try segments().last.map { try open($0).header.identity } }
    }

    /// The last event's time; nil for an empty log.
    public var lastTime: Timestamp? {
        get throws { try last?.time }
    }

    /// `none` for an empty log.
    public var lastSequence: SequenceNumber {
        get throws { try last?.sequence ?? .none }
    }

    private var last: (sequence: SequenceNumber, time: Timestamp)? {
        get throws {
            for first in try segments().reversed() {
                let segment = try open(first)
                if let footer = try segment.footer()?.footer { return (footer.lastSequence, footer.lastTime) }
                var last: (SequenceNumber, Timestamp)?
                try forEachBatch(of: segment, from: segment.start, isLast: true) { header, _ in
                    last = (header.lastSequence, header.lastTime)
                    return true
                }
                if let last { return last }
            }
            return nil
        }
    }

    /// Events from `first` through `last` in order, until `body` returns false.
    ///
    /// - Parameter body: the event and its bytes, which are valid for the time of the call.
    /// - Throws: `damaged` where a batch of a segment that others follow is not sound. In the last segment such a batch
    ///   is taken for one that is being written: the events end there.
    public func forEach(
        from first: SequenceNumber,
        through last: SequenceNumber? = nil,
        _ body: (Event, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try forEachEvent(
            startingIn: { segments in segments.lastIndex { $0 <= first } ?? 0 },
            isWanted: { $0.lastSequence >= first },
            isBehind: { header in last.map { header.firstSequence > $0 } ?? false },
            seek: { $0.firstSequence <= first },
            body: { event, bytes in
                if event.sequence < first { return true }
                if let last, event.sequence > last { return false }
                return try body(event, bytes)
            }
        )
    }

    /// One event; nil where the log does not hold it.
    public func event(_ sequence: SequenceNumber) throws -> Event? {
        var found: Event?
        try forEach(from: sequence, through: sequence) { event, _ in
            found = event
            return false
        }
        return found
    }

    /// Events whose time is in `since ..< until`, in order of sequence. Where the clock was set back, several stretches
    /// of the log hold a time; all are shown.
    public func forEach(
        since: Timestamp,
        until: Timestamp?,
        _ body: (Event, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try forEachEvent(
            startingIn: { _ in 0 },
            isWanted: { batch in batch.lastTime >= since && until.map { batch.firstTime < $0 } ?? true },
            seek: { $0.firstTime < since },
            body: { event, bytes in
                guard event.time >= since, until.map({ event.time < $0 }) ?? true else { return true }
                return try body(event, bytes)
            }
        )
    }

    /// Of the events from `first` through `last` those of a few kinds, in order, until `body` returns false. The others are
    /// not decoded: that is several times as fast as reading everything.
    ///
    /// - Throws: as ``forEach(from:through:_:)``.
    public func forEach(
        of kinds: Set<EventField>,
        from first: SequenceNumber,
        through last: SequenceNumber,
        _ body: (Event) throws -> Bool
    ) throws {
        try forEachEvent(
            startingIn: { segments in segments.lastIndex { $0 <= first } ?? 0 },
            isWanted: { $0.lastSequence >= first },
            isBehind: { $0.firstSequence > last },
            seek: { $0.firstSequence <= first },
            isDecoded: { EventField(ofSerialized: $0).map { kinds.contains($0) } ?? false },
            body: { event, _ in
                if event.sequence < first { return true }
                return event.sequence <= last ? try body(event) : false
            }
        )
    }

    /// The last event, in order of sequence, that happened at `time` or before; `none` where history begins later. Where
    /// the clock was set back, the latest stretch that holds the time counts.
    public func lastSequence(notAfter time: Timestamp) throws -> SequenceNumber {
        let segments = try segments()
        for (index, first) in segments.enumerated().reversed() {
            let segment = try open(first)
            var candidate: (header: BatchHeader, offset: UInt64)?
            try forEachBatch(of: segment, from: segment.start, isLast: index == segments.count - 1) { header, offset in
                if header.firstTime <= time { candidate = (header, offset) }
                return true
            }
            guard let candidate else { continue }
            var found = SequenceNumber.none
            let isSound = try segment.check(candidate.header, at: candidate.offset) { event, _ in
                if event.time <= time { found = event.sequence }
            }
            guard isSound || index == segments.count - 1 else {
                throw EventLogError.damaged(
                    "batch of \(candidate.header.firstSequence)",
                    segment.path,
                    at: candidate.offset
                )
            }
            if found > .none { return found }
        }
        return .none
    }

    /// When the last event of a sealed segment happened; nil for one that is not sealed.
    func sealedTime(of first: SequenceNumber) throws -> Timestamp? {
        try open(first).footer()?.footer.lastTime
    }

    /// A piece of a segment's file, as it is.
    public func bytes(of first: SequenceNumber, at offset: UInt64, count: Int) throws -> [UInt8] {
        try open(first).bytes(at: offset, count: count)
    }

    /// How many of a segment's bytes hold everything through `last`: whole batches, and the footer where they are all
    /// that the segment holds.
    public func bytes(of first: SequenceNumber, through last: SequenceNumber) throws -> UInt64 {
        let segment = try open(first)
        if let footer = try segment.footer()?.footer, footer.lastSequence <= last { return try segment.size() }
        var end = segment.start
        try forEachBatch(of: segment, from: segment.start, isLast: true) { header, offset in
            guard header.firstSequence <= last else { return false }
            end = offset + header.batchBytes
            return true
        }
        return end
    }

    /// Where the batch of a segment that holds `sequence` begins; where its batches end where none does, but its start for
    /// the first that it holds.
    func offset(of sequence: SequenceNumber, in first: SequenceNumber) throws -> UInt64 {
        guard sequence > first else { return 0 }
        let segment = try open(first)
        var offset = segment.start
        try forEachBatch(of: segment, from: segment.start, isLast: true) { header, at in
            guard header.lastSequence < sequence else { return false }
            offset = at + header.batchBytes
            return true
        }
        return offset
    }

    /// How far whole frames of a segment reach from an offset on, through `last`, and whether the segment ends there.
    func frames(
        of first: SequenceNumber,
        from offset: UInt64,
        through last: SequenceNumber
    ) throws -> (end: UInt64, isSealed: Bool) {
        let segment = try open(first)
        if let footer = try segment.footer()?.footer, footer.lastSequence <= last { return (try segment.size(), true) }
        var end = max(offset, segment.start)
        try forEachBatch(of: segment, from: end, isLast: true) { header, at in
            guard header.lastSequence <= last else { return false }
            end = at + header.batchBytes
            return true
        }
        return (end, false)
    }

    /// The Merkle root over the first `size` events, from the frontier of the segment that holds the last of them.
    ///
    /// - Throws: `damaged` where the log does not hold that many.
    public func merkleRoot(at size: SequenceNumber) throws -> SHA256Digest {
        guard let first = try segments().last(where: { $0 <= size.next }) else {
            throw EventLogError(.damaged, "\(directory) does not hold event \(size)", path: directory)
        }
        let segment = try open(first)
        var tree = try MerkleTree(size: first.rawValue - 1, frontier: segment.header.frontier)
        try forEachBatch(of: segment, from: segment.start, isLast: true) { header, offset in
            guard tree.size < size.rawValue, header.firstSequence.rawValue == tree.size + 1 else { return false }
            let isSound = try segment.forEachEvent(of: header, at: offset) { bytes in
                tree.append(bytes)
                return tree.size < size.rawValue
            }
            return isSound
        }
        guard tree.size == size.rawValue else {
            throw EventLogError(
                .damaged,
                "\(directory) ends with \(tree.size), before event \(size)",
                path: directory
            )
        }
        return tree.root
    }

    // MARK: Walking

    private func forEachEvent(
        startingIn chooseSegment: ([SequenceNumber]) -> Int,
        isWanted: (BatchHeader) -> Bool,
        isBehind: (BatchHeader) -> Bool = { _ in false },
        seek: (SegmentFooter.Entry) -> Bool,
        isDecoded: (UnsafeRawBufferPointer) -> Bool = { _ in true },
        body: (Event, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        let segments = try segments()
        guard !segments.isEmpty else { return }
        for index in chooseSegment(segments)..<segments.count {
            let segment = try open(segments[index])
            let isLast = index == segments.count - 1
            var start = segment.start
            if !isLast, let footer = try segment.footer()?.footer {
                start = footer.entries.prefix(while: seek).last?.offset ?? start
            }
            var goesOn = true
            try forEachBatch(of: segment, from: start, isLast: isLast) { header, offset in
                guard isWanted(header) else { return true }
                guard !isBehind(header) else {
                    goesOn = false
                    return false
                }
                let isSound = try segment.check(header, at: offset, isDecoded: isDecoded) { event, bytes in
                    if goesOn { goesOn = try body(event, bytes) }
                }
                guard isSound else {
                    // Of a live log, a batch that is being written.
                    if isLast { return false }
                    throw EventLogError.damaged("batch of \(header.firstSequence)", segment.path, at: offset)
                }
                return goesOn
            }
            guard goesOn else { return }
        }
    }

    private func forEachBatch(
        of segment: SegmentReader,
        from start: UInt64,
        isLast: Bool,
        _ body: (BatchHeader, UInt64) throws -> Bool
    ) throws {
        let size = try segment.size()
        var offset = start
        while true {
            switch try segment.frame(at: offset, fileSize: size) {
            case .batch(let header):
                guard header.batchBytes <= size - offset else {
                    if isLast { return }
                    throw EventLogError.damaged("batch of \(header.firstSequence)", segment.path, at: offset)
                }
                guard try body(header, offset) else { return }
                offset += header.batchBytes
            case .padding, .end, .footer: return
            case .unsound:
                if isLast { return }
                throw EventLogError.damaged("no frame of this log", segment.path, at: offset)
            }
        }
    }

    private func open(_ first: SequenceNumber) throws -> SegmentReader {
        let segment = try SegmentReader(directory: directory, first: first, decompressor: decompressor)
        guard segment.header.stream == stream else {
            throw EventLogError.damaged("it is a segment of another stream", segment.path, at: 0)
        }
        return segment
    }
}
