import OpenSSLCrypto
import RegistryModel

extension LogAudit {
    /// Looks at what begins at the walk's offset.
    ///
    /// - Returns: whether anything may follow.
    mutating func step(
        _ reader: SegmentReader,
        _ walk: inout SegmentWalk,
        _ size: UInt64,
        isLast: Bool,
        _ body: (Shown) throws -> Void
    ) throws -> Bool {
        switch try reader.frame(at: walk.offset, fileSize: size) {
        case .batch(let header):
            guard header.batchBytes <= size - walk.offset, let batch = try read(header, reader, walk.offset) else {
                return try passOver(reader, &walk, size, isLast: isLast, knownEnd: header)
            }
            try take(batch, header, reader, &walk, body)
            return true
        case .footer(let footer):
            checkFooter(footer, reader, &walk, size)
            return false
        case .padding:
            guard isLast else {
                find(reader.path, walk.offset, nil, "unused space stands in a segment that another follows")
                return false
            }
            let rest = try reader.bytes(
                at: walk.offset + UInt64(SkippableFrame.headBytes),
                count: Int(clamping: size - walk.offset) - SkippableFrame.headBytes
            )
            if let place = rest.firstIndex(where: { $0 != 0 }) {
                let offset = walk.offset + UInt64(SkippableFrame.headBytes + place)
                find(reader.path, offset, nil, "space that was never used is not zero")
            }
            return false
        case .end: return false
        case .unsound: return try passOver(reader, &walk, size, isLast: isLast, knownEnd: nil)
        }
    }

    // MARK: Batches

    /// A batch that is whole.
    private struct Batch {
        var events: [Event] = []
        var leaves: [SHA256Digest] = []
        /// What its events take up, written as they should be.
        var bytes = 0
    }

    /// nil where the payload does not hold the events that the header names.
    private func read(_ header: BatchHeader, _ reader: SegmentReader, _ offset: UInt64) throws -> Batch? {
        var batch = Batch()
        let hasher = hasher
        let isSound = try reader.check(header, at: offset) { event, bytes in
            batch.events.append(event)
            batch.leaves.append(hasher.leaf(bytes))
            let length = UInt64(bytes.count)
            batch.bytes += 1 + max(1, (70 - (length | 1).leadingZeroBitCount) / 7) + bytes.count
        }
        return isSound ? batch : nil
    }

    private mutating func take(
        _ batch: Batch,
        _ header: BatchHeader,
        _ reader: SegmentReader,
        _ walk: inout SegmentWalk,
        _ body: (Shown) throws -> Void
    ) throws {
        if header.firstSequence != expected {
            find(
                reader.path,
                walk.offset,
                header.firstSequence,
                "\(expected) should follow, but the batch begins with \(header.firstSequence)"
            )
            tree = nil
        }
        var problems: [String] = []
        for (event, leaf) in zip(batch.events, batch.leaves) {
            if event.time < floor {
                problems.append("the time of \(event.sequence) lies before that of the event before")
            }
            floor = event.time
            if case .clockStepped(_, let to) = event.kind { floor = min(floor, to) }
            tree?.append(hash: leaf)
            try body(
                Shown(
                    event: event,
                    leaf: leaf,
                    epoch: reader.header.identity.epoch,
                    isProven: !isDamaged && problems.isEmpty,
                    path: reader.path,
                    offset: walk.offset
                )
            )
        }
        if summary.firstTime == nil { summary.firstTime = batch.events.first?.time }
        summary.lastTime = batch.events.last?.time
        if batch.events.first?.time != header.firstTime {
            problems.append("the header's first time is not the first event's")
        }
        if summary.lastTime != header.lastTime { problems.append("the header's last time is not the last event's") }
        if batch.bytes != Int(header.rawBytes) { problems.append("the batch holds more than its events") }
        if header.durableThrough.rawValue != header.firstSequence.rawValue - 1 {
            problems.append("the header's durable-through is not the event before")
        }
        for problem in problems { find(reader.path, walk.offset, header.firstSequence, problem) }
        if walk.index.last.map({ walk.offset - $0.offset >= SegmentFooter.spacing }) ?? true {
            walk.index.append(
                .init(firstSequence: header.firstSequence, firstTime: header.firstTime, offset: walk.offset)
            )
        }
        walk.offset += header.batchBytes
        expected = header.lastSequence.next
        summary.batches += 1
        summary.events += UInt64(header.eventCount)
        summary.rawBytes += UInt64(header.rawBytes)
        summary.last = max(summary.last, header.lastSequence)
        summary.segments[summary.segments.count - 1].last = header.lastSequence
        guard !isDamaged else { return }
        summary.intactThrough = header.lastSequence
        summary.root = tree?.root
    }

    // MARK: Ends

    private mutating func checkFooter(
        _ footer: SegmentFooter,
        _ reader: SegmentReader,
        _ walk: inout SegmentWalk,
        _ size: UInt64
    ) {
        let path = reader.path
        let last = SequenceNumber(expected.rawValue - 1)
        if footer.lastSequence != last {
            find(path, walk.offset, nil, "the footer ends with \(footer.lastSequence), the events with \(last)")
        }
        if footer.lastTime != summary.lastTime {
            find(path, walk.offset, nil, "the footer's time is not the last event's")
        }
        if let tree, footer.root != tree.root {
            find(path, walk.offset, nil, "the footer's Merkle root is not that of the events")
        }
        if footer.entries != walk.index {
            find(path, walk.offset, nil, "the footer's index does not lead to the batches")
        }
        let end = walk.offset + UInt64(footer.frame.count)
        if end != size { find(path, end, nil, "\(size - end) bytes stand behind the footer") }
        walk.offset = end
        walk.isSealed = true
    }

    /// Bytes that are nothing: a torn tail where nothing speaks against it, else damage; goes on with the next sound
    /// batch or footer, which is found by what it is.
    private mutating func passOver(
        _ reader: SegmentReader,
        _ walk: inout SegmentWalk,
        _ size: UInt64,
        isLast: Bool,
        knownEnd header: BatchHeader?
    ) throws -> Bool {
        let rest = try reader.bytes(at: walk.offset, count: Int(clamping: size - walk.offset))
        let next = rest.withUnsafeBytes { Self.nextFrame(in: $0, from: 1) }
        let bad = header?.firstSequence ?? expected
        let what = header == nil ? "no frame of this log" : "the batch's payload is not what its header says"
        if next == nil, isLast, !isClosed, expected > knownDurable {
            guard let used = rest.lastIndex(where: { $0 != 0 }).map({ $0 + 1 }) else { return false }
            let finding = Finding(
                path: reader.path,
                offset: walk.offset,
                batch: bad,
                what: "\(used) half-written bytes"
            )
            summary.torn = finding
            return false
        }
        find(reader.path, walk.offset, bad, what)
        tree = nil
        if let header, header.batchBytes <= size - walk.offset {
            // The header is sound, so its length is: what follows begins behind it.
            walk.offset += header.batchBytes
            expected = header.lastSequence.next
            return true
        }
        guard let next else { return false }
        walk.offset += UInt64(next)
        if case .batch(let found) = try reader.frame(at: walk.offset, fileSize: size) { expected = found.firstSequence }
        return true
    }

    /// Where the next sound batch header or footer begins.
    private static func nextFrame(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var offset = start
        while bytes.count - offset >= SkippableFrame.headBytes {
            defer { offset += 1 }
            guard bytes.littleEndian(at: offset, as: UInt32.self) == SkippableFrame.metadataMagic else { continue }
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            if BatchHeader(rest) != nil || SegmentFooter(rest) != nil { return offset }
        }
        return nil
    }
}
